//! What can go wrong with a testbed.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use super::{log_events, place::Place};
use quorid_server::certs::CertError;

/// Why a testbed didn't do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// A file, a directory or a process failed.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// As in `cannot write`.
        what: &'static str,
        /// Which file, directory or program.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The directory holds something else.
    #[error("{} cannot be used: {reason}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The stage file cannot be used.
    #[error("{} is no stage: {reason}", path.display())]
    Stage {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A stage's driver failed.
    #[error("{line}: {status}\n{said}")]
    Driver {
        /// The driver and what it was to do.
        line: String,
        /// How it ended.
        status: String,
        /// What it said.
        said: String,
    },
    /// Only a stage with a driver can do this.
    #[error("servers on loopback cannot be cut off from each other")]
    NoNetwork,
    /// A certificate couldn't be made.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// A client got no answer, or a refusal.
    #[error(transparent)]
    Client(#[from] quorid_api::Error),
    /// A server ended by itself.
    #[error(
        "{server} ended: {status}\nit said last: {last_words}\nits log: {}",
        log.display()
    )]
    Ended {
        /// The server's name.
        server: String,
        /// How.
        status: String,
        /// The end of its log.
        last_words: String,
        /// All of its log.
        log: PathBuf,
    },
    /// The server doesn't run.
    #[error("{server} is not running")]
    NotRunning {
        /// The server's name.
        server: String,
    },
    /// The server runs.
    #[error("{server} is running; stop it first")]
    Running {
        /// The server's name.
        server: String,
    },
    /// What was waited for didn't come.
    #[error("{what}: not within {waited:?}; last seen: {last}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// How things stood at the end.
        last: String,
    },
}

impl TestbedError {
    /// The error of a server that ended without being stopped, or badly.
    pub(super) fn ended(place: &Place, status: ExitStatus) -> Self {
        Self::Ended {
            server: place.server.name.clone(),
            status: status.to_string(),
            last_words: log_events::last_words(&place.log),
            log: place.log.clone(),
        }
    }
}

/// Says what could not be done with which file, directory or program.
pub(super) trait OrCannot<T> {
    /// The value, or `cannot {what} {path}`.
    fn or_cannot(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, TestbedError>;
}

impl<T> OrCannot<T> for io::Result<T> {
    fn or_cannot(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, TestbedError> {
        self.map_err(|error| TestbedError::Io {
            what,
            path: path.into(),
            error,
        })
    }
}
