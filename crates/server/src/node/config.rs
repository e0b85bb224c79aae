//! The settings of a node.

use std::time::Duration;

use quorid_directory::Level;
use quorid_storage::{LogOptions, StoreOptions};

use super::wire::{self, proto};
use crate::named_server::NamedServer;

/// When a server takes another for dead. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Pause between two heartbeats of a leader.
    pub heartbeat_ms: u64,
    /// A server that knows no leader waits at least this long before it stands for election.
    pub election_min_ms: u64,
    /// And less than this; also the time for which a leader's lease runs, after which its followers
    /// stand for election in turns.
    pub election_max_ms: u64,
}

/// How a node runs.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// This server.
    pub own: NamedServer,
    /// The servers that form the cluster, the same list in the same order for each of them.
    pub initial_servers: Vec<NamedServer>,
    /// Wait to be added to a cluster, instead of forming one.
    pub join: bool,
    /// Whether a server may form a cluster alone.
    pub form_alone: bool,
    /// The highest feature level that the server supports. In tests and simulations there are older
    /// servers; all others support what the program does.
    pub supports: Level,
    /// When a server takes another for dead.
    pub timing: Timing,
    /// At most this long after a change it is in a checkpoint.
    pub checkpoint_interval: Duration,
    /// So often its state is compared with those of the others.
    pub compare_interval: Duration,
    /// After so many entries the log is cut behind the checkpoint.
    pub snapshot_after_entries: u64,
    /// So many entries behind the checkpoint are kept for followers that were away.
    pub log_keep_entries: u64,
    /// The outcome of a write is unknown after that.
    pub write_timeout: Duration,
    /// How the state is kept.
    pub store: StoreOptions,
    /// How the log is kept.
    pub log: LogOptions,
}

impl NodeConfig {
    pub(super) fn is_first(&self) -> bool {
        self.initial_servers
            .first()
            .is_some_and(|first| first.name == self.own.name)
    }

    pub(super) fn others(&self) -> impl Iterator<Item = &NamedServer> {
        self.initial_servers
            .iter()
            .filter(|server| server.name != self.own.name)
    }

    pub(super) fn initial_messages(&self) -> Vec<proto::InitialServer> {
        if self.join {
            return Vec::new();
        }
        self.initial_servers
            .iter()
            .map(wire::initial_server_message)
            .collect()
    }

    pub(super) fn engine(&self, cluster_id: &str) -> openraft::Config {
        let Timing {
            heartbeat_ms,
            election_min_ms,
            election_max_ms,
        } = self.timing;
        openraft::Config {
            cluster_name: cluster_id.to_owned(),
            heartbeat_interval: heartbeat_ms,
            election_timeout_min: election_min_ms,
            election_timeout_max: election_max_ms,
            install_snapshot_timeout: 10_000,
            max_payload_entries: 1024,
            replication_lag_threshold: 1000,
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_after_entries),
            max_in_snapshot_log_to_keep: self.log_keep_entries,
            purge_batch_size: (self.log_keep_entries / 8).max(1),
            enable_pre_vote: Some(true),
            // A leader that comes back from a crash stands for election like everybody else:
            // its state may be behind what it acknowledged until the log is applied again.
            enable_leader_restore: Some(false),
            // A bridge between two halves must not keep a leader without a majority alive:
            // at least lease + election time-out.
            quorum_loss_probe_interval: Some(2 * election_max_ms + 2 * heartbeat_ms),
            backoff: format!("{0}ms {0}ms {0}ms ..{1}ms", heartbeat_ms, 4 * heartbeat_ms),
            ..openraft::Config::default()
        }
    }
}
