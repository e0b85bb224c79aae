//! One HTTP/2 connection to one server.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{
    HeaderValue, Request, Response, Uri,
    header::AUTHORIZATION,
    uri::{Authority, Scheme},
};
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::body::Body;

use crate::{
    BoxedIo, ClientTls, Connector, Endpoint, TlsError,
    answer::{Readable, readable},
    exchange::Exchange,
    tls,
};

/// Bytes that a server may send ahead on one stream: a page of accounts and more.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// Bytes that a server may send ahead on a connection.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// How connections are made; the same for all servers.
pub(crate) struct Dialer {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) tls: Option<ClientTls>,
    /// `Basic ...`, marked sensitive.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) connect_timeout: Duration,
    pub(crate) keep_alive_interval: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) connections_per_server: usize,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct ConnectError {
    problem: String,
    /// Where there is one, but no trust.
    pub(crate) tls: Option<TlsError>,
}

impl ConnectError {
    pub(crate) fn network(problem: impl fmt::Display) -> Self {
        Self {
            problem: format!("cannot connect: {problem}"),
            tls: None,
        }
    }
}

impl From<TlsError> for ConnectError {
    fn from(error: TlsError) -> Self {
        Self {
            problem: error.problem(),
            tls: Some(error),
        }
    }
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection to {server} broke")]
pub(crate) struct SendError {
    server: Endpoint,
    /// Whether the server may have got the request.
    pub(crate) arrived: bool,
    /// Where the server would have no TLS with this client.
    pub(crate) tls: Option<TlsError>,
    source: hyper::Error,
}

/// A connection. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub(crate) struct Connection {
    requests: SendRequest<Body>,
    fixed: Arc<Fixed>,
}

struct Fixed {
    server: Endpoint,
    scheme: Scheme,
    authority: Authority,
    authorization: Option<HeaderValue>,
    /// Where TLS is spoken.
    tls: Option<(Arc<Dialer>, Arc<Heard>)>,
    /// Opened when it is needed, and again after it ended.
    exchange: Mutex<Option<Arc<Exchange>>>,
}

/// What came from a server.
#[derive(Default)]
struct Heard {
    anything: AtomicBool,
    refusal: OnceLock<TlsError>,
}

impl Connection {
    /// Whether requests will fail for sure.
    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// The stream of requests on this connection.
    pub(crate) fn exchange(&self) -> Arc<Exchange> {
        let exchange = self.fixed.exchange.lock();
        let mut exchange = exchange.unwrap_or_else(PoisonError::into_inner);
        match &*exchange {
            Some(open) if !open.has_ended() => Arc::clone(open),
            Some(_) | None => {
                let open = Arc::new(Exchange::open(self.clone()));
                Arc::clone(exchange.insert(open))
            }
        }
    }
}

impl Dialer {
    /// Connects within the connect time-out. `closed` is called when the connection ends.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        server: &Endpoint,
        closed: impl FnOnce() + Send + 'static,
    ) -> Result<Connection, ConnectError> {
        match tokio::time::timeout(self.connect_timeout, self.open(server, closed)).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::network(format_args!(
                "no answer within {:?}",
                self.connect_timeout
            ))),
        }
    }

    async fn open(
        self: &Arc<Self>,
        server: &Endpoint,
        closed: impl FnOnce() + Send + 'static,
    ) -> Result<Connection, ConnectError> {
        let raw = self
            .connector
            .connect(server)
            .await
            .map_err(ConnectError::network)?;
        let (io, tls): (BoxedIo, _) = match &self.tls {
            None => (raw, None),
            Some(settings) => {
                let heard = Arc::new(Heard::default());
                let io = Listening {
                    stream: handshake(settings, server, raw).await?,
                    server: server.clone(),
                    heard: heard.clone(),
                };
                (Box::new(io), Some((self.clone(), heard)))
            }
        };
        let (requests, driver) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(self.keep_alive_interval)
            .keep_alive_timeout(self.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(io))
            .await
            .map_err(ConnectError::network)?;
        let address = server.clone();
        tokio::spawn(async move {
            match driver.await {
                Ok(()) => tracing::debug!(server = %address, "connection closed"),
                Err(error) => tracing::debug!(server = %address, %error, "connection broke"),
            }
            closed();
        });
        tracing::debug!(%server, "connected");
        let authority = server.as_str().parse();
        Ok(Connection {
            requests,
            fixed: Arc::new(Fixed {
                server: server.clone(),
                scheme: match self.tls {
                    Some(_) => Scheme::HTTPS,
                    None => Scheme::HTTP,
                },
                authority: authority.expect("an endpoint was checked to be an authority"),
                authorization: self.authorization.clone(),
                tls,
                exchange: Mutex::default(),
            }),
        })
    }

    /// Why a server that said nothing broke a connection, where it refuses this client: with
    /// TLS 1.3 it does so only after the client takes the handshake for done, and what the
    /// client has sent by then can wipe out the reason. So this one only listens.
    async fn diagnose(&self, server: &Endpoint) -> Option<TlsError> {
        let settings = self.tls.as_ref()?;
        let listening = async {
            let raw = self.connector.connect(server).await.ok()?;
            let mut stream = handshake(settings, server, raw).await.ok()?;
            let refusal = stream.read_u8().await.err()?;
            tls::explain(&refusal, server)
        };
        let listened = tokio::time::timeout(self.connect_timeout, listening).await;
        listened.ok().flatten()
    }
}

async fn handshake(
    settings: &ClientTls,
    server: &Endpoint,
    raw: BoxedIo,
) -> Result<TlsStream<BoxedIo>, ConnectError> {
    let name = ServerName::try_from(server.host().to_owned())
        .map_err(|_| ConnectError::network("its host is no name that a certificate can have"))?;
    let connecting = TlsConnector::from(settings.config.clone()).connect(name, raw);
    connecting
        .await
        .map_err(|error| match tls::explain(&error, server) {
            Some(explained) => explained.into(),
            None => ConnectError::network(error),
        })
}

impl tower::Service<Request<Body>> for Connection {
    type Response = Response<Readable<Incoming>>;
    type Error = SendError;
    type Future = BoxFuture<'static, Result<Self::Response, SendError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(())) // A closed connection shows at `call`, with the reason.
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme = Some(self.fixed.scheme.clone());
        uri.authority = Some(self.fixed.authority.clone());
        *request.uri_mut() =
            Uri::from_parts(uri).expect("scheme, authority and a method's path make a URI");
        if let Some(authorization) = &self.fixed.authorization {
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let answer = self.requests.try_send_request(request);
        let fixed = self.fixed.clone();
        Box::pin(async move {
            let mut failed = match answer.await {
                Ok(answer) => return Ok(readable(answer)),
                Err(failed) => failed,
            };
            let tls = match &fixed.tls {
                Some((dialer, heard)) => match heard.refusal.get() {
                    Some(refusal) => Some(refusal.clone()),
                    None if heard.anything.load(Ordering::Relaxed) => None,
                    None => dialer.diagnose(&fixed.server).await,
                },
                None => None,
            };
            Err(SendError {
                server: fixed.server.clone(),
                arrived: failed.take_message().is_none() && tls.is_none(),
                tls,
                source: failed.into_error(),
            })
        })
    }
}

/// A TLS stream that remembers what came: HTTP/2 would lose the server's refusal.
struct Listening<S> {
    stream: S,
    server: Endpoint,
    heard: Arc<Heard>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &read {
            Poll::Ready(Ok(())) if buf.filled().len() > filled => {
                self.heard.anything.store(true, Ordering::Relaxed);
            }
            Poll::Ready(Err(error)) => {
                if let Some(refusal) = tls::explain(error, &self.server) {
                    self.heard.refusal.get_or_init(|| refusal);
                }
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
