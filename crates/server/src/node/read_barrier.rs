//! Linearizable reads: one round of the majority for all who wait.
//!
//! A leader asks the other voters whether the vote that made it leader is still the last one that they gave. Once a
//! majority has said so, nobody else was leader when the round began: whoever is elected has the votes of a
//! majority first, one of those asked among them. Every change that was acknowledged before was applied by this
//! server, or is in its log before the first entry of its own term, which it waits for. It waits for what it told
//! other servers to be committed, too: whoever saw that on one of them sees it here. No clock takes part in that,
//! nor does the engine, whose thread has other things to do.

use std::{future::Future, sync::Arc, time::Duration};

use openraft::{
    RaftMetrics, ServerState, async_runtime::watch::WatchReceiver as _, metrics::RaftServerMetrics,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

use super::{
    Timing,
    ask_voters::{Answer, Voters},
    given_vote::GivenVote,
    network::{PeerNetwork, ToldCommitted},
    types::{LogId, Membership, Raft, StoredMembership, TypeConfig, Vote},
    unavailable::Unavailable,
};

/// Readers that wait for the next round. One more waits for a place, within its deadline.
const WAITING_MAX: usize = 16_384;

/// As many voters are asked as a majority needs; one that takes longer than this is not waited for any more, and
/// all are asked. It is several times what an answer takes in one place.
const ASK_OTHERS_AFTER: Duration = Duration::from_millis(5);

type Waiting = oneshot::Sender<Result<(), BarrierError>>;

/// Why a round gave no barrier. Told to all who waited for it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BarrierError {
    NotLeader,
    NoQuorum,
    Stopped,
}

/// Asks the majority whether this server still leads, for many readers at a time.
#[derive(Clone)]
pub(crate) struct ReadBarrier {
    waiting: mpsc::Sender<Waiting>,
}

impl ReadBarrier {
    /// A barrier, and the work behind it, which ends when the last clone is gone. `given` is this server's
    /// own vote.
    pub(super) fn new(
        raft: Raft,
        given: Arc<GivenVote>,
        peers: PeerNetwork,
        timing: Timing,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (waiting, queue) = mpsc::channel(WAITING_MAX);
        let election = Duration::from_millis(timing.election_max_ms);
        let ask_again = Duration::from_millis(timing.heartbeat_ms);
        let rounds = Rounds {
            raft,
            given,
            told: peers.told().clone(),
            voters: Voters::new(peers, election, ask_again),
            ask_again,
            begun: None,
        };
        (Self { waiting }, rounds.run(queue, 2 * election))
    }

    /// Returns once whatever is read then contains every change that was acknowledged before
    /// this call.
    pub(crate) async fn pass(&self) -> Result<(), BarrierError> {
        let (tell, told) = oneshot::channel();
        self.waiting
            .send(tell)
            .await
            .map_err(|_| BarrierError::Stopped)?;
        told.await.map_err(|_| BarrierError::Stopped)?
    }
}

struct Rounds {
    raft: Raft,
    given: Arc<GivenVote>,
    told: ToldCommitted,
    voters: Voters,
    /// Pause before all who have not answered are asked again.
    ask_again: Duration,
    /// The last term in which this server led and had applied an entry of its own.
    begun: Option<u64>,
}

impl Rounds {
    /// `patience` bounds a round.
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>, patience: Duration) {
        let mut readers = Vec::new();
        while queue.recv_many(&mut readers, WAITING_MAX).await > 0 {
            // Whoever comes while the round is under way waits for the next one: this one's
            // majority may have been asked before the reader came.
            let result = timeout(patience, self.round())
                .await
                .unwrap_or(Err(BarrierError::NoQuorum));
            for reader in readers.drain(..) {
                // A reader that gave up doesn't mind.
                let _ = reader.send(result);
            }
        }
    }

    async fn round(&mut self) -> Result<(), BarrierError> {
        let shown = self.told.index();
        let Leadership {
            this,
            vote,
            members,
        } = self.leadership()?;
        let begins = self.begin(&vote).await?;
        self.voters.follow(&members, this);
        let members = members.membership();
        let mut first = vec![this];
        for id in self.voters.ids() {
            // All of them once, so that a stream to each is open when it is needed.
            if begins || !is_majority(members, &first) {
                first.push(id);
            }
        }
        let question = self.voters.ask(&vote, |id| first.contains(&id));
        let mut round = Round::new(question, this);
        let mut late = false;
        let mut ask_all = Instant::now() + ASK_OTHERS_AFTER;
        while !is_majority(members, &round.held) {
            tokio::select! {
                biased;
                answer = self.voters.answer() => round.hear(&answer),
                () = sleep_until(ask_all) => {
                    if self.leadership()?.vote != vote {
                        return Err(BarrierError::NotLeader);
                    }
                    self.voters.ask(&vote, |id| !round.held.contains(&id));
                    ask_all = Instant::now() + self.ask_again;
                    late = true;
                }
            }
            if round.is_lost(members) {
                return Err(BarrierError::NotLeader);
            }
        }
        if late {
            self.voters.prefer(&round.held);
        }
        self.applied(|last| last.index >= shown).await
    }

    /// What this server leads by, if it does.
    fn leadership(&self) -> Result<Leadership, BarrierError> {
        let metrics = self.raft.server_metrics();
        let leadership = Leadership::of(&metrics.borrow_watched())?;
        match self.given.is_for(&leadership.vote) {
            true => Ok(leadership),
            false => Err(BarrierError::NotLeader),
        }
    }

    /// Returns once an entry of this term was applied: all of earlier terms were, then. Whether that had yet to
    /// be seen.
    async fn begin(&mut self, vote: &Vote) -> Result<bool, BarrierError> {
        let term = vote.leader_id.term;
        if self.begun == Some(term) {
            return Ok(false);
        }
        self.applied(|last| last.leader_id.term >= term).await?;
        self.begun = Some(term);
        Ok(true)
    }

    /// Returns once the last entry that was applied is such a one.
    async fn applied(&self, is_enough: impl Fn(&LogId) -> bool) -> Result<(), BarrierError> {
        let mut metrics = self.raft.metrics();
        let enough = |metrics: &RaftMetrics<TypeConfig>| {
            metrics.last_applied.as_ref().is_some_and(&is_enough)
        };
        while !enough(&metrics.borrow_watched()) {
            let changed = metrics.changed().await;
            changed.map_err(|_| BarrierError::Stopped)?;
        }
        Ok(())
    }
}

/// What a server leads by.
struct Leadership {
    this: u64,
    vote: Vote,
    /// The last that its log has, or the ones before: whoever is elected by either has votes of a majority of both.
    members: Arc<StoredMembership>,
}

impl Leadership {
    fn of(metrics: &RaftServerMetrics<TypeConfig>) -> Result<Self, BarrierError> {
        match metrics.state {
            ServerState::Leader => Ok(Self {
                this: metrics.id,
                vote: metrics.vote,
                members: Arc::clone(&metrics.membership_config),
            }),
            ServerState::Shutdown => Err(BarrierError::Stopped),
            ServerState::Learner | ServerState::Follower | ServerState::Candidate => {
                Err(BarrierError::NotLeader)
            }
        }
    }
}

/// What is known of one round.
struct Round {
    /// Its first question. Answers to those of earlier rounds say nothing of now.
    question: u64,
    /// Who holds the leader's vote, the leader among them.
    held: Vec<u64>,
    /// Who doesn't, or not yet.
    others: Vec<u64>,
}

impl Round {
    fn new(question: u64, leader: u64) -> Self {
        Self {
            question,
            held: vec![leader],
            others: Vec::new(),
        }
    }

    fn hear(&mut self, answer: &Answer) {
        let from = answer.from;
        if answer.question < self.question || self.held.contains(&from) {
            return;
        }
        self.others.retain(|other| *other != from);
        match answer.held {
            true => self.held.push(from),
            false => self.others.push(from),
        }
    }

    /// Whether so many have given another vote that no majority is left: another server is leader, or will be.
    fn is_lost(&self, members: &Membership) -> bool {
        if self.others.is_empty() {
            return false;
        }
        let left = members.voter_ids().filter(|id| !self.others.contains(id));
        !is_majority(members, &left.collect::<Vec<_>>())
    }
}

/// Whether these are a majority; while the voters change, of those before and after.
fn is_majority(members: &Membership, these: &[u64]) -> bool {
    let configs = members.get_joint_config();
    configs.iter().all(|voters| {
        let among = voters.iter().filter(|id| these.contains(id)).count();
        among > voters.len() / 2
    })
}

impl BarrierError {
    /// What the caller is answered; `not_leader` says who leads.
    pub(crate) fn unavailable(self, not_leader: impl FnOnce() -> Unavailable) -> Unavailable {
        match self {
            Self::NotLeader => not_leader(),
            Self::NoQuorum => Unavailable::NoQuorum,
            Self::Stopped => Unavailable::ShuttingDown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn members(configs: &[&[u64]]) -> Membership {
        let configs: Vec<BTreeSet<u64>> = configs
            .iter()
            .map(|voters| voters.iter().copied().collect())
            .collect();
        Membership::new_with_defaults(configs, [])
    }

    #[test]
    fn a_majority_is_one_of_the_voters_before_and_after_a_change() {
        let three = members(&[&[1, 2, 3]]);
        assert!(!is_majority(&three, &[1]));
        assert!(!is_majority(&three, &[1, 4]));
        assert!(is_majority(&three, &[3, 1]));
        let changing = members(&[&[1, 2, 3], &[1, 4, 5]]);
        assert!(!is_majority(&changing, &[1, 2]));
        assert!(!is_majority(&changing, &[2, 3, 4]));
        assert!(is_majority(&changing, &[1, 2, 4]));
        assert!(is_majority(&members(&[&[7]]), &[7]));
        assert!(!is_majority(&members(&[&[1, 2]]), &[1]));
    }

    #[test]
    fn a_round_counts_each_voter_once_if_it_holds_the_vote_now() {
        let mut round = Round::new(5, 1);
        let mut hear = |from, question, held| {
            round.hear(&Answer {
                from,
                question,
                held,
            });
            round.held.clone()
        };
        assert_eq!(hear(2, 4, true), [1], "asked before the round");
        assert_eq!(hear(2, 5, false), [1], "it has given another vote");
        assert_eq!(hear(2, 6, true), [1, 2], "asked again");
        assert_eq!(hear(2, 7, true), [1, 2]);
    }

    #[test]
    fn a_round_is_lost_when_too_few_are_left_who_may_hold_the_vote() {
        let three = members(&[&[1, 2, 3]]);
        let mut round = Round::new(5, 1);
        let denies = |from, question| Answer {
            from,
            question,
            held: false,
        };
        round.hear(&denies(2, 5));
        round.hear(&denies(2, 6));
        round.hear(&denies(3, 4));
        assert!(!round.is_lost(&three), "server 3 may hold it");
        round.hear(&denies(3, 5));
        assert!(round.is_lost(&three));
        round.hear(&Answer {
            held: true,
            ..denies(3, 6)
        });
        assert!(!round.is_lost(&three), "it has heard of the leader since");
    }
}
