//! A data directory that is only looked at: nothing in it is changed, whatever a start would mend.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    disk::{self, Disk, Identity, OpenError},
    log::{LogEngine, LogOptions},
    state_file::{DiskFile, StateFile},
    torn_tail::{self, LogContent},
};

/// A data directory of a server that isn't running. The server can't be started meanwhile.
///
/// As a [`Disk`] it forgets what is written, and has no log.
#[derive(Debug)]
pub struct Inspected {
    path: PathBuf,
    _lock: File,
}

impl Inspected {
    /// Takes a data directory, which must be there.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            path: path.to_owned(),
            _lock: disk::lock_existing(path)?,
        })
    }

    /// Reads every record of the log.
    pub fn log(&self) -> io::Result<LogContent> {
        torn_tail::read_all(&self.path.join(disk::LOG))
    }
}

impl Disk for Inspected {
    fn open_log(&self, _: &LogOptions) -> io::Result<Arc<dyn LogEngine>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open_state(&self, name: &str, empty: bool) -> io::Result<Box<dyn StateFile>> {
        let below = match File::open(self.path.join(name)) {
            Ok(_) if empty => None,
            Ok(file) => Some(DiskFile::new(file)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let size = below.as_ref().map_or(Ok(0), StateFile::size)?;
        Ok(Box::new(Overlay {
            below,
            above: Mutex::new(Above {
                size,
                blocks: BTreeMap::new(),
            }),
        }))
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove_all(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        disk::read_identity(&self.path)
    }

    fn save_identity(&self, _: &Identity) -> io::Result<()> {
        Ok(())
    }

    fn state_bytes(&self) -> u64 {
        0
    }

    fn check_in_place(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file, and in memory what was written since it was opened.
#[derive(Debug)]
struct Overlay {
    below: Option<DiskFile>,
    above: Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    size: u64,
    /// By number.
    blocks: BTreeMap<u64, [u8; BLOCK]>,
}

/// What is kept in memory as a whole once a part of it is written.
const BLOCK: usize = 4096;

impl Overlay {
    fn above(&self) -> MutexGuard<'_, Above> {
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in the file; zeros behind its end.
    fn read_below(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.fill(0);
        let Some(below) = &self.below else {
            return Ok(());
        };
        let there = below.size()?.saturating_sub(offset);
        let count = usize::try_from(there).map_or(out.len(), |there| there.min(out.len()));
        below.read(offset, &mut out[..count])
    }
}

/// The parts of blocks that so many bytes from an offset on are: the block's number, and the bytes of it.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let from = usize::try_from(at % BLOCK as u64).ok()?;
        let to = BLOCK.min(from + (len - done));
        done += to - from;
        (from < to).then_some((at / BLOCK as u64, from..to))
    })
}

impl StateFile for Overlay {
    fn size(&self) -> io::Result<u64> {
        Ok(self.above().size)
    }

    fn read(&self, offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        let above = self.above();
        if offset + out.len() as u64 > above.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_below(offset, out)?;
        for (block, range) in parts(offset, out.len()) {
            let (part, rest) = out.split_at_mut(range.len());
            if let Some(bytes) = above.blocks.get(&block) {
                part.copy_from_slice(&bytes[range]);
            }
            out = rest;
        }
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.above().size = size;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, mut data: &[u8]) -> io::Result<()> {
        let mut above = self.above();
        for (block, range) in parts(offset, data.len()) {
            let (part, rest) = data.split_at(range.len());
            let bytes = match above.blocks.get_mut(&block) {
                Some(bytes) => bytes,
                None => {
                    let mut bytes = [0; BLOCK];
                    self.read_below(block * BLOCK as u64, &mut bytes)?;
                    above.blocks.entry(block).or_insert(bytes)
                }
            };
            bytes[range].copy_from_slice(part);
            data = rest;
        }
        Ok(())
    }
}
