//! One server of a testbed, as its clients see it.

use std::path::PathBuf;

/// A server's name, addresses and log.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    /// As in the servers' configuration.
    pub(super) client_address: String,
    pub(super) peer_address: String,
    /// Where clients of this process connect to instead of the client address.
    pub(super) reach: Option<String>,
    /// JSON lines.
    pub(super) log: PathBuf,
}
