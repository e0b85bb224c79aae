//! What one seed makes of the cluster and its world.

use std::{fmt, path::PathBuf};

use crate::chance::Chance;

/// The servers, in the order of their ids.
pub(crate) const SERVERS: [&str; 3] = ["n1", "n2", "n3"];
/// Hosts that clients run on.
pub(crate) const CLIENT_HOSTS: [&str; 2] = ["c1", "c2"];
/// Clients on each of them.
pub(crate) const WORKERS: usize = 2;
pub(crate) const CLIENT_PORT: u16 = 7400;
pub(crate) const PEER_PORT: u16 = 7401;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) certificates: PathBuf,
    /// For how long there are faults, simulated ms.
    pub(crate) faults_ms: u64,
    /// The slowest message, ms.
    pub(crate) latency_max_ms: u64,
    pub(crate) log_keep_entries: u64,
    pub(crate) snapshot_after_entries: u64,
    pub(crate) checkpoint_interval_ms: u64,
}

impl Settings {
    pub(crate) fn of(seed: u64, faults_ms: u64, certificates: PathBuf) -> Self {
        let mut chance = Chance::of(seed, "settings");
        Self {
            seed,
            certificates,
            faults_ms,
            latency_max_ms: *chance.one_of(&[1, 3, 8]),
            // Few entries: who was away for a while needs a snapshot.
            log_keep_entries: *chance.one_of(&[0, 5, 20, 200, 500_000]),
            snapshot_after_entries: *chance.one_of(&[5, 20, 50, 200]),
            checkpoint_interval_ms: *chance.one_of(&[20, 100, 1000]),
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed: _,
            certificates: _,
            faults_ms,
            latency_max_ms,
            log_keep_entries,
            snapshot_after_entries,
            checkpoint_interval_ms,
        } = self;
        write!(
            f,
            "faults for {faults_ms} ms, messages up to {latency_max_ms} ms, checkpoint each \
             {checkpoint_interval_ms} ms, snapshot after {snapshot_after_entries} entries, \
             {log_keep_entries} kept"
        )
    }
}
