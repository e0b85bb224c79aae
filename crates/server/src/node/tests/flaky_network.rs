//! TCP whose connections can be reset or lose what is sent, and whose ports can be made to refuse.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::seams::{Accepted, BoxFuture, BoxedIo, Listener, Network, TcpNetwork};

/// What one server reaches the others through. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct FlakyNetwork {
    /// Those that came in.
    accepted: Arc<Mutex<Vec<Arc<Reset>>>>,
    /// Addresses that refuse this server.
    refusing: Arc<Mutex<BTreeSet<String>>>,
    /// Whether nothing that this server sends gets through any more.
    mute: Arc<AtomicBool>,
}

impl FlakyNetwork {
    /// Resets all connections that others made to this server, and says how many there were.
    pub(super) fn reset_accepted(&self) -> usize {
        let mut accepted = self.accepted.lock().expect("not poisoned");
        let resets = std::mem::take(&mut *accepted);
        // Whoever holds no stream any more has ended before.
        let open = resets.iter().filter(|reset| Arc::strong_count(reset) > 1);
        let open = open.count();
        for reset in resets {
            reset.done.store(true, Ordering::SeqCst);
            reset.reader.wake();
        }
        open
    }

    /// From now on nobody hears this server. It hears the others.
    pub(super) fn fall_mute(&self) {
        self.mute.store(true, Ordering::SeqCst);
    }

    /// Whether an address refuses this server from now on.
    pub(super) fn set_refusing(&self, address: &str, refusing: bool) {
        let mut all = self.refusing.lock().expect("not poisoned");
        match refusing {
            true => all.insert(address.to_owned()),
            false => all.remove(address),
        };
    }
}

impl Network for FlakyNetwork {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        let refusing = self.refusing.lock().expect("not poisoned");
        if refusing.contains(address) {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        Box::pin(async move {
            let stream = FlakyStream {
                io: TcpNetwork.connect(address).await?,
                reset: Arc::default(),
                mute: Arc::clone(&self.mute),
            };
            Ok(Box::new(stream) as BoxedIo)
        })
    }

    fn bind<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = FlakyListener {
                listener: TcpNetwork.bind(address).await?,
                accepted: Arc::clone(&self.accepted),
                mute: Arc::clone(&self.mute),
            };
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }
}

struct FlakyListener {
    listener: Box<dyn Listener>,
    accepted: Arc<Mutex<Vec<Arc<Reset>>>>,
    mute: Arc<AtomicBool>,
}

impl Listener for FlakyListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, SocketAddr)>> {
        Box::pin(async move {
            let (opens, from) = self.listener.accept().await?;
            let reset = Arc::new(Reset::default());
            let mut accepted = self.accepted.lock().expect("not poisoned");
            accepted.push(Arc::clone(&reset));
            let mute = Arc::clone(&self.mute);
            let open = move || {
                let io = opens()?;
                Ok(Box::new(FlakyStream { io, reset, mute }) as BoxedIo)
            };
            Ok((Box::new(open) as Accepted, from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whether a connection was reset.
#[derive(Default)]
struct Reset {
    done: AtomicBool,
    reader: AtomicWaker,
}

struct FlakyStream {
    io: BoxedIo,
    reset: Arc<Reset>,
    mute: Arc<AtomicBool>,
}

impl FlakyStream {
    fn check(&self) -> io::Result<()> {
        match self.reset.done.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for FlakyStream {
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

impl AsyncWrite for FlakyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.mute.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(bytes.len()));
        }
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
