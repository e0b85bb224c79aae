//! The engine's log, kept by a [`LogEngine`].

use std::{fmt::Debug, io, ops::RangeBounds, sync::Arc};

use openraft::{
    OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use quorid_storage::{FlushDone, LogEngine, LogPos};
use tokio::sync::oneshot;

use super::{
    checkpoints::Flushed,
    given_vote::GivenVote,
    types::{Entry, LogId, TypeConfig, Vote},
    wire,
};

/// The log, for the engine to write and for its replication tasks to read.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: Arc<dyn LogEngine>,
    given: Arc<GivenVote>,
    flushed: Flushed,
}

impl LogStore {
    /// `given` is told of the vote that the log keeps, and of each one that it is to keep.
    pub(super) fn new(log: Arc<dyn LogEngine>, given: Arc<GivenVote>) -> Self {
        if let Some(vote) = log.state().vote {
            given.note(wire::vote(vote));
        }
        let flushed = Flushed::default();
        // What was found at the start is taken for durable.
        flushed.note(log.state().last.map(|last| last.index));
        Self {
            log,
            given,
            flushed,
        }
    }

    /// How far the log is on the disk.
    pub(super) fn flushed(&self) -> &Flushed {
        &self.flushed
    }

    /// Does a write and waits until it is on the disk.
    async fn durably(
        &self,
        write: impl FnOnce(&dyn LogEngine, FlushDone) -> io::Result<()>,
    ) -> io::Result<()> {
        let (tell, told) = oneshot::channel();
        // Nobody waits any more when the engine is being stopped.
        write(&*self.log, Box::new(move |result| drop(tell.send(result))))?;
        told.await
            .map_err(|_| io::Error::other("the log was closed"))?
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        use std::ops::Bound;
        let from = match range.start_bound() {
            Bound::Included(&index) => index,
            Bound::Excluded(&index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&index) => index.saturating_add(1),
            Bound::Excluded(&index) => index,
            Bound::Unbounded => u64::MAX,
        };
        self.log
            .read(from, to)?
            .into_iter()
            .map(|(at, payload)| wire::entry(at, payload).map_err(io::Error::other))
            .collect()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.log.state().vote.map(wire::vote))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let state = self.log.state();
        Ok(LogState {
            last_purged_log_id: state.purged.map(wire::log_id),
            last_log_id: state.last.map(wire::log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.given.note(*vote);
        let vote = wire::log_vote(vote);
        self.durably(|log, done| log.save_vote(vote, done)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        match committed {
            Some(committed) => self.log.save_committed(wire::log_pos(&committed)),
            None => Ok(()),
        }
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.log.state().committed.map(wire::log_id))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().map(wire::payload).collect();
        let index = |entry: Option<&(LogPos, _)>| entry.map_or(0, |(at, _)| at.index);
        let (first, last) = (index(entries.first()), index(entries.last()));
        tell_entries("appended", first, last);
        let flushed = self.flushed.clone();
        self.log.append(
            entries,
            Box::new(move |result| {
                tell_entries("synced", first, last);
                match &result {
                    Ok(()) => flushed.note(Some(last)),
                    Err(_) => flushed.fail(),
                }
                callback.io_completed(result);
            }),
        )
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let index = last_log_id.map_or(0, |last| last.index + 1);
        self.durably(|log, done| log.truncate(index, done)).await?;
        self.flushed.cut(index.checked_sub(1));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let upto = wire::log_pos(&log_id);
        self.durably(|log, done| log.purge(upto, done)).await
    }
}

/// For who wants to see the way of an entry: into the log, onto the disk, into the state.
pub(super) fn tell_entries(event: &'static str, first: u64, last: u64) {
    tracing::trace!(
        target: "quorid::entries",
        event,
        first,
        last,
        "entries {first} to {last}: {event}"
    );
}
