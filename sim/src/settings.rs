//! What one seed makes of the cluster and its world.

use std::{fmt, path::PathBuf};

use quorid_history::chance::Chance;

/// All servers that there may be, in the order of their ids.
const SERVERS: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
/// Hosts that clients run on.
pub(crate) const CLIENT_HOSTS: [&str; 2] = ["c1", "c2"];
/// Clients on each of them.
pub(crate) const WORKERS: usize = 2;
/// Host of the client that asks servers which may lead no longer.
pub(crate) const PROBER_HOST: &str = "p1";
/// Hosts of those who follow the changes.
pub(crate) const FOLLOWER_HOSTS: [&str; 2] = ["f1", "f2"];
pub(crate) const CLIENT_PORT: u16 = 7400;
pub(crate) const PEER_PORT: u16 = 7401;

/// By then the cluster has formed, unless there are faults before, ms.
const FORMED_MS: u64 = 2500;
/// Faults that come this early strike a cluster that is being formed, ms.
const FORMING_MS: u64 = 150;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    /// Three, or five for every fifth seed.
    pub(crate) servers: &'static [&'static str],
    pub(crate) certificates: PathBuf,
    /// Servers of an older version: they support the first feature level only, until they are upgraded.
    pub(crate) older: Vec<usize>,
    /// Whether the directory is closed: then some clients act as accounts with roles.
    pub(crate) closed: bool,
    /// When the faults begin, simulated ms.
    pub(crate) faults_from_ms: u64,
    /// For how long there are faults, simulated ms.
    pub(crate) faults_ms: u64,
    /// The slowest message, ms.
    pub(crate) latency_max_ms: u64,
    pub(crate) log_keep_entries: u64,
    pub(crate) snapshot_after_entries: u64,
    pub(crate) checkpoint_interval_ms: u64,
}

impl Settings {
    pub(crate) fn of(seed: u64, faults_ms: u64) -> Self {
        let mut chance = Chance::of(seed, "settings");
        let servers: &[&str] = match seed % 5 {
            0 => &SERVERS,
            _ => &SERVERS[..3],
        };
        let mut versions = Chance::of(seed, "versions");
        let older = (0..servers.len()).filter(|_| seed % 3 == 1 && versions.percent(60));
        Self {
            seed,
            servers,
            older: older.collect(),
            closed: seed.is_multiple_of(2),
            certificates: PathBuf::new(),
            faults_from_ms: match seed % 4 {
                1 => FORMING_MS,
                _ => FORMED_MS,
            },
            faults_ms,
            latency_max_ms: *chance.one_of(&[1, 3, 8]),
            // Few entries: who was away for a while needs a snapshot.
            log_keep_entries: *chance.one_of(&[0, 5, 20, 200, 500_000]),
            snapshot_after_entries: *chance.one_of(&[5, 20, 50, 200]),
            checkpoint_interval_ms: *chance.one_of(&[20, 100, 1000]),
        }
    }

    /// When the cluster has formed, if nothing hinders it, ms.
    pub(crate) fn formed_ms(&self) -> u64 {
        self.faults_from_ms.max(FORMED_MS)
    }

    /// When all faults are over, ms.
    pub(crate) fn faults_end_ms(&self) -> u64 {
        self.faults_from_ms + self.faults_ms
    }

    /// The other servers than this one.
    pub(crate) fn others(&self, server: usize) -> impl Iterator<Item = &'static str> {
        let name = self.servers[server];
        let all = self.servers.iter().copied();
        all.filter(move |other| *other != name)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed: _,
            servers,
            certificates: _,
            older,
            closed,
            faults_from_ms,
            faults_ms,
            latency_max_ms,
            log_keep_entries,
            snapshot_after_entries,
            checkpoint_interval_ms,
        } = self;
        write!(
            f,
            "{} servers, {} of them of an older version, {}, faults from {faults_from_ms} ms for {faults_ms} ms, messages up to \
             {latency_max_ms} ms, checkpoint each {checkpoint_interval_ms} ms, snapshot after \
             {snapshot_after_entries} entries, {log_keep_entries} kept",
            servers.len(),
            older.len(),
            if *closed { "closed" } else { "open" }
        )
    }
}
