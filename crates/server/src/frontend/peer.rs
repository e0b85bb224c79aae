//! The peers' port: mutual TLS, servers of the cluster's CA only.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tracing::{debug, warn};

use crate::{
    node::{Gate, PeerName},
    seams::{BoxedIo, Listener},
    tls::{Role, role_of},
};

/// A handshake that isn't done by then is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections whose handshake is done, on their way to the service.
const READY_MAX: usize = 64;

/// A connection whose sender goes silent is closed after a ping went unanswered.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Serves the peers' port for as long as it is polled.
pub async fn serve_peers(
    mut listener: Box<dyn Listener>,
    tls: Arc<ServerConfig>,
    gate: Gate,
) -> Result<(), tonic::transport::Error> {
    let (ready, connections) = mpsc::channel(READY_MAX);
    let accept = async move {
        let acceptor = TlsAcceptor::from(tls);
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    tokio::spawn(shake_hands(acceptor.clone(), stream, from, ready.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most of the time: others may be closed soon.
                    warn!("cannot accept a peer's connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    let serve = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .initial_connection_window_size(8 << 20)
        .initial_stream_window_size(4 << 20)
        .add_service(gate.service())
        .serve_with_incoming(ReceiverStream::new(connections));
    tokio::select! {
        served = serve => served,
        never = accept => match never {},
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: BoxedIo,
    from: SocketAddr,
    ready: mpsc::Sender<std::io::Result<PeerStream>>,
) {
    let stream = match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            warn!(event = "peer_refused", %from, "refused a connection to the peer port: {error}");
            return;
        }
        Err(_) => {
            debug!(%from, "a connection to the peer port didn't finish its handshake");
            return;
        }
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let role = certificates.and_then(<[_]>::first).map(role_of);
    let Some(Role::Server(name)) = role else {
        warn!(event = "peer_refused", %from, "refused a connection to the peer port: no server");
        return;
    };
    // The service is gone when the server shuts down.
    drop(ready.send(Ok(PeerStream { stream, name })).await);
}

/// A connection of a server whose certificate was checked.
struct PeerStream {
    stream: TlsStream<BoxedIo>,
    name: String,
}

impl Connected for PeerStream {
    type ConnectInfo = PeerName;

    fn connect_info(&self) -> PeerName {
        PeerName(self.name.clone())
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
