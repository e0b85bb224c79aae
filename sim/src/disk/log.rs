//! A log on the simulated disk: written in order, so that a power cut leaves a beginning of
//! what wasn't flushed.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};

use quorid_storage::{FlushDone, LogEngine, LogPos, LogState, LogVote, Payload};
use tokio::{sync::Notify, time::sleep};

use super::SimDisk;
use quorid_history::chance::Chance;

use crate::{mutant::Mutant, observer::Observer};

#[derive(Default)]
pub(super) struct LogImage {
    durable: Content,
    current: Content,
    pending: VecDeque<(Record, Option<FlushDone>)>,
}

/// What a log holds.
#[derive(Clone, Default)]
pub(crate) struct Content {
    /// By index: term and payload.
    pub(crate) entries: BTreeMap<u64, (u64, Payload)>,
    pub(crate) state: LogState,
}

/// What is written to a log.
pub(crate) enum Record {
    Entry(LogPos, Payload),
    Vote(LogVote),
    Committed(LogPos),
    Truncate(u64),
    Purge(LogPos),
    /// Nothing to write; it is answered when everything before it is on the disk.
    Nothing,
}

impl Content {
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Entry(at, payload) => {
                self.entries.insert(at.index, (at.term, payload.clone()));
                self.state.last = Some(*at);
            }
            Record::Vote(vote) => self.state.vote = Some(*vote),
            Record::Committed(at) => self.state.committed = Some(*at),
            Record::Truncate(index) => {
                self.entries.split_off(index);
                let last = self.entries.last_key_value();
                self.state.last = last
                    .map(|(&index, &(term, _))| LogPos { term, index })
                    .or(self.state.purged);
            }
            Record::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.state.purged = self.state.purged.max(Some(*upto));
                if self.state.last.is_none_or(|last| last.index < upto.index) {
                    self.state.last = Some(*upto);
                }
            }
            Record::Nothing => {}
        }
    }

    /// What no log of Raft may look like, whenever it is opened.
    fn disorder(&self) -> Option<String> {
        let mut before = self.state.purged;
        for (&index, &(term, _)) in &self.entries {
            let at = LogPos { term, index };
            if before.is_some_and(|before| before.index + 1 != index || before.term > term) {
                return Some(format!("{at} comes after {before:?}"));
            }
            before = Some(at);
        }
        let vote = self.state.vote.map_or(0, |vote| vote.term);
        let term = before.map_or(0, |last| last.term);
        (vote < term).then(|| format!("it ends in term {term}, and the vote is of term {vote}"))
    }
}

impl LogImage {
    /// A server opens it.
    pub(super) fn opened(&self, server: &str, observer: &Observer) {
        if let Some(disorder) = self.current.disorder() {
            observer.saw_violation(format!("the log that {server} opens: {disorder}"));
        }
    }

    fn write(&mut self, record: Record, done: Option<FlushDone>) {
        self.current.apply(&record);
        self.pending.push_back((record, done));
    }

    /// A record is on the disk.
    fn flushed(&mut self, record: &Record) {
        let forgotten = Mutant::TruncationNotSaved.is_planted()
            && match record {
                Record::Truncate(_) => true,
                Record::Entry(at, _) => self.durable.entries.contains_key(&at.index),
                Record::Vote(_) | Record::Committed(_) | Record::Purge(_) | Record::Nothing => {
                    false
                }
            };
        if !forgotten {
            self.durable.apply(record);
        }
    }

    /// Whether anything was ever written.
    pub(super) fn is_blank(&self) -> bool {
        self.pending.is_empty() && self.current.state == LogState::default()
    }

    /// Returns how many records were lost, and who waited for them.
    pub(super) fn cut(&mut self, chance: &mut Chance) -> (u64, Vec<FlushDone>) {
        let pending = std::mem::take(&mut self.pending);
        let count = pending.len() as u64;
        let kept = match chance.within(0..=3) {
            0 => 0,
            1 => count,
            _ => chance.within(0..=count),
        };
        let mut waiting = Vec::new();
        for (index, (record, done)) in (0..).zip(pending) {
            if index < kept {
                self.flushed(&record);
            }
            waiting.extend(done);
        }
        if Mutant::VoteNotSaved.is_planted() {
            self.durable.state.vote = None;
        }
        if Mutant::FlushedEntryLost.is_planted() && chance.percent(30) {
            let last = self.durable.entries.pop_last();
            if let (Some(_), Some((&index, &(term, _)))) =
                (last, self.durable.entries.last_key_value())
            {
                self.durable.state.last = Some(LogPos { term, index });
            }
        }
        if Mutant::TruncationNotSaved.is_planted() {
            let last = self.durable.entries.last_key_value();
            let last = last.map(|(&index, &(term, _))| LogPos { term, index });
            self.durable.state.last = last.or(self.durable.state.purged);
        }
        self.current = self.durable.clone();
        (count - kept, waiting)
    }
}

/// The log, opened: a task flushes it for as long as the server lives.
pub(super) struct OpenLog {
    disk: SimDisk,
    power: u64,
    written: Arc<Notify>,
}

impl OpenLog {
    pub(super) fn open(disk: SimDisk, power: u64) -> Self {
        let written = Arc::new(Notify::new());
        tokio::spawn(flush(disk.clone(), power, Arc::clone(&written)));
        Self {
            disk,
            power,
            written,
        }
    }

    fn write(&self, records: Vec<Record>, done: Option<FlushDone>) -> io::Result<()> {
        let mut platter = self.disk.lock();
        platter.operate(self.power)?;
        platter.take_space()?;
        for record in records {
            platter.stored.log.write(record, None);
        }
        if let Some(done) = done {
            match platter.stored.log.pending.back_mut() {
                Some((_, last @ None)) => *last = Some(done),
                Some(_) | None => platter.stored.log.write(Record::Nothing, Some(done)),
            }
        }
        self.written.notify_one();
        Ok(())
    }
}

/// How often a disk that stands still is looked at, ms.
const STALL_MS: u64 = 5;

/// Writes what is waiting, all of it at once, and answers who waits, in order.
async fn flush(disk: SimDisk, power: u64, written: Arc<Notify>) {
    loop {
        written.notified().await;
        loop {
            let (count, took) = {
                let mut platter = disk.lock();
                let (from, to) = platter.flush_ms;
                if platter.check(power).is_err() {
                    return;
                }
                if platter.stored.log.pending.is_empty() {
                    break;
                }
                let took = platter.chance.within(from..=to);
                (platter.stored.log.pending.len(), took)
            };
            sleep(Duration::from_millis(took)).await;
            while disk.lock().stalled {
                sleep(Duration::from_millis(STALL_MS)).await;
            }
            let told: Vec<FlushDone> = {
                let mut platter = disk.lock();
                if platter.check(power).is_ok() && platter.sync_fails {
                    let waiting = platter.fail_sync();
                    drop(platter);
                    for done in waiting {
                        done(Err(io::Error::other("a sync failed")));
                    }
                    return;
                }
                if platter.operate(power).is_err() {
                    return;
                }
                let log = &mut platter.stored.log;
                let flushed: Vec<_> = log.pending.drain(..count).collect();
                flushed
                    .into_iter()
                    .filter_map(|(record, done)| {
                        log.flushed(&record);
                        done
                    })
                    .collect()
            };
            for done in told {
                done(Ok(()));
            }
        }
    }
}

impl LogEngine for OpenLog {
    fn state(&self) -> LogState {
        self.disk.lock().stored.log.current.state
    }

    fn append(&self, entries: Vec<(LogPos, Payload)>, done: FlushDone) -> io::Result<()> {
        let mut last = self.disk.lock().stored.log.current.state.last;
        for (at, _) in &entries {
            // As the real log does.
            if last.is_some_and(|last| at.index != last.index + 1) {
                let why = format!("entry {at} cannot follow {last:?}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            last = Some(*at);
        }
        let records = entries
            .into_iter()
            .map(|(at, payload)| Record::Entry(at, payload))
            .collect();
        if Mutant::AckBeforeSync.is_planted() {
            self.write(records, None)?;
            done(Ok(()));
            return Ok(());
        }
        self.write(records, Some(done))
    }

    fn save_vote(&self, vote: LogVote, done: FlushDone) -> io::Result<()> {
        {
            let platter = self.disk.lock();
            platter.observer.voted(&platter.server, vote);
        }
        self.write(vec![Record::Vote(vote)], Some(done))
    }

    fn save_committed(&self, committed: LogPos) -> io::Result<()> {
        {
            let platter = self.disk.lock();
            platter.check(self.power)?;
            let entries = &platter.stored.log.current.entries;
            let state = &platter.stored.log.current.state;
            if state.committed >= Some(committed) {
                return Ok(());
            }
            let there = entries.get(&committed.index);
            if there.is_none_or(|(term, _)| *term != committed.term) {
                return Ok(());
            }
            let from = platter.observer.committed_upto(&platter.server);
            let new = entries
                .range(from.min(committed.index)..=committed.index)
                .map(|(&index, (term, payload))| (LogPos { term: *term, index }, payload));
            platter.observer.committed(&platter.server, new);
        }
        self.write(vec![Record::Committed(committed)], None)
    }

    fn truncate(&self, index: u64, done: FlushDone) -> io::Result<()> {
        self.write(vec![Record::Truncate(index)], Some(done))
    }

    fn purge(&self, upto: LogPos, done: FlushDone) -> io::Result<()> {
        self.write(vec![Record::Purge(upto)], Some(done))
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<(LogPos, Payload)>> {
        let platter = self.disk.lock();
        platter.check(self.power)?;
        if from >= to {
            return Ok(Vec::new());
        }
        let entries = platter.stored.log.current.entries.range(from..to);
        Ok(entries
            .map(|(&index, (term, payload))| (LogPos { term: *term, index }, payload.clone()))
            .collect())
    }

    fn disk_bytes(&self) -> u64 {
        self.disk.lock().stored.log.current.entries.len() as u64 * 64
    }
}
