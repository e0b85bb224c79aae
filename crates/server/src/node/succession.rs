//! Who stands for election when the leader is lost, and in which order.
//!
//! The engine draws a random time-out for this, so that servers do not stand at the same time. Those
//! who follow one leader have turns instead: the one with the lowest id stands first, by the usual
//! pre-vote, and each of the others a turn later than the one before it. The engine's random time-outs
//! still run, for all cases in which this does not lead to a leader.
//!
//! Safety does not rest on this: votes are Raft's.

use std::{collections::BTreeSet, time::Duration};

use openraft::{
    async_runtime::watch::WatchReceiver as _, errors::Fatal, metrics::RaftServerMetrics,
};
use tokio::time::{Instant, sleep};

use super::{
    compare_clocks::OwnClock,
    types::{Raft, TypeConfig, Vote},
};

/// Time that each voter gets to be elected before the next one stands: a few round trips and a sync
/// between servers near each other.
pub(super) const TURN_MIN: Duration = Duration::from_millis(15);

/// The same where round trips may take longer. Heartbeats tell: each is to be answered before the
/// next one.
pub(super) fn turn(heartbeat: Duration) -> Duration {
    (heartbeat / 4).max(TURN_MIN)
}

/// A leader that a voter follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) id: u64,
    pub(super) name: String,
    /// Of its peer port.
    pub(super) address: String,
    /// What it was elected by.
    pub(super) vote: Vote,
    /// The follower's place among those who can succeed it, from 0 on.
    turn: u32,
    /// How many can succeed it.
    turns: u32,
}

impl Leader {
    /// The leader, if this server is one of those who can succeed it.
    pub(super) fn followed(metrics: &RaftServerMetrics<TypeConfig>) -> Option<Self> {
        let id = metrics.current_leader.filter(|id| *id != metrics.id)?;
        let members = metrics.membership_config.membership();
        let (_, leader) = members.nodes().find(|(member, _)| **member == id)?;
        if !metrics.vote.committed {
            return None;
        }
        let successors: BTreeSet<u64> = members.voter_ids().filter(|voter| *voter != id).collect();
        let turn = successors.iter().position(|voter| *voter == metrics.id)?;
        Some(Self {
            id,
            name: leader.server.name.clone(),
            address: leader.server.peer_address.clone(),
            vote: metrics.vote,
            turn: u32::try_from(turn).ok()?,
            turns: u32::try_from(successors.len()).ok()?,
        })
    }
}

/// Stands for election in this server's turns until it has given its vote, to itself or to somebody
/// else, or `patience` is over: voters whose lease still runs refuse at first. While this server's own
/// lease runs, the engine does nothing. A server whose clock is wrong lets its turns pass.
pub(super) async fn stand(
    raft: &Raft,
    leader: &Leader,
    own_clock: &OwnClock,
    (turn, patience): (Duration, Duration),
) -> Result<(), Fatal<TypeConfig>> {
    let since = Instant::now();
    let mut pause = turn * leader.turn;
    loop {
        sleep(pause).await;
        let voted = raft.server_metrics().borrow_watched().vote != leader.vote;
        if voted || since.elapsed() >= patience {
            return Ok(());
        }
        if !own_clock.is_wrong() {
            raft.trigger().elect(true).await?;
        }
        pause = turn * leader.turns;
    }
}

#[cfg(test)]
mod tests;
