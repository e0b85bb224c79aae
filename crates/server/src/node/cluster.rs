//! Who leads and who is a member, as this server sees it; and the log lines about it.

use std::{collections::BTreeSet, sync::Arc};

use openraft::{ServerState, async_runtime::watch::WatchReceiver as _, metrics::RaftServerMetrics};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{
    gate::Gate,
    types::{Raft, TypeConfig},
};

/// A server of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Given by the cluster, never used twice.
    pub id: u64,
    /// Chosen by the operator, the name in its certificate.
    pub name: String,
    /// `host:port` for clients.
    pub client_address: String,
    /// `host:port` for the other servers.
    pub peer_address: String,
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
    /// Id of the leader, where one is known.
    pub leader: Option<u64>,
    /// The members, by id.
    pub servers: Vec<Member>,
}

impl ClusterState {
    /// The member of an id.
    #[must_use]
    pub fn member(&self, id: u64) -> Option<&Member> {
        self.servers.iter().find(|member| member.id == id)
    }

    /// The member of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Member> {
        self.servers.iter().find(|member| member.name == name)
    }

    /// The leader, where one is known and a member.
    #[must_use]
    pub fn leading(&self) -> Option<&Member> {
        self.leader.and_then(|id| self.member(id))
    }

    pub(super) fn of(cluster_id: &str, metrics: &RaftServerMetrics<TypeConfig>) -> Self {
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let servers = membership
            .nodes()
            .map(|(id, peer)| Member {
                id: *id,
                name: peer.name.clone(),
                client_address: peer.client_address.clone(),
                peer_address: peer.peer_address.clone(),
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

    fn name_of(&self, id: u64) -> String {
        self.member(id)
            .map_or_else(|| format!("server {id}"), |member| member.name.clone())
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

/// Follows the engine's metrics for as long as it runs: keeps `state` up to date and writes
/// a line for each election, step-down and change of members.
pub(super) async fn watch_cluster(
    raft: Raft,
    gate: Gate,
    cluster_id: String,
    state: watch::Sender<Arc<ClusterState>>,
) {
    let mut metrics = raft.server_metrics();
    let mut role = None;
    loop {
        let (new, new_role) = {
            let metrics = metrics.borrow_watched();
            (
                ClusterState::of(&cluster_id, &metrics),
                Role::of(metrics.state),
            )
        };
        let before = Arc::clone(&state.borrow());
        tell_role(&before, &new, role, new_role, || gate.handed_over());
        tell_members(&before, &new);
        role = Some(new_role);
        state.send_if_modified(|current| {
            let changed = **current != new;
            if changed {
                *current = Arc::new(new);
            }
            changed
        });
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

fn tell_role(
    before: &ClusterState,
    now: &ClusterState,
    old: Option<Role>,
    new: Role,
    handed_over: impl FnOnce() -> bool,
) {
    let term = now.term;
    if before.leader != now.leader || before.term != now.term {
        match (before.leader, now.leader) {
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
                    "no word from the leader {lost} for an election time-out"
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
                member.name,
                member.peer_address,
                if member.voter { "voter" } else { "learner" }
            ),
            Some(old) if old.voter != member.voter => info!(
                event = "member_changed",
                id = member.id,
                voter = member.voter,
                "{} is now a {}",
                member.name,
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
                member.name
            );
        }
    }
}
