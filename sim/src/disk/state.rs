//! A file of the state, as the store uses it: what isn't synced may be lost, whole or in sectors.

use std::{collections::BTreeMap, fmt, io};

use quorid_storage::StateFile;

use super::SimDisk;
use quorid_history::chance::Chance;

use crate::mutant::Mutant;

/// What a disk writes at once or not at all, bytes.
pub(crate) const SECTOR_BYTES: usize = 512;

#[derive(Default)]
pub(super) struct FileImage {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// What was done since the last sync.
    pending: Vec<Pending>,
    /// Bits that are read as what they are not, by the byte's place, until they are written again.
    flipped: BTreeMap<usize, u8>,
}

enum Pending {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

impl FileImage {
    pub(super) fn len(&self) -> u64 {
        self.current.len() as u64
    }

    /// A bit of a byte is read as what it is not.
    pub(super) fn flip(&mut self, at: usize, bit: u8) {
        *self.flipped.entry(at).or_default() ^= 1 << bit;
    }

    /// All is read as it is.
    pub(super) fn mend(&mut self) {
        self.flipped.clear();
    }

    pub(super) fn is_whole(&self) -> bool {
        self.flipped.is_empty()
    }

    fn sync(&mut self) {
        for pending in self.pending.drain(..) {
            pending.apply(&mut self.durable);
        }
    }

    /// What a power cut leaves: of each write all, nothing, or some sectors, in no order. Returns
    /// how many were lost and how many torn.
    pub(super) fn cut(&mut self, chance: &mut Chance) -> (u64, u64) {
        let (mut lost, mut torn) = (0, 0);
        // Some disks write nothing on their last breath, others nearly all.
        let kept = *chance.one_of(&[0, 30, 70, 95]);
        for pending in std::mem::take(&mut self.pending) {
            if chance.percent(kept) {
                pending.apply(&mut self.durable);
                continue;
            }
            match pending {
                Pending::Write { offset, data } if chance.percent(30) => {
                    torn += 1;
                    for (index, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                        if chance.percent(50) {
                            let offset = offset + index * SECTOR_BYTES;
                            write(&mut self.durable, offset, sector);
                        }
                    }
                }
                Pending::Write { .. } | Pending::SetLen(_) => lost += 1,
            }
        }
        self.current.clone_from(&self.durable);
        (lost, torn)
    }
}

impl Pending {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write(to, *offset, data),
            Self::SetLen(len) => to.resize(*len, 0),
        }
    }
}

fn write(to: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(data);
}

/// The file, opened.
pub(super) struct OpenFile {
    disk: SimDisk,
    power: u64,
    file: u64,
}

impl OpenFile {
    pub(super) fn new(disk: SimDisk, power: u64, file: u64) -> Self {
        Self { disk, power, file }
    }

    fn with<T>(
        &self,
        counts: bool,
        work: impl FnOnce(&mut FileImage) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut platter = self.disk.lock();
        if counts {
            platter.operate(self.power)?;
            platter.take_space()?;
        }
        platter.check(self.power)?;
        // A file that was replaced lives on for who has it open.
        work(platter.stored.files.entry(self.file).or_default())
    }
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenFile").field(&self.file).finish()
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl StateFile for OpenFile {
    fn size(&self) -> io::Result<u64> {
        self.with(false, |file| Ok(file.len()))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = place(offset)?;
        self.with(false, |file| {
            let bytes = file.current.get(offset..offset + out.len());
            let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            out.copy_from_slice(bytes);
            for (at, bits) in file.flipped.range(offset..offset + out.len()) {
                out[at - offset] ^= bits;
            }
            Ok(())
        })
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let len = place(size)?;
        self.with(true, |file| {
            file.current.resize(len, 0);
            file.pending.push(Pending::SetLen(len));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(true, |file| {
            if !Mutant::StateNotSynced.is_planted() {
                file.sync();
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = place(offset)?;
        self.with(true, |file| {
            write(&mut file.current, offset, data);
            let written = offset..offset + data.len();
            file.flipped.retain(|at, _| !written.contains(at));
            let data = data.to_vec();
            file.pending.push(Pending::Write { offset, data });
            Ok(())
        })
    }
}
