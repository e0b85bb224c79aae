//! The vote that this server gave last, as others may be told of it at any moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::types::Vote;

/// What [`LogStore`](super::log_store::LogStore) was asked to keep last.
///
/// The engine gives a vote, or follows a leader, only after the log has kept that. It is noted here before it is
/// kept, so who is told here that a vote is still held is told so before any newer one can count.
#[derive(Debug, Default)]
pub(super) struct GivenVote(Mutex<Option<Vote>>);

impl GivenVote {
    /// Notes a vote that is about to be given.
    pub(super) fn note(&self, vote: Vote) {
        *self.vote() = Some(vote);
    }

    /// Whether the vote that was given last is for the leader or candidate of this one.
    pub(super) fn is_for(&self, vote: &Vote) -> bool {
        let given = *self.vote();
        given.is_some_and(|given| given.leader_id == vote.leader_id)
    }

    fn vote(&self) -> MutexGuard<'_, Option<Vote>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use quorid_storage::LogVote;

    use super::*;
    use crate::node::wire;

    fn vote(term: u64, candidate: u64, committed: bool) -> Vote {
        wire::vote(LogVote {
            term,
            candidate,
            committed,
        })
    }

    #[test]
    fn a_vote_is_held_until_another_leader_or_term_is_given_it() {
        let given = GivenVote::default();
        assert!(!given.is_for(&vote(1, 1, true)));
        given.note(vote(1, 1, false));
        assert!(given.is_for(&vote(1, 1, true)));
        given.note(vote(1, 1, true));
        assert!(given.is_for(&vote(1, 1, true)));
        assert!(!given.is_for(&vote(1, 2, true)));
        given.note(vote(2, 1, false));
        assert!(!given.is_for(&vote(1, 1, true)));
        assert!(given.is_for(&vote(2, 1, true)));
    }
}
