//! Clients of the cluster, and what they ask of its servers.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use quorid_api::{
    Account, BoxedIo, Client, ClientConfig, ClientTlsFiles, Connector, Credentials, Endpoint, Read,
    ServerStatus, SettingChange, TcpConnector, tls,
};
use tokio::time::{Instant, sleep};

use super::{Machines, POLL, Testbed, TestbedError, place::Place};
use quorid_server::certs::CertificateFiles;

/// Time for one question to one server, while more can be asked.
const QUESTION: Duration = Duration::from_secs(5);

/// What all the servers asked hold, at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// The revision.
    pub revision: u64,
    /// Server and SHA-256 of its state, hexadecimal.
    pub of: Vec<(usize, String)>,
}

impl Digests {
    /// Whether all of them are the same, and there is more than nothing to compare.
    pub fn equal(&self) -> bool {
        let first = self.of.first().map(|(_, digest)| digest.as_str());
        let first = first.filter(|digest| !digest.is_empty());
        first.is_some_and(|first| self.of.iter().all(|(_, digest)| digest == first))
    }
}

/// Lets a client reach the servers where they are, or one of them only.
struct Reach {
    /// Client addresses, and what to connect to for them.
    of: HashMap<String, Endpoint>,
    alone: bool,
}

impl Reach {
    fn new<'a>(places: impl Iterator<Item = &'a Place>) -> Result<Self, TestbedError> {
        let pair = |place: &Place| {
            let reach = place.reach.as_ref().unwrap_or(&place.server.client_address);
            Ok::<_, TestbedError>((
                place.server.client_address.clone(),
                reach.parse().map_err(quorid_api::Error::from)?,
            ))
        };
        Ok(Self {
            of: places.map(pair).collect::<Result<_, _>>()?,
            alone: false,
        })
    }
}

impl Connector for Reach {
    fn connect<'a>(&'a self, server: &'a Endpoint) -> BoxFuture<'a, io::Result<BoxedIo>> {
        match self.of.get(server.as_str()) {
            Some(reach) => TcpConnector.connect(reach),
            None if !self.alone => TcpConnector.connect(server),
            None => {
                Box::pin(async { Err(io::Error::other("this client talks to one server only")) })
            }
        }
    }
}

/// A client that knows all servers.
pub(super) fn config(
    machines: &Machines,
    certificate: Option<CertificateFiles>,
) -> Result<ClientConfig, TestbedError> {
    let (cert, key) = match certificate {
        Some(files) => (Some(files.certificate), Some(files.key)),
        None => (None, None),
    };
    let ca = machines.authority();
    let tls = tls::load(&ClientTlsFiles { ca, cert, key }).map_err(quorid_api::Error::from)?;
    let places = machines.places();
    let addresses = places.iter().map(|place| &place.server.client_address);
    let mut config = ClientConfig::new(addresses).with_tls(tls);
    if places.iter().any(|place| place.reach.is_some()) {
        config.connector = Some(Arc::new(Reach::new(places.iter())?));
    }
    Ok(config)
}

impl Testbed {
    /// For clients that are nobody in particular: all servers, the cluster's authority.
    pub fn client_config(&self) -> Result<ClientConfig, TestbedError> {
        config(&self.machines, None)
    }

    /// The same with an operator's certificate.
    pub fn operator_config(&self) -> Result<ClientConfig, TestbedError> {
        config(&self.machines, Some(self.operator_files()))
    }

    /// A new client that is nobody in particular.
    pub fn client(&self) -> Result<Client, TestbedError> {
        Ok(Client::new(self.client_config()?)?)
    }

    /// A new client with an operator's certificate.
    pub fn operator(&self) -> Result<Client, TestbedError> {
        Ok(Client::new(self.operator_config()?)?)
    }

    /// From now on, what is deleted is gone and a name that nobody has is free at once: for clients that have few
    /// names, and want them again.
    pub async fn keep_nothing(&self, patience: Duration) -> Result<(), TestbedError> {
        let at_once = ["tombstones", "reserved_names"].map(|name| SettingChange {
            name: name.to_owned(),
            value: Some(0),
        });
        let operator = self.operator()?.with_deadline(patience);
        operator.change_settings(at_once.to_vec(), None).await?;
        Ok(())
    }

    /// A new client that acts as an account.
    pub fn account_client(&self, login: &str, password: &str) -> Result<Client, TestbedError> {
        let mut config = self.client_config()?;
        config.credentials = Some(Credentials {
            login_name: login.to_owned(),
            password: password.into(),
        });
        Ok(Client::new(config)?)
    }

    /// A new operator's client that reaches no other server than this one.
    pub fn operator_at(&self, server: usize) -> Result<Client, TestbedError> {
        let mut config = self.operator_config()?;
        config.servers = vec![self.client_address(server).to_owned()];
        config.connector = Some(Arc::new(Reach {
            alone: true,
            ..Reach::new(std::iter::once(self.place(server)))?
        }));
        Ok(Client::new(config)?)
    }

    /// How a server is doing.
    pub async fn status(&self, server: usize) -> Result<ServerStatus, TestbedError> {
        self.ask(server, false, 0, QUESTION).await
    }

    /// How the reachable servers are doing; those that answer.
    pub async fn statuses(&self) -> Vec<(usize, ServerStatus)> {
        let asked = self.reachable().map(|server| async move {
            let status = self.status(server).await.ok()?;
            Some((server, status))
        });
        let mut answers: Vec<_> = stream::iter(asked)
            .buffer_unordered(self.len())
            .filter_map(std::future::ready)
            .collect()
            .await;
        answers.sort_by_key(|(server, _)| *server);
        answers
    }

    /// How a server is doing once it has applied a revision.
    pub async fn wait_applied(
        &self,
        server: usize,
        revision: u64,
        patience: Duration,
    ) -> Result<ServerStatus, TestbedError> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = self.ask(server, false, revision, left.min(QUESTION)).await;
            let last = match asked {
                Ok(status) if status.applied_index >= revision => return Ok(status),
                Ok(status) => format!("it has {}", status.applied_index),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                return Err(TestbedError::Late {
                    what: format!("{} at revision {revision}", self.name(server)),
                    waited: patience,
                    last,
                });
            }
            sleep(POLL).await;
        }
    }

    /// The digests of all reachable servers at one revision. While changes are made it may
    /// take some tries until they answer for the same one.
    pub async fn digests(&self, patience: Duration) -> Result<Digests, TestbedError> {
        let deadline = Instant::now() + patience;
        let mut revision = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = self.reachable().map(|server| async move {
                let status = self.ask(server, true, revision, left).await?;
                Ok::<_, TestbedError>((server, status))
            });
            let asked: Result<Vec<_>, _> =
                stream::iter(asked).buffered(self.len()).try_collect().await;
            let last = match asked {
                Ok(answers) => {
                    let applied = |(_, status): &(usize, ServerStatus)| status.applied_index;
                    let lowest = answers.iter().map(applied).min().unwrap_or(0);
                    revision = answers.iter().map(applied).max().unwrap_or(0);
                    if lowest == revision {
                        let digest =
                            |(server, status): (usize, ServerStatus)| (server, status.digest);
                        let of = answers.into_iter().map(digest).collect();
                        return Ok(Digests { revision, of });
                    }
                    format!("answers for revisions from {lowest} to {revision}")
                }
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                return Err(TestbedError::Late {
                    what: "digests of all servers at one revision".to_owned(),
                    waited: patience,
                    last,
                });
            }
            sleep(POLL).await;
        }
    }

    /// Whether all reachable servers hold the same.
    pub async fn digests_equal(&self, patience: Duration) -> Result<bool, TestbedError> {
        Ok(self.digests(patience).await?.equal())
    }

    /// Every account that a server itself holds, at least of a revision.
    pub async fn accounts_of(
        &self,
        server: usize,
        revision: u64,
    ) -> Result<Vec<Account>, TestbedError> {
        let client = self.operator_at(server)?;
        Ok(client
            .accounts(Read::AtLeast(revision))
            .try_collect()
            .await?)
    }

    async fn ask(
        &self,
        server: usize,
        digest: bool,
        revision: u64,
        patience: Duration,
    ) -> Result<ServerStatus, TestbedError> {
        let client = self.operator.with_deadline(patience);
        let address = self.client_address(server);
        Ok(client.server_status(address, digest, revision).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(of: &[&str]) -> Digests {
        let of = of.iter().map(|digest| (*digest).to_owned());
        Digests {
            revision: 7,
            of: of.enumerate().collect(),
        }
    }

    #[test]
    fn only_equal_digests_that_are_there_are_equal() {
        assert!(digests(&["a", "a", "a"]).equal());
        assert!(!digests(&["a", "b", "a"]).equal());
        assert!(!digests(&["", ""]).equal());
        assert!(!digests(&[]).equal());
    }
}
