//! The error of last resort.

use std::{error::Error, fmt, io, sync::Arc};

use super::damage;

type BoxedError = Box<dyn Error + Send + Sync>;

/// A disk that fails, or a bug: nothing that the caller did, and nothing that a retry on the
/// same server mends. A server that meets one in its log or state stops.
///
/// It is printed with its reason, because the engines print no source of an error. Its source is
/// therefore that of the reason.
#[derive(Debug, Clone)]
pub struct Fault {
    what: Arc<str>,
    why: Arc<dyn Error + Send + Sync>,
}

impl Fault {
    /// `what` was being done, and `why` it failed.
    pub fn new(what: impl Into<Arc<str>>, why: impl Into<BoxedError>) -> Self {
        Self {
            what: what.into(),
            why: why.into().into(),
        }
    }

    /// Why it failed.
    #[must_use]
    pub fn why(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.why
    }

    /// Whether what is kept is damaged, so that the same would happen again; rather than out of reach.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        damage::is_damage(self)
    }

    /// Whether this server can do nothing more and stops, since its disk failed. Another one may do it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        damage::is_final(self)
    }

    /// The same, for another reason.
    pub(crate) fn because(self, why: impl Into<BoxedError>) -> Self {
        Self::new(self.what, why)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        io::Error::other(fault)
    }
}

/// Turns errors into faults.
pub trait OrFault<T> {
    /// The value, or the fault that says what was being done.
    fn or_fault(self, what: impl fmt::Display) -> Result<T, Fault>;
}

impl<T, E: Into<BoxedError>> OrFault<T> for Result<T, E> {
    fn or_fault(self, what: impl fmt::Display) -> Result<T, Fault> {
        self.map_err(|error| Fault::new(what.to_string(), error))
    }
}
