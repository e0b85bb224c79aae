//! One server's storage, driven as its node drives it, through several power cuts.

use std::{
    io,
    sync::{Arc, mpsc},
    time::Duration,
};

use quorid::storage::{
    DataDirectory, Durable, Fault, FlushDone, LogEngine, LogOptions, LogPos, LogVote, Payload,
    Store, StoreOptions,
};
use quorid_directory::Outcome;
use quorid_history::{chance::Chance, report::Report};

use super::{
    commands::Commands,
    log_folder::LogFolder,
    model::{LogModel, StateModel},
};
use crate::{
    disk::{Record, SimDisk},
    mutant::Mutant,
    observer::Observer,
    trace::note,
};

/// Why a life of the storage ends.
pub(super) enum End {
    /// The power went in the midst of an operation.
    NoPower,
    /// Something that must never be.
    Violation(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Violation(error.to_string())
    }
}

impl From<String> for End {
    fn from(what: String) -> Self {
        Self::Violation(what)
    }
}

/// How the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    BetweenOperations,
    InOperation,
    InSnapshot,
    InLogFlush,
}

/// The storage, opened.
struct Opened {
    // These two come before the log, which isn't closed before they are dropped.
    /// Flushes of the log that weren't waited for, in order.
    flushing: Vec<Flushing>,
    /// The last one that was waited for.
    flushed: Option<Flushing>,
    log: Arc<dyn LogEngine>,
    store: Store,
    /// Keeps the lock.
    _directory: DataDirectory,
}

/// A flush of the log. The log goes on with the next one when this is dropped: what it does
/// depends on what is waited for, and not on which thread is faster.
struct Flushing {
    told: mpsc::Receiver<io::Result<()>>,
    /// How long the log was.
    log_bytes: u64,
    _goes_on: mpsc::Sender<()>,
}

impl Flushing {
    fn begin() -> (Self, FlushDone) {
        let (tell, told) = mpsc::channel();
        let (goes_on, waits) = mpsc::channel();
        let done = Box::new(move |result| {
            drop(tell.send(result));
            // Ends when the other side is dropped.
            let _ = waits.recv();
        });
        let _goes_on = goes_on;
        let flushing = Self {
            told,
            log_bytes: 0,
            _goes_on,
        };
        (flushing, done)
    }
}

/// A server's disk and what must be on it; it outlives what is opened on it.
pub(super) struct Machine {
    chance: Chance,
    commands: Commands,
    report: Report,
    disk: SimDisk,
    folder: LogFolder,
    options: LogOptions,
    log: LogModel,
    /// What the cluster committed, by index. The log may have less, and more that wasn't.
    committed: Vec<(LogPos, Payload)>,
    /// As it was when it was last opened.
    opened: StateModel,
    /// As it is.
    state: StateModel,
    /// The least that the state must hold after a power cut.
    durable: Option<LogPos>,
    /// Another server, which never fails and has applied what this one may lack.
    sender: (Store, StateModel),
    term: u64,
}

impl Machine {
    pub(super) fn new(seed: u64) -> io::Result<Self> {
        let mut chance = Chance::of(seed, "storage");
        let disk = |part| SimDisk::new(part, Chance::of(seed, part), Observer::default());
        let sender = disk("sender").power_on();
        let sender = Store::open(Arc::new(sender), StoreOptions::default())?;
        let options = LogOptions {
            cache_bytes: *chance.one_of(&[1, 4 << 10, 1 << 20]),
            chunk_bytes: *chance.one_of(&[600, 2 << 10, 8 << 10, 64 << 10]),
            // The clock of this program stands still where nothing is simulated.
            group_commit_wait: Duration::ZERO,
        };
        Ok(Self {
            chance,
            commands: Commands::new(Chance::of(seed, "commands")),
            report: Report::default(),
            disk: disk("disk"),
            folder: LogFolder::new(Chance::of(seed, "log folder"))?,
            options,
            log: LogModel::default(),
            committed: Vec::new(),
            opened: StateModel::default(),
            state: StateModel::default(),
            durable: None,
            sender: (sender, StateModel::default()),
            term: 1,
        })
    }

    /// Cuts the power so many times, and checks each time what is left.
    pub(super) fn run(mut self, cuts: u64) -> Report {
        let mut done = self.reopen();
        for _ in 0..cuts {
            done = done.and_then(|opened| self.live_and_cut(opened));
        }
        if let Err(End::Violation(what)) = done.map(drop) {
            self.report.violations.push(what);
        }
        let cuts = self.disk.cuts();
        self.report.add("state writes lost", cuts.writes_lost);
        self.report.add("state writes torn", cuts.writes_torn);
        self.report.add("snapshots installed", cuts.renamed);
        let lost = self.folder.lost;
        self.report.add("log bytes lost", lost.bytes);
        self.report.add("log tails torn", lost.torn);
        self.report
            .add("log files back after removal", lost.files_back);
        self.report
    }

    fn live_and_cut(&mut self, mut opened: Opened) -> Result<Opened, End> {
        let cut = *self.chance.one_of(&[
            Cut::BetweenOperations,
            Cut::InOperation,
            Cut::InSnapshot,
            Cut::InLogFlush,
        ]);
        match self.live(&mut opened, cut) {
            Ok(()) | Err(End::NoPower) => {}
            Err(violation) => return Err(violation),
        }
        let (kind, in_flush) = (cut, !opened.flushing.is_empty());
        let figure = match (self.disk.is_on(), kind) {
            (false, Cut::InSnapshot) => "cuts within a snapshot's receipt or swap",
            (false, _) => "cuts within an operation of the state",
            (true, _) if in_flush => "cuts within a flush of the log",
            (true, _) => "cuts between operations",
        };
        self.report.add("cuts", 1);
        self.report.add(figure, 1);
        if in_flush {
            self.report.add("cuts with a flush of the log under way", 1);
        }
        self.disk.power_off();
        let log_bytes = opened.log.disk_bytes();
        drop(opened);
        self.folder.cut(log_bytes)?;
        note!("cut: {kind:?}, {figure}");
        self.reopen()
    }

    // Opening, after a power cut or for the first time.

    fn reopen(&mut self) -> Result<Opened, End> {
        while self.chance.percent(25) {
            if !self.cut_opening()? {
                break;
            }
        }
        let mut opened = self.open()?;
        self.report.add("reopenings", 1);
        self.check_log(&opened)?;
        self.check_state(&opened)?;
        self.folder.opened(opened.log.disk_bytes())?;
        self.catch_up(&mut opened)?;
        self.vote(&mut opened, true)?;
        Ok(opened)
    }

    /// In the order that a node opens in.
    fn open(&mut self) -> Result<Opened, End> {
        self.folder.look()?;
        let directory = DataDirectory::open(&self.folder.data_directory());
        let directory = directory.map_err(|error| format!("doesn't open: {error}"))?;
        use quorid::storage::Disk as _;
        let log = directory.open_log(&self.options);
        let log = log.map_err(|error| format!("the log doesn't open: {error}"))?;
        let store = Store::open(Arc::new(self.disk.power_on()), StoreOptions::default());
        let store = store.map_err(|fault| format!("the state doesn't open: {fault}"))?;
        Ok(Opened {
            log,
            store,
            _directory: directory,
            flushing: Vec::new(),
            flushed: None,
        })
    }

    /// The power goes while log and state are opened. False if they were open before it went.
    fn cut_opening(&mut self) -> Result<bool, End> {
        let before = self.folder.contents()?;
        let powered = self.disk.power_on();
        let in_state = self.chance.percent(50);
        if in_state {
            self.disk.set_fuse(self.chance.within(0..=12));
        }
        let directory = DataDirectory::open(&self.folder.data_directory());
        let directory = directory.map_err(|error| format!("doesn't open: {error}"))?;
        use quorid::storage::Disk as _;
        let log = directory.open_log(&self.options);
        drop(log.map_err(|error| format!("the log doesn't open: {error}"))?);
        if !in_state {
            self.folder.cut_opening(&before)?;
            self.disk.power_off();
            self.report.add("cuts while the log is opened", 1);
        } else {
            let opened = Store::open(Arc::new(powered), StoreOptions::default());
            if self.disk.is_on() {
                opened.map_err(|fault| format!("the state doesn't open: {fault}"))?;
                self.disk.power_off();
                return Ok(false);
            }
            self.report.add("cuts while the state is opened", 1);
        }
        self.report.add("cuts", 1);
        Ok(true)
    }

    fn check_log(&mut self, opened: &Opened) -> Result<(), End> {
        let state = opened.log.state();
        let entries = opened.log.read(0, u64::MAX)?;
        self.log.reopened(state, &entries)?;
        note!("opened: {state:?}");
        Ok(())
    }

    fn check_state(&mut self, opened: &Opened) -> Result<(), End> {
        let names = self.disk.names();
        if names.len() != 1 {
            return Err(format!("files are left over beside the state: {names:?}").into());
        }
        let applied = opened.store.durable().applied;
        if applied < self.durable {
            let durable = self.durable;
            return Err(format!("the state is at {applied:?}; durable was {durable:?}").into());
        }
        let purged = opened.log.state().purged;
        if purged > applied {
            return Err(
                format!("the log is purged up to {purged:?}, the state at {applied:?}").into(),
            );
        }
        while self.opened.next() <= applied.map_or(0, |at| at.index)
            && self.opened.applied < applied
        {
            let Some((at, payload)) = self.committed_at(self.opened.next()) else {
                return Err(format!("the state is at {applied:?}, which wasn't committed").into());
            };
            self.opened
                .apply(at, &payload)
                .map_err(|fault| fault.to_string())?;
        }
        self.opened.compare(&opened.store)?;
        self.state = self.opened.clone();
        self.durable = applied;
        Ok(())
    }

    fn committed_at(&self, index: u64) -> Option<(LogPos, Payload)> {
        let index = usize::try_from(index).ok()?;
        self.committed.get(index).cloned()
    }

    /// What the engine does at a start: applies what the log says is committed, and removes a log
    /// that ends before the state. Then what the leader does: removes what others never
    /// committed, and sends what the log lacks.
    fn catch_up(&mut self, opened: &mut Opened) -> Result<(), End> {
        if let Some(committed) = opened.log.state().committed {
            self.apply_upto(opened, committed.index)?;
            self.state.compare(&opened.store)?;
        }
        if self.log.last() < self.state.applied
            && let Some(applied) = self.state.applied
        {
            self.write_log(opened, vec![Record::Purge(applied)], true)?;
        }
        self.agree_with_committed(opened)
    }

    fn agree_with_committed(&mut self, opened: &mut Opened) -> Result<(), End> {
        let entries = &self.log.current.entries;
        let differs = entries.iter().find(|(index, (term, _))| {
            let committed = self.committed_at(**index);
            committed.is_some_and(|(at, _)| at.term != *term)
        });
        if let Some((&index, _)) = differs {
            self.write_log(opened, vec![Record::Truncate(index)], true)?;
        }
        let next = self.log.last().map_or(0, |last| last.index + 1);
        let missing = (next..).map_while(|index| self.committed_at(index));
        let missing: Vec<_> = missing
            .map(|(at, payload)| Record::Entry(at, payload))
            .collect();
        match missing.is_empty() {
            true => Ok(()),
            false => self.write_log(opened, missing, true),
        }
    }

    // A life, from power on to power off.

    fn live(&mut self, opened: &mut Opened, cut: Cut) -> Result<(), End> {
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
            .map(|index| Record::Entry(LogPos { term, index }, self.commands.payload()))
            .collect();
        self.write_log(opened, entries, wait)
    }

    fn vote(&mut self, opened: &mut Opened, wait: bool) -> Result<(), End> {
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
    fn apply_upto(&mut self, opened: &Opened, upto: u64) -> Result<(), End> {
        if upto < self.state.next() {
            return Ok(());
        }
        let entries = opened.log.read(self.state.next(), upto + 1)?;
        let expected = (self.state.next()..=upto).map_while(|index| self.committed_at(index));
        if !entries.iter().cloned().eq(expected) {
            return Err(format!("the log doesn't have what is committed up to {upto}").into());
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

    fn is_durable(&mut self, durable: &Durable) -> Result<(), End> {
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
            return Err(format!("{durable:?} is durable and wasn't committed").into());
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
            self.committed.push((at, self.commands.payload()));
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

    fn failed(&self, fault: &Fault) -> End {
        match self.disk.is_on() {
            true => End::Violation(fault.to_string()),
            false => End::NoPower,
        }
    }

    // The log.

    /// Writes to the log what belongs together, and waits until it is on the disk, or not.
    fn write_log(
        &mut self,
        opened: &mut Opened,
        records: Vec<Record>,
        wait: bool,
    ) -> Result<(), End> {
        self.folder.look()?;
        let (mut flushing, done) = Flushing::begin();
        let log = &opened.log;
        let mut is_vote = false;
        match records.first() {
            Some(Record::Vote(vote)) => {
                is_vote = true;
                log.save_vote(*vote, done)?;
            }
            Some(Record::Truncate(index)) => log.truncate(*index, done)?,
            Some(Record::Purge(upto)) => log.purge(*upto, done)?,
            Some(Record::Entry(..)) => log.append(entries(&records), done)?,
            Some(Record::Committed(_) | Record::Nothing) | None => return Ok(()),
        }
        for record in records {
            self.log.write(record);
        }
        self.log.flush();
        flushing.log_bytes = log.disk_bytes();
        opened.flushing.push(flushing);
        match wait {
            true => self.wait_for(opened, is_vote),
            false => Ok(()),
        }
    }

    fn wait_for_log(&mut self, opened: &mut Opened) -> Result<(), End> {
        self.wait_for(opened, false)
    }

    fn wait_for(&mut self, opened: &mut Opened, is_vote: bool) -> Result<(), End> {
        let mut log_bytes = None;
        for flushing in opened.flushing.drain(..) {
            opened.flushed = None;
            let told = flushing.told.recv();
            told.map_err(|_| "the log never says that it flushed".to_owned())??;
            log_bytes = Some(flushing.log_bytes);
            opened.flushed = Some(flushing);
        }
        let Some(log_bytes) = log_bytes else {
            return Ok(());
        };
        let forgets =
            Mutant::AckBeforeSync.is_planted() || Mutant::VoteNotSaved.is_planted() && is_vote;
        self.folder.acknowledged(log_bytes, !forgets)?;
        self.log.acknowledge();
        Ok(())
    }
}

fn entries(records: &[Record]) -> Vec<(LogPos, Payload)> {
    let entry = |record: &Record| match record {
        Record::Entry(at, payload) => Some((*at, payload.clone())),
        Record::Vote(_)
        | Record::Committed(_)
        | Record::Truncate(_)
        | Record::Purge(_)
        | Record::Nothing => None,
    };
    records.iter().filter_map(entry).collect()
}

/// As the node does: all or nothing.
fn apply(store: &Store, entries: &[(LogPos, Payload)]) -> Result<Vec<Option<Outcome>>, Fault> {
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
                state.membership(*at, membership, 3)?;
                Ok(None)
            }
        };
        entries.iter().map(one).collect()
    })
}
