//! HTTP/2 and HTTP/1.1 on a connection.

use std::{io, pin::pin, time::Duration};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::watch,
    time::timeout,
};
use tracing::debug;

use super::{Phase, Protocol, Remote, Stream, begun::Begun};

/// Requests under way on one connection.
const STREAMS_MAX: u32 = 1024;
/// Headers of one request, bytes.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// From the handshake until it is known whether HTTP/2 is spoken. The HTTP library waits for
/// that without end.
pub(super) const OPENING_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that is gone without a word is noticed after twice this.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 37\r\n\
    Connection: close\r\n\r\n\
    this port speaks TLS; try https://...";

/// What a client of HTTP/2 says first (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Protocol {
    /// HTTP/2 and HTTP/1.1, answered by a router. Requests carry their [`Remote`] as an extension.
    #[must_use]
    pub fn http(router: Router) -> Self {
        Self {
            handler: Box::new(move |stream, remote, phase| {
                Box::pin(serve(stream, remote, router.clone(), phase))
            }),
            plain_answer: PLAIN_ANSWER,
        }
    }
}

async fn serve(stream: Stream, remote: Remote, router: Router, mut phase: watch::Receiver<Phase>) {
    let Remote { port, address, .. } = remote;
    let opened = tokio::select! {
        opened = timeout(OPENING_TIMEOUT, opening(stream)) => opened,
        () = Phase::Closing.reached(&mut phase) => return,
    };
    let stream = match opened {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            debug!("{address} said nothing on the {port} port: {error}");
            return;
        }
        Err(_) => {
            let seconds = OPENING_TIMEOUT.as_secs();
            debug!("{address} said too little on the {port} port within {seconds} s");
            return;
        }
    };
    let service = TowerToHyperService::new(router.layer(Extension(remote)));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = Phase::Closing.reached(&mut phase) => {
            serving.as_mut().graceful_shutdown();
            serving.as_mut().await
        }
    };
    if let Err(error) = ended {
        debug!("the connection of {address} to the {port} port ended: {error}");
    }
}

/// Reads as much as it takes to tell HTTP/2 from HTTP/1.1.
async fn opening<I: AsyncRead + Unpin>(mut io: I) -> io::Result<Begun<I>> {
    let mut read = Vec::with_capacity(HTTP2_PREFACE.len());
    while read.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&read) {
        let mut rest = (&mut io).take((HTTP2_PREFACE.len() - read.len()) as u64);
        if rest.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Begun { read, io })
}
