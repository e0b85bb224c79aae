//! Plain HTTP, over the same TLS: for probes and for Prometheus.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header};
use tonic::Status;
use tower::ServiceExt as _;

use super::{Frontend, grpc::errors};
use crate::{ports::Phase, service::Error};

const PATHS: &str = "there is nothing at this path; try: /healthz, /readyz, /metrics\n";

/// The clients' port before and after the node has started: it is open from the beginning, so
/// that probes and clients hear that the server is there, and what it waits for.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<OnceLock<Router>>);

impl Door {
    /// From now on requests are answered by this router.
    pub fn open(&self, router: Router) {
        assert!(self.0.set(router).is_ok(), "a server starts once");
    }

    /// Answers by itself until the door is open.
    pub fn router(&self) -> Router {
        let door = self.clone();
        Router::new().fallback(async move |request: Request| match door.0.get() {
            Some(router) => {
                let Ok(response) = router.clone().oneshot(request).await;
                response
            }
            None => starting(&request),
        })
    }
}

fn starting(request: &Request) -> Response {
    if is_grpc(request) {
        return errors::starting().into_http();
    }
    match request.uri().path() {
        "/healthz" => "alive\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, errors::STARTING).into_response(),
    }
}

fn is_grpc(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Adds the paths for HTTP to a router.
pub(super) fn add_routes(router: Router, frontend: &Arc<Frontend>) -> Router {
    let http = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(frontend));
    router.fallback(elsewhere).merge(http)
}

/// Whether it makes sense to send requests here.
async fn ready(State(frontend): State<Arc<Frontend>>) -> Response {
    let status = match frontend.service.status() {
        Ok(status) => status,
        Err(error) => return fault(&error),
    };
    let reason = if frontend.phase() != Phase::Serving {
        "not ready: the server is shutting down\n"
    } else if status.leader.is_none() {
        "not ready: no leader is known; are a majority of the servers up and connected?\n"
    } else if status.applied == 0 {
        "not ready: nothing of the log is applied yet\n"
    } else {
        return "ready\n".into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}

async fn metrics(State(frontend): State<Arc<Frontend>>) -> Response {
    let service = &frontend.service;
    let status = match service.status() {
        Ok(status) => status,
        Err(error) => return fault(&error),
    };
    let text = frontend
        .metrics
        .text(&status, service.passwords_in_flight(), service.watchers());
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, text).into_response()
}

fn fault(error: &Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
}

/// Unknown paths, answered in the caller's protocol.
async fn elsewhere(request: Request) -> Response {
    if is_grpc(&request) {
        let path = request.uri().path();
        return Status::unimplemented(format!("there is no method {path} here")).into_http();
    }
    (StatusCode::NOT_FOUND, PATHS).into_response()
}
