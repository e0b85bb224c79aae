//! One server's storage, driven as its node drives it, through several power cuts.

mod life;
mod log_writes;
mod opening;

use std::{io, sync::Arc, time::Duration};

use quorid_history::{chance::Chance, report::Report};
use quorid_server::state::State;
use quorid_storage::{DataDirectory, Fault, LogEngine, LogOptions, LogPos, Payload, StoreOptions};

use self::log_writes::Flushing;
use super::{
    commands::Commands,
    log_folder::LogFolder,
    model::{LogModel, StateModel},
};
use crate::{disk::SimDisk, observer::Observer, trace::note};

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
    store: State,
    /// Keeps the lock.
    _directory: DataDirectory,
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
    sender: (State, StateModel),
    term: u64,
}

impl Machine {
    pub(super) fn new(seed: u64) -> io::Result<Self> {
        let mut chance = Chance::of(seed, "storage");
        let disk = |part| SimDisk::new(part, Chance::of(seed, part), Observer::default());
        let sender = disk("sender").power_on();
        let sender = State::open(Arc::new(sender), StoreOptions::default())?;
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

    fn committed_at(&self, index: u64) -> Option<(LogPos, Payload)> {
        let index = usize::try_from(index).ok()?;
        self.committed.get(index).cloned()
    }

    fn failed(&self, fault: &Fault) -> End {
        match self.disk.is_on() {
            true => End::Violation(fault.to_string()),
            false => End::NoPower,
        }
    }
}
