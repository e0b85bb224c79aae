//! Who leads and who is a member, as this server sees it; and the log lines about it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use openraft::{
    Instant as _, ServerState, async_runtime::watch::WatchReceiver as _, metrics::RaftServerMetrics,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::{info, warn};

use super::{
    leader_contact::LeaderContact,
    types::{Raft, TypeConfig},
};
use crate::named_server::NamedServer;

/// A server of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMember {
    /// Given by the cluster, never used twice.
    pub id: u64,
    /// Its name and addresses, chosen by the operator.
    pub server: NamedServer,
    /// A learner gets every change, but has no vote.
    pub voter: bool,
}

/// The cluster as one server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterState {
    /// UUID of the cluster.
    pub cluster_id: String,
    /// Id of the server that sees it so.
    pub this: u64,
    /// Grows with every election.
    pub term: u64,
    /// Id of the leader, where one is known. None while this server leads and no majority
    /// answers it, or follows and hears nothing of it: another may lead by then.
    pub leader: Option<u64>,
    /// The members, by id.
    pub servers: Vec<ClusterMember>,
}

impl ClusterState {
    /// The member of an id.
    #[must_use]
    pub fn member(&self, id: u64) -> Option<&ClusterMember> {
        self.servers.iter().find(|member| member.id == id)
    }

    /// The member of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&ClusterMember> {
        self.servers
            .iter()
            .find(|member| member.server.name == name)
    }

    /// The leader, where one is known and a member.
    #[must_use]
    pub fn leading(&self) -> Option<&ClusterMember> {
        self.leader.and_then(|id| self.member(id))
    }

    pub(super) fn of(cluster_id: &str, metrics: &RaftServerMetrics<TypeConfig>) -> Self {
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let servers = membership
            .nodes()
            .map(|(id, member)| ClusterMember {
                id: *id,
                server: member.server.clone(),
                voter: voters.contains(id),
            })
            .collect();
        Self {
            cluster_id: cluster_id.to_owned(),
            this: metrics.id,
            term: metrics.vote.leader_id.term,
            leader: metrics.current_leader,
            servers,
        }
    }

    /// Whether this server leads, and a majority answers it.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leader == Some(self.this)
    }

    /// Whether this server is a majority by itself.
    fn votes_alone(&self) -> bool {
        let mut voters = self.servers.iter().filter(|member| member.voter);
        voters.all(|member| member.id == self.this)
    }

    fn name_of(&self, id: u64) -> String {
        self.member(id).map_or_else(
            || format!("server {id}"),
            |member| member.server.name.clone(),
        )
    }
}

/// What a server is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Serves writes and linearizable reads.
    Leader,
    /// Has a vote and follows the leader.
    Follower,
    /// Stands for election.
    Candidate,
    /// Follows the leader without a vote.
    Learner,
}

impl Role {
    pub(super) fn of(state: ServerState) -> Self {
        match state {
            ServerState::Leader => Self::Leader,
            ServerState::Follower => Self::Follower,
            ServerState::Candidate => Self::Candidate,
            ServerState::Learner | ServerState::Shutdown => Self::Learner,
        }
    }
}

/// How a leader's lease is watched, by itself and by who follows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeaseWatch {
    /// A leader that no majority has answered for this long serves nothing any more.
    pub(super) lease: Duration,
    /// A leader that wasn't heard for this long is lost: who could be elected is by then.
    pub(super) silence: Duration,
    /// Pause between two looks.
    pub(super) every: Duration,
}

/// Follows the engine's metrics for as long as it runs: keeps `state` up to date and writes
/// a line for each election, step-down, loss of the majority and change of members.
pub(super) async fn watch_cluster(
    raft: Raft,
    contact: Arc<LeaderContact>,
    cluster_id: String,
    lease: LeaseWatch,
    state: watch::Sender<Arc<ClusterState>>,
) {
    let mut metrics = raft.server_metrics();
    let mut role = None;
    // Term and moment of the last election that this server won.
    let mut elected: Option<(u64, Instant)> = None;
    loop {
        let (mut new, new_role) = {
            let metrics = metrics.borrow_watched();
            (
                ClusterState::of(&cluster_id, &metrics),
                Role::of(metrics.state),
            )
        };
        let mut pause = lease.every;
        if new.leads() {
            let since = match elected {
                Some((term, since)) if term == new.term => since,
                Some(_) | None => Instant::now(),
            };
            elected = Some((new.term, since));
            if !new.votes_alone() {
                let left = lease.lease.saturating_sub(majority_silence(&raft, since));
                match left.is_zero() {
                    true => new.leader = None,
                    false => pause = pause.min(left),
                }
            }
        } else if contact.silence() >= lease.silence {
            new.leader = None;
        }
        let before = Arc::clone(&state.borrow());
        tell_role(&before, &new, role, new_role, || contact.handed_over());
        tell_members(&before, &new);
        role = Some(new_role);
        state.send_if_modified(|current| {
            let changed = **current != new;
            if changed {
                *current = Arc::new(new);
            }
            changed
        });
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { return },
            () = sleep(pause) => {}
        }
    }
}

/// How long ago a majority has answered what this leader had sent then, or elected it.
fn majority_silence(raft: &Raft, elected: Instant) -> Duration {
    let metrics = raft.data_metrics();
    let metrics = metrics.borrow_watched();
    let since_election = elected.elapsed();
    let silence = metrics.last_quorum_acked.map(|acked| acked.elapsed());
    silence.map_or(since_election, |silence| silence.min(since_election))
}

fn tell_role(
    before: &ClusterState,
    now: &ClusterState,
    old: Option<Role>,
    new: Role,
    handed_over: impl FnOnce() -> bool,
) {
    let term = now.term;
    let goes_on = old == Some(Role::Leader) && new == Role::Leader && before.term == now.term;
    if before.leader != now.leader || before.term != now.term {
        match (before.leader, now.leader) {
            (Some(_), None) if goes_on => warn!(
                event = "majority_lost",
                term,
                "no majority answers: this leader serves no changes and no linearizable reads \
                 until one does, or another server is elected"
            ),
            (None, Some(_)) if goes_on => info!(
                event = "majority_back",
                term, "a majority answers again: this server still leads in term {term}"
            ),
            (_, Some(leader)) if leader == now.this => {
                info!(
                    event = "elected",
                    term, "elected: this server leads in term {term}"
                );
            }
            (_, Some(leader)) => {
                let leader = now.name_of(leader);
                info!(
                    event = "follows",
                    term, leader, "{leader} leads in term {term}"
                );
            }
            (Some(old), None) if old != now.this && handed_over() => {
                let old = before.name_of(old);
                info!(
                    event = "handed_over",
                    term,
                    leader = old,
                    "the leader {old} hands over"
                );
            }
            (Some(lost), None) if lost != now.this => {
                let lost = before.name_of(lost);
                info!(
                    event = "leader_lost",
                    term,
                    leader = lost,
                    "no word from the leader {lost} for longer than an election time-out"
                );
            }
            (_, None) => {}
        }
    }
    if old == Some(Role::Leader) && new != Role::Leader {
        info!(
            event = "stepped_down",
            term, "stepped down: this server no longer leads"
        );
    }
    if new == Role::Candidate && (old != Some(Role::Candidate) || before.term != now.term) {
        info!(
            event = "candidate",
            term, "standing for election in term {term}"
        );
    }
}

fn tell_members(before: &ClusterState, now: &ClusterState) {
    for member in &now.servers {
        match before.member(member.id) {
            None => info!(
                event = "member_added",
                id = member.id,
                voter = member.voter,
                "member: {} at {} ({})",
                member.server.name,
                member.server.peer_address,
                if member.voter { "voter" } else { "learner" }
            ),
            Some(old) if old.voter != member.voter => info!(
                event = "member_changed",
                id = member.id,
                voter = member.voter,
                "{} is now a {}",
                member.server.name,
                if member.voter { "voter" } else { "learner" }
            ),
            Some(_) => {}
        }
    }
    for member in &before.servers {
        if now.member(member.id).is_none() {
            warn!(
                event = "member_removed",
                id = member.id,
                "{} was removed",
                member.server.name
            );
        }
    }
}
