//! The replicated log as the storage sees it: positions, payloads, and the engine's seam.

use std::{fmt, io, time::Duration};

use bytes::Bytes;

/// Where an entry stands in the log. Ordered by term, then by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogPos {
    /// Term of the leader that made the entry.
    pub term: u64,
    /// Consecutive, from 0.
    pub index: u64,
}

impl fmt::Display for LogPos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

/// For whom a server voted, and whether a majority did too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogVote {
    /// Term of the election.
    pub term: u64,
    /// Server id of the candidate.
    pub candidate: u64,
    /// A majority granted it: the candidate is the leader of the term.
    pub committed: bool,
}

/// What an entry carries. The log doesn't look inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A new leader's first entry.
    Blank,
    /// An encoded command.
    Command(Bytes),
    /// An encoded membership.
    Membership(Bytes),
}

/// What the log holds, after a restart or now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogState {
    /// The last entry, or the last purged one if there is none after it.
    pub last: Option<LogPos>,
    /// The last entry that was purged.
    pub purged: Option<LogPos>,
    /// The last entry that was noted as committed.
    pub committed: Option<LogPos>,
    /// The last vote.
    pub vote: Option<LogVote>,
}

/// Told once what it was given for is on the disk, or that it never will be.
pub type FlushDone = Box<dyn FnOnce(io::Result<()>) + Send>;

/// How the log is kept.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Memory for entries that followers will ask for soon, bytes. Those of the newest file are kept
    /// besides.
    pub cache_bytes: usize,
    /// Size at which a file of the log is closed and the next one begun, bytes.
    pub chunk_bytes: usize,
    /// How long the flusher waits for more to write before it syncs. None at all costs an fsync
    /// for each append, also where some are queued; more is felt as latency by who writes alone.
    pub group_commit_wait: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 4 << 20,
            chunk_bytes: 4 << 20,
            group_commit_wait: Duration::from_micros(10),
        }
    }
}

/// A log on a disk. Votes and entries are written in the order of the calls: whatever a
/// call's [`FlushDone`] promises holds for every call before it too.
///
/// An error that a write or a flush reports is final: the log takes nothing more, and the
/// server stops. To retry an fsync that failed can report success for data that is lost.
pub trait LogEngine: Send + Sync + 'static {
    /// What the log holds.
    fn state(&self) -> LogState;
    /// Adds entries. They can be read at once; `done` is called when they are on the disk.
    fn append(&self, entries: Vec<(LogPos, Payload)>, done: FlushDone) -> io::Result<()>;
    /// Writes a vote; `done` is called when it is on the disk.
    fn save_vote(&self, vote: LogVote, done: FlushDone) -> io::Result<()>;
    /// Notes how far the log is committed. Needs not be on the disk at any given time.
    fn save_committed(&self, committed: LogPos) -> io::Result<()>;
    /// Removes every entry from `index` on.
    fn truncate(&self, index: u64, done: FlushDone) -> io::Result<()>;
    /// Removes every entry up to and including `upto`.
    fn purge(&self, upto: LogPos, done: FlushDone) -> io::Result<()>;
    /// The entries from `from` to before `to` that are there, in order.
    fn read(&self, from: u64, to: u64) -> io::Result<Vec<(LogPos, Payload)>>;
    /// Bytes on the disk.
    fn disk_bytes(&self) -> u64;
}
