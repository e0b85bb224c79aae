//! What a power cut leaves at the end of the log is cut off, if it was never acknowledged.
//!
//! A disk writes sectors of 512 bytes, each of them whole or not at all, in any order. What
//! was written and not synced when the power went can be there, be missing, or have gaps of
//! zeros. docs/decisions/torn-log-tails.md says why the rule is as it is.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Cursor},
    path::{Path, PathBuf},
};

use raft_log::{
    RaftLogAction, RaftLogRecord, WALRecord, chunked_wal::Config as ChunkConfig, codeq::Decode as _,
};

use super::{
    log::{LogPos, LogVote},
    wal::{WalTypes, pos},
};

/// What a disk writes at once or not at all, bytes.
const SECTOR_BYTES: usize = 512;

/// Each record begins with its type: 4 bytes, of which the first three are always 0.
const TYPE_BYTES: usize = 4;

/// The highest type that there is: a note of the log's state, which also says how far the log
/// was on the disk when it was made.
const TYPE_MAX: u8 = 5;

/// A file of the log.
struct Chunk {
    /// Where it begins in the log as a whole.
    start: u64,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// The first record of a file that cannot be read.
struct Damage {
    at: usize,
    /// The end of what was looked at.
    read_to: usize,
    error: io::Error,
}

/// Makes the log in `folder` end with its last whole record. Fails without changing anything
/// where that would remove what may have been acknowledged.
pub(super) fn cut_off(folder: &Path) -> io::Result<()> {
    let mut files = files_of_log(folder)?;
    while let Some((start, path)) = files.pop() {
        let bytes = fs::read(&path)?;
        let chunk = Chunk { start, path, bytes };
        let whole = match chunk.find_damage() {
            Some(damage) => {
                chunk.check_is_torn(&damage)?;
                damage.at
            }
            None => chunk.bytes.len(),
        };
        if whole > 0 {
            return chunk.shorten(whole);
        }
        // A file is made before its first record is written, and that only after all of the
        // file before it is on the disk.
        if start > 0 && files.is_empty() {
            return Err(chunk.refused(0, "the file before it is missing"));
        }
        chunk.tell_cut_off(0);
        fs::remove_file(&chunk.path)?;
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// What the files of a log hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogContent {
    /// Number of files.
    pub files: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// The last entry that was purged.
    pub purged: Option<LogPos>,
    /// The last entry, or the last purged one if there is none after it.
    pub last: Option<LogPos>,
    /// The vote that was given last.
    pub vote: Option<LogVote>,
    /// Bytes at the end that a power cut or a crash has torn. The next start cuts them off.
    pub torn: u64,
}

/// Reads every record of the log in `folder`. Changes nothing.
pub(super) fn read_all(folder: &Path) -> io::Result<LogContent> {
    let mut content = LogContent::default();
    let mut end = 0;
    let files = files_of_log(folder)?;
    for (n, (start, path)) in files.iter().enumerate() {
        let bytes = fs::read(path)?;
        let path = path.clone();
        let chunk = Chunk {
            start: *start,
            path,
            bytes,
        };
        if n > 0 && *start != end {
            return Err(chunk.refused(0, "the file before it is missing or cut off"));
        }
        end = *start + chunk.bytes.len() as u64;
        content.files += 1;
        content.bytes += chunk.bytes.len() as u64;
        let mut at = 0;
        while at < chunk.bytes.len() {
            let (read, record) = read_record(&chunk.bytes[at..]);
            match record {
                Ok(record) => content.note(record),
                Err(error) => {
                    let read_to = at + read;
                    let damage = Damage { at, read_to, error };
                    // A file is made before all of the one before it is on the disk.
                    let followed = files[n + 1..].iter().map(|(_, path)| has_record(path));
                    if followed.collect::<io::Result<Vec<_>>>()?.contains(&true) {
                        let why = format!("files follow it: {}", damage.error);
                        return Err(chunk.refused(at, &why));
                    }
                    chunk.check_is_torn(&damage)?;
                    content.torn = (chunk.bytes.len() - at) as u64;
                    return Ok(content);
                }
            }
            at += read;
        }
    }
    Ok(content)
}

/// Whether a file begins with a whole record.
fn has_record(path: &Path) -> io::Result<bool> {
    Ok(read_record(&fs::read(path)?).1.is_ok())
}

impl LogContent {
    fn note(&mut self, record: RaftLogRecord<WalTypes>) {
        match record {
            WALRecord::Checkpoint(state) => {
                self.purged = state.purged().map(pos);
                self.last = state.last().map(pos);
                self.vote = state.vote().map(|vote| vote.0);
            }
            WALRecord::Action(action) => match action {
                RaftLogAction::SaveVote(vote) => self.vote = Some(vote.0),
                RaftLogAction::Append(at, _) => self.last = Some(pos(&at)),
                RaftLogAction::TruncateAfter(at) => self.last = at.as_ref().map(pos),
                RaftLogAction::PurgeUpto(at) => {
                    self.purged = Some(pos(&at));
                    self.last = self.last.max(self.purged);
                }
                RaftLogAction::Commit(_) => {}
            },
        }
    }
}

/// In the order that they were made in.
fn files_of_log(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(Ok(start)) = name.to_str().map(ChunkConfig::parse_chunk_file_name) {
            files.push((start, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

impl Chunk {
    fn find_damage(&self) -> Option<Damage> {
        let mut at = 0;
        while at < self.bytes.len() {
            let (read, record) = read_record(&self.bytes[at..]);
            if let Err(error) = record {
                let read_to = at + read;
                return Some(Damage { at, read_to, error });
            }
            at += read;
        }
        None
    }

    /// An error, unless a power cut explains the damage and nothing behind it says that it was
    /// on the disk before.
    fn check_is_torn(&self, damage: &Damage) -> io::Result<()> {
        let Damage { at, error, .. } = damage;
        if self.was_synced(*at) {
            let why = format!("it was on the disk already, by what follows it: {error}");
            return Err(self.refused(*at, &why));
        }
        let is_short = error.kind() == io::ErrorKind::UnexpectedEof && !self.has_record_after(*at);
        if is_short || self.lost_a_sector(damage) {
            return Ok(());
        }
        let why = format!("no power cut leaves it like that: {error}");
        Err(self.refused(*at, &why))
    }

    /// Whether a note behind a place says that it was on the disk when the note was made.
    fn was_synced(&self, at: usize) -> bool {
        let place = self.start + at as u64;
        self.records_after(at).any(|record| match record {
            WALRecord::Checkpoint(state) => state.user_data.is_some_and(|upto| upto > place),
            WALRecord::Action(_) => false,
        })
    }

    fn has_record_after(&self, at: usize) -> bool {
        self.records_after(at).next().is_some()
    }

    /// Whatever reads as a record behind a place, checksum included. Where the next one begins
    /// isn't known, as the one there cannot be read.
    fn records_after(&self, at: usize) -> impl Iterator<Item = RaftLogRecord<WalTypes>> {
        (at + 1..self.bytes.len()).filter_map(|from| {
            let rest = &self.bytes[from..];
            match rest {
                [0, 0, 0, kind, ..] if *kind <= TYPE_MAX => read_record(rest).1.ok(),
                _ => None,
            }
        })
    }

    /// Whether one of the sectors that the damaged record is in was never written: what of it
    /// lies behind the last whole record is zero. The first bytes of a type are always zero,
    /// and say nothing.
    fn lost_a_sector(&self, damage: &Damage) -> bool {
        let first = damage.at / SECTOR_BYTES;
        let after = damage.read_to.div_ceil(SECTOR_BYTES);
        (first..after).any(|sector| {
            let from = damage.at.max(sector * SECTOR_BYTES);
            let to = self.bytes.len().min((sector + 1) * SECTOR_BYTES);
            let of_type_only = from == damage.at && to - from < TYPE_BYTES;
            !of_type_only && self.bytes[from..to].iter().all(|byte| *byte == 0)
        })
    }

    fn shorten(&self, whole: usize) -> io::Result<()> {
        if whole == self.bytes.len() {
            return Ok(());
        }
        self.tell_cut_off(whole);
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(whole as u64)?;
        file.sync_all()
    }

    fn tell_cut_off(&self, offset: usize) {
        let (file, bytes) = (self.path.display(), self.bytes.len() - offset);
        if bytes == 0 {
            // Made, and nothing was written into it.
            return;
        }
        tracing::warn!(
            event = "log_tail_cut",
            %file,
            offset,
            bytes,
            "cut {bytes} bytes off the log that were never acknowledged, as a power cut or a \
             crash had torn them: {file} from byte {offset} on"
        );
    }

    fn refused(&self, at: usize, why: &str) -> io::Error {
        let file = self.path.display();
        let why = format!("{file}: the record at byte {at} is damaged, and {why}");
        io::Error::new(io::ErrorKind::InvalidData, why)
    }
}

/// Reads the record that `bytes` begin with. Returns how many bytes were looked at, too.
fn read_record(bytes: &[u8]) -> (usize, io::Result<RaftLogRecord<WalTypes>>) {
    let mut from = Cursor::new(bytes);
    let record = RaftLogRecord::decode(&mut from);
    let read = usize::try_from(from.position()).unwrap_or(bytes.len());
    (read.min(bytes.len()), record)
}
