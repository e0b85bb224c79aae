//! One server of a testbed, as its clients see it.

use std::path::PathBuf;

use quorid_server::named_server::NamedServer;

/// A server's name, addresses and log.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// As in the servers' configuration.
    pub(super) server: NamedServer,
    /// Where clients of this process connect to instead of the client address.
    pub(super) reach: Option<String>,
    /// JSON lines.
    pub(super) log: PathBuf,
}
