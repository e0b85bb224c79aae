//! Changes between the wire and the directory's types.

use quorid_api::proto::{self, change};
use quorid_directory::{
    AttributeNumber, Done, Kind, ObjectId, PasswordRecord, Selector, Value, ValuesChange,
};

use super::{Invalid, groups::member_name, timestamp};
use crate::service::ShownChange;

/// The account or group whose history is asked for.
pub(crate) fn history_name(name: &str) -> Result<Selector, Invalid> {
    member_name(name)
}

/// A change as clients see it.
pub(crate) fn change(shown: &ShownChange) -> proto::Change {
    let record = &shown.record;
    let stamp = &record.stamp;
    let members = record.members.iter().zip(&shown.members);
    let attributes = record.attributes.iter();
    proto::Change {
        revision: shown.revision.0,
        time: Some(timestamp(stamp.time)),
        actor: stamp.actor.to_string(),
        address: match shown.address {
            true => stamp.client.to_string(),
            false => String::new(),
        },
        done: done(record.done).into(),
        name: name(record.kind, &record.id),
        id: record.id.to_string(),
        display_name: record.name.clone(),
        attributes: attributes
            .map(|(number, values)| attribute(shown, *number, values))
            .collect(),
        password: password(record.password).into(),
        members: members
            .map(|(change, display_name)| proto::MemberChange {
                name: name(change.kind, &change.member),
                id: change.member.to_string(),
                display_name: display_name.clone(),
                added: change.added,
            })
            .collect(),
        groups_left: record
            .groups
            .iter()
            .map(|left| name(Kind::Group, &left.group))
            .collect(),
        reverts: record.reverts.map_or(0, |revision| revision.0),
        actor_login_name: shown.actor.clone(),
    }
}

fn name(kind: Kind, id: &ObjectId) -> String {
    match kind {
        Kind::Person | Kind::Service => format!("accounts/{id}"),
        Kind::Group => format!("groups/{id}"),
    }
}

fn done(done: Done) -> change::Done {
    match done {
        Done::Created => change::Done::Created,
        Done::Changed => change::Done::Changed,
        Done::Deleted => change::Done::Deleted,
    }
}

fn password(password: PasswordRecord) -> change::Password {
    match password {
        PasswordRecord::Kept => change::Password::Kept,
        PasswordRecord::Set { .. } => change::Password::Set,
        PasswordRecord::Removed { .. } => change::Password::Removed,
    }
}

fn attribute(
    shown: &ShownChange,
    number: AttributeNumber,
    values: &ValuesChange,
) -> proto::AttributeChange {
    let texts = |values: &[Value]| values.iter().map(ToString::to_string).collect();
    proto::AttributeChange {
        attribute: shown.schema.name(number).name.to_string(),
        before: texts(&values.before),
        after: texts(&values.after),
    }
}
