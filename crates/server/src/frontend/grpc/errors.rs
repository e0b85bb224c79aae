//! How errors look on the wire: the one place where they get their gRPC code, their reason
//! and their metadata. docs/reference/api.md lists them for clients.

mod rejections;

use std::{collections::HashMap, time::Duration};

use quorid_api::Reason;
use quorid_directory::{
    InvalidDefinition, InvalidFilter, InvalidName, InvalidRequestId, InvalidSetting, InvalidValue,
    UnknownAttribute,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::note_revision;
use crate::{
    access::Denied,
    passwords::{InvalidHash, PasswordError},
    service::{ClusterMember, Error, MembershipError, Unavailable},
};

/// Domain of all reasons.
pub const DOMAIN: &str = "quorid";

/// When a client that got BUSY may ask again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// A request that cannot be understood: the caller has to change it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "each is named after its reason; the sentence says the rest"
)]
pub enum Invalid {
    #[error(transparent)]
    LoginName(#[from] InvalidName),
    #[error(transparent)]
    RealName(InvalidName),
    #[error(transparent)]
    Attribute(#[from] UnknownAttribute),
    #[error("{}: {why}", .attribute.replace('_', " "))]
    Value {
        attribute: String,
        why: InvalidValue,
    },
    #[error(transparent)]
    Definition(#[from] InvalidDefinition),
    #[error("{0}")]
    Edit(String),
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    #[error("{0}")]
    Password(String),
    #[error("password_hash: {0}")]
    PasswordHash(#[from] InvalidHash),
    #[error("{0}")]
    AccountName(String),
    #[error("{0}")]
    GroupName(String),
    #[error(transparent)]
    RequestId(#[from] InvalidRequestId),
    #[error("{0}")]
    PageToken(String),
    #[error("page_size is {0}; use 0 for the default, or 1 to 1000")]
    PageSize(i32),
    #[error("{0}")]
    FieldMask(String),
    #[error("{0}")]
    Etag(String),
    #[error(
        "read.consistency is {0}; use CONSISTENCY_LINEARIZABLE (1), CONSISTENCY_AT_LEAST_REVISION (2) or CONSISTENCY_STALE (3)"
    )]
    ReadOptions(i32),
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    #[error("{0}")]
    ServerName(String),
    #[error("{0}")]
    Message(String),
}

impl Invalid {
    /// The reason on the wire.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::LoginName(_) => Reason::InvalidLoginName,
            Self::RealName(_) => Reason::InvalidRealName,
            Self::Attribute(_) => Reason::UnknownAttribute,
            Self::Value { .. } => Reason::InvalidValue,
            Self::Definition(_) => Reason::InvalidAttribute,
            Self::Edit(_) => Reason::InvalidFieldMask,
            Self::Filter(_) => Reason::InvalidFilter,
            Self::Password(_) => Reason::InvalidPassword,
            Self::PasswordHash(_) => Reason::InvalidPasswordHash,
            Self::AccountName(_) => Reason::InvalidAccountName,
            Self::GroupName(_) => Reason::InvalidGroupName,
            Self::RequestId(_) => Reason::InvalidRequestId,
            Self::PageToken(_) => Reason::InvalidPageToken,
            Self::PageSize(_) => Reason::InvalidPageSize,
            Self::FieldMask(_) => Reason::InvalidFieldMask,
            Self::Etag(_) => Reason::InvalidEtag,
            Self::ReadOptions(_) => Reason::InvalidReadOptions,
            Self::Setting(_) => Reason::InvalidSetting,
            Self::ServerName(_) => Reason::InvalidServer,
            Self::Message(_) => Reason::InvalidMessage,
        }
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        let metadata = match &invalid {
            Invalid::Value { attribute, .. } => {
                Metadata::from([("attribute".to_owned(), attribute.clone())])
            }
            Invalid::Attribute(unknown) => {
                Metadata::from([("attribute".to_owned(), unknown.name.clone())])
            }
            Invalid::Setting(InvalidSetting::Unknown { name }) => {
                Metadata::from([("setting".to_owned(), name.clone())])
            }
            Invalid::Setting(InvalidSetting::OutOfBounds { setting, value }) => Metadata::from([
                ("setting".to_owned(), setting.to_string()),
                ("value".to_owned(), value.to_string()),
            ]),
            Invalid::LoginName(_)
            | Invalid::RealName(_)
            | Invalid::Definition(_)
            | Invalid::Edit(_)
            | Invalid::Filter(_)
            | Invalid::Password(_)
            | Invalid::PasswordHash(_)
            | Invalid::AccountName(_)
            | Invalid::GroupName(_)
            | Invalid::RequestId(_)
            | Invalid::PageToken(_)
            | Invalid::PageSize(_)
            | Invalid::FieldMask(_)
            | Invalid::Etag(_)
            | Invalid::ReadOptions(_)
            | Invalid::ServerName(_)
            | Invalid::Message(_) => Metadata::new(),
        };
        build(
            Code::InvalidArgument,
            invalid.reason(),
            invalid.to_string(),
            metadata,
        )
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match &error {
            Error::Rejected {
                rejection,
                revision,
            } => {
                let mut status = rejections::rejected(rejection, message);
                note_revision(status.metadata_mut(), *revision);
                status
            }
            Error::Denied(denied) => {
                let (code, reason) = denied_as(denied);
                build(code, reason, message, Metadata::new())
            }
            Error::Password(PasswordError::Busy { .. }) | Error::TooManyWatchers { .. } => {
                busy(message)
            }
            Error::Password(PasswordError::Weak(_)) => build(
                Code::InvalidArgument,
                Reason::WeakPassword,
                message,
                Metadata::new(),
            ),
            Error::Unavailable(unavailable) => unavailable_as(unavailable, message),
            Error::Membership(refused) => membership(refused, message),
            Error::ChangesGone { since, floor } => build(
                Code::OutOfRange,
                Reason::ChangesGone,
                message,
                Metadata::from([
                    ("since_revision".to_owned(), since.to_string()),
                    ("floor_revision".to_owned(), floor.to_string()),
                ]),
            ),
            Error::NoChange { revision } => build(
                Code::NotFound,
                Reason::ChangeNotFound,
                message,
                Metadata::from([("revision".to_owned(), revision.to_string())]),
            ),
            Error::Password(PasswordError::Fault(fault)) | Error::Fault(fault) => {
                let code = match fault.is_final() {
                    // As with `Unavailable::Fault`.
                    true => Code::Unavailable,
                    false => Code::Internal,
                };
                build(code, Reason::Fault, message, Metadata::new())
            }
        }
    }
}

type Metadata = HashMap<String, String>;

/// The server ends; another one will answer.
pub(crate) fn shutting_down() -> Status {
    Error::from(Unavailable::ShuttingDown).into()
}

/// What is said while the node starts.
pub(crate) const STARTING: &str =
    "not ready: this server is starting; it waits for the other servers of its cluster\n";

/// The server has no part in the cluster yet; another one may.
pub(crate) fn starting() -> Status {
    build(
        Code::Unavailable,
        Reason::NoQuorum,
        STARTING.trim_end().to_owned(),
        Metadata::new(),
    )
}

/// The caller's deadline, or the server's own, is over.
pub(crate) fn deadline_exceeded(deadline: Duration) -> Status {
    let message = format!(
        "no answer within {} ms; a change may still be made: ask again with the same request id",
        deadline.as_millis()
    );
    build(
        Code::DeadlineExceeded,
        Reason::DeadlineExceeded,
        message,
        Metadata::new(),
    )
}

/// What the gRPC library found wrong with a message, as the caller's error that it is.
/// None: it wasn't about a message.
///
/// tonic makes these statuses from text alone, without a source to look at:
/// <https://github.com/hyperium/tonic/blob/v0.14.2/tonic-prost/src/codec.rs> (`from_decode_error`)
/// and <https://github.com/hyperium/tonic/blob/v0.14.2/tonic/src/codec/decode.rs>. A test of the
/// client port sends such messages, so that a change of tonic's words shows.
pub(crate) fn malformed_message(status: &Status) -> Option<Status> {
    let text = status.message();
    let code = status.code();
    let refused = (code == Code::Internal && text.contains("decode Protobuf message"))
        || (code == Code::OutOfRange && text.contains("message length too large"));
    (refused && status.details().is_empty()).then(|| Invalid::Message(text.to_owned()).into())
}

fn denied_as(denied: &Denied) -> (Code, Reason) {
    match denied {
        Denied::LoginNeeded | Denied::MalformedLogin => {
            (Code::Unauthenticated, Reason::LoginNeeded)
        }
        Denied::OperatorNeeded { .. } => (Code::PermissionDenied, Reason::OperatorNeeded),
        Denied::PasswordNeeded => (Code::Unauthenticated, Reason::PasswordNeeded),
        Denied::WrongPassword | Denied::PasswordChanged => {
            (Code::Unauthenticated, Reason::WrongPassword)
        }
    }
}

fn unavailable_as(unavailable: &Unavailable, message: String) -> Status {
    let (code, reason, metadata) = match unavailable {
        Unavailable::NotLeader { leader, term } => (
            Code::Unavailable,
            Reason::NotLeader,
            hint(leader.as_ref(), *term),
        ),
        Unavailable::NoQuorum => (Code::Unavailable, Reason::NoQuorum, Metadata::new()),
        Unavailable::OutcomeUnknown => (Code::Unavailable, Reason::OutcomeUnknown, Metadata::new()),
        Unavailable::Behind { wanted, applied } => (
            Code::Unavailable,
            Reason::Behind,
            Metadata::from([
                ("wanted_revision".to_owned(), wanted.to_string()),
                ("applied_revision".to_owned(), applied.to_string()),
            ]),
        ),
        Unavailable::ShuttingDown => (Code::Unavailable, Reason::ShuttingDown, Metadata::new()),
        // That server is about to stop, and another one will know the outcome.
        Unavailable::Fault(_) => (Code::Unavailable, Reason::Fault, Metadata::new()),
    };
    build(code, reason, message, metadata)
}

/// Where to ask instead.
fn hint(leader: Option<&ClusterMember>, term: u64) -> Metadata {
    let mut metadata = Metadata::from([("term".to_owned(), term.to_string())]);
    if let Some(leader) = leader {
        metadata.insert("leader_id".to_owned(), leader.id.to_string());
        metadata.insert(
            "leader_address".to_owned(),
            leader.server.client_address.clone(),
        );
    }
    metadata
}

fn membership(refused: &MembershipError, message: String) -> Status {
    let (code, reason) = match refused {
        MembershipError::InProgress => (Code::Aborted, Reason::ChangeInProgress),
        MembershipError::NotFound(_) => (Code::NotFound, Reason::ServerNotFound),
        MembershipError::Exists(_) => (Code::AlreadyExists, Reason::ServerExists),
        MembershipError::NotReady { .. } => (Code::FailedPrecondition, Reason::ServerNotReady),
        MembershipError::LevelNotSupported { name, .. } => {
            let metadata = Metadata::from([("server".to_owned(), name.clone())]);
            let code = Code::FailedPrecondition;
            return build(code, Reason::LevelNotSupported, message, metadata);
        }
        MembershipError::Unavailable(unavailable) => return unavailable_as(unavailable, message),
    };
    build(code, reason, message, Metadata::new())
}

/// The caller may ask again in a moment.
pub(crate) fn busy(message: String) -> Status {
    let mut details = ErrorDetails::with_error_info(Reason::Busy.as_str(), DOMAIN, Metadata::new());
    details.set_retry_info(Some(RETRY_AFTER));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn build(code: Code, reason: Reason, message: String, metadata: Metadata) -> Status {
    let details = ErrorDetails::with_error_info(reason.as_str(), DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

#[cfg(test)]
mod tests;
