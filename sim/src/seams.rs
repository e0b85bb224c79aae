//! Network, clock and entropy of the simulation, behind the server's and the client's seams.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture as ClientFuture;
use quorid_api::{Connector, Endpoint};
use quorid_directory::Time;
use quorid_history::chance::Chance;
use quorid_server::seams::{Accepted, BoxFuture, BoxedIo, Clock, Entropy, Listener, Network};
use tokio::time::sleep;
use turmoil::net::{TcpListener, TcpStream};

use crate::middlebox::Middlebox;

/// Until a refusal is there.
const REFUSAL: Duration = Duration::from_millis(1);

/// When every simulation begins, Unix time, ms.
const BEGINNING_MS: u64 = 1_750_000_000_000;

/// Simulated time of day without anybody's error, ms.
pub(crate) fn true_time_ms() -> u64 {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default();
    BEGINNING_MS + u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// turmoil's network, as one server reaches it, and what stands between the servers.
pub(crate) struct SimNetwork {
    pub(crate) own: &'static str,
    pub(crate) middlebox: Middlebox,
}

impl Network for SimNetwork {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        Box::pin(async move {
            tracing::trace!(address, "connects");
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            let connected = if self.middlebox.refuses(host) && !self.is_cut_off(host) {
                sleep(REFUSAL).await;
                Err(io::ErrorKind::ConnectionRefused.into())
            } else {
                TcpStream::connect(address).await
            };
            match connected {
                Ok(stream) => Ok(self.middlebox.carry(self.own, host, Box::new(stream))),
                // turmoil refuses at once over a cut link, where a real one is silent.
                Err(_) if self.is_cut_off(host) => pending().await,
                Err(error) => {
                    tracing::trace!(address, %error, "does not connect");
                    Err(error)
                }
            }
        })
    }

    fn bind<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            Ok(Box::new(SimListener(listener)) as Box<dyn Listener>)
        })
    }
}

impl SimNetwork {
    fn is_cut_off(&self, host: &str) -> bool {
        self.middlebox.is_cut(self.own, host) || self.middlebox.is_cut(host, self.own)
    }
}

struct SimListener(TcpListener);

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.0.accept().await?;
            let open = move || Ok(Box::new(stream) as BoxedIo);
            Ok((Box::new(open) as Accepted, from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The same for clients, which may reach one of the servers only.
pub(crate) struct SimConnector {
    pub(crate) only: Option<&'static str>,
}

impl Connector for SimConnector {
    fn connect<'a>(&'a self, server: &'a Endpoint) -> ClientFuture<'a, io::Result<BoxedIo>> {
        Box::pin(async move {
            if self.only.is_some_and(|only| only != server.host()) {
                return Err(io::ErrorKind::HostUnreachable.into());
            }
            let stream = TcpStream::connect((server.host(), server.port())).await?;
            Ok(Box::new(stream) as BoxedIo)
        })
    }
}

/// A server's clock: true time and an error that the nemesis sets.
#[derive(Default)]
pub(crate) struct SimClock {
    error_ms: AtomicI64,
}

impl SimClock {
    pub(crate) fn set_error_ms(&self, error_ms: i64) {
        self.error_ms.store(error_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        Time(true_time_ms().saturating_add_signed(self.error_ms.load(Ordering::Relaxed)))
    }
}

/// Random bytes from the seed.
pub(crate) struct SimEntropy(Mutex<Chance>);

impl SimEntropy {
    pub(crate) fn new(chance: Chance) -> Arc<Self> {
        Arc::new(Self(Mutex::new(chance)))
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chance.fill(bytes);
    }
}
