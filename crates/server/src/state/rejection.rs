//! Why a request was refused, as its outcome keeps it.

use quorid_directory::{AttributeNumber, Rejection, Revision, Time, Violation};
use quorid_storage::Fault;

use super::{
    field::{self, account_id, decode_selector, decode_value, missing, request_id, selector},
    proto,
};

pub(super) fn rejection_message(rejection: &Rejection) -> proto::Rejection {
    use proto::rejection::Rejection as Kind;
    let kind = match rejection {
        Rejection::ValueTaken {
            attribute,
            value,
            holder,
        } => Kind::ValueTaken(proto::ValueTaken {
            attribute: attribute.0,
            value: Some(field::value(value)),
            holder: holder.as_bytes().to_vec(),
        }),
        Rejection::SchemaViolation {
            attribute,
            violation,
        } => Kind::SchemaViolation(proto::SchemaViolation {
            attribute: attribute.0,
            violation: Some(violation_message(violation)),
        }),
        Rejection::NotPermitted { attribute } => Kind::NotPermitted(attribute.0),
        Rejection::AccountNotFound { account } => Kind::AccountNotFound(selector(account)),
        Rejection::VersionMismatch {
            account,
            expected,
            actual,
        } => Kind::VersionMismatch(proto::VersionMismatch {
            account: account.as_bytes().to_vec(),
            expected: expected.0,
            actual: actual.0,
        }),
        Rejection::PasswordNeeded { account } => Kind::PasswordNeeded(account.as_bytes().to_vec()),
        Rejection::PasswordChanged { account } => {
            Kind::PasswordChanged(account.as_bytes().to_vec())
        }
        Rejection::RequestExpired { time, floor } => Kind::RequestExpired(proto::RequestExpired {
            time_ms: time.0,
            floor_ms: floor.0,
        }),
        Rejection::RequestReused { request } => Kind::RequestReused(request.as_bytes().to_vec()),
        Rejection::RequestFromFuture { time, now } => {
            Kind::RequestFromFuture(proto::RequestFromFuture {
                time_ms: time.0,
                now_ms: now.0,
            })
        }
    };
    proto::Rejection {
        rejection: Some(kind),
    }
}

pub(super) fn rejection(message: proto::Rejection) -> Result<Rejection, Fault> {
    use proto::rejection::Rejection as Kind;
    Ok(
        match message.rejection.ok_or_else(|| missing("rejection"))? {
            Kind::ValueTaken(it) => Rejection::ValueTaken {
                attribute: AttributeNumber(it.attribute),
                value: decode_value(it.value.ok_or_else(|| missing("value"))?)?,
                holder: account_id(&it.holder)?,
            },
            Kind::SchemaViolation(it) => Rejection::SchemaViolation {
                attribute: AttributeNumber(it.attribute),
                violation: violation(it.violation.ok_or_else(|| missing("violation"))?),
            },
            Kind::NotPermitted(attribute) => Rejection::NotPermitted {
                attribute: AttributeNumber(attribute),
            },
            Kind::AccountNotFound(it) => Rejection::AccountNotFound {
                account: decode_selector(Some(it))?,
            },
            Kind::VersionMismatch(it) => Rejection::VersionMismatch {
                account: account_id(&it.account)?,
                expected: Revision(it.expected),
                actual: Revision(it.actual),
            },
            Kind::PasswordNeeded(id) => Rejection::PasswordNeeded {
                account: account_id(&id)?,
            },
            Kind::PasswordChanged(id) => Rejection::PasswordChanged {
                account: account_id(&id)?,
            },
            Kind::RequestExpired(it) => Rejection::RequestExpired {
                time: Time(it.time_ms),
                floor: Time(it.floor_ms),
            },
            Kind::RequestReused(id) => Rejection::RequestReused {
                request: request_id(&id)?,
            },
            Kind::RequestFromFuture(it) => Rejection::RequestFromFuture {
                time: Time(it.time_ms),
                now: Time(it.now_ms),
            },
        },
    )
}

fn violation_message(violation: &Violation) -> proto::schema_violation::Violation {
    use proto::{Nothing, schema_violation::Violation as Kind};
    match violation {
        Violation::Unknown => Kind::Unknown(Nothing {}),
        Violation::Kind => Kind::Kind(Nothing {}),
        Violation::Required => Kind::Required(Nothing {}),
        Violation::TooMany { values_max } => Kind::TooMany(*values_max as u64),
        Violation::Value => Kind::Value(Nothing {}),
    }
}

fn violation(message: proto::schema_violation::Violation) -> Violation {
    use proto::schema_violation::Violation as Kind;
    match message {
        Kind::Unknown(_) => Violation::Unknown,
        Kind::Kind(_) => Violation::Kind,
        Kind::Required(_) => Violation::Required,
        Kind::TooMany(values_max) => Violation::TooMany {
            values_max: usize::try_from(values_max).unwrap_or(usize::MAX),
        },
        Kind::Value(_) => Violation::Value,
    }
}
