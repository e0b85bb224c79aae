//! Where the outside world comes in: clock, randomness, network and threads, one trait each.
//!
//! A server reads the time, draws random bytes and opens connections through these traits
//! only, because a simulation drives the same code with its own. (Disks have their seam in
//! `storage`; timers are tokio's, which a simulation can drive already.)

mod threads;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use quorid_directory::Time;
use quorid_storage::Disk;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(crate) use self::threads::woken_together;
pub use self::threads::{InPlace, SystemThreads, Threads};

/// What a server reaches the world through.
#[derive(Clone)]
pub struct Outside {
    /// Log, state and identity.
    pub disk: Arc<dyn Disk>,
    /// Clients and other servers.
    pub network: Arc<dyn Network>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Ids, salts and keys.
    pub entropy: Arc<dyn Entropy>,
    /// What takes long, and what clients ask.
    pub threads: Arc<dyn Threads>,
}

/// A future that a trait object returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection, whatever carries it.
pub use quorid_api::{BoxedIo, Io};

/// The wall clock. It may jump; what must not run backwards is kept in order by the
/// directory itself.
pub trait Clock: Send + Sync + 'static {
    /// Unix time, ms.
    fn now(&self) -> Time;
}

/// The source of random bytes, fit for salts and ids.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// What connects servers and clients.
pub trait Network: Send + Sync + 'static {
    /// Connects to `host:port`. The caller sets the deadline.
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>>;

    /// Listens on `host:port`; port 0 means any free one.
    fn bind<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;
}

/// A connection that was accepted. To be called in the runtime that is to serve it.
pub type Accepted = Box<dyn FnOnce() -> io::Result<BoxedIo> + Send>;

/// Accepts connections.
pub trait Listener: Send + 'static {
    /// The next connection and where it comes from.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, SocketAddr)>>;

    /// The address that is listened on, with the real port.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        // A clock before 1970 counts as 1970: the directory then keeps its own, later time.
        #[allow(clippy::disallowed_methods, reason = "this is the clock")]
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Time(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The operating system's random bytes, through the thread's generator seeded from them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods, reason = "this is the source")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

/// TCP, without Nagle's delay.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpNetwork;

/// Connections that wait to be accepted, per listener.
const BACKLOG: u32 = 1024;

impl Network for TcpNetwork {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedIo)
        })
    }

    fn bind<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let mut last = None;
            for candidate in tokio::net::lookup_host(address).await? {
                match listen(candidate) {
                    Ok(listener) => return Ok(Box::new(listener) as Box<dyn Listener>),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| {
                io::Error::new(
                    io::ErrorKind::AddrNotAvailable,
                    "the name has no address on this machine",
                )
            }))
        })
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server takes its port back at once, though old connections linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Listener for TcpListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = Self::accept(self).await?;
            stream.set_nodelay(true)?;
            let stream = stream.into_std()?;
            let open = move || Ok(Box::new(TcpStream::from_std(stream)?) as BoxedIo);
            Ok((Box::new(open) as Accepted, from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_connection_carries_bytes_to_a_port_that_the_system_chose() {
        let mut listener = TcpNetwork.bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address").to_string();
        let (client, server) = tokio::join!(TcpNetwork.connect(&address), listener.accept());
        let (mut client, (accepted, _)) = (client.expect("connect"), server.expect("accept"));
        let mut server = accepted().expect("opened");
        client.write_all(b"hello").await.expect("write");
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.expect("read");
        assert_eq!(&heard, b"hello");
    }
}
