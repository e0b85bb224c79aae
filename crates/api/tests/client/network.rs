//! Streams in memory that can be cut and broken.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures_util::{Stream, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::mpsc,
};

/// The way to one server.
pub(crate) struct Wire {
    incoming: mpsc::UnboundedSender<io::Result<Cuttable>>,
    health: Arc<Health>,
}

const WELL: u8 = 0;
/// Carries nothing, and tells nobody.
const CUT: u8 = 1;
/// Breaks at the next touch.
const BROKEN: u8 = 2;

/// Of all streams to one server.
#[derive(Default)]
struct Health {
    state: AtomicU8,
    readers: Mutex<Vec<Waker>>,
}

impl Wire {
    /// The way, and the streams that come out at the server's end.
    pub(crate) fn new() -> (Self, impl Stream<Item = io::Result<Cuttable>>) {
        let (incoming, streams) = mpsc::unbounded_channel();
        let streams = stream::unfold(streams, |mut streams| async {
            streams.recv().await.map(|stream| (stream, streams))
        });
        let health = Arc::default();
        (Self { incoming, health }, streams)
    }

    /// A new stream; None where nobody accepts it.
    pub(crate) fn connect(&self) -> Option<Cuttable> {
        let (near, far) = tokio::io::duplex(1 << 20);
        let [near, far] = [near, far].map(|stream| Cuttable {
            stream,
            health: self.health.clone(),
        });
        self.incoming.send(Ok(far)).ok()?;
        Some(near)
    }

    pub(crate) fn cut(&self) {
        self.health.state.store(CUT, Ordering::SeqCst);
    }

    pub(crate) fn break_off(&self) {
        self.health.state.store(BROKEN, Ordering::SeqCst);
        let mut readers = self.health.readers.lock().expect("no panics");
        readers.drain(..).for_each(Waker::wake);
    }
}

/// A stream that can be made to carry nothing, or to break.
pub(crate) struct Cuttable {
    stream: DuplexStream,
    health: Arc<Health>,
}

impl tonic::transport::server::Connected for Cuttable {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let waker = cx.waker().clone();
        self.health.readers.lock().expect("no panics").push(waker);
        match self.health.state.load(Ordering::SeqCst) {
            WELL => Pin::new(&mut self.stream).poll_read(cx, buf),
            CUT => Poll::Pending,
            _ => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.health.state.load(Ordering::SeqCst) {
            WELL => Pin::new(&mut self.stream).poll_write(cx, buf),
            CUT => Poll::Ready(Ok(buf.len())), // The kernel takes it; it goes nowhere.
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
