//! What a client is made from.

use std::{fmt, sync::Arc, time::Duration};

use crate::{account::Credentials, connect::Connector, tls::ClientTls};

/// How a [`Client`](crate::Client) finds the servers, and how long it tries.
#[derive(Clone)]
pub struct ClientConfig {
    /// Some servers of the cluster, `host:port`. The others are learned from them.
    pub servers: Vec<String>,
    /// Whom to trust, and who the client is. None speaks plain text: only for transports of
    /// `connector` that need no TLS, as in tests and simulations. Servers refuse it.
    pub tls: Option<ClientTls>,
    /// Time for a call with all its retries: 30 s.
    pub deadline: Duration,
    /// Time for one try at one server, connecting included: 2 s.
    pub attempt_timeout: Duration,
    /// Time to connect to one server, TLS and HTTP/2 included: 1 s.
    pub connect_timeout: Duration,
    /// How often an HTTP/2 connection is pinged: 2 s.
    pub keep_alive_interval: Duration,
    /// Time for the answer to a ping. Without one the connection is taken for dead: 1 s.
    pub keep_alive_timeout: Duration,
    /// HTTP/2 connections that the calls to one server are spread over: 1. More than one
    /// pays off from some ten thousand calls per second on.
    pub connections_per_server: usize,
    /// Act as this account. None: as the operator of the client certificate, or as nobody.
    pub credentials: Option<Credentials>,
    /// Makes the connections. None: TCP.
    pub connector: Option<Arc<dyn Connector>>,
}

impl ClientConfig {
    /// The usual values, for these servers (`host:port`).
    pub fn new<S: Into<String>>(servers: impl IntoIterator<Item = S>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            tls: None,
            deadline: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(1),
            keep_alive_interval: Duration::from_secs(2),
            keep_alive_timeout: Duration::from_secs(1),
            connections_per_server: 1,
            credentials: None,
            connector: None,
        }
    }

    /// The same with TLS.
    pub fn with_tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("servers", &self.servers)
            .field("tls", &self.tls)
            .field("deadline", &self.deadline)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("connections_per_server", &self.connections_per_server)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
