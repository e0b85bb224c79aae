//! What a call can end with, for programs to match on and for people to read.

use std::{collections::BTreeMap, fmt, time::Duration};

use tonic::Code;

use crate::{Reason, tls::TlsError};

/// Why a call did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A server refused: the same call would be refused again.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// No server answered in time. The same call may succeed later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// No server could be trusted, or none trusts this client.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration names something that is no server's address.
    #[error(transparent)]
    InvalidServer(#[from] InvalidServer),
}

/// A server's refusal. Final: retrying changes nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Rejected {
    /// The gRPC status.
    pub code: Code,
    /// What programs match on.
    pub reason: Reason,
    /// For people: what happened, and to which thing.
    pub message: String,
    /// What belongs to the reason, such as `login_name` and `account_id`.
    pub metadata: BTreeMap<String, String>,
}

impl Rejected {
    /// Whether the request's id begins with a revision that is too old, or was never reached.
    pub(crate) fn is_of_another_revision(&self) -> bool {
        matches!(
            self.reason,
            Reason::RequestExpired | Reason::RequestFromFuture
        )
    }

    /// The last revision of the directory, where an id begins with a later one.
    pub(crate) fn revision_here(&self) -> Option<u64> {
        let of_request: u64 = self.metadata.get("revision")?.parse().ok()?;
        of_request.checked_sub(1)
    }
}

/// How a try at one server ended.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{server}: {problem}")]
pub struct FailedTry {
    /// `host:port` of the server.
    pub server: String,
    /// What went wrong, without the server's name.
    pub problem: String,
}

/// No server answered within the deadline.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// Addresses of the servers that were tried, in the order of the first try.
    pub tried: Vec<String>,
    /// How long.
    pub waited: Duration,
    /// How the last try ended, if there was one.
    pub last_error: Option<FailedTry>,
    /// Whether the change may have been made, or may yet be: a server may have got it and
    /// its answer is missing. Never true of a read. Asking again with the same request id
    /// gives the one true outcome.
    pub outcome_unknown: bool,
}

impl std::error::Error for Unavailable {}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.tried.join(", ");
        match self.tried.len() {
            0 => f.write_str("no server was reached")?,
            1 => write!(f, "server {servers} gave no answer")?,
            _ => write!(f, "no server of {servers} gave an answer")?,
        }
        let seconds = self.waited.as_secs_f64();
        if seconds >= 0.1 {
            write!(f, " within {seconds:.1} s")?;
        }
        if let Some(error) = &self.last_error {
            write!(f, "; last error: {error}")?;
        }
        if self.outcome_unknown {
            f.write_str("; the change may have been made")?;
        }
        Ok(())
    }
}

/// An address that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is no server address: {reason}")]
pub struct InvalidServer {
    /// What was given.
    pub address: String,
    /// What is wrong with it.
    pub reason: &'static str,
}
