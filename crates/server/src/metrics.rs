//! What a server counts, as Prometheus reads it at `/metrics`.

use std::time::Duration;

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder, core::Collector,
};
use tokio::sync::watch;
use tonic::Code;

use crate::{
    methods::METHODS,
    node::{ClusterState, Role, ServerStatus},
};

/// Bounds of the latency histogram, s.
const LATENCIES: [f64; 16] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];

/// A method's name as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method(&'static str);

impl Method {
    /// As the label has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// Counters and gauges of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    latency: HistogramVec,
    /// Open connections of clients.
    pub connections: IntGauge,
    /// Connections that were refused: no TLS, a bad certificate, too many.
    pub connections_refused: IntCounter,
    elections: IntCounter,
    leader_changes: IntCounter,
    leader_probes: IntCounter,
    leader_deaths: IntCounter,
    comparisons: IntCounter,
    differs: IntGauge,
    clock_ahead_ms: IntGauge,
    clock_is_wrong: IntGauge,
    term: IntGauge,
    is_leader: IntGauge,
    last_log: IntGauge,
    committed: IntGauge,
    applied: IntGauge,
    checkpoint: IntGauge,
    purged: IntGauge,
    lag: IntGauge,
    accounts: IntGauge,
    groups: IntGauge,
    disk_bytes: IntGauge,
    passwords: IntGauge,
    level: IntGauge,
    supported_level: IntGauge,
    deleted: IntGauge,
    changes: IntGauge,
    changes_bytes: IntGauge,
    watchers: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let requests = register(
            &registry,
            IntCounterVec::new(
                Opts::new(
                    "quorid_requests_total",
                    "gRPC requests answered, by method and code",
                ),
                &["method", "code"],
            ),
        );
        let latency = register(
            &registry,
            HistogramVec::new(
                HistogramOpts::new("quorid_request_seconds", "Time to answer a gRPC request")
                    .buckets(LATENCIES.to_vec()),
                &["method"],
            ),
        );
        let counter = |name, help| register(&registry, IntCounter::new(name, help));
        let gauge = |name, help| register(&registry, IntGauge::new(name, help));
        Self {
            requests,
            latency,
            connections: gauge("quorid_connections", "Open client connections"),
            connections_refused: counter(
                "quorid_connections_refused_total",
                "Client connections refused: no TLS, a bad certificate, too many",
            ),
            elections: counter("quorid_elections_total", "New terms seen since the start"),
            leader_changes: counter(
                "quorid_leader_changes_total",
                "Changes of leader seen since the start",
            ),
            leader_probes: counter(
                "quorid_leader_probes_total",
                "Times that a connection from the leader ended, and its port was probed",
            ),
            leader_deaths: counter(
                "quorid_leader_deaths_total",
                "Times that the port refused: the leader's process was gone",
            ),
            comparisons: counter(
                "quorid_state_comparisons_total",
                "Times that the state was compared with another server's",
            ),
            differs: gauge(
                "quorid_state_differs",
                "1 if another server's state differed in the last comparison",
            ),
            clock_ahead_ms: gauge(
                "quorid_clock_ahead_milliseconds",
                "How far this server's clock is ahead of the other voters', the median",
            ),
            clock_is_wrong: gauge(
                "quorid_clock_is_wrong",
                "1 if a majority of the servers contradicts this one's clock",
            ),
            term: gauge("quorid_term", "Current term"),
            is_leader: gauge(
                "quorid_is_leader",
                "1 on the leader while a majority answers it, 0 elsewhere",
            ),
            last_log: gauge("quorid_log_last_index", "Last entry of the log"),
            committed: gauge(
                "quorid_log_committed_index",
                "Last entry known to be committed",
            ),
            applied: gauge(
                "quorid_log_applied_index",
                "Last entry applied: the revision",
            ),
            checkpoint: gauge(
                "quorid_checkpoint_index",
                "Last entry in a checkpoint on disk",
            ),
            purged: gauge(
                "quorid_log_purged_index",
                "Last entry that is no longer in the log",
            ),
            lag: gauge("quorid_apply_lag", "Entries committed, but not applied yet"),
            accounts: gauge("quorid_accounts", "Accounts in the directory"),
            groups: gauge("quorid_groups", "Groups in the directory"),
            deleted: gauge(
                "quorid_deleted",
                "Deleted accounts and groups that can be restored",
            ),
            disk_bytes: gauge("quorid_disk_bytes", "Bytes of log and state on disk"),
            changes: gauge("quorid_changes", "Changes that are kept"),
            changes_bytes: gauge(
                "quorid_changes_bytes",
                "Room that the kept changes take, as the setting history_bytes counts it",
            ),
            watchers: gauge(
                "quorid_changes_watchers",
                "Clients that follow the changes at this server",
            ),
            passwords: gauge(
                "quorid_passwords_in_flight",
                "Passwords being hashed, or waiting",
            ),
            level: gauge("quorid_feature_level", "Feature level of the directory"),
            supported_level: gauge(
                "quorid_feature_level_supported",
                "Highest feature level that this server supports",
            ),
            registry,
        }
    }

    /// The label for the method at this path. Whatever is not a method of this server counts as
    /// `other`, so that callers cannot make labels.
    #[must_use]
    pub fn method(&self, path: &str) -> Method {
        let known = path.strip_prefix('/').and_then(|name| METHODS.get(name));
        Method(known.map_or("other", String::as_str))
    }

    /// Counts a request.
    pub fn answered(&self, method: Method, code: Code, took: Duration) {
        self.requests
            .with_label_values(&[method.0, code_name(code)])
            .inc();
        self.latency
            .with_label_values(&[method.0])
            .observe(took.as_secs_f64());
    }

    /// Counts elections and changes of leader, for as long as the node runs.
    pub async fn follow(&self, mut cluster: watch::Receiver<std::sync::Arc<ClusterState>>) {
        let (mut term, mut leader) = {
            let now = cluster.borrow_and_update();
            (now.term, now.leader)
        };
        while cluster.changed().await.is_ok() {
            let now = cluster.borrow_and_update();
            self.elections.inc_by(now.term.saturating_sub(term));
            term = term.max(now.term);
            if now.leader.is_some() && now.leader != leader {
                self.leader_changes.inc();
                leader = now.leader;
            }
        }
    }

    /// Everything, in Prometheus' text format.
    #[must_use]
    pub fn text(
        &self,
        status: &ServerStatus,
        passwords_in_flight: usize,
        watchers: usize,
    ) -> String {
        let set =
            |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        let count = |counter: &IntCounter, total: u64| {
            counter.inc_by(total.saturating_sub(counter.get()));
        };
        count(&self.leader_probes, status.leader_probes);
        count(&self.leader_deaths, status.leader_deaths);
        count(&self.comparisons, status.comparisons);
        set(&self.differs, u64::from(status.differs));
        self.clock_ahead_ms.set(status.clock_ahead_ms.unwrap_or(0));
        set(&self.clock_is_wrong, u64::from(status.clock_is_wrong));
        set(&self.term, status.term);
        let leads = status.role == Role::Leader && status.leader.is_some();
        set(&self.is_leader, u64::from(leads));
        set(&self.last_log, status.last_log);
        set(&self.committed, status.committed);
        set(&self.applied, status.applied);
        set(&self.checkpoint, status.checkpoint);
        set(&self.purged, status.purged);
        set(&self.lag, status.committed.saturating_sub(status.applied));
        set(&self.accounts, status.accounts);
        set(&self.groups, status.groups);
        set(&self.deleted, status.deleted);
        set(&self.disk_bytes, status.disk_bytes);
        set(&self.passwords, passwords_in_flight as u64);
        set(&self.level, status.level.0.into());
        set(&self.supported_level, status.supports.0.into());
        set(&self.changes, status.changes);
        set(&self.changes_bytes, status.changes_bytes);
        set(&self.watchers, watchers as u64);
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("writing to memory, with metrics of valid names");
        String::from_utf8(text).expect("the text format is UTF-8")
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: Result<C, prometheus::Error>,
) -> C {
    let collector = made.expect("names and labels are constants, and valid");
    registry
        .register(Box::new(collector.clone()))
        .expect("each name is registered once");
    collector
}

/// A status code as gRPC spells it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_cannot_make_labels() {
        let metrics = Metrics::new();
        assert_eq!(
            metrics.method("/quorid.v1.Accounts/GetAccount").0,
            "quorid.v1.Accounts/GetAccount"
        );
        assert_eq!(metrics.method("/whatever/x").0, "other");
    }
}
