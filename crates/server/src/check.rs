//! Checking the data directory of a server that isn't running.

use std::{path::Path, sync::Arc};

use quorid_storage::{
    Disk, Fault, Fit, Identity, Inspected, LogContent, OpenError, OrFault as _, Position,
    StoreOptions,
};

pub use quorid_storage::LogPos;

use crate::state::State;

/// What a data directory holds, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// Who the server is; none before it was taken in.
    pub identity: Option<Identity>,
    /// The log, where it can be read.
    pub log: Option<LogContent>,
    /// The state, where it can be read.
    pub state: Option<StateContent>,
    /// Empty if all is whole.
    pub problems: Vec<Problem>,
}

/// What a state holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateContent {
    /// Log index of the last entry whose effect it has; none in a new one.
    pub applied: Option<u64>,
    /// Log index that it was at when it was received from another server, if it was.
    pub received: Option<u64>,
    /// Number of accounts.
    pub accounts: u64,
    /// Number of groups.
    pub groups: u64,
    /// SHA-256 of everything that is replicated, in hexadecimal.
    pub digest: String,
}

/// Something that isn't as it was written, or doesn't fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What the operator can do.
    pub remedy: &'static str,
}

const FETCHED: &str =
    "start the server again: where it finds this, it takes the state from another server";
const REMOVE: &str = "give state.redb another name and start the server again: it takes the state from another server";
const REPLACE: &str =
    "empty the data directory, start this server with --join, and then run: quorid cluster replace";

/// Reads everything in a data directory, and changes nothing. Fails if it is in use, of another version or
/// cannot be read at all.
pub fn check(path: &Path) -> Result<CheckReport, OpenError> {
    let directory = Arc::new(Inspected::open(path)?);
    let mut problems = Vec::new();
    let log = directory.log().or_fault("reading the log");
    let log = log.map_err(|fault| {
        problems.push(Problem {
            what: fault.to_string(),
            remedy: REPLACE,
        });
    });
    let state = read_state(&directory).map_err(|fault| {
        problems.push(Problem {
            what: fault.to_string(),
            remedy: if fault.is_damage() { FETCHED } else { REMOVE },
        });
    });
    let (log, state) = (log.ok(), state.ok());
    if let (Some(log), Some((_, position))) = (&log, &state) {
        problems.extend(misfit(log, position));
    }
    Ok(CheckReport {
        // It was read when the directory was opened.
        identity: directory.identity().unwrap_or_default(),
        log,
        state: state.map(|(content, _)| content),
        problems,
    })
}

fn read_state(directory: &Arc<Inspected>) -> Result<(StateContent, Position), Fault> {
    let disk: Arc<dyn Disk> = Arc::<Inspected>::clone(directory);
    let state = State::open(disk, StoreOptions::default())?;
    let view = state.read()?;
    let digest = view.digest_text()?;
    view.check()?;
    let (accounts, groups) = view.count_accounts_and_groups()?;
    let position = view.position()?;
    let content = StateContent {
        applied: position.applied.map(|at| at.index),
        received: position.received.map(|at| at.index),
        accounts,
        groups,
        digest,
    };
    Ok((content, position))
}

fn misfit(log: &LogContent, state: &Position) -> Option<Problem> {
    let shown = |at: Option<LogPos>| at.map_or(0, |at| at.index);
    let applied = shown(state.applied);
    let (what, remedy) = match state.fit(log.last, log.purged) {
        Fit::Whole => return None,
        Fit::LogBehind => {
            let what = format!(
                "the log ends at entry {}, and the state holds what entry {applied} did: the log lost what \
                 this server acknowledged",
                shown(log.last)
            );
            (what, REPLACE)
        }
        Fit::StateBehind => {
            let purged = shown(log.purged);
            let what = format!(
                "the log begins behind entry {purged}, and the state ends at entry {applied}"
            );
            (what, FETCHED)
        }
    };
    Some(Problem { what, remedy })
}
