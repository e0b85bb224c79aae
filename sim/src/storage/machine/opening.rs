//! The storage is opened after a power cut, or for the first time, and checked.

use std::sync::Arc;

use quorid_server::state::State;
use quorid_storage::{DataDirectory, Disk as _, StoreOptions};

use super::{End, Machine, Opened};
use crate::{disk::Record, trace::note};

impl Machine {
    pub(super) fn reopen(&mut self) -> Result<Opened, End> {
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
        let directory = directory.map_err(|error| format!("does not open: {error}"))?;
        let log = directory.open_log(&self.options);
        let log = log.map_err(|error| format!("the log does not open: {error}"))?;
        let store = State::open(Arc::new(self.disk.power_on()), StoreOptions::default());
        let store = store.map_err(|fault| format!("the state does not open: {fault}"))?;
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
        let directory = directory.map_err(|error| format!("does not open: {error}"))?;
        let log = directory.open_log(&self.options);
        drop(log.map_err(|error| format!("the log does not open: {error}"))?);
        if !in_state {
            self.folder.cut_opening(&before)?;
            self.disk.power_off();
            self.report.add("cuts while the log is opened", 1);
        } else {
            let opened = State::open(Arc::new(powered), StoreOptions::default());
            if self.disk.is_on() {
                opened.map_err(|fault| format!("the state does not open: {fault}"))?;
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
                return Err(format!("the state is at {applied:?}, which was not committed").into());
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

    pub(super) fn agree_with_committed(&mut self, opened: &mut Opened) -> Result<(), End> {
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
}
