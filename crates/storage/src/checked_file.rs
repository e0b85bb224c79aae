//! A file whose content is checked when it is read.
//!
//! A disk can give back other bytes than were written. The database believes what it reads: a bit that
//! flipped in a page leads it past accounts that are there. So each block of 4 KiB has a checksum, which
//! stands apart from it, and a read that finds another one is an error.
//!
//! The file begins with the first block of the content, in which the database says where everything is. It
//! is the only one that is written in place, so it stands there four times: two copies of the version
//! before the last, and two of the last one. A power cut leaves one pair whole, and a flipped bit leaves one
//! of each pair. Groups follow: a block of checksums, then the blocks that they are of.
//!
//! The database writes over no other block that its last commit needs: neither may a power cut change the
//! checksum of one, and it doesn't, since the bytes of that checksum are the same before and after.
//! Blocks that were written since, and that no sync covers, may differ from their checksums after a power
//! cut. Nobody reads them before they are written again.

use std::{
    collections::BTreeSet,
    io,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rustix::io::Errno;

use super::{
    damage::Damage,
    planted::{StorageBug, is_planted},
    state_file::StateFile,
};

/// What has a checksum, bytes. The database reads and writes pages of this size, or several at once.
const BLOCK: usize = 4096;
/// Blocks that share a block of checksums.
const GROUP: u64 = (BLOCK / SUM_BYTES) as u64;
const SUM_BYTES: usize = size_of::<u32>();
/// Copies of the first block: two of each of its last versions.
const HEADS: u64 = 4;
const PAIRS: usize = 2;
/// What the first block may hold, bytes. The database uses 320.
const HEAD_BYTES: usize = 1024;
/// The first bytes of each copy of the first block.
const MAGIC: [u8; 16] = *b"quorid state   1";

/// A file of blocks with checksums. Offsets are those of the content.
#[derive(Debug)]
pub(crate) struct CheckedFile {
    file: Box<dyn StateFile>,
    damage: Damage,
    head: Mutex<Head>,
    sums: RwLock<Sums>,
    /// Whether the first block may be one that was replaced before.
    is_doubtful: bool,
}

/// The first block, and what is said of the file there.
#[derive(Debug)]
struct Head {
    content: [u8; HEAD_BYTES],
    /// Blocks of the content, the first one too.
    blocks: u64,
    /// How often it was written.
    version: u64,
    /// Whether it differs from what was written last.
    changed: bool,
}

/// The checksums.
#[derive(Debug, Default)]
struct Sums {
    /// By block; that of the first one isn't used. 0 where nothing was ever written.
    of: Vec<u32>,
    /// Groups with checksums that were not written yet.
    changed: BTreeSet<u64>,
}

impl CheckedFile {
    /// Reads what the file says of itself, if it isn't empty.
    pub(crate) fn open(file: Box<dyn StateFile>, damage: Damage) -> io::Result<Self> {
        let damaged = |why: &str| damage.found(format!("the state's file: {why}"));
        let size = file.size()?;
        let (mut head, is_doubtful) = if size == 0 {
            (Head::empty(), false)
        } else {
            match read_head(&*file, size)? {
                Ok(found) => found,
                Err(why) => return Err(damaged(why)),
            }
        };
        let mut sums = Sums::default();
        if size > 0 {
            let found = blocks_of(size)
                .ok_or_else(|| damaged(&format!("{size} bytes are no whole blocks")))?;
            if found < head.blocks {
                let expected = size_of_blocks(head.blocks);
                let why = format!("it is cut off: it has {size} bytes, and had {expected}");
                return Err(damaged(&why));
            }
            head.blocks = found;
            sums.of = read_sums(&*file, found)?;
        }
        Ok(Self {
            file,
            damage,
            head: Mutex::new(head),
            sums: RwLock::new(sums),
            is_doubtful,
        })
    }

    /// Whether a pair of copies of the first block is lost when the file is opened. A power cut takes the
    /// newer pair, and what the older one says holds. But if it is damage that took the newer pair, blocks
    /// that the older one leads to may have been written over, rightly: their checksums don't tell. Who
    /// opens such a file looks at all of it.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sums(&self) -> RwLockReadGuard<'_, Sums> {
        self.sums.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn sums_mut(&self) -> RwLockWriteGuard<'_, Sums> {
        self.sums.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads whole blocks of one group.
    fn read_blocks(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        self.file
            .read(place_of(first), out)
            .map_err(|error| self.unreadable(first, error))?;
        let sums = self.sums();
        for (block, bytes) in (first..).zip(out.chunks_exact(BLOCK)) {
            let expected = sums.get(block).ok_or_else(beyond_the_end)?;
            let same = match expected {
                0 => bytes.iter().all(|byte| *byte == 0),
                sum => sum == sum_of(block, bytes),
            };
            if !same && !is_planted(StorageBug::ChecksumNotCompared) {
                let place = place_of(block);
                let why = format!(
                    "the state's file: what stands at byte {place} is not what was written there"
                );
                return Err(self.damage.found(why));
            }
        }
        Ok(())
    }

    /// A sector that the disk can't read is damage, too: it won't be read the next time either.
    fn unreadable(&self, block: u64, error: io::Error) -> io::Error {
        if error.raw_os_error() != Some(Errno::IO.raw_os_error()) {
            return error;
        }
        let place = place_of(block);
        let why = format!("the state's file: what stands at byte {place} cannot be read: {error}");
        self.damage.found(why)
    }

    /// Writes whole blocks of one group.
    fn write_blocks(&self, first: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(place_of(first), data)?;
        let mut sums = self.sums_mut();
        sums.changed.insert(group_of(first));
        for (block, bytes) in (first..).zip(data.chunks_exact(BLOCK)) {
            let sum = sums.get_mut(block).ok_or_else(beyond_the_end)?;
            *sum = sum_of(block, bytes);
        }
        Ok(())
    }

    /// Writes the checksums that changed, and the first block if it did.
    fn write_changed(&self, head: &mut Head) -> io::Result<()> {
        let groups = std::mem::take(&mut self.sums_mut().changed);
        for group in groups {
            let bytes = self.sums().bytes_of(group);
            self.file.write(place_of_sums(group), &bytes)?;
        }
        if head.changed {
            head.changed = false;
            head.version += 1;
            let bytes = head.encode();
            // The pair that has the version before the last. Its copies don't stand side by side, where they could
            // be damaged together.
            let pair = head.version % 2;
            for copy in [pair, pair + 2] {
                self.file.write(copy * BLOCK as u64, &bytes)?;
            }
        }
        Ok(())
    }
}

impl StateFile for CheckedFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.head().blocks * BLOCK as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        for Stretch { block, skip, range } in stretches(offset, out.len()) {
            let out = &mut out[range];
            if block == 0 {
                let head = self.head();
                for (at, byte) in (skip..).zip(out) {
                    *byte = head.content.get(at).copied().unwrap_or(0);
                }
            } else if out.len().is_multiple_of(BLOCK) {
                self.read_blocks(block, out)?;
            } else {
                let mut whole = [0; BLOCK];
                self.read_blocks(block, &mut whole)?;
                out.copy_from_slice(&whole[skip..skip + out.len()]);
            }
        }
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        if !size.is_multiple_of(BLOCK as u64) {
            return Err(io::Error::other(format!(
                "{size} bytes are no whole blocks"
            )));
        }
        let blocks = size / BLOCK as u64;
        let mut head = self.head();
        let shrinks = blocks < head.blocks;
        if blocks > head.blocks {
            // Longer on the disk before the first block says so: a power cut may leave one without the other.
            self.file.set_size(size_of_blocks(blocks))?;
            self.file.sync_data()?;
        }
        if blocks != head.blocks {
            head.blocks = blocks;
            head.changed = true;
        }
        let mut sums = self.sums_mut();
        sums.of
            .resize(usize::try_from(blocks).map_err(io::Error::other)?, 0);
        if shrinks {
            // What is cut off leaves no checksum to what may come in its place.
            let last = group_of(blocks.saturating_sub(1).max(1));
            sums.changed.retain(|group| *group < last);
            sums.changed.extend((blocks > 1).then_some(last));
            drop(sums);
            self.write_changed(&mut head)?;
            self.file.sync_data()?;
            self.file.set_size(size_of_blocks(blocks))?;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut head = self.head();
        self.write_changed(&mut head)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        for Stretch { block, skip, range } in stretches(offset, data.len()) {
            let data = &data[range];
            if block == 0 {
                let mut head = self.head();
                let place = head
                    .content
                    .get_mut(skip..skip + data.len())
                    .ok_or_else(|| {
                        io::Error::other(format!("the first block takes {HEAD_BYTES} bytes"))
                    })?;
                place.copy_from_slice(data);
                head.changed = true;
            } else if data.len().is_multiple_of(BLOCK) {
                self.write_blocks(block, data)?;
            } else {
                let mut whole = [0; BLOCK];
                self.read_blocks(block, &mut whole)?;
                whole[skip..skip + data.len()].copy_from_slice(data);
                self.write_blocks(block, &whole)?;
            }
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

impl Head {
    fn empty() -> Self {
        Self {
            content: [0; HEAD_BYTES],
            blocks: 0,
            version: 0,
            changed: false,
        }
    }

    /// Magic, version, blocks (8 bytes each, big-endian), content, zeros, checksum (4 bytes) of all that.
    fn encode(&self) -> [u8; BLOCK] {
        let mut bytes = [0; BLOCK];
        let mut at = 0;
        let version = self.version.to_be_bytes();
        let blocks = self.blocks.to_be_bytes();
        for part in [&MAGIC[..], &version, &blocks, &self.content] {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let sum = crc32fast::hash(&bytes[..BLOCK - SUM_BYTES]);
        bytes[BLOCK - SUM_BYTES..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// None if it isn't whole.
    fn decode(bytes: &[u8; BLOCK]) -> Option<Self> {
        let (rest, sum) = bytes.split_last_chunk::<SUM_BYTES>()?;
        if crc32fast::hash(rest) != u32::from_be_bytes(*sum) {
            return None;
        }
        let (magic, rest) = rest.split_first_chunk::<{ MAGIC.len() }>()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (blocks, rest) = rest.split_first_chunk()?;
        let content = rest.first_chunk()?;
        (*magic == MAGIC).then(|| Self {
            content: *content,
            blocks: u64::from_be_bytes(*blocks),
            version: u64::from_be_bytes(*version),
            changed: false,
        })
    }
}

impl Sums {
    fn get(&self, block: u64) -> Option<u32> {
        self.of.get(usize::try_from(block).ok()?).copied()
    }

    fn get_mut(&mut self, block: u64) -> Option<&mut u32> {
        self.of.get_mut(usize::try_from(block).ok()?)
    }

    fn bytes_of(&self, group: u64) -> [u8; BLOCK] {
        let mut bytes = [0; BLOCK];
        for (block, place) in (first_of(group)..).zip(bytes.chunks_exact_mut(SUM_BYTES)) {
            let sum = self.get(block).unwrap_or(0);
            place.copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }
}

/// The last version of the first block, of which there may be copies that are damaged or can't be read, and whether
/// there is none of the other version; or why there is none at all.
fn read_head(file: &dyn StateFile, size: u64) -> io::Result<Result<(Head, bool), &'static str>> {
    if size < HEADS * BLOCK as u64 {
        return Ok(Err("it is cut off within its first blocks"));
    }
    let mut last: Option<Head> = None;
    let mut whole = [false; PAIRS];
    let mut unread = None;
    for copy in 0..HEADS {
        let mut bytes = [0; BLOCK];
        if let Err(error) = file.read(copy * BLOCK as u64, &mut bytes) {
            unread = Some(error);
            continue;
        }
        if let Some(head) = Head::decode(&bytes) {
            whole[usize::from(head.version % 2 == 1)] = true;
            if last.as_ref().is_none_or(|last| last.version < head.version) {
                last = Some(head);
            }
        }
    }
    match (last, unread) {
        (Some(head), _) => Ok(Ok((head, whole.contains(&false)))),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Err("none of its first blocks is whole")),
    }
}

fn read_sums(file: &dyn StateFile, blocks: u64) -> io::Result<Vec<u32>> {
    let count = usize::try_from(blocks).map_err(io::Error::other)?;
    let mut sums = Vec::with_capacity(count);
    // The first block has none.
    sums.push(0);
    let mut group = 0;
    while sums.len() < count {
        let mut bytes = [0; BLOCK];
        file.read(place_of_sums(group), &mut bytes)?;
        let left = count - sums.len();
        let of_group = bytes.chunks_exact(SUM_BYTES).take(left);
        sums.extend(of_group.map(|sum| u32::from_be_bytes([sum[0], sum[1], sum[2], sum[3]])));
        group += 1;
    }
    Ok(sums)
}

/// Part of a read or a write: whole blocks of one group, or a part of one block.
struct Stretch {
    block: u64,
    /// Bytes of the block before it.
    skip: usize,
    /// Of the bytes that are read or written.
    range: std::ops::Range<usize>,
}

fn stretches(offset: u64, len: usize) -> impl Iterator<Item = Stretch> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let block = at / BLOCK as u64;
        let skip = usize::try_from(at % BLOCK as u64).unwrap_or(0);
        let left = len - done;
        let take = if block == 0 || skip > 0 || left < BLOCK {
            left.min(BLOCK - skip)
        } else {
            let of_group = usize::try_from(first_of(group_of(block) + 1) - block).unwrap_or(1);
            of_group.min(left / BLOCK) * BLOCK
        };
        let range = done..done + take;
        done += take;
        Some(Stretch { block, skip, range })
    })
}

/// A checksum, never 0. Of the block's number, too: a block that stands in another one's place is damage.
fn sum_of(block: u64, bytes: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&block.to_be_bytes());
    hash.update(bytes);
    hash.finalize().max(1)
}

/// The group of a block, which isn't the first one.
fn group_of(block: u64) -> u64 {
    (block - 1) / GROUP
}

fn first_of(group: u64) -> u64 {
    group * GROUP + 1
}

/// Where the checksums of a group stand in the file.
fn place_of_sums(group: u64) -> u64 {
    (HEADS + group * (GROUP + 1)) * BLOCK as u64
}

/// Where a block stands in the file; not for the first one.
fn place_of(block: u64) -> u64 {
    (HEADS + group_of(block) + block) * BLOCK as u64
}

/// The size of the file for so many blocks of content.
fn size_of_blocks(blocks: u64) -> u64 {
    match blocks {
        0 => 0,
        1 => HEADS * BLOCK as u64,
        more => place_of(more - 1) + BLOCK as u64,
    }
}

/// The blocks of content in a file of this size, if it is a possible one.
fn blocks_of(size: u64) -> Option<u64> {
    let behind = size.checked_sub(HEADS * BLOCK as u64)?;
    let blocks = behind
        .is_multiple_of(BLOCK as u64)
        .then_some(behind / BLOCK as u64)?;
    let blocks = 1 + blocks - blocks.div_ceil(GROUP + 1);
    (size_of_blocks(blocks) == size).then_some(blocks)
}

fn beyond_the_end() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "beyond the end of the state's file",
    )
}

#[cfg(test)]
pub(crate) mod tests;
