//! What goes around every gRPC call: its deadline, its metrics, the revision in its answer,
//! and the errors that the gRPC library makes of messages it cannot decode.

use std::{fmt::Display, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::debug;

use super::{REVISION_HEADER, errors};
use crate::{frontend::Frontend, metrics::Method, ports::Remote};

/// For callers that name no deadline, or a longer one.
pub(super) const DEADLINE_MAX: Duration = Duration::from_secs(60);
/// The same for changes of the members: a new server gets the whole directory meanwhile.
const MEMBERS_DEADLINE_MAX: Duration = Duration::from_secs(120);
/// Methods that change the members. A test checks that the API has them.
const MEMBERS_METHODS: [&str; 4] = [
    "/quorid.v1.Cluster/AddServer",
    "/quorid.v1.Cluster/MoveServer",
    "/quorid.v1.Cluster/RemoveServer",
    "/quorid.v1.Cluster/ReplaceServer",
];

pub(super) async fn wrap(
    State(frontend): State<Arc<Frontend>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = frontend.metrics.method(request.uri().path());
    let from = request
        .extensions()
        .get::<Remote>()
        .map(|remote| remote.address);
    let deadline = deadline(request.headers(), deadline_max(request.uri().path()));
    // Of a stream, only its beginning has to come in time.
    let answered = tokio::time::timeout(deadline, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| errors::deadline_exceeded(deadline).into_http());
    let mut code = Code::Ok;
    if let Some(status) = failed(&response) {
        code = status.code();
        if let Some(malformed) = errors::malformed_message(&status) {
            code = malformed.code();
            response = malformed.into_http::<Body>();
        }
    }
    if !response.headers().contains_key(REVISION_HEADER) {
        let revision = frontend.service.revision();
        response
            .headers_mut()
            .insert(REVISION_HEADER, HeaderValue::from(revision.0));
    }
    count(&frontend, method, from.as_ref(), code, started);
    response
}

/// Counts a call that was answered.
pub(super) fn count(
    frontend: &Frontend,
    method: Method,
    from: Option<&impl Display>,
    code: Code,
    started: Instant,
) {
    let took = started.elapsed();
    frontend.metrics.answered(method, code, took);
    if let Some(from) = from {
        debug!(%from, "{} for {from}: {code:?} after {took:.1?}", method.name());
    }
}

/// The error, if the call failed before it gave any answer.
fn failed(response: &Response) -> Option<Status> {
    Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok)
}

fn deadline_max(path: &str) -> Duration {
    if MEMBERS_METHODS.contains(&path) {
        MEMBERS_DEADLINE_MAX
    } else {
        DEADLINE_MAX
    }
}

/// `grpc-timeout`: up to eight digits and a unit. No longer than `max`.
pub(super) fn deadline(headers: &HeaderMap, max: Duration) -> Duration {
    let parse = || {
        let text = headers.get("grpc-timeout")?.to_str().ok()?;
        let unit = text.chars().last()?;
        let digits = &text[..text.len() - unit.len_utf8()];
        if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: u64 = digits.parse().ok()?;
        match unit {
            'H' => Some(Duration::from_secs(number * 3600)),
            'M' => Some(Duration::from_secs(number * 60)),
            'S' => Some(Duration::from_secs(number)),
            'm' => Some(Duration::from_millis(number)),
            'u' => Some(Duration::from_micros(number)),
            'n' => Some(Duration::from_nanos(number)),
            _ => None,
        }
    };
    parse().map_or(max, |asked| asked.min(max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::METHODS;

    #[test]
    fn deadlines_are_read_and_bounded() {
        let table = [
            ("100m", Duration::from_millis(100)),
            ("5S", Duration::from_secs(5)),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("7u", Duration::from_micros(7)),
            ("1M", DEADLINE_MAX),
            ("8H", DEADLINE_MAX),
            ("", DEADLINE_MAX),
            ("m", DEADLINE_MAX),
            ("5", DEADLINE_MAX),
            ("-5S", DEADLINE_MAX),
            ("123456789m", DEADLINE_MAX),
        ];
        for (text, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            assert_eq!(deadline(&headers, DEADLINE_MAX), expected, "{text}");
        }
        assert_eq!(deadline(&HeaderMap::new(), DEADLINE_MAX), DEADLINE_MAX);
    }

    #[test]
    fn changes_of_members_may_take_longer() {
        for path in MEMBERS_METHODS {
            assert_eq!(deadline_max(path), MEMBERS_DEADLINE_MAX, "{path}");
            assert!(METHODS.contains(&path[1..]), "{path} is not a method");
        }
        for path in [
            "/quorid.v1.Cluster/TransferLeadership",
            "/quorid.v1.Accounts/CreateAccount",
        ] {
            assert_eq!(deadline_max(path), DEADLINE_MAX, "{path}");
        }
    }
}
