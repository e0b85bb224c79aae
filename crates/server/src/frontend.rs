//! The ways in. Each front end parses what comes over its wire into the directory's types,
//! asks the service, and encodes the answer; no rule is decided here.

pub mod grpc;
pub mod http;

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};

use crate::{metrics::Metrics, ports::Phase, service::Service};

/// What the front ends for clients share.
pub struct Frontend {
    /// Name of this server.
    pub name: String,
    /// The use cases.
    pub service: Arc<Service>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether to go on.
    pub phase: watch::Receiver<Phase>,
    /// When the server started.
    pub started: Instant,
}

impl Frontend {
    /// Everything on the clients' port: gRPC and HTTP, which differ by their paths.
    pub fn router(self: &Arc<Self>) -> axum::Router {
        http::add_routes(grpc::router(self), self)
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}
