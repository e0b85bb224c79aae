//! Sessions with a cluster of Quorid.

use futures_util::{TryStreamExt as _, future, stream};
use quorid_api::{AccountName, Client, Error, NewAccount, Read};
use tokio::runtime::Handle;

use super::{ClientThreads, Failed, Kind, Load, LoadOptions, Session};
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

/// How many connections are opened at a time: a server takes in only so many before others have to try again.
const OPENED_AT_ONCE: usize = 256;

/// The connections that sessions share, each on one thread.
pub struct Connections {
    clients: Vec<(Client, Handle)>,
    threads: ClientThreads,
}

impl Connections {
    /// Each client is to have a connection of its own, and to have made no request yet.
    pub fn new(clients: Vec<Client>) -> Result<Self, LabError> {
        let threads = ClientThreads::start(clients.len())?;
        let clients = clients.into_iter().map(|client| (client, threads.next()));
        Ok(Self {
            clients: clients.collect(),
            threads,
        })
    }

    /// Connects, and finds the leader, so that this is not part of what is measured.
    pub(crate) async fn open(&self) -> Result<(), LabError> {
        let opening = self.clients.iter().map(|(client, thread)| {
            let client = client.clone();
            Ok(thread.spawn(async move { client.cluster().await }))
        });
        let opening = stream::iter(opening).try_buffer_unordered(OPENED_AT_ONCE);
        let opened = opening.map_err(|error| LabError::fault(format!("a task ended: {error}")));
        opened
            .try_for_each(|found| future::ready(found.map(drop).map_err(LabError::from)))
            .await
    }

    /// As many sessions, each of which has seen nothing yet, in turn on each of the connections, and the thread of each.
    pub(crate) fn sessions(&self, count: u32) -> Vec<(Client, Handle)> {
        let connections = self.clients.iter().cycle().take(count as usize);
        let sessions =
            connections.map(|(client, thread)| (client.with_new_session(), thread.clone()));
        sessions.collect()
    }
}

/// A client with a session of its own.
pub struct QuoridSession {
    client: Client,
    reading: Reading,
}

impl Load<QuoridSession> {
    /// Connects, and lists the accounts to look up. `lister` lists them.
    pub async fn prepare(
        options: LoadOptions,
        reading: Reading,
        lister: &Client,
        connections: &Connections,
    ) -> Result<Self, LabError> {
        connections.open().await?;
        let sessions = connections.sessions(options.clients).into_iter();
        let sessions = sessions.map(|(client, thread)| {
            if let Read::AtLeast(revision) = reading.read {
                client.raise_session_revision(revision);
            }
            (QuoridSession { client, reading }, thread)
        });
        let known = match options.kind {
            Kind::Create => Vec::new(),
            Kind::Lookup | Kind::Mixed => known_names(lister, reading.names_max).await?,
        };
        let threads = connections.threads.clone();
        Self::new(options, sessions.collect(), threads, known)
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
