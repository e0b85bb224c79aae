//! The network seam: how byte streams to servers are made.

use std::io;

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::Endpoint;

/// A byte stream to a server.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Any byte stream.
pub type BoxedIo = Box<dyn Io>;

/// Makes byte streams to servers. TLS, where configured, is spoken over them.
pub trait Connector: Send + Sync + 'static {
    /// A new stream. The caller bounds the time.
    fn connect<'a>(&'a self, server: &'a Endpoint) -> BoxFuture<'a, io::Result<BoxedIo>>;
}

/// TCP, without delay of small writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, server: &'a Endpoint) -> BoxFuture<'a, io::Result<BoxedIo>> {
        Box::pin(async move {
            let stream = TcpStream::connect((server.host(), server.port())).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedIo)
        })
    }
}
