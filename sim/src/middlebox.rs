//! What stands between the servers: it resets connections and refuses them, and is silent where a
//! link is cut, as a wire is.

use std::{
    collections::BTreeSet,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use quorid_server::seams::BoxedIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What stands between the servers. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Middlebox(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Connections between servers: who made it, and to whom.
    connections: Vec<(&'static str, String, Arc<Reset>)>,
    /// Servers whose machine refuses connections, and why.
    refusing: BTreeSet<(&'static str, Refusal)>,
    /// Links that carry nothing, from whom to whom.
    cut: BTreeSet<(&'static str, &'static str)>,
    resets: u64,
}

/// Why connections to a server are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// Its process has ended, and its machine goes on.
    Gone,
    /// Something before it does, while it lives.
    Blocked,
}

impl Middlebox {
    /// Resets all connections from a server and to it, and says how many there were.
    pub(crate) fn reset(&self, server: &str) -> usize {
        let mut state = self.state();
        state.forget_ended();
        let (reset, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut state.connections)
            .into_iter()
            .partition(|(from, to, _)| *from == server || to == server);
        state.connections = kept;
        state.resets += reset.len() as u64;
        drop(state);
        for (_, _, reset) in &reset {
            reset.done.store(true, Ordering::Relaxed);
            reset.reader.wake();
        }
        reset.len()
    }

    /// How many connections were reset.
    pub(crate) fn resets(&self) -> u64 {
        self.state().resets
    }

    /// Whether connections to a server are refused from now on.
    pub(crate) fn set_refusing(&self, server: &'static str, why: Refusal, refusing: bool) {
        let mut state = self.state();
        match refusing {
            true => state.refusing.insert((server, why)),
            false => state.refusing.remove(&(server, why)),
        };
    }

    /// Whether what one server sends reaches another one from now on.
    pub(crate) fn set_cut(&self, from: &'static str, to: &'static str, cut: bool) {
        let mut state = self.state();
        match cut {
            true => state.cut.insert((from, to)),
            false => state.cut.remove(&(from, to)),
        };
    }

    /// Whether a server is refused by another one.
    pub(crate) fn refuses(&self, to: &str) -> bool {
        let state = self.state();
        state.refusing.iter().any(|(server, _)| *server == to)
    }

    pub(crate) fn is_cut(&self, from: &str, to: &str) -> bool {
        let state = self.state();
        state.cut.iter().any(|link| *link == (from, to))
    }

    /// A connection that was made, which can be reset from now on.
    pub(crate) fn carry(&self, from: &'static str, to: &str, io: BoxedIo) -> BoxedIo {
        let reset = Arc::new(Reset::default());
        let mut state = self.state();
        state.forget_ended();
        let connection = (from, to.to_owned(), Arc::clone(&reset));
        state.connections.push(connection);
        Box::new(Carried { io, reset })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_ended(&mut self) {
        self.connections
            .retain(|(_, _, reset)| Arc::strong_count(reset) > 1);
    }
}

/// Whether a connection was reset.
#[derive(Default)]
struct Reset {
    done: AtomicBool,
    reader: AtomicWaker,
}

/// A connection that can be reset.
struct Carried {
    io: BoxedIo,
    reset: Arc<Reset>,
}

impl Carried {
    fn check(&self) -> io::Result<()> {
        match self.reset.done.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Carried {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reset.reader.register(context.waker());
        self.check()?;
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Carried {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
