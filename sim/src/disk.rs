//! A server's disk: what is on it, what the server believes is on it, and what a power cut
//! leaves of the difference.

mod log;
mod state;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quorid_storage::{Disk, Identity, LogEngine, LogOptions, SET_ASIDE, StateFile};

pub(crate) use self::{
    log::{Content, Record},
    state::SECTOR_BYTES,
};
use self::{
    log::{LogImage, OpenLog},
    state::{FileImage, OpenFile},
};
use quorid_history::chance::Chance;

use crate::{mutant::Mutant, observer::Observer, trace::note};

/// How long a flush of the log takes, ms: from, to.
pub(crate) const USUAL_FLUSH_MS: (u64, u64) = (1, 4);

/// A disk. Clones are the same one; it outlives the server that uses it.
#[derive(Clone)]
pub(crate) struct SimDisk(Arc<Mutex<Platter>>);

struct Platter {
    server: String,
    chance: Chance,
    observer: Observer,
    /// Counts the times that the power came on; 0 is off. Whoever opened something under
    /// another number has lost it.
    power: u64,
    powered: u64,
    /// Operations until the power goes.
    fuse: Option<u64>,
    /// The next flush of the log fails.
    sync_fails: bool,
    /// A sync failed, and the server got the error.
    sync_failed: bool,
    /// No flush of the log comes to an end.
    stalled: bool,
    /// There is no space left.
    full: bool,
    /// The server got an error that there is no space.
    found_full: bool,
    /// Bits of the state changed by themselves in this life of the server, or before.
    decayed: bool,
    flush_ms: (u64, u64),
    stored: Stored,
    /// The content of the server's own disk, while it has an empty one.
    shelf: Option<Stored>,
    cuts: Cuts,
}

/// What is on a disk.
#[derive(Default)]
struct Stored {
    identity: Option<Identity>,
    log: LogImage,
    names: BTreeMap<String, u64>,
    files: BTreeMap<u64, FileImage>,
    /// Names that were removed, and whose removal isn't on the disk yet.
    removed: Vec<(String, u64)>,
    /// Names that were given to other files, and that aren't on the disk yet.
    renamed: Vec<Renamed>,
    next_file: u64,
}

/// A file that got another name.
struct Renamed {
    from: String,
    to: String,
    file: u64,
    /// The file that had the name before.
    replaced: Option<u64>,
}

/// What power cuts did so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cuts {
    /// In the middle of an operation.
    pub(crate) in_operation: u64,
    /// Writes of the state that were lost.
    pub(crate) writes_lost: u64,
    /// Writes of the state of which a part was lost.
    pub(crate) writes_torn: u64,
    /// Operations on the log that were lost.
    pub(crate) log_lost: u64,
    /// Syncs of the log that failed.
    pub(crate) syncs_failed: u64,
    /// Files that took the place of another: snapshots that were installed.
    pub(crate) renamed: u64,
}

impl SimDisk {
    pub(crate) fn new(server: &str, chance: Chance, observer: Observer) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            server: server.to_owned(),
            chance,
            observer,
            power: 0,
            powered: 0,
            fuse: None,
            sync_fails: false,
            sync_failed: false,
            stalled: false,
            full: false,
            found_full: false,
            decayed: false,
            flush_ms: USUAL_FLUSH_MS,
            stored: Stored::default(),
            shelf: None,
            cuts: Cuts::default(),
        })))
    }

    /// The power comes on: a disk for one life of a server.
    pub(crate) fn power_on(&self) -> PoweredDisk {
        let mut platter = self.lock();
        platter.powered += 1;
        platter.power = platter.powered;
        platter.fuse = None;
        platter.sync_fails = false;
        platter.sync_failed = false;
        platter.found_full = false;
        platter.decayed = !platter.stored.files.values().all(FileImage::is_whole);
        PoweredDisk {
            disk: self.clone(),
            power: platter.power,
        }
    }

    /// The power goes, now.
    pub(crate) fn power_off(&self) {
        let waiting = self.lock().cut();
        drop(waiting);
    }

    /// The power goes in the midst of the operation after so many others.
    pub(crate) fn set_fuse(&self, operations: u64) {
        self.lock().fuse = Some(operations);
    }

    /// The names of all files of the state.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().stored.names.keys().cloned().collect()
    }

    /// The next flush of the log fails: what it should have written may be lost, and nothing
    /// can be read or written from then on.
    pub(crate) fn fail_next_sync(&self) {
        self.lock().sync_fails = true;
    }

    /// Whether the server got an error from a sync.
    pub(crate) fn sync_failed(&self) -> bool {
        self.lock().sync_failed
    }

    /// Nothing that is being written gets there, or all goes on.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.lock().stalled = stalled;
    }

    /// Every write fails for want of space, or there is space again.
    pub(crate) fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// Whether the server has a reason to end: the disk failed it, or isn't its own.
    pub(crate) fn gave_reason_to_end(&self) -> bool {
        let platter = self.lock();
        platter.power == 0 || platter.found_full || platter.decayed || platter.shelf.is_some()
    }

    /// Bits of the state change by themselves.
    pub(crate) fn flip_bits(&self, bits: u64) {
        let mut platter = self.lock();
        let Platter {
            chance,
            stored,
            decayed,
            ..
        } = &mut *platter;
        for image in stored.files.values_mut().filter(|image| image.len() > 0) {
            for _ in 0..bits {
                let at = chance.within(0..=image.len() - 1);
                let bit = chance.within(0..=7);
                if let (Ok(at), Ok(bit)) = (usize::try_from(at), u8::try_from(bit)) {
                    image.flip(at, bit);
                    *decayed = true;
                }
            }
        }
    }

    /// Those that were not written since are as they were.
    pub(crate) fn mend_bits(&self) {
        for image in self.lock().stored.files.values_mut() {
            image.mend();
        }
    }

    /// Another disk, an empty one, while the power is off. The own one is kept.
    pub(crate) fn replace_by_empty(&self) {
        let mut platter = self.lock();
        let own = std::mem::take(&mut platter.stored);
        platter.shelf.get_or_insert(own);
    }

    /// The own disk again, while the power is off. Returns whether the server wrote votes or
    /// entries on the one that was empty.
    pub(crate) fn put_back(&self) -> bool {
        let mut platter = self.lock();
        let Some(own) = platter.shelf.take() else {
            return false;
        };
        let other = std::mem::replace(&mut platter.stored, own);
        !other.log.is_blank()
    }

    pub(crate) fn is_on(&self) -> bool {
        self.lock().power != 0
    }

    pub(crate) fn set_flush_ms(&self, flush_ms: (u64, u64)) {
        self.lock().flush_ms = flush_ms;
    }

    pub(crate) fn cuts(&self) -> Cuts {
        self.lock().cuts
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    /// Counts an operation. The error of a disk that has no power, or loses it now.
    fn operate(&mut self, power: u64) -> io::Result<()> {
        self.check(power)?;
        match &mut self.fuse {
            Some(0) => {
                self.cuts.in_operation += 1;
                // Whoever waits for a flush never gets an answer.
                drop(self.cut());
                Err(no_power())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The error of a disk that is full.
    fn take_space(&mut self) -> io::Result<()> {
        if !self.full {
            return Ok(());
        }
        self.found_full = true;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    fn check(&self, power: u64) -> io::Result<()> {
        if self.power == power {
            Ok(())
        } else {
            Err(no_power())
        }
    }

    /// A sync fails. Returns who has to get the error: nobody, if only a note of what is committed
    /// was written.
    fn fail_sync(&mut self) -> Vec<quorid_storage::FlushDone> {
        let waiting = self.cut();
        self.cuts.syncs_failed += 1;
        self.sync_failed = !waiting.is_empty();
        waiting
    }

    /// Names are on the disk as they are.
    fn sync_names(&mut self) {
        self.stored.removed.clear();
        if !Mutant::SnapshotNameNotSynced.is_planted() {
            self.stored.renamed.clear();
        }
    }

    /// Decides what is left, and returns who waited for a flush.
    fn cut(&mut self) -> Vec<quorid_storage::FlushDone> {
        if self.power == 0 {
            return Vec::new();
        }
        self.power = 0;
        self.fuse = None;
        self.sync_fails = false;
        let stored = &mut self.stored;
        while let Some(renamed) = stored.renamed.pop() {
            // Changes of names reach a disk in their order.
            if self.chance.percent(50) {
                stored.renamed.clear();
                break;
            }
            stored.names.insert(renamed.from, renamed.file);
            match renamed.replaced {
                Some(file) => stored.names.insert(renamed.to, file),
                None => stored.names.remove(&renamed.to),
            };
        }
        for (name, file) in stored.removed.drain(..) {
            if !stored.names.contains_key(&name) && self.chance.percent(50) {
                stored.names.insert(name, file);
            }
        }
        let kept: Vec<u64> = stored.names.values().copied().collect();
        stored.files.retain(|file, _| kept.contains(file));
        let before = self.cuts;
        for file in stored.files.values_mut() {
            let (lost, torn) = file.cut(&mut self.chance);
            self.cuts.writes_lost += lost;
            self.cuts.writes_torn += torn;
        }
        let (log_lost, waiting) = stored.log.cut(&mut self.chance);
        self.cuts.log_lost += log_lost;
        note!(
            "{} loses power: of the state {} writes lost and {} torn, of the log {log_lost} lost",
            self.server,
            self.cuts.writes_lost - before.writes_lost,
            self.cuts.writes_torn - before.writes_torn,
        );
        waiting
    }
}

fn no_power() -> io::Error {
    io::Error::other("the disk has no power")
}

/// The disk as a server uses it, from power on to power off.
pub(crate) struct PoweredDisk {
    disk: SimDisk,
    power: u64,
}

impl PoweredDisk {
    fn platter(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.disk.lock();
        platter.check(self.power)?;
        Ok(platter)
    }
}

impl Disk for PoweredDisk {
    fn open_log(&self, _: &LogOptions) -> io::Result<Arc<dyn LogEngine>> {
        let platter = self.platter()?;
        platter
            .stored
            .log
            .opened(&platter.server, &platter.observer);
        drop(platter);
        Ok(Arc::new(OpenLog::open(self.disk.clone(), self.power)))
    }

    fn open_state(&self, name: &str, empty: bool) -> io::Result<Box<dyn StateFile>> {
        let mut platter = self.platter()?;
        platter.sync_names();
        let next = platter.stored.next_file;
        let file = *platter.stored.names.entry(name.to_owned()).or_insert(next);
        if file == next {
            platter.stored.next_file += 1;
        }
        let image = platter.stored.files.entry(file).or_default();
        if empty {
            *image = FileImage::default();
        }
        Ok(Box::new(OpenFile::new(self.disk.clone(), self.power, file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.operate(self.power)?;
        if to == SET_ASIDE && !platter.decayed {
            platter.observer.saw_violation(format!(
                "{} took its state for damaged, and no bit of it had flipped",
                platter.server
            ));
        }
        let file = platter.stored.names.remove(from);
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let replaced = platter.stored.names.insert(to.to_owned(), file);
        platter.stored.renamed.push(Renamed {
            from: from.to_owned(),
            to: to.to_owned(),
            file,
            replaced,
        });
        // Then the folder is synced.
        platter.operate(self.power)?;
        platter.sync_names();
        platter.cuts.renamed += 1;
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut platter = self.platter()?;
        if let Some(file) = platter.stored.names.remove(name) {
            platter.stored.removed.push((name.to_owned(), file));
        }
        Ok(())
    }

    fn remove_all(&self, beginning: &str) -> io::Result<()> {
        let names: Vec<String> = self.platter()?.stored.names.keys().cloned().collect();
        for name in names.iter().filter(|name| name.starts_with(beginning)) {
            self.remove(name)?;
        }
        Ok(())
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(self.platter()?.stored.identity.clone())
    }

    fn save_identity(&self, identity: &Identity) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.operate(self.power)?;
        platter.stored.identity = Some(identity.clone());
        platter.sync_names();
        Ok(())
    }

    fn state_bytes(&self) -> u64 {
        self.platter().map_or(0, |platter| {
            platter.stored.files.values().map(FileImage::len).sum()
        })
    }

    fn check_in_place(&self) -> io::Result<()> {
        Ok(())
    }
}
