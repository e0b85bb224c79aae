//! Which reason a client is given for each rejection.

use quorid_api::Reason;
use quorid_directory::{Kind, LOGIN_NAME, Rejection};

/// What a client is answered.
pub(super) fn reason(rejection: &Rejection) -> Reason {
    match rejection {
        Rejection::ValueTaken { attribute, .. } if attribute.number == LOGIN_NAME => {
            Reason::LoginNameTaken
        }
        Rejection::ValueTaken { .. } => Reason::ValueTaken,
        Rejection::SchemaViolation { .. } => Reason::SchemaViolation,
        Rejection::ReferenceInvalid { .. } => Reason::ReferenceInvalid,
        Rejection::NoChange { .. } => Reason::ChangeNotFound,
        Rejection::ChangedSince { .. } => Reason::ChangedSince,
        Rejection::NotReversible { .. } => Reason::NotReversible,
        Rejection::AttributeExists { .. } => Reason::AttributeExists,
        Rejection::NotPermitted { .. } => Reason::NotPermitted,
        Rejection::NotFound { object } => match object.kind() {
            Kind::Person | Kind::Service => Reason::AccountNotFound,
            Kind::Group => Reason::GroupNotFound,
        },
        Rejection::NotDeleted { .. } => Reason::DeletedNotFound,
        Rejection::NotReserved { .. } => Reason::NotReserved,
        Rejection::WrongKind { .. } => Reason::WrongKind,
        Rejection::GroupCycle { .. } => Reason::GroupCycle,
        Rejection::LimitExceeded { .. } => Reason::LimitExceeded,
        Rejection::FeatureLevel { .. } => Reason::FeatureLevel,
        Rejection::LevelTooLow { .. } => Reason::LevelTooLow,
        Rejection::VersionMismatch { .. } => Reason::EtagMismatch,
        Rejection::PasswordNeeded { .. } => Reason::PasswordNeeded,
        Rejection::PasswordChanged { .. } => Reason::WrongPassword,
        Rejection::RequestExpired { .. } => Reason::RequestExpired,
        Rejection::RequestReused { .. } => Reason::RequestReused,
        Rejection::RequestFromFuture { .. } => Reason::RequestFromFuture,
    }
}
