//! What log and state must hold.

use std::collections::VecDeque;

use quorid_directory::{MemoryDirectory, Object, Objects as _, Reply, Revision};
use quorid_server::state::{State, decode_command};
use quorid_storage::{Fault, LogPos, LogState, Payload};

use crate::disk::{Content, Record};

/// Number of the table of the state's position, membership, clock and floor in snapshots.
const SINGLE_VALUES: u32 = 1;

/// A log: what was acknowledged as being on the disk, and what was written since.
#[derive(Default)]
pub(super) struct LogModel {
    acknowledged: Content,
    pub(super) current: Content,
    /// In the order that it was written in.
    unacknowledged: VecDeque<Record>,
    /// How many of these a flush was asked for.
    flushing: usize,
}

impl LogModel {
    pub(super) fn write(&mut self, record: Record) {
        self.current.apply(&record);
        self.unacknowledged.push_back(record);
    }

    /// All that was written so far has to be flushed.
    pub(super) fn flush(&mut self) {
        self.flushing = self.unacknowledged.len();
    }

    /// All that was to be flushed is on the disk.
    pub(super) fn acknowledge(&mut self) {
        for record in self.unacknowledged.drain(..self.flushing) {
            self.acknowledged.apply(&record);
        }
        self.flushing = 0;
    }

    pub(super) fn last(&self) -> Option<LogPos> {
        self.current.state.last
    }

    /// After a power cut the log must hold what was acknowledged, and of what was written since
    /// a beginning: then that is what it holds from now on.
    pub(super) fn reopened(
        &mut self,
        state: LogState,
        entries: &[(LogPos, Payload)],
    ) -> Result<(), String> {
        let mut acknowledged = self.acknowledged.clone();
        loop {
            if holds(&acknowledged, state, entries) {
                self.current = acknowledged.clone();
                self.acknowledged = acknowledged;
                self.unacknowledged.clear();
                self.flushing = 0;
                return Ok(());
            }
            match self.unacknowledged.pop_front() {
                Some(record) => acknowledged.apply(&record),
                None => break,
            }
        }
        let first = entries.first().map(|(at, _)| *at);
        Err(format!(
            "the log holds {state:?} and {} entries from {first:?} on; acknowledged were {:?} and \
             {} entries, and the last thing written led to {:?}",
            entries.len(),
            self.acknowledged.state,
            self.acknowledged.entries.len(),
            self.current.state
        ))
    }
}

fn holds(content: &Content, state: LogState, entries: &[(LogPos, Payload)]) -> bool {
    content.state == state
        && content.entries.len() == entries.len()
        && entries.iter().all(|(at, payload)| {
            content.entries.get(&at.index) == Some(&(at.term, payload.clone()))
        })
}

/// A state, by the reference model of the rules.
#[derive(Clone, Default)]
pub(super) struct StateModel {
    pub(super) applied: Option<LogPos>,
    directory: MemoryDirectory,
    membership: Vec<u8>,
}

impl StateModel {
    /// Index of the next entry to apply.
    pub(super) fn next(&self) -> u64 {
        self.applied.map_or(0, |at| at.index + 1)
    }

    pub(super) fn apply(&mut self, at: LogPos, payload: &Payload) -> Result<Option<Reply>, Fault> {
        self.applied = Some(at);
        match payload {
            Payload::Blank => Ok(None),
            Payload::Membership(bytes) => {
                self.membership = bytes.to_vec();
                Ok(None)
            }
            Payload::Command(bytes) => {
                let command = decode_command(bytes)?;
                Ok(Some(self.directory.execute(Revision(at.index), &command)))
            }
        }
    }

    /// Why a store holds anything else, if it does.
    pub(super) fn compare(&self, store: &State) -> Result<(), String> {
        let view = store.read().map_err(|fault| fault.to_string())?;
        let differs = |what: &str| Err(format!("{what} at {:?}", self.applied));
        let durable = view.position().map_err(|fault| fault.to_string())?;
        if durable.applied != self.applied {
            return differs(&format!("the state is at {:?}, and not", durable.applied));
        }
        if durable.membership != self.membership {
            return differs("the state has another membership");
        }
        let difference = view.difference(&self.directory);
        if let Some(what) = difference.map_err(|fault| fault.to_string())? {
            return differs(what);
        }
        let mut reader = store.snapshot().map_err(|fault| fault.to_string())?;
        let mut rows = 0;
        while let Some(chunk) = reader.next_chunk().map_err(|fault| fault.to_string())? {
            if chunk.table != SINGLE_VALUES {
                rows += chunk.keys.len();
            }
        }
        let directory = &self.directory;
        let in_index = |object: &Object| object.index_keys(directory.schema()).len();
        let expected = directory.objects().len()
            + directory.objects().values().map(in_index).sum::<usize>()
            + directory.unique().len()
            + directory.verifiers().len()
            + 2 * directory.memberships().len()
            + directory.tombstones().len()
            + directory.all_former().len()
            + directory.reserved().len()
            + directory.all_due().len()
            + directory.schema().of_site().len()
            + directory.changes().len()
            + directory.all_mentions().len()
            + directory.outcomes().len();
        match rows == expected {
            true => Ok(()),
            false => differs("the state has more rows than it should have"),
        }
    }
}
