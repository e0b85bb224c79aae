//! A TLS port: accepts connections and shakes hands.
//!
//! A handshake runs in its connection's own task, so that a slow one holds up nobody. What is
//! refused is logged with its reason, a few times in ten seconds at most.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use prometheus::{IntCounter, IntGauge};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, info, warn};

use super::{Phase, Remote, begun::Begun, line_limit::LineLimit};
use crate::{
    seams::{Accepted, BoxFuture, BoxedIo, Listener, Threads},
    tls::{Holder, handshake_failure, holder_of},
};

/// Connections of one port.
const CONNECTIONS_MAX: usize = 8192;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// First byte of a TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// A connection after its handshake.
pub type Stream = TlsStream<Begun<BoxedIo>>;

/// Serves a connection until it ends, or until it has answered what it was asked before `Closing`.
pub type Handler =
    Box<dyn Fn(Stream, Remote, watch::Receiver<Phase>) -> BoxFuture<'static, ()> + Send + Sync>;

/// What is spoken on a port.
pub struct Protocol {
    /// Serves one connection.
    pub handler: Handler,
    /// Tells somebody who doesn't speak TLS that this port does.
    pub plain_answer: &'static [u8],
}

/// A port to serve.
pub struct Port {
    /// The name in the log: `client` or `peer`.
    pub name: &'static str,
    /// Where connections come in.
    pub listener: Box<dyn Listener>,
    /// How TLS is spoken.
    pub tls: Arc<ServerConfig>,
    /// What is spoken over TLS.
    pub protocol: Protocol,
    /// Where connections are served.
    pub threads: Arc<dyn Threads>,
    /// From this phase on, the port takes no new connections.
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
        protocol,
        threads,
        until,
        connections,
        refused,
    } = port;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let shared = Arc::new(Shared {
        name,
        acceptor: TlsAcceptor::from(tls),
        handshake_timeout: HANDSHAKE_TIMEOUT,
        protocol,
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
            Ok((accepted, address)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let connection = Arc::clone(&shared).connection(accepted, address, place);
                    drop(threads.serving().spawn(connection));
                }
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
pub(super) struct Shared {
    pub(super) name: &'static str,
    pub(super) acceptor: TlsAcceptor,
    pub(super) handshake_timeout: Duration,
    pub(super) protocol: Protocol,
    pub(super) connections: Option<IntGauge>,
    pub(super) refused: Option<IntCounter>,
    pub(super) lines: LineLimit,
    pub(super) phase: watch::Receiver<Phase>,
}

/// Why a connection was not served.
enum Unserved {
    /// Nobody said anything: a probe of the port, or an idle connection.
    Silent,
    Refused(String),
}

impl Shared {
    pub(super) async fn connection(
        self: Arc<Self>,
        accepted: Accepted,
        address: SocketAddr,
        _place: OwnedSemaphorePermit,
    ) {
        let stream = match timeout(self.handshake_timeout, self.shake_hands(accepted)).await {
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
        let holder = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map_or(Holder::Other, holder_of);
        debug!("{address} connected to the {} port as {holder}", self.name);
        let _counted = self.connections.as_ref().map(Counted::one);
        let remote = Remote {
            port: self.name,
            address,
            holder,
        };
        (self.protocol.handler)(stream, remote, self.phase.clone()).await;
        debug!("{address} disconnected from the {} port", self.name);
    }

    async fn shake_hands(&self, accepted: Accepted) -> Result<Stream, Unserved> {
        let mut io = accepted()
            .map_err(|error| Unserved::Refused(format!("this server cannot serve it: {error}")))?;
        let mut first = [0];
        match io.read(&mut first).await {
            Ok(1) => {}
            Ok(_) | Err(_) => return Err(Unserved::Silent),
        }
        if first[0] != TLS_HANDSHAKE {
            answer_plainly(io, self.protocol.plain_answer).await;
            return Err(Unserved::Refused("it isn't TLS".to_owned()));
        }
        let begun = Begun {
            read: first.to_vec(),
            io,
        };
        let accepted = self.acceptor.accept(begun).await;
        accepted.map_err(|error| Unserved::Refused(handshake_failure(&error)))
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

async fn answer_plainly(mut io: BoxedIo, answer: &[u8]) {
    if io.write_all(answer).await.is_ok() && io.shutdown().await.is_ok() {
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
