//! The log on a real disk: `raft-log`, with one group commit for whatever is waiting.

use std::{
    io::{self, Read, Write},
    num::NonZeroU64,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use bytes::Bytes;
use raft_log::{
    Config, RaftLog, Segment,
    api::raft_log_writer::RaftLogWriter as _,
    codeq::{Decode, Encode, OffsetSize as _},
};
use rustix::thread::{current_timer_slack, set_current_timer_slack};

use super::{
    first_error::{Done, FirstError},
    log::{FlushDone, LogEngine, LogOptions, LogPos, LogState, LogVote, Payload},
    torn_tail,
};

/// No entry comes near this: a command is bounded by the size of a request.
const PAYLOAD_BYTES_MAX: u32 = 16 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct WalTypes;

impl raft_log::Types for WalTypes {
    /// Term, index.
    type LogId = (u64, u64);
    type LogPayload = WalPayload;
    type Vote = WalVote;
    type Callback = Done;
    /// Everything before this place of the log was on the disk when the note was made. A
    /// record before it that cannot be read was damaged later, not by a power cut.
    type UserData = u64;

    fn log_index(log_id: &Self::LogId) -> u64 {
        log_id.1
    }

    fn payload_size(payload: &Self::LogPayload) -> u64 {
        // The entry itself, and what the cache's map needs for it.
        payload.bytes().len() as u64 + 96
    }
}

/// On disk: kind (1 byte), length (4 bytes, big-endian), bytes. The log adds checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalPayload(pub(super) Payload);

impl WalPayload {
    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Payload::Blank => &[],
            Payload::Command(bytes) | Payload::Membership(bytes) => bytes,
        }
    }
}

impl Encode for WalPayload {
    fn encode<W: Write>(&self, mut to: W) -> Result<usize, io::Error> {
        let kind: u8 = match &self.0 {
            Payload::Blank => 0,
            Payload::Command(_) => 1,
            Payload::Membership(_) => 2,
        };
        let bytes = self.bytes();
        let length = u32::try_from(bytes.len())
            .ok()
            .filter(|length| *length <= PAYLOAD_BYTES_MAX)
            .ok_or_else(|| io::Error::other("log entry too large"))?;
        to.write_all(&[kind])?;
        to.write_all(&length.to_be_bytes())?;
        to.write_all(bytes)?;
        Ok(5 + bytes.len())
    }
}

impl Decode for WalPayload {
    fn decode<R: Read>(mut from: R) -> Result<Self, io::Error> {
        let mut head = [0; 5];
        from.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        if length > PAYLOAD_BYTES_MAX {
            return Err(invalid(format!("log entry of {length} bytes")));
        }
        let mut bytes = vec![0; length as usize];
        from.read_exact(&mut bytes)?;
        match kind {
            0 if bytes.is_empty() => Ok(Self(Payload::Blank)),
            0 => Err(invalid("blank log entry that is not empty".to_owned())),
            1 => Ok(Self(Payload::Command(Bytes::from(bytes)))),
            2 => Ok(Self(Payload::Membership(Bytes::from(bytes)))),
            other => Err(invalid(format!("log entry of unknown kind {other}"))),
        }
    }
}

/// On disk: term, candidate (8 bytes each, big-endian), committed (1 byte).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalVote(pub(super) LogVote);

impl PartialOrd for WalVote {
    /// Votes of one term for two candidates cannot be compared: a server has one vote a term.
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        let (a, b) = (&self.0, &other.0);
        if a.term == b.term && a.candidate != b.candidate && a.committed == b.committed {
            return None;
        }
        Some((a.term, a.committed).cmp(&(b.term, b.committed)))
    }
}

impl Encode for WalVote {
    fn encode<W: Write>(&self, mut to: W) -> Result<usize, io::Error> {
        to.write_all(&self.0.term.to_be_bytes())?;
        to.write_all(&self.0.candidate.to_be_bytes())?;
        to.write_all(&[u8::from(self.0.committed)])?;
        Ok(17)
    }
}

impl Decode for WalVote {
    fn decode<R: Read>(mut from: R) -> Result<Self, io::Error> {
        let (mut term, mut candidate, mut committed) = ([0; 8], [0; 8], [0; 1]);
        from.read_exact(&mut term)?;
        from.read_exact(&mut candidate)?;
        from.read_exact(&mut committed)?;
        Ok(Self(LogVote {
            term: u64::from_be_bytes(term),
            candidate: u64::from_be_bytes(candidate),
            committed: match committed {
                [0] => false,
                [1] => true,
                [other] => return Err(invalid(format!("vote of unknown kind {other}"))),
            },
        }))
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A log in a folder of files.
pub(super) struct Wal {
    log: RwLock<Records>,
    /// Everything before this place is on the disk.
    synced: Arc<AtomicU64>,
    first_error: FirstError,
}

/// The log, and where in it what stands. A place is a number of bytes since the log was made.
struct Records {
    log: RaftLog<WalTypes>,
    /// Where the next record begins.
    end: u64,
    /// How far the log is on the disk, by the last note of that in the log.
    noted: u64,
}

impl Records {
    /// Notes in the log how far it is on the disk, if that isn't what the last note says.
    fn note_synced(&mut self, synced: &AtomicU64) -> io::Result<()> {
        let synced = synced.load(Ordering::Acquire);
        if synced > self.noted {
            let note = self.log.save_user_data(Some(synced))?;
            self.wrote(note);
            self.noted = synced;
        }
        Ok(())
    }

    fn wrote(&mut self, last: Segment) {
        self.end = last.end().0;
    }

    /// Has everything synced that was written so far. `done` is called when it is on the disk.
    fn sync(
        &mut self,
        synced: &Arc<AtomicU64>,
        first_error: &FirstError,
        done: FlushDone,
    ) -> io::Result<()> {
        let (synced, end) = (Arc::clone(synced), self.end);
        let told = Box::new(move |result: io::Result<()>| {
            if result.is_ok() {
                synced.fetch_max(end, Ordering::Release);
            }
            done(result);
        });
        self.log.flush(true, Some(first_error.watch(told)))
    }
}

impl Wal {
    /// Opens the log in `folder`, which exists. What was only half written when the power went
    /// is cut off: it was never acknowledged. Any other damage is an error.
    pub(super) fn open(folder: &Path, options: &LogOptions) -> io::Result<Self> {
        torn_tail::cut_off(folder)?;
        let mut config = Config::new(folder.display());
        config.wal.flush_batch_wait = Some(options.group_commit_wait);
        config.wal.chunk_max_size = Some(options.chunk_bytes);
        config.wal.read_buffer_size = Some(1 << 20);
        // By itself the log would take a damaged length for a torn tail.
        config.wal.truncate_incomplete_record = Some(false);
        config.log_cache_capacity = Some(options.cache_bytes);
        let log = with_exact_timers(|| RaftLog::open(Arc::new(config)))?;
        let end = log.stat().open_chunk.global_end;
        let mut records = Records { log, end, noted: 0 };
        // What an earlier process wrote and didn't sync before it was killed can be read, and
        // is taken for durable from now on.
        let synced = Arc::new(AtomicU64::new(0));
        let first_error = FirstError::default();
        let (tell, told) = mpsc::channel();
        let tell = Box::new(move |result| drop(tell.send(result)));
        records.sync(&synced, &first_error, tell)?;
        told.recv().map_err(io::Error::other)??;
        Ok(Self {
            log: RwLock::new(records),
            synced,
            first_error,
        })
    }

    // A thread that panics while it writes to the log has failed as a writer; the next write
    // reports what the log itself says.
    fn writing(&self) -> RwLockWriteGuard<'_, Records> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> RwLockReadGuard<'_, Records> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a write. Where somebody waits for it, it is handed to the log's writer, to be synced.
    /// Once the writer has failed nothing is handed to it: its count of queued bytes may be wrong
    /// then, and whoever has to wait for room would wait for ever.
    fn write(
        &self,
        write: impl FnOnce(&mut RaftLog<WalTypes>) -> io::Result<Option<Segment>>,
        done: Option<FlushDone>,
    ) -> io::Result<()> {
        let mut records = self.writing();
        self.first_error.none_yet()?;
        self.write_to(&mut records, write, done)
            .map_err(|error| self.first_error.or(error))
    }

    fn write_to(
        &self,
        records: &mut Records,
        write: impl FnOnce(&mut RaftLog<WalTypes>) -> io::Result<Option<Segment>>,
        done: Option<FlushDone>,
    ) -> io::Result<()> {
        if done.is_some() {
            records.note_synced(&self.synced)?;
        }
        if let Some(last) = write(&mut records.log)? {
            records.wrote(last);
        }
        match done {
            Some(done) => records.sync(&self.synced, &self.first_error, done),
            // It goes with the next write that somebody waits for.
            None => Ok(()),
        }
    }
}

impl LogEngine for Wal {
    fn state(&self) -> LogState {
        let records = self.reading();
        let state = records.log.log_state();
        LogState {
            last: state.last().map(pos),
            purged: state.purged().map(pos),
            committed: state.committed().map(pos),
            vote: state.vote().map(|vote| vote.0),
        }
    }

    fn append(&self, entries: Vec<(LogPos, Payload)>, done: FlushDone) -> io::Result<()> {
        let entries = entries
            .into_iter()
            .map(|(at, payload)| (id(at), WalPayload(payload)));
        self.write(|log| log.append(entries).map(Some), Some(done))
    }

    fn save_vote(&self, vote: LogVote, done: FlushDone) -> io::Result<()> {
        self.write(|log| log.save_vote(WalVote(vote)).map(Some), Some(done))
    }

    fn save_committed(&self, committed: LogPos) -> io::Result<()> {
        let state = self.state();
        // An entry that isn't in the log yet is committed once it is.
        if state.last < Some(committed) || state.committed >= Some(committed) {
            return Ok(());
        }
        self.write(|log| log.commit(id(committed)).map(Some), None)
    }

    fn truncate(&self, index: u64, done: FlushDone) -> io::Result<()> {
        let cut = |log: &mut RaftLog<WalTypes>| {
            // Nothing to cut off where the log doesn't reach.
            let reaches = log.log_state().last().is_some_and(|last| last.1 >= index);
            reaches.then(|| log.truncate(index)).transpose()
        };
        self.write(cut, Some(done))
    }

    fn purge(&self, upto: LogPos, done: FlushDone) -> io::Result<()> {
        self.write(|log| log.purge(id(upto)).map(Some), Some(done))
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<(LogPos, Payload)>> {
        self.reading()
            .log
            .read(from, to)
            .map(|entry| entry.map(|(at, payload)| (pos(&at), payload.0)))
            .collect()
    }

    fn disk_bytes(&self) -> u64 {
        self.reading().log.on_disk_size()
    }
}

/// The threads that `begin` starts wait no longer than they ask for: Linux adds up to 50 us by itself,
/// five times what the flusher waits for more to write.
fn with_exact_timers<T>(begin: impl FnOnce() -> T) -> T {
    let before = current_timer_slack();
    // Where the system refuses, appends are slower and nothing is wrong.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let begun = begin();
    if let Ok(before) = before {
        let _ = set_current_timer_slack(NonZeroU64::new(before));
    }
    begun
}

pub(super) fn pos(id: &(u64, u64)) -> LogPos {
    LogPos {
        term: id.0,
        index: id.1,
    }
}

fn id(pos: LogPos) -> (u64, u64) {
    (pos.term, pos.index)
}
