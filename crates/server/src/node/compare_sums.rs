//! Servers compare their states as they go: the sum over all rows, each behind the same entry of the log.
//! One that differs from a majority's stops, and takes another state at its next start.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorid_directory::{PlantedBug, is_planted};
use quorid_storage::{Disk, Fault, RowSum, Store};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tonic::Status;
use tracing::{debug, error};

use super::{gate::OrStatus as _, network::PeerNetwork, types::Raft, wire::proto};
use crate::{named_server::NamedServer, state::State};

/// A server that doesn't answer by then is left out.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// A server that hasn't applied the entry by then says that it doesn't know the sum.
const APPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// What came of the comparisons.
#[derive(Debug, Default)]
pub(super) struct Compared {
    count: AtomicU64,
    differs: AtomicBool,
}

impl Compared {
    /// How often another server's sum was compared.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether some server's differed the last time.
    pub(super) fn differs(&self) -> bool {
        self.differs.load(Ordering::Relaxed)
    }
}

/// Compares every so often, until the state turns out to be wrong.
pub(super) async fn compare(
    every: Duration,
    raft: Raft,
    store: Arc<State>,
    peers: PeerNetwork,
    compared: Arc<Compared>,
    (disk, fault): (Arc<dyn Disk>, watch::Sender<Option<Fault>>),
) {
    let mut timer = interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        let Some((index, own)) = store.last_sum() else {
            continue;
        };
        let members = Arc::clone(&raft.server_metrics().borrow_watched().membership_config);
        let members = members.membership();
        let this = peers.this();
        let (mut voters, mut is_voter, mut asked) = (0, false, Vec::new());
        for id in members.voter_ids() {
            voters += 1;
            is_voter |= id == this;
            if let Some(member) = members.get_node(&id).filter(|_| id != this) {
                asked.push(ask(&peers, id, &member.server, index));
            }
        }
        let answers: Vec<(String, RowSum)> = join_all(asked).await.into_iter().flatten().collect();
        let count = answers.len() as u64;
        compared.count.fetch_add(count, Ordering::Relaxed);
        let verdict = judge(own, is_voter, voters, &answers);
        compared
            .differs
            .store(!matches!(verdict, Verdict::Same), Ordering::Relaxed);
        match verdict {
            Verdict::Same => debug!(
                event = "state_compared",
                revision = index,
                servers = count,
                "the state at revision {index} is the same on {count} other servers"
            ),
            Verdict::OthersDiffer(names) => error!(
                event = "state_differs",
                revision = index,
                "the state of {} at revision {index} is not that of the majority",
                names.join(", ")
            ),
            Verdict::Undecided(names) => error!(
                event = "state_differs",
                revision = index,
                "the state at revision {index} is not the same as on {}, and no majority tells which one is right; \
                 try: quorid cluster verify, once all servers are there",
                names.join(", ")
            ),
            Verdict::Wrong(names) => {
                let why = format!(
                    "the state at revision {index} is not that of the majority, {}",
                    names.join(", ")
                );
                error!(
                    event = "state_differs",
                    revision = index,
                    "{why}; this server stops, and takes the state from another server at its next start"
                );
                let aside = Store::set_aside(&*disk);
                let end = Fault::new("comparing the state with the other servers'", why);
                fault.send_replace(Some(aside.err().unwrap_or(end)));
                return;
            }
        }
    }
}

/// What the comparison says.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nobody's differs.
    Same,
    /// A majority has the same, and these have another one.
    OthersDiffer(Vec<String>),
    /// These have another one, and no majority is known to have any.
    Undecided(Vec<String>),
    /// These have another one, all the same, and are a majority.
    Wrong(Vec<String>),
}

/// Whose state is wrong, among so many voters.
fn judge(own: RowSum, is_voter: bool, voters: usize, answers: &[(String, RowSum)]) -> Verdict {
    let names = |of: &dyn Fn(RowSum) -> bool| -> Vec<String> {
        let those = answers.iter().filter(|(_, sum)| of(*sum));
        those.map(|(name, _)| name.clone()).collect()
    };
    let differ = names(&|sum| sum != own);
    if differ.is_empty() || is_planted(PlantedBug::SumNotCompared) {
        return Verdict::Same;
    }
    let majority = voters / 2 + 1;
    for (_, other) in answers.iter().filter(|(_, sum)| *sum != own) {
        let same = names(&|sum| sum == *other);
        if same.len() >= majority {
            return Verdict::Wrong(same);
        }
    }
    let with_own = answers.len() - differ.len() + usize::from(is_voter);
    if with_own >= majority {
        Verdict::OthersDiffer(differ)
    } else {
        Verdict::Undecided(differ)
    }
}

/// A server's name and sum, if it says.
async fn ask(
    peers: &PeerNetwork,
    id: u64,
    server: &NamedServer,
    index: u64,
) -> Option<(String, RowSum)> {
    let mut client = peers.warm_client(id, server);
    let answer = timeout(
        ANSWER_TIMEOUT,
        client.row_sum(proto::RowSumRequest { index }),
    )
    .await;
    let sum = answer.ok()?.ok()?.into_inner().sum;
    let sum = RowSum::from_bytes(&sum).ok()?;
    Some((server.name.clone(), sum))
}

/// Answers another server. Waits a little for an entry that isn't applied yet.
pub(super) async fn answer(
    raft: &Raft,
    store: &State,
    index: u64,
) -> Result<proto::RowSumResponse, Status> {
    let mut metrics = raft.metrics();
    let applied = async {
        while metrics.borrow_watched().last_applied.map(|last| last.index) < Some(index) {
            metrics.changed().await.or_unavailable()?;
        }
        Ok::<_, Status>(())
    };
    let known = match timeout(APPLY_TIMEOUT, applied).await {
        Ok(applied) => applied.map(|()| store.sum_at(index))?,
        Err(_) => None,
    };
    let sum = known.map_or(Vec::new(), |sum| sum.to_bytes().to_vec());
    Ok(proto::RowSumResponse { sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(byte: u8) -> RowSum {
        RowSum::from_bytes(&[byte; 16]).expect("a sum")
    }

    fn answers(of: &[(&str, u8)]) -> Vec<(String, RowSum)> {
        of.iter()
            .map(|(name, byte)| ((*name).to_owned(), sum(*byte)))
            .collect()
    }

    #[test]
    fn only_a_majority_makes_a_state_wrong() {
        let names = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let cases = [
            (3, true, answers(&[]), Verdict::Same),
            (3, true, answers(&[("b", 1), ("c", 1)]), Verdict::Same),
            (
                3,
                true,
                answers(&[("b", 2), ("c", 2)]),
                Verdict::Wrong(names(&["b", "c"])),
            ),
            (
                3,
                true,
                answers(&[("b", 1), ("c", 2)]),
                Verdict::OthersDiffer(names(&["c"])),
            ),
            (
                3,
                true,
                answers(&[("c", 2)]),
                Verdict::Undecided(names(&["c"])),
            ),
            (
                3,
                true,
                answers(&[("b", 2), ("c", 3)]),
                Verdict::Undecided(names(&["b", "c"])),
            ),
            (
                2,
                true,
                answers(&[("b", 2)]),
                Verdict::Undecided(names(&["b"])),
            ),
            // A learner's own state counts for nothing.
            (
                1,
                false,
                answers(&[("a", 2)]),
                Verdict::Wrong(names(&["a"])),
            ),
            (
                5,
                true,
                answers(&[("b", 2), ("c", 2), ("d", 2), ("e", 1)]),
                Verdict::Wrong(names(&["b", "c", "d"])),
            ),
        ];
        for (voters, is_voter, answers, expected) in cases {
            let verdict = judge(sum(1), is_voter, voters, &answers);
            assert_eq!(verdict, expected, "{answers:?} of {voters}");
        }
    }
}
