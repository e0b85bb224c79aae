//! Each error of the domain, with its code and reason on the wire.

use quorid_directory::{
    Held, Kind, LOGIN_NAME, LoginName, ObjectId, Rejection, RequestId, Revision, Role, Schema,
    Selector, Value, Violation,
};

use super::*;
use crate::service::Fault;

fn wire(error: impl Into<Error>) -> (Code, Reason, HashMap<String, String>) {
    let status = Status::from(error.into());
    let info = status
        .get_details_error_info()
        .expect("every error has a reason");
    assert_eq!(info.domain, DOMAIN);
    assert!(!status.message().is_empty());
    (status.code(), Reason::from(&*info.reason), info.metadata)
}

fn error_of(rejection: Rejection) -> Error {
    Error::rejected(rejection, Revision(255))
}

fn id() -> ObjectId {
    ObjectId::from_bytes([7; 16])
}

fn member() -> ClusterMember {
    ClusterMember {
        id: 2,
        server: "n2=10.0.0.2:7401,10.0.0.2:7400".parse().expect("a server"),
        voter: true,
    }
}

/// Each error with its code and its reason, as they are on the wire.
fn assert_on_the_wire<E: Into<Error>>(table: impl IntoIterator<Item = (E, Code, Reason)>) {
    for (error, code, reason) in table {
        let error = error.into();
        let said = format!("{error:?}");
        let (actual_code, actual_reason, _) = wire(error);
        assert_eq!((actual_code, actual_reason), (code, reason), "{said}");
    }
}

fn of_rejections<const N: usize>(
    table: [(Rejection, Code, Reason); N],
) -> [(Error, Code, Reason); N] {
    table.map(|(rejection, code, reason)| (error_of(rejection), code, reason))
}

#[test]
fn each_rejection_of_a_change_has_its_code_and_reason() {
    let name = LoginName::parse("ana").expect("valid");
    let account = id();
    let mail = Schema::builtin().by_name("mail");
    let mail = mail.expect("an attribute").number;
    let rejections = [
        (
            Rejection::ValueTaken {
                attribute: LOGIN_NAME.into(),
                value: Value::Text("ana".to_owned()),
                kind: Kind::Person,
                holder: id(),
                held: Held::Now,
            },
            Code::AlreadyExists,
            Reason::LoginNameTaken,
        ),
        (
            Rejection::ValueTaken {
                attribute: mail.into(),
                value: Value::Text("ana@example.org".to_owned()),
                kind: Kind::Person,
                holder: id(),
                held: Held::Now,
            },
            Code::AlreadyExists,
            Reason::ValueTaken,
        ),
        (
            Rejection::SchemaViolation {
                attribute: mail.into(),
                violation: Violation::TooMany { values_max: 16 },
            },
            Code::InvalidArgument,
            Reason::SchemaViolation,
        ),
        (
            Rejection::NotPermitted {
                attribute: Some(mail.into()),
                role: Role::UserManager,
            },
            Code::PermissionDenied,
            Reason::NotPermitted,
        ),
        (
            Rejection::NotFound {
                object: Selector::LoginName(name),
            },
            Code::NotFound,
            Reason::AccountNotFound,
        ),
        (
            Rejection::NotDeleted {
                object: Selector::LoginName(LoginName::parse("ana").expect("valid")),
            },
            Code::NotFound,
            Reason::DeletedNotFound,
        ),
        (
            Rejection::NotReserved {
                name: LoginName::parse("ana").expect("valid"),
            },
            Code::FailedPrecondition,
            Reason::NotReserved,
        ),
        (
            Rejection::VersionMismatch {
                account,
                expected: Revision(16),
                actual: Revision(17),
            },
            Code::Aborted,
            Reason::EtagMismatch,
        ),
        (
            Rejection::PasswordNeeded { account },
            Code::Unauthenticated,
            Reason::PasswordNeeded,
        ),
        (
            Rejection::PasswordChanged { account },
            Code::Unauthenticated,
            Reason::WrongPassword,
        ),
    ];
    assert_on_the_wire(of_rejections(rejections));
}

#[test]
fn each_rejection_of_a_request_has_its_code_and_reason() {
    let request: RequestId = "00000000-0000-83e8-bcce-b302099a8057"
        .parse()
        .expect("valid");
    let (early, late) = (Revision(1), Revision(2));
    let rejections = [
        (
            Rejection::RequestExpired {
                seen: early,
                oldest: late,
            },
            Code::FailedPrecondition,
            Reason::RequestExpired,
        ),
        (
            Rejection::RequestReused { request },
            Code::InvalidArgument,
            Reason::RequestReused,
        ),
        (
            Rejection::RequestFromFuture {
                seen: late,
                revision: early,
            },
            Code::FailedPrecondition,
            Reason::RequestFromFuture,
        ),
    ];
    assert_on_the_wire(of_rejections(rejections));
}

#[test]
fn each_denial_has_its_code_and_reason() {
    let denials = [
        (
            Denied::LoginNeeded,
            Code::Unauthenticated,
            Reason::LoginNeeded,
        ),
        (
            Denied::MalformedLogin,
            Code::Unauthenticated,
            Reason::LoginNeeded,
        ),
        (
            Denied::OperatorNeeded { what: "this" },
            Code::PermissionDenied,
            Reason::OperatorNeeded,
        ),
        (
            Denied::PasswordNeeded,
            Code::Unauthenticated,
            Reason::PasswordNeeded,
        ),
        (
            Denied::WrongPassword,
            Code::Unauthenticated,
            Reason::WrongPassword,
        ),
        (
            Denied::PasswordChanged,
            Code::Unauthenticated,
            Reason::WrongPassword,
        ),
    ];
    assert_on_the_wire(denials);
}

#[test]
fn what_may_be_asked_elsewhere_or_again_has_its_code_and_reason() {
    let behind = Unavailable::Behind {
        wanted: Revision(9),
        applied: Revision(8),
    };
    let unavailable = [
        (
            Unavailable::NotLeader {
                leader: None,
                term: 3,
            },
            Code::Unavailable,
            Reason::NotLeader,
        ),
        (Unavailable::NoQuorum, Code::Unavailable, Reason::NoQuorum),
        (
            Unavailable::OutcomeUnknown,
            Code::Unavailable,
            Reason::OutcomeUnknown,
        ),
        (behind, Code::Unavailable, Reason::Behind),
        (
            Unavailable::ShuttingDown,
            Code::Unavailable,
            Reason::ShuttingDown,
        ),
        (
            Unavailable::Fault(Fault::new("syncing", "disk")),
            Code::Unavailable,
            Reason::Fault,
        ),
    ];
    let own = [
        (
            Error::Password(PasswordError::Busy { queue: 64 }),
            Code::ResourceExhausted,
            Reason::Busy,
        ),
        (
            Error::Fault(Fault::new("counting", "a bug")),
            Code::Internal,
            Reason::Fault,
        ),
        (
            Error::Fault(Fault::new("reading", std::io::Error::other("damaged"))),
            Code::Unavailable,
            Reason::Fault,
        ),
    ];
    assert_on_the_wire(unavailable);
    assert_on_the_wire(own);
}

#[test]
fn a_taken_name_and_a_stale_etag_say_whose_and_which() {
    let (_, _, metadata) = wire(error_of(Rejection::ValueTaken {
        attribute: LOGIN_NAME.into(),
        value: Value::Text("ana".to_owned()),
        kind: Kind::Person,
        holder: id(),
        held: Held::Deleted,
    }));
    assert_eq!(metadata["held"], "deleted");
    assert_eq!(metadata["login_name"], "ana");
    assert_eq!(metadata["account_id"], id().to_string());
    let (_, _, metadata) = wire(error_of(Rejection::VersionMismatch {
        account: id(),
        expected: Revision(16),
        actual: Revision(255),
    }));
    assert_eq!(
        (
            metadata["expected_etag"].as_str(),
            metadata["actual_etag"].as_str()
        ),
        ("10", "ff")
    );
}

#[test]
fn who_is_not_the_leader_says_who_is() {
    let (_, _, metadata) = wire(Unavailable::NotLeader {
        leader: Some(member()),
        term: 5,
    });
    assert_eq!(metadata["leader_address"], "10.0.0.2:7400");
    assert_eq!(metadata["leader_id"], "2");
    assert_eq!(metadata["term"], "5");
    let (_, _, metadata) = wire(Unavailable::NotLeader {
        leader: None,
        term: 5,
    });
    assert!(!metadata.contains_key("leader_address"));
}

#[test]
fn messages_that_cannot_be_decoded_are_the_callers_error() {
    let invalid = Status::internal("failed to decode Protobuf message: invalid string value");
    let large = Status::out_of_range("Error, decoded message length too large: found 70000 bytes");
    for status in [invalid, large] {
        let mapped = malformed_message(&status).expect("mapped");
        assert_eq!(mapped.code(), Code::InvalidArgument);
        assert_eq!(
            mapped.get_details_error_info().expect("reason").reason,
            Reason::InvalidMessage.as_str()
        );
        assert!(mapped.message().contains(status.message()));
    }
    assert!(malformed_message(&Status::internal("something else")).is_none());
    assert!(
        malformed_message(&Status::from(Error::Fault(Fault::new("syncing", "disk")))).is_none()
    );
}

#[test]
fn busy_says_when_to_come_back() {
    let status = Status::from(Error::Password(PasswordError::Busy { queue: 64 }));
    let retry = status.get_details_retry_info().expect("retry info");
    assert_eq!(retry.retry_delay, Some(RETRY_AFTER));
}
