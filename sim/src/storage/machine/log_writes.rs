//! What is written to the log, and what is waited for.

use std::{io, sync::mpsc};

use quorid_storage::{FlushDone, LogPos, Payload};

use super::{End, Machine, Opened};
use crate::{disk::Record, mutant::Mutant};

/// A flush of the log. The log goes on with the next one when this is dropped: what it does
/// depends on what is waited for, and not on which thread is faster.
pub(super) struct Flushing {
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

impl Machine {
    /// Writes to the log what belongs together, and waits until it is on the disk, or not.
    pub(super) fn write_log(
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

    pub(super) fn wait_for_log(&mut self, opened: &mut Opened) -> Result<(), End> {
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
