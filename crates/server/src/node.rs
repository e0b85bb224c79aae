//! A member of the cluster: what is proposed here is in the log of a majority before it is
//! answered. The only folder that names the consensus engine.

mod ask_voters;
mod bootstrap;
mod checkpoints;
mod cluster;
mod compare_clocks;
mod compare_sums;
mod config;
mod dialer;
mod fetch_state;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod gate;
mod given_vote;
mod leader_contact;
mod leader_death;
mod leader_silence;
mod log_store;
mod membership;
mod network;
mod newest;
mod own_identity;
mod read_barrier;
mod receive_heartbeats;
mod receive_snapshot;
mod refused;
mod send_heartbeats;
mod send_snapshot;
mod snapshot;
mod start;
mod state_machine;
mod succession;
mod tasks;
#[cfg(test)]
mod tests;
mod types;
mod unavailable;
mod vote_channels;
mod wire;

use std::{future::Future, sync::Arc, time::Duration};

use openraft::{
    Instant as _,
    async_runtime::watch::WatchReceiver as _,
    errors::{ClientWriteError, RaftError},
};
use quorid_directory::{Command, Level, PlantedBug, Reply, Revision, Schema, is_planted};
use quorid_storage::{Fault, LogEngine};
use tokio::{sync::watch, task::AbortHandle, time::timeout};
use tracing::{info, warn};

use self::{
    checkpoints::Checkpoints,
    compare_clocks::OwnClock,
    compare_sums::Compared,
    dialer::PeerDialer,
    leader_death::LeaderDeaths,
    read_barrier::ReadBarrier,
    types::{Applied, Proposal, Raft, TypeConfig},
};
pub use self::{
    cluster::{ClusterMember, ClusterState, Role},
    config::{NodeConfig, Timing},
    gate::{Gate, PeerName},
    membership::MembershipError,
    refused::Refused,
    start::{StartError, Starting},
    unavailable::Unavailable,
};
use crate::{
    seams::{Threads, woken_together},
    state::{ReadView, State, encode_command},
};

/// How a server is doing.
#[derive(Debug, Clone)]
pub struct ServerStatus {
    /// What it is in the cluster.
    pub role: Role,
    /// The term that it is in.
    pub term: u64,
    /// The leader's id, where it knows one.
    pub leader: Option<u64>,
    /// Log index of the last entry, committed or not.
    pub last_log: u64,
    /// Log index of the last entry that it knows to be committed.
    pub committed: u64,
    /// Its revision: log index of the last entry applied.
    pub applied: u64,
    /// Log index of the last entry in the last checkpoint.
    pub checkpoint: u64,
    /// Log index of the last entry that is no longer in the log.
    pub purged: u64,
    /// Accounts.
    pub accounts: u64,
    /// Groups in the state.
    pub groups: u64,
    /// Deleted accounts and groups that can be restored.
    pub deleted: u64,
    /// Changes that are kept.
    pub changes: u64,
    /// The room that they take.
    pub changes_bytes: u64,
    /// Log and state on the disk.
    pub disk_bytes: u64,
    /// How often a connection from the leader ended since the start, and its port was probed.
    pub leader_probes: u64,
    /// How often the port refused, so that the leader was taken for dead.
    pub leader_deaths: u64,
    /// How often its state was compared with another server's.
    pub comparisons: u64,
    /// Whether some server's state differed in the last comparison.
    pub differs: bool,
    /// How far its clock is ahead of the other voters' clocks, ms: the median; none if nobody answered.
    pub clock_ahead_ms: Option<i64>,
    /// Whether a majority contradicts its clock, so that it doesn't lead.
    pub clock_is_wrong: bool,
    /// The feature level that the directory is at, as far as this server has applied the log.
    pub level: Level,
    /// The highest feature level that this server supports.
    pub supports: Level,
}

/// A running member of the cluster. Clones are the same one.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    config: NodeConfig,
    raft: Raft,
    store: Arc<State>,
    log: Arc<dyn LogEngine>,
    checkpoints: Checkpoints,
    threads: Arc<dyn Threads>,
    dialer: PeerDialer,
    compared: Arc<Compared>,
    own_clock: Arc<OwnClock>,
    deaths: Arc<LeaderDeaths>,
    barrier: ReadBarrier,
    cluster: watch::Receiver<Arc<ClusterState>>,
    /// Held while the members change.
    changing: tokio::sync::Mutex<()>,
    fault: watch::Receiver<Option<Fault>>,
    /// Runs the node's tasks; they end with it.
    supervisor: AbortHandle,
}

impl Node {
    /// Puts a command through the log. Returns once its outcome is on the disks of a
    /// majority; a command that was executed before returns its first outcome.
    pub async fn propose(&self, command: Command) -> Result<Reply, Unavailable> {
        self.leading()?;
        let proposal = Proposal(encode_command(&command).into());
        let write = self.inner.raft.client_write(proposal);
        let write = self.while_led(write, || Unavailable::OutcomeUnknown);
        match timeout(self.inner.config.write_timeout, write).await {
            Ok(Err(lost)) => Err(lost),
            Ok(Ok(Ok(response))) => match response.data {
                Applied(Some(reply)) => Ok(reply),
                Applied(None) => {
                    Err(Fault::new("changing the state", "a command without outcome").into())
                }
            },
            Ok(Ok(Err(error))) => Err(self.write_refused(error)),
            Err(_) => Err(Unavailable::OutcomeUnknown),
        }
    }

    /// Sends what only the leader does elsewhere, before work is put into it.
    pub fn leading(&self) -> Result<(), Unavailable> {
        let state = self.state();
        if state.leads() {
            return Ok(());
        }
        let elected =
            Role::of(self.inner.raft.server_metrics().borrow_watched().state) == Role::Leader;
        Err(match state.leader {
            None if elected => Unavailable::NoQuorum,
            Some(_) | None => self.not_leader(None),
        })
    }

    /// What comes of something that needs a majority; `lost` once none answers any more, so
    /// that nobody waits here for what another server can do.
    async fn while_led<T>(
        &self,
        work: impl Future<Output = T>,
        lost: impl FnOnce() -> Unavailable,
    ) -> Result<T, Unavailable> {
        let mut cluster = self.cluster();
        let work = async {
            tokio::select! {
                biased;
                done = work => Ok(done),
                _ = cluster.wait_for(|state| state.leader.is_none()) => Err(lost()),
            }
        };
        woken_together(work).await
    }

    /// Returns once [`read`](Self::read) shows every change that was acknowledged before
    /// this call, by any server. Only the leader can tell.
    pub async fn read_barrier(&self) -> Result<(), Unavailable> {
        self.leading()?;
        if is_planted(PlantedBug::ReadSkipsBarrier) {
            return Ok(());
        }
        let pass = self.while_led(self.inner.barrier.pass(), || Unavailable::NoQuorum);
        match pass.await? {
            Ok(()) => Ok(()),
            Err(error) => Err(error.unavailable(|| self.not_leader(None))),
        }
    }

    /// Returns once [`read`](Self::read) shows at least a revision.
    pub async fn wait_applied(&self, wanted: Revision) -> Result<(), Unavailable> {
        let mut metrics = self.inner.raft.metrics();
        let reached = async {
            loop {
                if applied_in(&metrics.borrow_watched()) >= wanted {
                    return Ok(());
                }
                if metrics.changed().await.is_err() {
                    return Err(Unavailable::ShuttingDown);
                }
            }
        };
        match timeout(self.inner.config.write_timeout, reached).await {
            Ok(result) => result,
            Err(_) => Err(Unavailable::Behind {
                wanted,
                applied: self.applied(),
            }),
        }
    }

    /// The revision that [`read`](Self::read) shows at least.
    pub fn applied(&self) -> Revision {
        applied_in(&self.inner.raft.metrics().borrow_watched())
    }

    /// Returns once [`read`](Self::read) shows more than a revision, however long that takes.
    pub async fn wait_beyond(&self, revision: Revision) -> Result<(), Unavailable> {
        let mut metrics = self.inner.raft.metrics();
        while applied_in(&metrics.borrow_watched()) <= revision {
            if metrics.changed().await.is_err() {
                return Err(Unavailable::ShuttingDown);
            }
        }
        Ok(())
    }

    /// The state as this server has it.
    pub fn read(&self) -> Result<ReadView, Fault> {
        self.inner.store.read()
    }

    /// The digest of the whole directory, in hexadecimal, and the revision that it is of.
    pub async fn digest(&self) -> Result<(String, Revision), Fault> {
        let view = self.read()?;
        let work = move || Ok((view.digest_text()?, view.revision()?));
        self.inner.threads.elsewhere(work).await?
    }

    /// The sum over all rows at a revision, in hexadecimal, if that was one of the last thousands.
    pub fn row_sum(&self, revision: Revision) -> Option<String> {
        let sum = self.inner.store.sum_at(revision.0)?;
        Some(sum.to_string())
    }

    /// The attributes that objects have now.
    pub fn schema(&self) -> Schema {
        self.inner.store.schema()
    }

    /// Who leads and who is a member, and every change of it.
    #[must_use]
    pub fn cluster(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.inner.cluster.clone()
    }

    /// How this server is doing.
    pub fn status(&self) -> Result<ServerStatus, Fault> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched().clone();
        let index = |id: Option<types::LogId>| id.map_or(0, |id| id.index);
        let view = self.read()?;
        let (accounts, groups) = view.count_accounts_and_groups()?;
        let (changes, changes_bytes) = view.count_changes()?;
        Ok(ServerStatus {
            role: Role::of(metrics.state),
            term: metrics.current_term,
            leader: self.state().leader,
            last_log: metrics.last_log_index.unwrap_or(0),
            committed: index(metrics.local_committed),
            applied: index(metrics.last_applied),
            checkpoint: self.inner.store.durable().applied.map_or(0, |at| at.index),
            purged: index(metrics.purged),
            accounts,
            groups,
            deleted: view.count_deleted()?,
            changes,
            changes_bytes,
            disk_bytes: self.inner.store.disk_bytes() + self.inner.log.disk_bytes(),
            leader_probes: self.inner.deaths.probed(),
            leader_deaths: self.inner.deaths.seen(),
            comparisons: self.inner.compared.count(),
            differs: self.inner.compared.differs(),
            clock_ahead_ms: self.inner.own_clock.ahead_ms(),
            clock_is_wrong: self.inner.own_clock.is_wrong(),
            level: view.level()?,
            supports: self.inner.config.supports,
        })
    }

    /// Stops: hands leadership over, if it has it, and makes a last checkpoint.
    pub async fn shutdown(&self) -> Result<(), Fault> {
        if self.state().leads() {
            // The last one is small then, and nothing large is written while another server takes over.
            if let Err(fault) = self.inner.checkpoints.write().await {
                warn!("no checkpoint before leadership is handed over: {fault}");
            }
            if let Some(successor) = self.successor()
                && !self.hand_over(&successor).await
            {
                warn!(
                    "{} did not take over in time; the others will elect a leader",
                    successor.server.name
                );
            }
        }
        self.inner.supervisor.abort();
        if self.inner.raft.shutdown().await.is_err() {
            warn!("the engine had ended before");
        }
        let durable = self.inner.checkpoints.write().await?;
        let revision = durable.applied.map_or(0, |at| at.index);
        info!(
            event = "checkpoint",
            revision, "stopped; all is on the disk"
        );
        Ok(())
    }

    /// Ends if the node cannot go on: its disk failed, or it met a bug. The process should
    /// end then; its log has all that it acknowledged.
    pub fn fatal(&self) -> impl Future<Output = Fault> + Send + 'static {
        let mut faults = self.inner.fault.clone();
        async move {
            loop {
                if let Some(fault) = faults.borrow_and_update().clone() {
                    return fault;
                }
                if faults.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    fn state(&self) -> Arc<ClusterState> {
        Arc::clone(&self.inner.cluster.borrow())
    }

    fn raft(&self) -> &Raft {
        &self.inner.raft
    }

    fn config(&self) -> &NodeConfig {
        &self.inner.config
    }

    fn dialer(&self) -> &PeerDialer {
        &self.inner.dialer
    }

    fn changing(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, MembershipError> {
        self.inner
            .changing
            .try_lock()
            .map_err(|_| MembershipError::InProgress)
    }

    /// The voter that lacks the least of the log, of those that answered lately, this server
    /// not among them.
    fn successor(&self) -> Option<ClusterMember> {
        let state = self.state();
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.as_ref()?;
        let heartbeats = metrics.heartbeat.as_ref()?;
        let lately = Duration::from_millis(self.inner.config.timing.election_max_ms);
        let answered = |id: u64| {
            let last = heartbeats.get(&id).copied().flatten();
            last.is_some_and(|at| at.elapsed() < lately)
        };
        state
            .servers
            .iter()
            .filter(|member| member.voter && member.id != state.this && answered(member.id))
            .max_by_key(|member| replication.get(&member.id).copied().flatten())
            .cloned()
    }

    fn not_leader(&self, leader: Option<u64>) -> Unavailable {
        let state = self.state();
        // The engine names no leader whose lease has run out; it is still the best guess.
        let leader = leader
            .or(state.leader)
            .filter(|leader| *leader != state.this);
        Unavailable::NotLeader {
            leader: leader.and_then(|id| state.member(id).cloned()),
            term: state.term,
        }
    }

    fn write_refused(
        &self,
        error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
    ) -> Unavailable {
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                self.not_leader(forward.leader_id)
            }
            RaftError::APIError(
                ClientWriteError::LogEntryDiscarded(_)
                | ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_),
            ) => Unavailable::OutcomeUnknown,
            // It may be in the log, and another server may commit it.
            RaftError::Fatal(openraft::errors::Fatal::Stopped) => Unavailable::OutcomeUnknown,
            RaftError::Fatal(fatal) => Fault::new("writing to the log", fatal).into(),
        }
    }
}

fn applied_in(metrics: &openraft::RaftMetrics<TypeConfig>) -> Revision {
    Revision(metrics.last_applied.map_or(0, |last| last.index))
}
