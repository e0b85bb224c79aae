//! A TLS port: accepts, shakes hands, serves HTTP/2 and HTTP/1.1 on the connection.
//!
//! A handshake runs in its connection's own task, so that a slow one holds up nobody. What is
//! refused is logged with its reason, a few times in ten seconds at most.

mod limit;

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use prometheus::{IntCounter, IntGauge};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, info, warn};

use self::limit::LineLimit;
use super::{Connection, Phase};
use crate::{
    seams::{BoxedIo, Listener},
    tls::{Role, handshake_failure, role_of},
};

/// Connections of one port.
const CONNECTIONS_MAX: usize = 8192;
/// Requests under way on one connection.
const STREAMS_MAX: u32 = 1024;
/// Headers of one request, bytes.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// From the handshake until it is known whether HTTP/2 is spoken. The HTTP library waits for
/// that without end.
const OPENING_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that is gone without a word is noticed after twice this.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// What a client of HTTP/2 says first (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// First byte of a TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 37\r\n\
    Connection: close\r\n\r\n\
    this port speaks TLS; try https://...";

/// A port to serve.
pub struct Port {
    /// For the log: `client` or `peer`.
    pub name: &'static str,
    /// Where connections come in.
    pub listener: Box<dyn Listener>,
    /// How TLS is spoken.
    pub tls: Arc<ServerConfig>,
    /// What requests are answered by. They carry their [`Connection`] as an extension.
    pub router: Router,
    /// From this phase on, no new connections.
    pub until: Phase,
    /// Open connections, where they are counted.
    pub connections: Option<IntGauge>,
    /// Refused connections, where they are counted.
    pub refused: Option<IntCounter>,
}

/// Accepts connections until the port's last phase, and serves them until they have ended,
/// which `Closing` asks them to.
pub async fn serve(port: Port, mut phase: watch::Receiver<Phase>) {
    let Port {
        name,
        mut listener,
        tls,
        router,
        until,
        connections,
        refused,
    } = port;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let shared = Arc::new(Shared {
        name,
        acceptor: TlsAcceptor::from(tls),
        handshake_timeout: HANDSHAKE_TIMEOUT,
        router,
        connections,
        refused,
        lines: LineLimit::default(),
        phase: phase.clone(),
    });
    loop {
        let accepted = tokio::select! {
            () = until.reached(&mut phase) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((io, address)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => drop(tokio::spawn(
                    Arc::clone(&shared).connection(io, address, place),
                )),
                Err(_) => shared.refuse(address, &format!("{CONNECTIONS_MAX} are open already")),
            },
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors, most of the time: it passes as connections end.
                if let Some(left_out) = shared.lines.admit(Instant::now()) {
                    warn!(
                        event = "accept_failed",
                        port = name,
                        "cannot accept: {error}{left_out}"
                    );
                }
                sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS_MAX).expect("a small constant");
    drop(places.acquire_many(all).await);
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// What all connections of a port share.
struct Shared {
    name: &'static str,
    acceptor: TlsAcceptor,
    handshake_timeout: Duration,
    router: Router,
    connections: Option<IntGauge>,
    refused: Option<IntCounter>,
    lines: LineLimit,
    phase: watch::Receiver<Phase>,
}

/// Why a connection was not served.
enum Unserved {
    /// Nobody said anything: a probe of the port, or an idle connection.
    Silent,
    Refused(String),
}

impl Shared {
    async fn connection(
        self: Arc<Self>,
        io: BoxedIo,
        address: SocketAddr,
        _place: OwnedSemaphorePermit,
    ) {
        let stream = match timeout(self.handshake_timeout, self.shake_hands(io)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(Unserved::Refused(reason))) => return self.refuse(address, &reason),
            Ok(Err(Unserved::Silent)) => {
                debug!(
                    "a connection from {address} to the {} port without a word",
                    self.name
                );
                return;
            }
            Err(_) => {
                let seconds = self.handshake_timeout.as_secs_f32();
                return self.refuse(address, &format!("no TLS handshake within {seconds} s"));
            }
        };
        let role = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map_or(Role::Other, role_of);
        debug!("{address} connected to the {} port as {role}", self.name);
        let _counted = self.connections.as_ref().map(Counted::one);
        self.serve(stream, Connection { address, role }).await;
        debug!("{address} disconnected from the {} port", self.name);
    }

    async fn shake_hands(&self, mut io: BoxedIo) -> Result<TlsStream<Begun<BoxedIo>>, Unserved> {
        let mut first = [0];
        match io.read(&mut first).await {
            Ok(1) => {}
            Ok(_) | Err(_) => return Err(Unserved::Silent),
        }
        if first[0] != TLS_HANDSHAKE {
            answer_plainly(io).await;
            return Err(Unserved::Refused("it isn't TLS".to_owned()));
        }
        let begun = Begun {
            read: first.to_vec(),
            io,
        };
        let accepted = self.acceptor.accept(begun).await;
        accepted.map_err(|error| Unserved::Refused(handshake_failure(&error)))
    }

    async fn serve(&self, stream: TlsStream<Begun<BoxedIo>>, connection: Connection) {
        let address = connection.address;
        let mut phase = self.phase.clone();
        let opened = tokio::select! {
            opened = timeout(OPENING_TIMEOUT, opening(stream)) => opened,
            () = Phase::Closing.reached(&mut phase) => return,
        };
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                debug!("{address} said nothing on the {} port: {error}", self.name);
                return;
            }
            Err(_) => {
                let seconds = OPENING_TIMEOUT.as_secs();
                debug!(
                    "{address} said too little on the {} port within {seconds} s",
                    self.name
                );
                return;
            }
        };
        let service = TowerToHyperService::new(self.router.clone().layer(Extension(connection)));
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(KEEP_ALIVE);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = Phase::Closing.reached(&mut phase) => {
                serving.as_mut().graceful_shutdown();
                serving.as_mut().await
            }
        };
        if let Err(error) = ended {
            debug!(
                "the connection of {address} to the {} port ended: {error}",
                self.name
            );
        }
    }

    fn refuse(&self, address: SocketAddr, reason: &str) {
        if let Some(refused) = &self.refused {
            refused.inc();
        }
        if let Some(left_out) = self.lines.admit(Instant::now()) {
            let port = self.name;
            info!(
                event = "connection_refused",
                port,
                %address,
                "refused a connection from {address} to the {port} port: {reason}{left_out}"
            );
        }
    }
}

/// Counts a connection for as long as it lives.
struct Counted(IntGauge);

impl Counted {
    fn one(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Tells somebody who speaks plain HTTP what is wrong.
async fn answer_plainly(mut io: BoxedIo) {
    if io.write_all(PLAIN_ANSWER).await.is_ok() && io.shutdown().await.is_ok() {
        // To close while the other end still sends would reset the connection, and the answer
        // could be lost. The handshake's time-out bounds this.
        let mut rest = [0; 1024];
        let mut bytes_left: usize = 64 * 1024;
        while let Ok(read @ 1..) = io.read(&mut rest).await
            && bytes_left > read
        {
            bytes_left -= read;
        }
    }
}

/// Reads as much as it takes to tell HTTP/2 from HTTP/1.1.
async fn opening<I: AsyncRead + Unpin>(mut io: I) -> io::Result<Begun<I>> {
    let mut read = Vec::with_capacity(HTTP2_PREFACE.len());
    while read.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&read) {
        let mut rest = (&mut io).take((HTTP2_PREFACE.len() - read.len()) as u64);
        if rest.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Begun { read, io })
}

/// A connection whose first bytes have been read already.
struct Begun<I> {
    /// Those that are still to be given.
    read: Vec<u8>,
    io: I,
}

impl<I: AsyncRead + Unpin> AsyncRead for Begun<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0 && !self.read.is_empty() {
            let count = self.read.len().min(buffer.remaining());
            buffer.put_slice(&self.read[..count]);
            self.read.drain(..count);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Begun<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
