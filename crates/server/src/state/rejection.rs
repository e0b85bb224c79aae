//! Why a request was refused, as its outcome keeps it.

use quorid_directory::{
    AttributeName, AttributeNumber, Held, Irreversible, Level, Limit, Rejection, Revision, Role,
    Time, Violation,
};
use quorid_storage::{Fault, OrFault as _};

use super::{
    field::{self, decode_selector, decode_value, missing, object_id, request_id, selector},
    object, proto,
};

pub(super) fn rejection_message(rejection: &Rejection) -> proto::Rejection {
    use proto::rejection::Rejection as Kind;
    let kind = match rejection {
        Rejection::ValueTaken {
            attribute,
            value,
            kind,
            holder,
            held,
        } => Kind::ValueTaken(proto::ValueTaken {
            attribute: Some(attribute_message(attribute)),
            value: Some(field::value(value)),
            holder: holder.as_bytes().to_vec(),
            kind: object::kind_message(*kind).into(),
            held: held_message(*held),
        }),
        Rejection::SchemaViolation {
            attribute,
            violation,
        } => Kind::SchemaViolation(proto::SchemaViolation {
            attribute: Some(attribute_message(attribute)),
            violation: Some(violation_message(violation)),
        }),
        Rejection::ReferenceInvalid { attribute, value } => {
            Kind::ReferenceInvalid(proto::ReferenceInvalid {
                attribute: Some(attribute_message(attribute)),
                value: Some(field::value(value)),
            })
        }
        Rejection::NoChange { revision } => Kind::NoChange(revision.0),
        Rejection::ChangedSince {
            revision,
            id,
            kind,
            attribute,
            later,
        } => Kind::ChangedSince(proto::ChangedSince {
            revision: revision.0,
            id: id.as_bytes().to_vec(),
            kind: object::kind_message(*kind).into(),
            attribute: attribute.as_ref().map(attribute_message),
            later: later.map_or(0, |later| later.0),
        }),
        Rejection::NotReversible { revision, why } => Kind::NotReversible(proto::NotReversible {
            revision: revision.0,
            why: why_message(*why).into(),
        }),
        Rejection::AttributeExists { attribute } => {
            Kind::AttributeExists(attribute_message(attribute))
        }
        Rejection::NotPermitted { attribute, role } => Kind::NotPermitted(proto::NotPermitted {
            attribute: attribute.as_ref().map(attribute_message),
            role: role_message(*role).into(),
        }),
        Rejection::NotFound { object } => Kind::NotFound(selector(object)),
        Rejection::NotDeleted { object } => Kind::NotDeleted(selector(object)),
        Rejection::NotReserved { name } => Kind::NotReserved(name.as_str().to_owned()),
        Rejection::WrongKind {
            id,
            expected,
            actual,
        } => Kind::WrongKind(proto::WrongKind {
            id: id.as_bytes().to_vec(),
            expected: object::kind_message(*expected).into(),
            actual: object::kind_message(*actual).into(),
        }),
        Rejection::GroupCycle { group, member } => Kind::GroupCycle(proto::GroupCycle {
            group: group.as_bytes().to_vec(),
            member: member.as_bytes().to_vec(),
        }),
        Rejection::LimitExceeded { limit } => Kind::LimitExceeded(limit_message(*limit).into()),
        Rejection::FeatureLevel { needed, is } => Kind::FeatureLevel(proto::FeatureLevel {
            needed: needed.0,
            is: is.0,
        }),
        Rejection::LevelTooLow { to, is } => {
            Kind::LevelTooLow(proto::LevelTooLow { to: to.0, is: is.0 })
        }
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
        Rejection::RequestExpired { seen, oldest } => Kind::RequestExpired(proto::RequestExpired {
            seen: seen.0,
            oldest: oldest.0,
        }),
        Rejection::RequestReused { request } => Kind::RequestReused(request.as_bytes().to_vec()),
        Rejection::RequestFromFuture { seen, revision } => {
            Kind::RequestFromFuture(proto::RequestFromFuture {
                seen: seen.0,
                revision: revision.0,
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
                attribute: attribute(it.attribute.ok_or_else(|| missing("attribute"))?),
                value: decode_value(it.value.ok_or_else(|| missing("value"))?)?,
                kind: object::kind(it.kind)?,
                holder: object_id(&it.holder)?,
                held: held(it.held),
            },
            Kind::SchemaViolation(it) => Rejection::SchemaViolation {
                attribute: attribute(it.attribute.ok_or_else(|| missing("attribute"))?),
                violation: violation(it.violation.ok_or_else(|| missing("violation"))?),
            },
            Kind::ReferenceInvalid(it) => Rejection::ReferenceInvalid {
                attribute: attribute(it.attribute.ok_or_else(|| missing("attribute"))?),
                value: decode_value(it.value.ok_or_else(|| missing("value"))?)?,
            },
            Kind::NoChange(revision) => Rejection::NoChange {
                revision: Revision(revision),
            },
            Kind::ChangedSince(it) => Rejection::ChangedSince {
                revision: Revision(it.revision),
                id: object_id(&it.id)?,
                kind: object::kind(it.kind)?,
                attribute: it.attribute.map(attribute),
                later: (it.later != 0).then_some(Revision(it.later)),
            },
            Kind::NotReversible(it) => Rejection::NotReversible {
                revision: Revision(it.revision),
                why: why(it.why)?,
            },
            Kind::AttributeExists(it) => Rejection::AttributeExists {
                attribute: attribute(it),
            },
            Kind::NotPermitted(it) => Rejection::NotPermitted {
                attribute: it.attribute.map(attribute),
                role: role(it.role)?,
            },
            Kind::NotFound(it) => Rejection::NotFound {
                object: decode_selector(Some(it))?,
            },
            Kind::NotDeleted(it) => Rejection::NotDeleted {
                object: decode_selector(Some(it))?,
            },
            Kind::NotReserved(name) => Rejection::NotReserved {
                name: field::login_name(&name)?,
            },
            Kind::WrongKind(it) => Rejection::WrongKind {
                id: object_id(&it.id)?,
                expected: object::kind(it.expected)?,
                actual: object::kind(it.actual)?,
            },
            Kind::GroupCycle(it) => Rejection::GroupCycle {
                group: object_id(&it.group)?,
                member: object_id(&it.member)?,
            },
            Kind::LimitExceeded(number) => Rejection::LimitExceeded {
                limit: limit(number)?,
            },
            Kind::FeatureLevel(it) => Rejection::FeatureLevel {
                needed: Level(it.needed),
                is: Level(it.is),
            },
            Kind::LevelTooLow(it) => Rejection::LevelTooLow {
                to: Level(it.to),
                is: Level(it.is),
            },
            Kind::VersionMismatch(it) => Rejection::VersionMismatch {
                account: object_id(&it.account)?,
                expected: Revision(it.expected),
                actual: Revision(it.actual),
            },
            Kind::PasswordNeeded(id) => Rejection::PasswordNeeded {
                account: object_id(&id)?,
            },
            Kind::PasswordChanged(id) => Rejection::PasswordChanged {
                account: object_id(&id)?,
            },
            Kind::RequestExpired(it) => Rejection::RequestExpired {
                seen: Revision(it.seen),
                oldest: Revision(it.oldest),
            },
            Kind::RequestReused(id) => Rejection::RequestReused {
                request: request_id(&id)?,
            },
            Kind::RequestFromFuture(it) => Rejection::RequestFromFuture {
                seen: Revision(it.seen),
                revision: Revision(it.revision),
            },
        },
    )
}

fn held_message(held: Held) -> Option<proto::value_taken::Held> {
    use proto::value_taken::Held as Kind;
    match held {
        Held::Now => None,
        Held::Deleted => Some(Kind::Deleted(proto::Nothing {})),
        Held::Reserved(until) => Some(Kind::ReservedUntilMs(until.0)),
    }
}

fn held(message: Option<proto::value_taken::Held>) -> Held {
    use proto::value_taken::Held as Kind;
    match message {
        None => Held::Now,
        Some(Kind::Deleted(_)) => Held::Deleted,
        Some(Kind::ReservedUntilMs(until)) => Held::Reserved(Time(until)),
    }
}

fn why_message(why: Irreversible) -> proto::not_reversible::Why {
    use proto::not_reversible::Why;
    match why {
        Irreversible::Password => Why::Password,
        Irreversible::Deletion => Why::Deletion,
        Irreversible::Erased => Why::Erased,
        Irreversible::Directory => Why::Directory,
    }
}

fn why(number: i32) -> Result<Irreversible, Fault> {
    use proto::not_reversible::Why;
    match Why::try_from(number).or_fault("reading why a change is not undone")? {
        Why::Password => Ok(Irreversible::Password),
        Why::Deletion => Ok(Irreversible::Deletion),
        Why::Erased => Ok(Irreversible::Erased),
        Why::Directory => Ok(Irreversible::Directory),
        Why::Unspecified => Err(missing("rejection.not_reversible")),
    }
}

pub(super) fn attribute_message(attribute: &AttributeName) -> proto::AttributeName {
    proto::AttributeName {
        number: attribute.number.0,
        name: attribute.name.to_string(),
    }
}

pub(super) fn attribute(message: proto::AttributeName) -> AttributeName {
    AttributeName {
        number: AttributeNumber(message.number),
        name: message.name.into(),
    }
}

fn limit_message(limit: Limit) -> proto::Limit {
    match limit {
        Limit::GroupDepth => proto::Limit::GroupDepth,
        Limit::GroupsOfOne => proto::Limit::GroupsOfOne,
        Limit::MembershipsLookedAt => proto::Limit::MembershipsLookedAt,
        Limit::Numbers => proto::Limit::Numbers,
        Limit::SiteAttributes => proto::Limit::SiteAttributes,
        Limit::ObjectBytes => proto::Limit::ObjectBytes,
        Limit::ReservedNames => proto::Limit::ReservedNames,
    }
}

fn limit(number: i32) -> Result<Limit, Fault> {
    match proto::Limit::try_from(number).or_fault("reading a stored limit")? {
        proto::Limit::GroupDepth => Ok(Limit::GroupDepth),
        proto::Limit::GroupsOfOne => Ok(Limit::GroupsOfOne),
        proto::Limit::MembershipsLookedAt => Ok(Limit::MembershipsLookedAt),
        proto::Limit::Numbers => Ok(Limit::Numbers),
        proto::Limit::SiteAttributes => Ok(Limit::SiteAttributes),
        proto::Limit::ObjectBytes => Ok(Limit::ObjectBytes),
        proto::Limit::ReservedNames => Ok(Limit::ReservedNames),
        proto::Limit::Unspecified => Err(missing("rejection.limit_exceeded")),
    }
}

fn role_message(role: Role) -> proto::Role {
    match role {
        Role::Reader => proto::Role::Reader,
        Role::HelpDesk => proto::Role::HelpDesk,
        Role::UserManager => proto::Role::UserManager,
        Role::Operator => proto::Role::Operator,
    }
}

fn role(number: i32) -> Result<Role, Fault> {
    match proto::Role::try_from(number).or_fault("reading a stored role")? {
        proto::Role::Reader => Ok(Role::Reader),
        proto::Role::HelpDesk => Ok(Role::HelpDesk),
        proto::Role::UserManager => Ok(Role::UserManager),
        proto::Role::Operator => Ok(Role::Operator),
        proto::Role::Unspecified => Err(missing("rejection.role")),
    }
}

fn violation_message(violation: &Violation) -> proto::schema_violation::Violation {
    use proto::{Nothing, schema_violation::Violation as Kind};
    match violation {
        Violation::Unknown => Kind::Unknown(Nothing {}),
        Violation::Kind => Kind::Kind(Nothing {}),
        Violation::Required => Kind::Required(Nothing {}),
        Violation::TooMany { values_max } => Kind::TooMany(*values_max as u64),
        Violation::Value => Kind::Value(Nothing {}),
        Violation::PosixName => Kind::PosixName(Nothing {}),
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
        Kind::PosixName(_) => Violation::PosixName,
    }
}
