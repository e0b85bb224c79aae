//! Everything that a use case can end with, other than well.

use quorid_directory::{Rejection, Revision};
use quorid_storage::Fault;

use crate::{
    access::Denied,
    node::{MembershipError, Unavailable},
    passwords::PasswordError,
};

/// Why a request wasn't done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory says no, and every server would.
    #[error("{rejection}")]
    Rejected {
        /// Why.
        rejection: Rejection,
        /// Revision of the state that says so.
        revision: Revision,
    },
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A password could not be checked; where too many wait for it, the server may be asked again.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Not now, or not here.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The cluster cannot be changed like that.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The changes that were asked for are forgotten.
    #[error(
        "changes up to revision {floor} are not kept any more, and those after {since} were asked for; \
         read the directory as it is now, then its changes from there on"
    )]
    ChangesGone {
        /// Those after this revision were asked for.
        since: Revision,
        /// Up to here they are forgotten.
        floor: Revision,
    },
    /// No more clients can follow the changes here.
    #[error(
        "{most} clients follow the changes at this server already; ask another server, or later"
    )]
    TooManyWatchers {
        /// The most that there may be.
        most: usize,
    },
    /// Nothing was changed at that revision.
    #[error("nothing was changed at revision {revision}")]
    NoChange {
        /// The revision that was asked for.
        revision: Revision,
    },
    /// A bug or a disk.
    #[error("this server has a fault: {0}; its log says more")]
    Fault(#[from] Fault),
}

impl Error {
    /// A rejection, by the state as of this revision.
    #[must_use]
    pub fn rejected(rejection: Rejection, revision: Revision) -> Self {
        // Rejections about the password are the same as those of the service itself.
        match rejection {
            Rejection::PasswordNeeded { .. } => Self::Denied(Denied::PasswordNeeded),
            Rejection::PasswordChanged { .. } => Self::Denied(Denied::PasswordChanged),
            Rejection::ValueTaken { .. }
            | Rejection::SchemaViolation { .. }
            | Rejection::ReferenceInvalid { .. }
            | Rejection::NoChange { .. }
            | Rejection::ChangedSince { .. }
            | Rejection::NotReversible { .. }
            | Rejection::AttributeExists { .. }
            | Rejection::NotPermitted { .. }
            | Rejection::NotFound { .. }
            | Rejection::NotDeleted { .. }
            | Rejection::NotReserved { .. }
            | Rejection::WrongKind { .. }
            | Rejection::GroupCycle { .. }
            | Rejection::LimitExceeded { .. }
            | Rejection::FeatureLevel { .. }
            | Rejection::LevelTooLow { .. }
            | Rejection::VersionMismatch { .. }
            | Rejection::RequestExpired { .. }
            | Rejection::RequestReused { .. }
            | Rejection::RequestFromFuture { .. } => Self::Rejected {
                rejection,
                revision,
            },
        }
    }
}
