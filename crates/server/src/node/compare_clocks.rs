//! Servers compare their clocks as they go. One whose clock a majority contradicts doesn't lead: changes would
//! have wrong times, and what ends by itself would end at the wrong time.

use std::{
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use openraft::{ServerState, async_runtime::watch::WatchReceiver as _};
use tokio::time::{Instant, timeout};
use tracing::{error, info};

use super::{
    network::PeerNetwork,
    types::{Membership, Raft},
    wire::proto,
};
use crate::seams::Clock;

/// Clocks that differ by more than this are not both right, ms. NTP keeps them within some.
const DIFFERENCE_MAX_MS: i64 = 5000;
/// A server that doesn't answer by then is left out. So an answer tells a clock to half of this at worst.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// Pause before a leader whose clock is wrong asks another server again to take over.
const AGAIN: Duration = Duration::from_secs(1);

/// What this server knows of its clock.
#[derive(Debug, Default)]
pub(super) struct OwnClock {
    /// Whether a majority says that it is wrong.
    is_wrong: AtomicBool,
    /// How far it is ahead of the other voters' clocks, ms: the median, of those that answered the last time.
    ahead_ms: Mutex<Option<i64>>,
}

impl OwnClock {
    /// Whether a majority of the voters have clocks that agree, and this server's doesn't.
    pub(super) fn is_wrong(&self) -> bool {
        self.is_wrong.load(Ordering::Relaxed)
    }

    /// How far it is ahead of the other voters' clocks, ms; none if nobody answered the last time.
    pub(super) fn ahead_ms(&self) -> Option<i64> {
        *self.ahead_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, verdict: &Verdict) {
        let mut ahead = self.ahead_ms.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = verdict.ahead_ms;
        self.is_wrong
            .store(!verdict.right.is_empty(), Ordering::Relaxed);
    }
}

/// Compares every so often, and as soon as this server is elected or the leader is lost: where no majority is left
/// that says so, a clock counts as right.
pub(super) async fn compare(
    every: Duration,
    raft: Raft,
    clock: Arc<dyn Clock>,
    peers: PeerNetwork,
    own: Arc<OwnClock>,
) {
    let mut metrics = raft.server_metrics();
    // The others are asked in turns to take over: one of them may be behind.
    let mut turn: usize = 0;
    loop {
        let (leads, members) = {
            let now = metrics.borrow_watched();
            let leads = now.state == ServerState::Leader;
            (leads, Arc::clone(&now.membership_config))
        };
        let verdict = ask_others(members.membership(), &*clock, &peers).await;
        let was_wrong = own.is_wrong();
        own.note(&verdict);
        // For what the engine does by itself. Those who have turns ask `own`.
        raft.runtime_config().elect(!own.is_wrong());
        match (own.is_wrong(), was_wrong) {
            (true, false) => error!(
                event = "clock_wrong",
                "the clock of this server is {}, by those of a majority of the servers, and this server does not \
                 lead until it is right; set it, by NTP best: timedatectl shows whether that works",
                in_words(verdict.ahead_ms.unwrap_or(0))
            ),
            (false, true) => info!(
                event = "clock_right",
                "no majority of the servers contradicts the clock of this one any longer"
            ),
            (true, true) | (false, false) => {}
        }
        let mut pause = every;
        if leads && own.is_wrong() {
            pause = AGAIN;
            let successor = verdict.right[turn % verdict.right.len()];
            turn = turn.wrapping_add(1);
            info!(
                event = "handing_over",
                to = successor,
                "handing leadership to server {successor}, whose clock is right"
            );
            // Where the engine has ended, the node ends too.
            drop(raft.trigger().transfer_leader(successor).await);
        }
        let news = async {
            let (mut led, mut known) = (leads, true);
            while metrics.changed().await.is_ok() {
                let (leads, leader) = {
                    let now = metrics.borrow_watched();
                    (now.state == ServerState::Leader, now.current_leader)
                };
                if (leads && !led) || (known && leader.is_none()) {
                    return;
                }
                (led, known) = (leads, leader.is_some());
            }
            pending().await
        };
        // Either way all are asked anew.
        drop(timeout(pause, news).await);
    }
}

/// What the comparison says.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// The median of how far this server's clock is ahead of the others', ms, if any answered.
    ahead_ms: Option<i64>,
    /// Where a majority contradicts this server's clock: that majority.
    right: Vec<u64>,
}

/// By how far this server's clock is ahead of those of other voters, ms, among so many voters.
fn judge(voters: usize, others: &[(u64, i64)]) -> Verdict {
    let mut others = others.to_vec();
    others.sort_unstable_by_key(|(_, ahead)| *ahead);
    let majority = voters / 2 + 1;
    let agree = |those: &&[(u64, i64)]| {
        let (first, last) = (those[0].1, those[majority - 1].1);
        let contradicts = |ahead: i64| ahead.saturating_abs() > DIFFERENCE_MAX_MS;
        last.saturating_sub(first) <= DIFFERENCE_MAX_MS
            && those.iter().all(|(_, ahead)| contradicts(*ahead))
    };
    Verdict {
        ahead_ms: others.get(others.len() / 2).map(|(_, ahead)| *ahead),
        right: others
            .windows(majority)
            .find(agree)
            .map(|those| those.iter().map(|(id, _)| *id).collect())
            .unwrap_or_default(),
    }
}

/// Asks the other voters, until a majority contradicts this server's clock or all have had their time.
async fn ask_others(members: &Membership, clock: &dyn Clock, peers: &PeerNetwork) -> Verdict {
    let others = members.voter_ids().filter(|id| *id != peers.this());
    let asked = others.filter_map(|id| {
        let server = &members.get_node(&id)?.server;
        Some(async move {
            let mut client = peers.warm_client(id, server);
            let (begun, before) = (Instant::now(), clock.now().0);
            let answer = timeout(ANSWER_TIMEOUT, client.clock(proto::ClockRequest {})).await;
            let (took, after) = (begun.elapsed(), clock.now().0);
            let theirs = answer.ok()?.ok()?.into_inner().time_ms;
            // This process or this machine stood still meanwhile, or the clock was set: that says nothing.
            let elapsed = Duration::from_millis(after.checked_sub(before)?);
            if took.max(elapsed) > ANSWER_TIMEOUT {
                return None;
            }
            // About when they answered.
            let own = before.midpoint(after);
            let ahead = i128::from(own) - i128::from(theirs);
            Some((id, i64::try_from(ahead).ok()?))
        })
    });
    let mut answers: FuturesUnordered<_> = asked.collect();
    let voters = members.voter_ids().count();
    let mut others = Vec::new();
    while let Some(answer) = answers.next().await {
        others.extend(answer);
        let verdict = judge(voters, &others);
        if !verdict.right.is_empty() {
            return verdict;
        }
    }
    judge(voters, &others)
}

/// Such as "3600 s ahead".
fn in_words(ahead_ms: i64) -> String {
    let seconds = ahead_ms.unsigned_abs() / 1000;
    let side = if ahead_ms < 0 { "behind" } else { "ahead" };
    format!("{seconds} s {side}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_majority_whose_clocks_agree_contradicts_one() {
        const HOUR: i64 = 3_600_000;
        let cases: [(usize, &[i64], bool); 12] = [
            (3, &[], false),
            (3, &[0, 3], false),
            (3, &[HOUR, HOUR + 900], true),
            (3, &[-HOUR, -HOUR], true),
            (3, &[5001, 9000], true),
            (3, &[5000, 9000], false),
            // One of the others is wrong, or both are: nobody knows.
            (3, &[HOUR, 0], false),
            (3, &[HOUR, 2 * HOUR], false),
            (3, &[HOUR, -HOUR], false),
            // Half of them are no majority.
            (2, &[HOUR], false),
            (5, &[HOUR, HOUR, 0, 0], false),
            (5, &[HOUR, -7, HOUR, HOUR], true),
        ];
        for (voters, ahead, is_wrong) in cases {
            let others: Vec<(u64, i64)> = (2..).zip(ahead.iter().copied()).collect();
            let verdict = judge(voters, &others);
            let right = if is_wrong { voters / 2 + 1 } else { 0 };
            assert_eq!(verdict.right.len(), right, "{ahead:?} of {voters}");
            assert_eq!(verdict.ahead_ms.is_some(), !ahead.is_empty());
        }
        assert_eq!(
            judge(5, &[(2, HOUR), (3, 0), (4, HOUR), (5, HOUR)]).right,
            [2, 4, 5]
        );
        assert_eq!(in_words(-HOUR), "3600 s behind");
    }
}
