//! Network, clock and entropy of the simulation, behind the server's and the client's seams.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use futures_util::future::BoxFuture as ClientFuture;
use quorid_api::{Connector, Endpoint};
use quorid_directory::Time;
use quorid_history::chance::Chance;
use quorid_server::seams::{BoxFuture, BoxedIo, Clock, Entropy, Listener, Network};
use turmoil::net::{TcpListener, TcpStream};

/// When every simulation begins, Unix time, ms.
const BEGINNING_MS: u64 = 1_750_000_000_000;

/// Simulated time of day without anybody's error, ms.
pub(crate) fn true_time_ms() -> u64 {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default();
    BEGINNING_MS + u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// turmoil's network.
pub(crate) struct SimNetwork;

impl Network for SimNetwork {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        Box::pin(async move {
            tracing::trace!(address, "connects");
            let connected = TcpStream::connect(address).await;
            if let Err(error) = &connected {
                tracing::trace!(address, %error, "does not connect");
            }
            Ok(Box::new(connected?) as BoxedIo)
        })
    }

    fn bind<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            Ok(Box::new(SimListener(listener)) as Box<dyn Listener>)
        })
    }
}

struct SimListener(TcpListener);

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxedIo, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.0.accept().await?;
            Ok((Box::new(stream) as BoxedIo, from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The same for clients.
pub(crate) struct SimConnector;

impl Connector for SimConnector {
    fn connect<'a>(&'a self, server: &'a Endpoint) -> ClientFuture<'a, io::Result<BoxedIo>> {
        Box::pin(async move {
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
