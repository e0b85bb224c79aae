//! The error of last resort.

use std::{fmt, io, sync::Arc};

/// A disk that fails, or a bug: nothing that the caller did, and nothing that a retry on the
/// same server mends. A server that meets one in its log or state stops.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Fault {
    what: Arc<str>,
    why: Arc<str>,
}

impl Fault {
    /// `what` was being done, and `why` it failed.
    pub fn new(what: impl Into<Arc<str>>, why: impl fmt::Display) -> Self {
        Self {
            what: what.into(),
            why: why.to_string().into(),
        }
    }

    /// The reason, where it was another one, is this one.
    pub(crate) fn explained(self, other: impl fmt::Display, why: impl fmt::Display) -> Self {
        match *self.why == *other.to_string() {
            true => Self::new(self.what, why),
            false => self,
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        io::Error::other(fault)
    }
}

/// Makes the faults of something that was being done.
pub(crate) fn failed<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> Fault {
    move |error| Fault::new(what, error)
}
