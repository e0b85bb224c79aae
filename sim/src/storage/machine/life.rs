//! What a server does with its storage from power on to power off.

use quorid_directory::{Level, Reply};
use quorid_server::state::State;
use quorid_storage::{Fault, LogPos, LogVote, Payload, Position};

use super::{Cut, End, Machine, Opened};
use crate::disk::Record;

impl Machine {
    pub(super) fn live(&mut self, opened: &mut Opened, cut: Cut) -> Result<(), End> {
        let steps = self.chance.within(3..=25);
        for _ in 0..steps {
            self.step(opened)?;
        }
        match cut {
            Cut::BetweenOperations => self.wait_for_log(opened),
            Cut::InLogFlush => {
                for _ in 0..self.chance.within(1..=8) {
                    self.write_random(opened, false)?;
                }
                Ok(())
            }
            Cut::InOperation => {
                self.disk.set_fuse(self.chance.within(0..=25));
                for _ in 0..20 {
                    self.step(opened)?;
                    self.checkpoint(opened)?;
                }
                Ok(())
            }
            Cut::InSnapshot => {
                // The swap takes the last two operations.
                let in_swap = self.chance.percent(30);
                if !in_swap {
                    self.disk.set_fuse(self.chance.within(0..=40));
                }
                self.receive_snapshot(opened, in_swap)
            }
        }
    }

    fn step(&mut self, opened: &mut Opened) -> Result<(), End> {
        match self.chance.within(0..=99) {
            0..=32 => {
                let wait = self.chance.percent(60);
                self.append(opened, wait)
            }
            // The node waits for these.
            33..=44 => self.write_random(opened, true),
            45..=69 => self.commit_and_apply(opened),
            70..=84 => self.checkpoint(opened),
            85..=92 => self.purge(opened, true),
            93..=95 => self.build_snapshot(opened),
            _ => self.receive_snapshot(opened, false),
        }
    }

    fn write_random(&mut self, opened: &mut Opened, wait: bool) -> Result<(), End> {
        match self.chance.within(0..=9) {
            0..=5 => self.append(opened, wait),
            6 | 7 => self.vote(opened, wait),
            8 => self.purge(opened, wait),
            _ => self.truncate(opened, wait),
        }
    }

    fn append(&mut self, opened: &mut Opened, wait: bool) -> Result<(), End> {
        let next = self.log.last().map_or(0, |last| last.index + 1);
        let count = self.chance.within(1..=10);
        let term = self.term;
        let entries = (next..next + count)
            .map(|index| Record::Entry(LogPos { term, index }, self.commands.payload(index)))
            .collect();
        self.write_log(opened, entries, wait)
    }

    pub(super) fn vote(&mut self, opened: &mut Opened, wait: bool) -> Result<(), End> {
        let committed = self.chance.percent(50);
        // To say that the candidate of a vote was elected is no new vote.
        let vote = match self.log.current.state.vote {
            Some(vote) if committed && !vote.committed => LogVote { committed, ..vote },
            Some(_) | None => {
                self.term += 1;
                LogVote {
                    term: self.term,
                    candidate: self.chance.within(1..=3),
                    committed,
                }
            }
        };
        self.write_log(opened, vec![Record::Vote(vote)], wait)
    }

    /// Removes entries that weren't committed, as a follower of a new leader does.
    fn truncate(&mut self, opened: &mut Opened, wait: bool) -> Result<(), End> {
        let committed = self.committed.len() as u64;
        let next = self.log.last().map_or(0, |last| last.index + 1);
        if next <= committed {
            return Ok(());
        }
        self.term += 1;
        let index = self.chance.within(committed..=next - 1);
        self.write_log(opened, vec![Record::Truncate(index)], wait)
    }

    fn commit_and_apply(&mut self, opened: &mut Opened) -> Result<(), End> {
        // Mostly what is applied here is on this disk too; a majority of others is enough.
        if self.chance.percent(80) {
            self.wait_for_log(opened)?;
        }
        let entries = &self.log.current.entries;
        let new: Vec<_> = entries.range(self.committed.len() as u64..).collect();
        let count = self.chance.within(0..=new.len() as u64);
        let new = new
            .into_iter()
            .zip(0..count)
            .map(|((&index, (term, payload)), _)| (LogPos { term: *term, index }, payload.clone()));
        self.committed.extend(new);
        let Some((last, _)) = self.committed.last().cloned() else {
            return Ok(());
        };
        if self.chance.percent(80) {
            self.save_committed(opened, last)?;
        }
        let next = self.state.next();
        if next <= last.index {
            let upto = self.chance.within(next..=last.index);
            self.apply_upto(opened, upto)?;
        }
        Ok(())
    }

    fn save_committed(&mut self, opened: &mut Opened, committed: LogPos) -> Result<(), End> {
        opened.log.save_committed(committed)?;
        if self.log.current.state.committed < Some(committed) {
            self.log.write(Record::Committed(committed));
        }
        Ok(())
    }

    /// In one batch, from the log.
    pub(super) fn apply_upto(&mut self, opened: &Opened, upto: u64) -> Result<(), End> {
        if upto < self.state.next() {
            return Ok(());
        }
        let entries = opened.log.read(self.state.next(), upto + 1)?;
        let expected = (self.state.next()..=upto).map_while(|index| self.committed_at(index));
        if !entries.iter().cloned().eq(expected) {
            return Err(format!("the log does not have what is committed up to {upto}").into());
        }
        self.report.add("commands applied", entries.len() as u64);
        let outcomes = apply(&opened.store, &entries);
        let outcomes = outcomes.map_err(|fault| self.failed(&fault))?;
        for ((at, payload), outcome) in entries.iter().zip(outcomes) {
            let expected = self
                .state
                .apply(*at, payload)
                .map_err(|fault| fault.to_string())?;
            if outcome != expected {
                return Err(format!("{at}: the outcome is {outcome:?}, not {expected:?}").into());
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, opened: &Opened) -> Result<(), End> {
        let durable = opened
            .store
            .checkpoint()
            .map_err(|fault| self.failed(&fault))?;
        self.is_durable(&durable)
    }

    fn is_durable(&mut self, durable: &Position) -> Result<(), End> {
        if durable.applied != self.state.applied {
            let (said, applied) = (durable.applied, self.state.applied);
            return Err(format!("durable is {said:?}, and the state at {applied:?}").into());
        }
        self.durable = durable.applied;
        Ok(())
    }

    /// Removes the beginning of the log, behind a durable checkpoint.
    fn purge(&mut self, opened: &mut Opened, wait: bool) -> Result<(), End> {
        let (Some(durable), purged) = (self.durable, self.log.current.state.purged) else {
            return Ok(());
        };
        let from = purged.map_or(0, |at| at.index + 1);
        if from > durable.index {
            return Ok(());
        }
        let upto = self.chance.within(from..=durable.index);
        let Some((at, _)) = self.committed_at(upto) else {
            return Err(format!("{durable:?} is durable and was not committed").into());
        };
        self.write_log(opened, vec![Record::Purge(at)], wait)
    }

    fn build_snapshot(&mut self, opened: &Opened) -> Result<(), End> {
        self.state.compare(&opened.store)?;
        self.report.add("snapshots built", 1);
        Ok(())
    }

    /// The rest of the cluster is ahead, and sends its state. `cut_in_swap`: the power goes when
    /// it takes the place of the state here.
    fn receive_snapshot(&mut self, opened: &mut Opened, cut_in_swap: bool) -> Result<(), End> {
        self.lead_elsewhere(opened)?;
        let failed = |fault: Fault| format!("the sender fails: {fault}");
        let mut reader = self.sender.0.snapshot().map_err(failed)?;
        self.report.add("snapshots built", 1);
        let abandoned = !cut_in_swap && self.chance.percent(15);
        let mut loader = opened.store.loader().map_err(|fault| self.failed(&fault))?;
        while let Some(chunk) = reader.next_chunk().map_err(failed)? {
            loader.add(&chunk).map_err(|fault| self.failed(&fault))?;
            if abandoned {
                return self.agree_with_committed(opened);
            }
        }
        let loaded = loader
            .finish(reader.totals())
            .map_err(|fault| self.failed(&fault))?;
        if cut_in_swap {
            self.disk.set_fuse(self.chance.within(0..=1));
        }
        // From here on it may be there.
        let durable = opened
            .store
            .install(loaded)
            .map_err(|fault| self.failed(&fault))?;
        self.state = self.sender.1.clone();
        self.is_durable(&durable)?;
        let last = self
            .state
            .applied
            .filter(|applied| self.log.last() < Some(*applied));
        match last {
            Some(applied) => self.write_log(opened, vec![Record::Purge(applied)], true),
            None => Ok(()),
        }
    }

    /// Others commit entries that this server doesn't get, in place of its own.
    fn lead_elsewhere(&mut self, opened: &mut Opened) -> Result<(), End> {
        let committed = self.committed.len() as u64;
        if self.log.last().is_some_and(|last| last.index >= committed) {
            self.write_log(opened, vec![Record::Truncate(committed)], true)?;
        }
        self.term += 1;
        for index in committed..committed + self.chance.within(1..=8) {
            let at = LogPos {
                term: self.term,
                index,
            };
            self.committed.push((at, self.commands.payload(index)));
        }
        let (store, state) = &mut self.sender;
        let next = usize::try_from(state.next()).unwrap_or(usize::MAX);
        let missing = self.committed.get(next..).unwrap_or_default();
        apply(store, missing).map_err(|fault| format!("the sender fails: {fault}"))?;
        for (at, payload) in missing {
            state
                .apply(*at, payload)
                .map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }
}

/// As the node does: all or nothing.
fn apply(store: &State, entries: &[(LogPos, Payload)]) -> Result<Vec<Option<Reply>>, Fault> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    store.write(|state| {
        let one = |(at, payload): &(LogPos, Payload)| match payload {
            Payload::Blank => {
                state.applied(*at);
                Ok(None)
            }
            Payload::Command(command) => state.command(*at, command).map(Some),
            Payload::Membership(membership) => {
                state.membership(*at, membership, 3, Level::SUPPORTED)?;
                Ok(None)
            }
        };
        entries.iter().map(one).collect()
    })
}
