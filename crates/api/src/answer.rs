//! Answers as they come over HTTP, without what the gRPC library cannot take.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, Response};
use hyper::body::{Body, Frame, SizeHint};

const DETAILS: &str = "grpc-status-details-bin";

/// Base64 with or without padding, as the gRPC library takes it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The library panics over an error whose details aren't base64. Here they are left out, be it
/// in the headers or in the trailers: the error counts without them.
/// Upstream: <https://github.com/grpc/grpc-rust/pull/2618>.
pub(crate) fn readable<B>(answer: Response<B>) -> Response<Readable<B>> {
    let mut answer = answer.map(Readable);
    drop_unreadable(answer.headers_mut());
    answer
}

fn drop_unreadable(headers: &mut HeaderMap) {
    let readable = |details: &http::HeaderValue| BASE64.decode(details).is_ok();
    if !headers.get_all(DETAILS).iter().all(readable) {
        headers.remove(DETAILS);
    }
}

/// The body of such an answer.
pub(crate) struct Readable<B>(B);

impl<B: Body + Unpin> Body for Readable<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut frame = Pin::new(&mut self.0).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            drop_unreadable(trailers);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
