//! The folder of the real log, and what a power cut leaves of it.
//!
//! The log writes real files. They are looked at from outside: how long they were when a flush
//! was acknowledged, and how long they are in the end. From that a folder is made as a disk
//! could have left it. The rules, from what the log does and what file systems promise:
//!
//! - The log only appends. Its files are pieces of one sequence of bytes, and each is named
//!   after its place there. So "up to which place" says what was written, and what was synced.
//! - What was synced before an acknowledgement is there. Of what was written after it, the files'
//!   length and each sector of 512 bytes may be there or not, in no order; a sector that isn't
//!   is zero, because file systems don't show what a block held for another file before.
//!   (ext4 does with `data=writeback`. The checksums of records are the only guard then.)
//! - The log syncs a file before it writes into the next one: where the next one has bytes,
//!   the one before is whole.
//! - The name of a new file is synced when it is made, before anything is written into it.
//! - Files are removed, oldest first, after what says so was synced; the removals are synced
//!   before the next flush is acknowledged. Until then some may be undone, the latest first:
//!   journals of file systems keep the order of changes to one folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use quorid_history::chance::Chance;

use crate::{disk::SECTOR_BYTES, mutant::Mutant};

/// Where files are in memory, on Linux: thousands of folders are made and removed.
const MEMORY: &str = "/dev/shm";

/// The folder that a server keeps its log in, within its data directory.
const LOG: &str = "log";

/// Files of the log by their place in the log.
type Files = BTreeMap<u64, PathBuf>;

pub(super) struct LogFolder {
    root: TempDir,
    chance: Chance,
    /// Counts what was left by power cuts.
    image: u64,
    /// Files that were seen since then. They are kept when the log removes them.
    seen: BTreeSet<u64>,
    /// Everything before this place is on the disk.
    synced: u64,
    /// The log began here at the last acknowledgement: files before it were being removed.
    begins: u64,
    /// All files that begin before this place were removed for good.
    gone: u64,
    pub(super) lost: Lost,
}

/// What power cuts took from the log.
#[derive(Default, Clone, Copy)]
pub(super) struct Lost {
    pub(super) bytes: u64,
    /// Cuts that left sectors behind one that they took, or a part of one.
    pub(super) torn: u64,
    /// Removed files that came back.
    pub(super) files_back: u64,
}

impl LogFolder {
    pub(super) fn new(chance: Chance) -> io::Result<Self> {
        let root = match Path::new(MEMORY).is_dir() {
            true => TempDir::new_in(MEMORY)?,
            false => TempDir::new()?,
        };
        let folder = Self {
            root,
            chance,
            image: 0,
            seen: BTreeSet::new(),
            synced: 0,
            begins: 0,
            gone: 0,
            lost: Lost::default(),
        };
        fs::create_dir_all(folder.log())?;
        fs::create_dir(folder.removed())?;
        Ok(folder)
    }

    /// The data directory, as the last power cut left it.
    pub(super) fn data_directory(&self) -> PathBuf {
        self.root.path().join(format!("data-{}", self.image))
    }

    fn log(&self) -> PathBuf {
        self.data_directory().join(LOG)
    }

    /// Has links to all files that were seen.
    fn removed(&self) -> PathBuf {
        self.root.path().join(format!("seen-{}", self.image))
    }

    /// To be called before anything that may remove files.
    pub(super) fn look(&mut self) -> io::Result<()> {
        let removed = self.removed();
        for (place, path) in files(&self.log())? {
            if self.seen.insert(place) {
                fs::hard_link(&path, removed.join(path.file_name().unwrap_or_default()))?;
            }
        }
        Ok(())
    }

    /// The log is open, and so everything in it is on the disk. What was cut off its end is gone.
    pub(super) fn opened(&mut self, log_bytes: u64) -> io::Result<()> {
        let last = files(&self.log())?.keys().next_back().copied();
        for (place, path) in files(&self.removed())? {
            if last.is_none_or(|last| place > last) {
                fs::remove_file(path)?;
                self.seen.remove(&place);
            }
        }
        self.acknowledged(log_bytes, true)
    }

    /// The log says that a flush is done, and has written nothing since. It had `log_bytes` when
    /// it was asked for. `really` is false for a bug that is planted.
    pub(super) fn acknowledged(&mut self, log_bytes: u64, really: bool) -> io::Result<()> {
        self.look()?;
        let files = files(&self.log())?;
        let end = end(&files)?;
        if really {
            self.synced = end;
        }
        self.gone = self.begins;
        self.begins = end - log_bytes;
        match files.keys().next() {
            Some(place) if *place < self.gone => Err(io::Error::other(format!(
                "the file of the log at {place} should have been removed, as it begins at {}",
                self.gone
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// The power is gone, and the log closed: all that it wrote is in the files. `log_bytes` is
    /// how long it was. Leaves what a disk could have kept.
    pub(super) fn cut(&mut self, log_bytes: u64) -> io::Result<()> {
        self.look()?;
        let left = files(&self.log())?;
        let end = end(&left)?;
        let mut all = files(&self.removed())?;
        all.retain(|place, _| *place >= self.gone);
        let (synced, written) = match self.remove_some(&mut all, end - log_bytes) {
            true => (end, end),
            false => self.choose(&all, end),
        };
        let mut image = BTreeMap::new();
        let mut torn = false;
        for (place, path) in all {
            let mut bytes = fs::read(&path)?;
            let within = |upto: u64| {
                usize::try_from(upto.saturating_sub(place)).map(|upto| upto.min(bytes.len()))
            };
            let (Ok(synced), Ok(written)) = (within(synced), within(written)) else {
                return Err(io::Error::other("a file of the log is too long"));
            };
            if written == 0 && self.chance.percent(50) {
                // Neither it nor any later one was made yet.
                break;
            }
            torn |= self.tear(&mut bytes, synced..written);
            image.insert(place, bytes);
        }
        let kept = image
            .iter()
            .map(|(place, bytes)| place + bytes.len() as u64)
            .max();
        self.lost.bytes += end.saturating_sub(kept.unwrap_or(0));
        self.lost.torn += u64::from(torn);
        self.replace(&image)?;
        self.synced = 0;
        Ok(())
    }

    /// Decides which of the files that the log removed are removed. True if that needs all
    /// that was written to be synced.
    fn remove_some(&mut self, all: &mut Files, begins: u64) -> bool {
        let candidates: Vec<u64> = all.range(..begins).map(|(place, _)| *place).collect();
        let count = self.chance.within(0..=candidates.len() as u64);
        let mut needs_sync = false;
        for (place, index) in candidates.into_iter().zip(0..) {
            if index < count {
                needs_sync |= place >= self.begins;
                all.remove(&place);
            } else {
                self.lost.files_back += 1;
            }
        }
        needs_sync
    }

    /// Up to where the log was synced, and up to where written, when the power went.
    fn choose(&mut self, all: &Files, end: u64) -> (u64, u64) {
        let mut synced = self.synced.min(end);
        if Mutant::FlushedEntryLost.is_planted() && self.chance.percent(30) {
            synced = synced.saturating_sub(60);
            return (synced, synced);
        }
        let written = match self.chance.within(0..=5) {
            0 => synced,
            1 | 2 => self.chance.within(synced..=end),
            _ => end,
        };
        if let Some((begun, _)) = all.range(..written).next_back() {
            synced = synced.max(*begun);
        }
        (synced, written)
    }

    /// Takes some of the sectors of what wasn't synced, and of the length. True if something is
    /// left of what was written behind something that was lost.
    fn tear(&mut self, bytes: &mut Vec<u8>, unsynced: Range<usize>) -> bool {
        let Range { start, end } = unsynced;
        let length = match self.chance.within(0..=3) {
            0 => {
                let length = self.chance.within(start as u64..=end as u64);
                usize::try_from(length).unwrap_or(end)
            }
            _ => end,
        };
        bytes.truncate(length);
        let lost_percent = *self.chance.one_of(&[0, 10, 50, 90, 100]);
        let (mut lost, mut kept) = (false, false);
        let mut at = start;
        while at < length {
            let next = length.min((at / SECTOR_BYTES + 1) * SECTOR_BYTES);
            if self.chance.percent(lost_percent) {
                bytes[at..next].fill(0);
                lost = true;
            } else {
                kept = true;
            }
            at = next;
        }
        kept && (lost || length < end)
    }

    /// What the disk holds from now on.
    fn replace(&mut self, image: &BTreeMap<u64, Vec<u8>>) -> io::Result<()> {
        fs::remove_dir_all(self.data_directory())?;
        fs::remove_dir_all(self.removed())?;
        self.image += 1;
        self.seen.clear();
        (self.begins, self.gone) = (0, 0);
        fs::create_dir_all(self.log())?;
        fs::create_dir(self.removed())?;
        for (place, bytes) in image {
            fs::write(self.log().join(name(*place)), bytes)?;
        }
        Ok(())
    }

    /// All files with what is in them.
    pub(super) fn contents(&self) -> io::Result<BTreeMap<u64, Vec<u8>>> {
        let files = files(&self.log())?.into_iter();
        files
            .map(|(place, path)| Ok((place, fs::read(path)?)))
            .collect()
    }

    /// The log was opened on what was there `before`, and the power goes while that is done:
    /// what opening changes is done in part.
    pub(super) fn cut_opening(&mut self, before: &BTreeMap<u64, Vec<u8>>) -> io::Result<()> {
        let after = self.contents()?;
        let mut image = before.clone();
        // A torn tail is cut off from the last file on, each step synced before the next.
        for (place, bytes) in before.iter().rev() {
            match after.get(place) {
                Some(now) if now.len() >= bytes.len() => break,
                Some(_) | None if self.chance.percent(50) => break,
                Some(now) => drop(image.insert(*place, now.clone())),
                // A file of the beginning, which was removed last.
                None if after.keys().next().is_some_and(|first| place < first) => break,
                None => drop(image.remove(place)),
            }
        }
        self.replace(&image)
    }
}

fn files(folder: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(place) = place(&path) {
            files.insert(place, path);
        }
    }
    Ok(files)
}

/// `r-00_000_000_000_000_012_345.wal` begins at byte 12,345 of the log.
fn place(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix("r-")?.strip_suffix(".wal")?;
    digits.replace('_', "").parse().ok()
}

/// The name of the file at a place.
fn name(place: u64) -> String {
    let digits = format!("{place:020}");
    let (head, groups) = digits.split_at(2);
    let mut name = format!("r-{head}");
    for group in groups.as_bytes().chunks(3) {
        name.push('_');
        name.extend(group.iter().copied().map(char::from));
    }
    name + ".wal"
}

/// Where what was written ends. The last file may have been made and not written into yet.
fn end(files: &Files) -> io::Result<u64> {
    for (place, path) in files.iter().rev() {
        let bytes = fs::metadata(path)?.len();
        if bytes > 0 {
            return Ok(place + bytes);
        }
    }
    Ok(0)
}
