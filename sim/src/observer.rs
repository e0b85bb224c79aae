//! Sees everything: the logs of all servers, and what clients asked and were answered. Checks
//! at once what can be checked at once; the [witness](quorid_history::witness) does the rest at
//! the end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quorid_history::{Followed, Operation, witness::CommittedLog};
use quorid_storage::{LogPos, LogVote, Payload};

use crate::{seams::true_time_ms, trace::note};

/// Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Observer(Arc<Mutex<Seen>>);

/// All that was seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) violations: Vec<String>,
    /// What was committed, by index: term and payload.
    pub(crate) committed: CommittedLog,
    /// Who led each term, and since when: the server's id, and time of day, ms.
    pub(crate) leaders: BTreeMap<u64, (u64, u64)>,
    /// The highest term that anybody stood for election in.
    highest_term: u64,
    pub(crate) operations: Vec<Operation>,
    /// What followers were given that came to the end.
    pub(crate) followed: Vec<Followed>,
    /// Of each server, up to where its log was compared with what is committed.
    compared: BTreeMap<String, u64>,
    /// Orders invocations and answers as they were made.
    moments: u64,
}

impl Observer {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that must never be.
    pub(crate) fn saw_violation(&self, what: String) {
        note!("VIOLATION: {what}");
        self.lock().violations.push(what);
    }

    /// A point in time, later than all before.
    pub(crate) fn next_moment(&self) -> u64 {
        let mut seen = self.lock();
        seen.moments += 1;
        seen.moments
    }

    pub(crate) fn voted(&self, server: &str, vote: LogVote) {
        let mut seen = self.lock();
        seen.highest_term = seen.highest_term.max(vote.term);
        drop(seen);
        if !vote.committed {
            return;
        }
        let known = *self.lock().leaders.entry(vote.term).or_insert_with(|| {
            note!("server {} leads term {}", vote.candidate, vote.term);
            (vote.candidate, true_time_ms())
        });
        let (known, _) = known;
        if known != vote.candidate {
            self.saw_violation(format!(
                "two leaders in term {}: server {known}, and server {} by {server}",
                vote.term, vote.candidate
            ));
        }
    }

    /// Who was elected last, by the server's id, and the highest term that anybody stood in.
    pub(crate) fn leader_and_highest_term(&self) -> Option<(u64, u64)> {
        let seen = self.lock();
        let (leader, _) = *seen.leaders.values().next_back()?;
        Some((leader, seen.highest_term))
    }

    /// A server begins anew: its log has to agree from the beginning on.
    pub(crate) fn restarted(&self, server: &str) {
        self.lock().compared.remove(server);
    }

    /// The first index of a server's log that wasn't compared yet.
    pub(crate) fn committed_upto(&self, server: &str) -> u64 {
        self.lock().compared.get(server).copied().unwrap_or(0)
    }

    /// A server takes these entries for committed.
    pub(crate) fn committed<'a>(
        &self,
        server: &str,
        entries: impl Iterator<Item = (LogPos, &'a Payload)>,
    ) {
        for (at, payload) in entries {
            let mut seen = self.lock();
            seen.compared.insert(server.to_owned(), at.index + 1);
            let known = seen
                .committed
                .entry(at.index)
                .or_insert_with(|| (at.term, payload.clone()));
            if known.0 != at.term || known.1 != *payload {
                let term = known.0;
                drop(seen);
                self.saw_violation(format!(
                    "committed logs differ: entry {} of term {term}, but {server} has one of \
                     term {}",
                    at.index, at.term
                ));
            }
        }
    }
}
