//! What the directory says no to, on the wire.

use quorid_api::Reason;
use quorid_directory::{Held, Kind, LOGIN_NAME, Rejection};
use tonic::{Code, Status};

use super::build;

pub(super) fn rejected(rejection: &Rejection, message: String) -> Status {
    let (code, reason) = code_and_reason(rejection);
    let metadata = metadata(rejection)
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    build(code, reason, message, metadata.collect())
}

fn code_and_reason(rejection: &Rejection) -> (Code, Reason) {
    match rejection {
        Rejection::ValueTaken { attribute, .. } if attribute.number == LOGIN_NAME => {
            (Code::AlreadyExists, Reason::LoginNameTaken)
        }
        Rejection::ValueTaken { .. } => (Code::AlreadyExists, Reason::ValueTaken),
        Rejection::SchemaViolation { .. } => (Code::InvalidArgument, Reason::SchemaViolation),
        Rejection::ReferenceInvalid { .. } => (Code::FailedPrecondition, Reason::ReferenceInvalid),
        Rejection::NoChange { .. } => (Code::NotFound, Reason::ChangeNotFound),
        Rejection::ChangedSince { .. } => (Code::Aborted, Reason::ChangedSince),
        Rejection::NotReversible { .. } => (Code::FailedPrecondition, Reason::NotReversible),
        Rejection::AttributeExists { .. } => (Code::AlreadyExists, Reason::AttributeExists),
        Rejection::NotPermitted { .. } => (Code::PermissionDenied, Reason::NotPermitted),
        Rejection::NotFound { object } => match object.kind() {
            Kind::Person | Kind::Service => (Code::NotFound, Reason::AccountNotFound),
            Kind::Group => (Code::NotFound, Reason::GroupNotFound),
        },
        Rejection::NotDeleted { .. } => (Code::NotFound, Reason::DeletedNotFound),
        Rejection::NotReserved { .. } => (Code::FailedPrecondition, Reason::NotReserved),
        Rejection::WrongKind { .. } => (Code::InvalidArgument, Reason::WrongKind),
        Rejection::GroupCycle { .. } => (Code::FailedPrecondition, Reason::GroupCycle),
        Rejection::LimitExceeded { .. } => (Code::FailedPrecondition, Reason::LimitExceeded),
        Rejection::FeatureLevel { .. } => (Code::FailedPrecondition, Reason::FeatureLevel),
        Rejection::LevelTooLow { .. } => (Code::FailedPrecondition, Reason::LevelTooLow),
        Rejection::VersionMismatch { .. } => (Code::Aborted, Reason::EtagMismatch),
        Rejection::PasswordNeeded { .. } => (Code::Unauthenticated, Reason::PasswordNeeded),
        Rejection::PasswordChanged { .. } => (Code::Unauthenticated, Reason::WrongPassword),
        Rejection::RequestExpired { .. } => (Code::FailedPrecondition, Reason::RequestExpired),
        Rejection::RequestReused { .. } => (Code::InvalidArgument, Reason::RequestReused),
        Rejection::RequestFromFuture { .. } => {
            (Code::FailedPrecondition, Reason::RequestFromFuture)
        }
    }
}

fn metadata(rejection: &Rejection) -> Vec<(&'static str, String)> {
    match rejection {
        Rejection::ValueTaken {
            attribute,
            value,
            kind: _,
            holder,
            held,
        } if attribute.number == LOGIN_NAME => {
            let taken = [
                ("login_name", value.to_string()),
                ("account_id", holder.to_string()),
            ];
            taken.into_iter().chain(how(*held)).collect()
        }
        Rejection::ValueTaken {
            attribute,
            value,
            kind,
            holder,
            held,
        } => {
            let taken = [
                ("attribute", attribute.name.to_string()),
                ("value", value.to_string()),
                (id_of(*kind), holder.to_string()),
            ];
            taken.into_iter().chain(how(*held)).collect()
        }
        Rejection::ReferenceInvalid { attribute, value } => vec![
            ("attribute", attribute.name.to_string()),
            ("value", value.to_string()),
        ],
        Rejection::NoChange { revision } => vec![("revision", revision.to_string())],
        Rejection::ChangedSince {
            revision,
            id,
            kind,
            attribute,
            later,
        } => {
            let attribute = attribute.as_ref();
            let attribute = attribute.map(|it| ("attribute", it.name.to_string()));
            let later = later.map(|later| ("later_revision", later.to_string()));
            let which = [
                ("revision", revision.to_string()),
                (id_of(*kind), id.to_string()),
            ];
            which.into_iter().chain(attribute).chain(later).collect()
        }
        Rejection::NotReversible { revision, .. } => vec![("revision", revision.to_string())],
        Rejection::SchemaViolation { attribute, .. } | Rejection::AttributeExists { attribute } => {
            vec![("attribute", attribute.name.to_string())]
        }
        Rejection::NotPermitted { attribute, role } => {
            let attribute = attribute.as_ref();
            let attribute = attribute.map(|it| ("attribute", it.name.to_string()));
            let role = ("role", role.as_str().to_owned());
            attribute.into_iter().chain([role]).collect()
        }
        Rejection::NotReserved { name } => vec![("login_name", name.to_string())],
        Rejection::NotFound { object } | Rejection::NotDeleted { object } => {
            let key = match object.kind() {
                Kind::Person | Kind::Service => "account",
                Kind::Group => "group",
            };
            vec![(key, object.to_string())]
        }
        Rejection::WrongKind {
            id,
            expected,
            actual,
        } => vec![
            ("id", id.to_string()),
            ("expected", expected.to_string()),
            ("actual", actual.to_string()),
        ],
        Rejection::GroupCycle { group, member } => vec![
            ("group_id", group.to_string()),
            ("member_id", member.to_string()),
        ],
        Rejection::LimitExceeded { limit } => vec![("most", limit.most().to_string())],
        Rejection::FeatureLevel { needed, is } => {
            vec![("needed", needed.to_string()), ("is", is.to_string())]
        }
        Rejection::LevelTooLow { to, is } => {
            vec![("to", to.to_string()), ("is", is.to_string())]
        }
        Rejection::VersionMismatch {
            account,
            expected,
            actual,
        } => vec![
            ("account_id", account.to_string()),
            ("expected_etag", format!("{:x}", expected.0)),
            ("actual_etag", format!("{:x}", actual.0)),
        ],
        Rejection::PasswordNeeded { .. } | Rejection::PasswordChanged { .. } => Vec::new(),
        Rejection::RequestExpired { seen, oldest } => vec![
            ("seen_revision", seen.to_string()),
            ("oldest_revision", oldest.to_string()),
        ],
        Rejection::RequestReused { request } => vec![("request_id", request.to_string())],
        Rejection::RequestFromFuture { seen, revision } => vec![
            ("seen_revision", seen.to_string()),
            ("revision", revision.to_string()),
        ],
    }
}

/// How a value is another object's that does not have it.
fn how(held: Held) -> Option<(&'static str, String)> {
    match held {
        Held::Now => None,
        Held::Deleted => Some(("held", "deleted".to_owned())),
        Held::Reserved(_) => Some(("held", "reserved".to_owned())),
    }
}

/// The key of an id.
fn id_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Person | Kind::Service => "account_id",
        Kind::Group => "group_id",
    }
}
