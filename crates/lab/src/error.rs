//! Why a demonstration or a load did not come to its end.

use std::{fmt, io, path::PathBuf, time::Duration};

use crate::testbed::TestbedError;

/// Why a demonstration or a load did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The servers didn't do what they were asked to.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// A client got no answer, or a refusal.
    #[error(transparent)]
    Client(#[from] quorid_api::Error),
    /// The user ended it.
    #[error("interrupted")]
    Interrupted,
    /// Standard output cannot be written. A reader that has gone is a broken pipe.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// A file or a process failed.
    #[error("{what}: {error}")]
    Io {
        /// As in `cannot write record.json`.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// A bug, here or in a server.
    #[error("{0}")]
    Fault(String),
    /// The tour needs servers without accounts.
    #[error("the tour begins with new servers, and {} has some", .0.display())]
    NotNew(PathBuf),
    /// The tour needs an account.
    #[error("the samples have no account that could be shown")]
    NoSample,
    /// Lookups need accounts.
    #[error("the directory is empty")]
    NothingToLookUp,
    /// Clients wait for the acknowledgement of their creates.
    #[error("{0}")]
    WritesStandStill(String),
    /// A listening client heard nothing.
    #[error("no server told a listening client of a leader within {0:?}")]
    NotTold(Duration),
    /// The leader keeps entries that it was to remove.
    #[error("the leader's log still begins at {first} after {waited:?}")]
    LogNotCut {
        /// Its last entry that is gone.
        first: u64,
        /// How long.
        waited: Duration,
    },
    /// The tour came to its end, and something wasn't as it should be.
    #[error("{} of {count} checks did not hold: {}", claims.len(), claims.join("; "))]
    ChecksFailed {
        /// What did not hold.
        claims: Vec<String>,
        /// How many checks there were.
        count: usize,
    },
    /// The tour broke off, and the servers' logs are kept.
    #[error("{error}")]
    Kept {
        /// Why.
        error: Box<Self>,
        /// Where the logs are.
        directory: PathBuf,
    },
}

impl LabError {
    /// Whether nobody reads the output any more.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn fault(message: impl Into<String>) -> Self {
        Self::Fault(message.into())
    }
}

/// Says what failed.
pub(crate) trait OrFail<T> {
    /// The value, or what failed, such as `cannot write record.json`.
    fn or_fail(self, what: impl fmt::Display) -> Result<T, LabError>;
}

impl<T> OrFail<T> for io::Result<T> {
    fn or_fail(self, what: impl fmt::Display) -> Result<T, LabError> {
        self.map_err(|error| LabError::Io {
            what: what.to_string(),
            error,
        })
    }
}
