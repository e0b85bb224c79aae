//! Connections to other servers' peer ports, over mutual TLS.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::{
    named_server::NamedServer,
    seams::{BoxedIo, Network},
    tls::peer_server_name,
};

/// A server that doesn't end the TLS handshake by then is taken for unreachable.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection over which nothing comes back for this long is given up, after a ping that
/// went unanswered for as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Opens connections to other servers' peer ports.
#[derive(Clone)]
pub(crate) struct PeerDialer {
    network: Arc<dyn Network>,
    tls: TlsConnector,
    patience: Duration,
}

impl PeerDialer {
    /// A server that doesn't accept a connection within `patience` is asked anew. The system
    /// itself would ask again later and later, and be late when a cut link is back.
    pub(crate) fn new(
        network: Arc<dyn Network>,
        tls: Arc<rustls::ClientConfig>,
        patience: Duration,
    ) -> Self {
        Self {
            network,
            tls: TlsConnector::from(tls),
            patience,
        }
    }

    /// What the connections are made by.
    pub(super) fn network(&self) -> &Arc<dyn Network> {
        &self.network
    }

    /// A connection that is made at the first use, and again after it broke. The server at
    /// the peer address must have the certificate of the name.
    pub(crate) fn channel(&self, server: &NamedServer) -> Channel {
        let address = server.peer_address.clone();
        self.channel_where(&server.name, move || address.clone())
    }

    /// The same to a server that may move: each time it is looked for where `address` says.
    pub(super) fn channel_where(
        &self,
        name: &str,
        address: impl Fn() -> String + Send + Sync + 'static,
    ) -> Channel {
        let dialer = self.clone();
        let name: Arc<str> = name.into();
        let connector = tower::service_fn(move |_uri: http::Uri| {
            let (dialer, name, address) = (dialer.clone(), name.clone(), address());
            async move { dialer.connect(&name, &address).await.map(TokioIo::new) }
        });
        Endpoint::from_static("http://peer")
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_connection_window_size(8 << 20)
            .initial_stream_window_size(4 << 20)
            .connect_with_connector_lazy(connector)
    }

    async fn connect(
        &self,
        name: &str,
        address: &str,
    ) -> io::Result<tokio_rustls::client::TlsStream<BoxedIo>> {
        let server_name = ServerName::try_from(peer_server_name(name)).map_err(io::Error::other)?;
        let late = |what| {
            let reason = format!("{address} does not {what}");
            move |_| io::Error::new(io::ErrorKind::TimedOut, reason)
        };
        let connected = timeout(self.patience, self.network.connect(address)).await;
        let stream = connected.map_err(late("answer"))??;
        let shaken = timeout(HANDSHAKE_TIMEOUT, self.tls.connect(server_name, stream)).await;
        shaken.map_err(late("end the TLS handshake"))?
    }
}
