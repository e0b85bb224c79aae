//! One server as a client knows it: its address and the connections to it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;

use crate::{
    Endpoint,
    connection::{ConnectError, Connection, Dialer},
};

/// For so long after a failure other servers are preferred.
const AVOID_FOR: Duration = Duration::from_secs(1);

/// A server and the connections to it, made when they are needed.
pub(crate) struct KnownServer {
    pub(crate) endpoint: Endpoint,
    dialer: Arc<Dialer>,
    slots: Box<[Mutex<Slot>]>,
    turn: AtomicUsize,
    born: Instant,
    /// Milliseconds since `born` of the last failure, plus 1; 0 where all is well.
    failed_at: AtomicU64,
}

type Connecting = Shared<BoxFuture<'static, Result<Connection, ConnectError>>>;

enum Slot {
    Empty,
    Connecting(Connecting),
    Connected(Connection),
}

impl KnownServer {
    pub(crate) fn new(endpoint: Endpoint, dialer: Arc<Dialer>) -> Arc<Self> {
        let count = dialer.connections_per_server.max(1);
        Arc::new(Self {
            endpoint,
            dialer,
            slots: (0..count).map(|_| Mutex::new(Slot::Empty)).collect(),
            turn: AtomicUsize::new(0),
            born: Instant::now(),
            failed_at: AtomicU64::new(0),
        })
    }

    /// Whether both are the same server.
    pub(crate) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.endpoint == other.endpoint
    }

    /// A connection that isn't known to be broken. Callers share one attempt to connect, and
    /// it goes on when they give up waiting.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<Connection, ConnectError> {
        let turn = match self.slots.len() {
            1 => 0,
            count => self.turn.fetch_add(1, Ordering::Relaxed) % count,
        };
        match self.ready_or_connecting(turn) {
            Ok(connection) => Ok(connection),
            Err(connecting) => connecting.await,
        }
    }

    /// Sees to it that there is a connection soon.
    pub(crate) fn connect_ahead(self: &Arc<Self>) {
        let _ = self.ready_or_connecting(0);
    }

    /// Whether a call can be sent without waiting.
    pub(crate) fn is_connected(&self) -> bool {
        self.slots.iter().any(|slot| match &*lock(slot) {
            Slot::Connected(connection) => !connection.is_closed(),
            Slot::Empty | Slot::Connecting(_) => false,
        })
    }

    /// Whether a connection failed or broke, or the server was given up, a moment ago.
    pub(crate) fn failed_lately(&self) -> bool {
        match self.failed_at.load(Ordering::Relaxed) {
            0 => false,
            at => self.age_ms() < at + AVOID_FOR.as_millis() as u64,
        }
    }

    /// Notes that it let a call wait and was given up.
    pub(crate) fn note_silence(&self) {
        self.failed_at.store(self.age_ms() + 1, Ordering::Relaxed);
    }

    fn ready_or_connecting(self: &Arc<Self>, turn: usize) -> Result<Connection, Connecting> {
        let mut slot = lock(&self.slots[turn]);
        match &*slot {
            Slot::Connected(connection) if !connection.is_closed() => {
                return Ok(connection.clone());
            }
            Slot::Connecting(connecting) => return Err(connecting.clone()),
            Slot::Connected(_) | Slot::Empty => {}
        }
        let server = self.clone();
        let task = tokio::spawn(async move { server.connect(turn).await });
        let connecting = async move {
            task.await.unwrap_or_else(|ended| {
                Err(ConnectError::network(format_args!(
                    "the try was cut short: {ended}"
                )))
            })
        };
        let connecting = connecting.boxed().shared();
        *slot = Slot::Connecting(connecting.clone());
        Err(connecting)
    }

    async fn connect(self: Arc<Self>, turn: usize) -> Result<Connection, ConnectError> {
        let server = Arc::downgrade(&self);
        let closed = move || {
            if let Some(server) = server.upgrade() {
                server
                    .failed_at
                    .store(server.age_ms() + 1, Ordering::Relaxed);
            }
        };
        let connected = self.dialer.connect(&self.endpoint, closed).await;
        let (slot, failed_at) = match &connected {
            Ok(connection) => (Slot::Connected(connection.clone()), 0),
            Err(error) => {
                tracing::debug!(server = %self.endpoint, %error, "not connected");
                (Slot::Empty, self.age_ms() + 1)
            }
        };
        self.failed_at.store(failed_at, Ordering::Relaxed);
        *lock(&self.slots[turn]) = slot;
        connected
    }

    fn age_ms(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }
}

impl fmt::Debug for KnownServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.endpoint.as_str())
    }
}

/// No code that can panic runs under these locks.
fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
