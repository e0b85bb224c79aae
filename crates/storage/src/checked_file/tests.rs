use std::sync::{Arc, Mutex};

use super::*;

/// A file in memory, whose bytes a test can change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// What it was at each sync.
    synced: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Memory {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let memory = Self::default();
        *memory.bytes() = bytes;
        memory
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn synced(&self) -> Vec<Vec<u8>> {
        let synced = self.synced.lock();
        synced.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn open(&self) -> io::Result<CheckedFile> {
        CheckedFile::open(Box::new(self.clone()), Damage::default())
    }
}

impl StateFile for Memory {
    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = self.bytes();
        let found = bytes.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(io::Error::other)?;
        self.bytes().resize(size, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let bytes = self.bytes().clone();
        let mut synced = self.synced.lock();
        synced
            .as_mut()
            .unwrap_or_else(|poisoned| poisoned.get_mut())
            .push(bytes);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let mut bytes = self.bytes();
        let place = bytes.get_mut(from..from + data.len());
        place
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        Ok(())
    }
}

/// Bytes that all copies of the first block take.
pub(crate) const FIRST_BLOCKS: usize = HEADS as usize * BLOCK;

/// Damages the last pair of copies of the first block, if there are two pairs.
pub(crate) fn damage_last_pair(file: &mut [u8]) -> bool {
    let version = |copy: usize, file: &[u8]| {
        let bytes = file[copy * BLOCK..][..BLOCK].try_into();
        Head::decode(bytes.expect("a block")).map(|head| head.version)
    };
    let (even, odd) = (version(0, file), version(1, file));
    let last = usize::from(odd > even);
    file[last * BLOCK + 100] ^= 1;
    file[(last + 2) * BLOCK + 100] ^= 1;
    even.is_some() && odd.is_some()
}

/// Bytes that differ from place to place.
fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|at| ((at / 7 + at * 31 + seed * 101) % 251) as u8)
        .collect()
}

fn content(file: &CheckedFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.size()?).map_err(io::Error::other)?];
    file.read(0, &mut bytes)?;
    Ok(bytes)
}

/// A file of so many blocks, synced, and its content.
fn written(blocks: usize) -> (Memory, Vec<u8>) {
    let memory = Memory::default();
    let file = memory.open().expect("a new file");
    let mut expected = pattern(blocks * BLOCK, 1);
    expected[320..BLOCK].fill(0);
    file.set_size(expected.len() as u64).expect("room");
    file.write(0, &expected[..320]).expect("the first block");
    file.write(BLOCK as u64, &expected[BLOCK..])
        .expect("the others");
    file.sync_data().expect("synced");
    (memory, expected)
}

#[test]
fn what_was_written_is_read_again_also_across_groups_and_after_it_was_opened_anew() {
    let blocks = 2 * usize::try_from(GROUP).expect("a number") + 5;
    let (memory, mut expected) = written(blocks);
    assert_eq!(
        content(&memory.open().expect("opened")).expect("read"),
        expected
    );
    let file = memory.open().expect("opened");
    // A part of the first block, parts of two others, and what lies across the end of a group.
    for (offset, len) in [
        (64, 128),
        (BLOCK + 4000, 200),
        (1023 * BLOCK, 3 * BLOCK),
        (1024 * BLOCK + 1, 2 * BLOCK),
    ] {
        let bytes = pattern(len, offset);
        file.write(offset as u64, &bytes).expect("written");
        expected[offset..offset + len].copy_from_slice(&bytes);
        let mut again = vec![0; len];
        file.read(offset as u64, &mut again).expect("read");
        assert_eq!(again, bytes, "{len} bytes at {offset}");
    }
    file.sync_data().expect("synced");
    file.close().expect("closed");
    assert_eq!(
        content(&memory.open().expect("opened")).expect("read"),
        expected
    );
}

#[test]
fn a_file_that_became_shorter_and_longer_again_has_zeros_there() {
    let (memory, mut expected) = written(1030);
    let file = memory.open().expect("opened");
    for (shorter, longer) in [(1027, 1029), (1025, 1027), (3, 1030), (1, 9)] {
        for blocks in [shorter, longer] {
            file.set_size((blocks * BLOCK) as u64).expect("resized");
            expected.resize(blocks * BLOCK, 0);
        }
        assert_eq!(content(&file).expect("read"), expected);
        file.sync_data().expect("synced");
        assert_eq!(
            content(&memory.open().expect("opened")).expect("read"),
            expected
        );
    }
    assert!(file.set_size(100).is_err());
}

#[test]
fn a_flipped_bit_is_found_or_of_no_effect() {
    let (memory, expected) = written(12);
    // A second version of the first block, so that all four copies are there.
    let file = memory.open().expect("opened");
    file.write(0, &expected[..320]).expect("written");
    file.sync_data().expect("synced");
    file.close().expect("closed");
    let (mut found, mut harmless) = (0, 0);
    let size = memory.bytes().len();
    for at in (0..size).step_by(5) {
        let bit = 1 << (at % 8);
        memory.bytes()[at] ^= bit;
        match memory.open().and_then(|file| content(&file)) {
            Ok(read) => {
                assert_eq!(read, expected, "a bit of byte {at}");
                harmless += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
                found += 1;
            }
        }
        memory.bytes()[at] ^= bit;
    }
    // Those of the first block stand elsewhere, too, and some checksums are of nothing.
    assert!(found > 11 * BLOCK / 5 && harmless > 4 * BLOCK / 5 - 1);
}

#[test]
fn blocks_that_changed_places_are_found() {
    let (memory, _) = written(12);
    let (one, other) = (place_of(3), place_of(7));
    let (one, other) = (
        usize::try_from(one).expect("a place"),
        usize::try_from(other).expect("a place"),
    );
    let mut bytes = memory.bytes();
    let kept = bytes[one..one + BLOCK].to_vec();
    bytes.copy_within(other..other + BLOCK, one);
    bytes[other..other + BLOCK].copy_from_slice(&kept);
    // And their checksums with them.
    let sums = usize::try_from(place_of_sums(0)).expect("a place");
    for at in 0..SUM_BYTES {
        bytes.swap(sums + 2 * SUM_BYTES + at, sums + 6 * SUM_BYTES + at);
    }
    drop(bytes);
    assert!(memory.open().and_then(|file| content(&file)).is_err());
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let (memory, _) = written(12);
    let whole = memory.bytes().clone();
    for size in (1..whole.len()).step_by(511) {
        *memory.bytes() = whole[..size].to_vec();
        let error = memory.open().expect_err("cut off");
        assert_eq!(
            error.kind(),
            io::ErrorKind::InvalidData,
            "{size} bytes: {error}"
        );
    }
}

#[test]
fn a_first_block_that_was_being_written_leaves_the_one_before() {
    let (memory, mut expected) = written(4);
    let before = memory.bytes().clone();
    let file = memory.open().expect("opened");
    file.write(100, b"newer").expect("written");
    file.sync_data().expect("synced");
    let after = memory.bytes().clone();
    // A disk wrote some sectors of the new pair, and not the others.
    let changed: Vec<usize> = (0..after.len())
        .step_by(512)
        .filter(|at| before[*at..*at + 512] != after[*at..*at + 512])
        .collect();
    assert!(changed.len() >= 4);
    for lost in 0..(1_u32 << changed.len().min(10)) {
        let mut torn = after.clone();
        for (_, at) in changed
            .iter()
            .enumerate()
            .filter(|(n, _)| lost >> n & 1 == 1)
        {
            torn[*at..*at + 512].copy_from_slice(&before[*at..*at + 512]);
        }
        *memory.bytes() = torn;
        let read = content(&memory.open().expect("opened")).expect("read");
        let newer = read[100..105] == *b"newer";
        let old = expected[100..105].to_vec();
        expected[100..105].copy_from_slice(if newer { b"newer" } else { &old });
        assert_eq!(read, expected);
        expected[100..105].copy_from_slice(&old);
    }
}
