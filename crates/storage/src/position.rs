//! How far a state is: kept in the state itself, in the same transaction as what it is about.

use prost::Message as _;

use super::{Fault, OrFault as _, log::LogPos, rows::Rows};

/// Name of the position: `LogId`, protobuf, of the last entry whose effect the tables hold.
pub(crate) const APPLIED: &str = "applied";
/// Name of the membership: the last one applied, as it was given.
pub(crate) const MEMBERSHIP: &str = "membership";

/// Name of the position of the snapshot that the state began with, where it did; as [`APPLIED`].
pub(crate) const RECEIVED: &str = "received";

/// How far a state is, and the membership in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// The last entry whose effect is in it.
    pub applied: Option<LogPos>,
    /// The last membership in it, encoded.
    pub membership: Vec<u8>,
    /// Where it was when it was received from another server, if it was. The log may end before that.
    pub received: Option<LogPos>,
}

/// How the state and the log of one server fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// What the state lacks is in the log.
    Whole,
    /// The log ends before the state, which didn't come from another server: it lost what this server
    /// acknowledged.
    LogBehind,
    /// The log begins behind the state: what is between them is in neither.
    StateBehind,
}

impl Position {
    /// How a state that is so far fits to a log with this last entry, and this last one that was purged.
    pub fn fit(&self, last: Option<LogPos>, purged: Option<LogPos>) -> Fit {
        let index = |at: Option<LogPos>| at.map(|at| at.index);
        if index(self.applied) > index(last) && self.applied > self.received {
            Fit::LogBehind
        } else if purged > self.applied {
            Fit::StateBehind
        } else {
            Fit::Whole
        }
    }
}

/// A place in the log on disk; the same message as `quorid.state.v1.LogId`.
#[derive(Clone, PartialEq, prost::Message)]
struct LogId {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
}

pub(crate) fn encode(at: LogPos) -> Vec<u8> {
    let LogPos { term, index } = at;
    LogId { term, index }.encode_to_vec()
}

pub(crate) fn read_position(rows: &impl Rows) -> Result<Position, Fault> {
    let membership = rows.value(MEMBERSHIP, |bytes| Ok(bytes.to_vec()))?;
    Ok(Position {
        applied: read_applied(rows)?,
        membership: membership.unwrap_or_default(),
        received: read(rows, RECEIVED)?,
    })
}

pub(crate) fn read_applied(rows: &impl Rows) -> Result<Option<LogPos>, Fault> {
    read(rows, APPLIED)
}

fn read(rows: &impl Rows, name: &str) -> Result<Option<LogPos>, Fault> {
    rows.value(name, |bytes| {
        let LogId { term, index } = LogId::decode(bytes).or_fault("reading a stored position")?;
        Ok(LogPos { term, index })
    })
}
