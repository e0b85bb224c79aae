//! The ways in. Each front end parses what comes over its wire into the directory's types,
//! asks the service, and encodes the answer; no rule is decided here.

pub mod grpc;
pub mod http;
pub mod listener;

use std::{net::SocketAddr, sync::Arc};

use tokio::{sync::watch, time::Instant};

use crate::{metrics::Metrics, service::Service, tls::Role};

/// How far a server is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Serving,
    /// It takes no new clients and gives leadership away; requests are still answered.
    Draining,
    /// Connections end as soon as their requests are answered.
    Closing,
}

impl Phase {
    /// Returns once the server is as far as this on its way out.
    async fn reached(self, phase: &mut watch::Receiver<Self>) {
        // Whoever held the other end is gone: that is the end too.
        drop(phase.wait_for(|phase| *phase >= self).await);
    }
}

/// What one connection knows of its other end. Every request carries it as an extension.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Where it comes from.
    pub address: SocketAddr,
    /// By the certificate that was shown and verified; `Other` where there was none.
    pub role: Role,
}

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
    /// Everything on the clients' port: gRPC and HTTP, told apart by their paths.
    pub fn router(self: &Arc<Self>) -> axum::Router {
        http::add_routes(grpc::router(self), self)
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}
