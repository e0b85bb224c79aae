//! The ports: connections are accepted, shake hands, and speak the port's protocol. Which requests
//! they bring is the front ends' matter.

mod begun;
mod http;
mod line_limit;
#[cfg(test)]
mod tests;
mod tls_port;

use std::net::SocketAddr;

use tokio::sync::watch;

pub use self::tls_port::{Handler, Port, Protocol, Stream, serve};
use crate::tls::Holder;

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
    pub(crate) async fn reached(self, phase: &mut watch::Receiver<Self>) {
        // Whoever held the other end is gone: that is the end too.
        drop(phase.wait_for(|phase| *phase >= self).await);
    }
}

/// Where a connection came in, and what is known of its other end.
#[derive(Debug, Clone)]
pub struct Remote {
    /// The port's name in the log.
    pub port: &'static str,
    /// Where it comes from.
    pub address: SocketAddr,
    /// By the certificate that was shown and verified; `Other` where there was none.
    pub holder: Holder,
}
