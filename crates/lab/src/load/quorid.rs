//! Sessions with a cluster of Quorid.

use quorid_api::{AccountName, Client, Error, NewAccount, Read};

use super::{Failed, Kind, Load, LoadOptions, Session};
use crate::error::LabError;

/// How lookups read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How fresh the answers must be.
    pub read: Read,
    /// How many existing accounts lookups choose from.
    pub names_max: usize,
    /// The name under which an error is counted.
    pub name_error: fn(&Error) -> String,
}

/// A client with a session of its own.
pub struct QuoridSession {
    client: Client,
    reading: Reading,
}

impl Load<QuoridSession> {
    /// Connects, and lists the accounts to look up.
    ///
    /// The sessions share `connections`, each of which is a client with a connection of its own. `lister`
    /// lists the accounts.
    pub async fn prepare(
        options: LoadOptions,
        reading: Reading,
        lister: &Client,
        connections: &[Client],
    ) -> Result<Self, LabError> {
        // Also finds the leader, so that this is not part of what is measured.
        futures_util::future::try_join_all(connections.iter().map(Client::cluster)).await?;
        let sessions = sessions(connections, options.clients).into_iter();
        let sessions = sessions.map(|client| {
            if let Read::AtLeast(revision) = reading.read {
                client.raise_session_revision(revision);
            }
            QuoridSession { client, reading }
        });
        let known = match options.kind {
            Kind::Create => Vec::new(),
            Kind::Lookup | Kind::Mixed => known_names(lister, reading.names_max).await?,
        };
        Self::new(options, sessions.collect(), known)
    }
}

impl Session for QuoridSession {
    async fn create(&self, login_name: String, real_name: String) -> Result<(), Failed> {
        let new = NewAccount {
            login_name,
            real_name,
            ..NewAccount::default()
        };
        let created = self.client.create_account(new).await;
        self.counted(created)
    }

    async fn lookup(&self, login_name: String) -> Result<(), Failed> {
        let name = AccountName::Login(login_name);
        let found = self.client.get_account(&name, self.reading.read).await;
        self.counted(found)
    }
}

impl QuoridSession {
    fn counted<T>(&self, result: Result<T, Error>) -> Result<(), Failed> {
        result.map(drop).map_err(|error| Failed {
            name: (self.reading.name_error)(&error),
            error: Box::new(error.into()),
        })
    }
}

/// As many sessions, each of which has seen nothing yet, in turn on each of the connections.
pub(crate) fn sessions(connections: &[Client], count: u32) -> Vec<Client> {
    let connections = connections.iter().cycle().take(count as usize);
    connections.map(Client::with_new_session).collect()
}

/// Login names of accounts that are there, in the order of their ids.
pub(crate) async fn known_names(
    client: &Client,
    names_max: usize,
) -> Result<Vec<String>, LabError> {
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = client.list_accounts(0, &token, Read::Stale).await?;
        names.extend(page.accounts.into_iter().map(|account| account.login_name));
        token = page.next_page_token;
        if token.is_empty() || names.len() >= names_max {
            names.truncate(names_max);
            return Ok(names);
        }
    }
}
