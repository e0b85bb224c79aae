//! Changes between the wire and the directory's types.

use quorid_api::proto::{self, change};
use quorid_directory::{
    AttributeNumber, Done, Kind, ObjectId, PasswordRecord, Value, ValuesChange,
};

use super::timestamp;
use crate::service::ShownChange;

/// A change as clients see it.
pub(crate) fn change(shown: &ShownChange) -> proto::Change {
    let record = &shown.record;
    let stamp = &record.stamp;
    let members = record.members.iter().zip(&shown.members);
    let attributes = record.attributes.iter();
    let groups = record.groups.iter();
    let groups = groups.map(|it| name(Kind::Group, &it.group)).collect();
    let (groups_left, groups_joined) = match record.done {
        Done::Restored => (Vec::new(), groups),
        Done::Created | Done::Changed | Done::Deleted | Done::Purged => (groups, Vec::new()),
    };
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
        groups_left,
        groups_joined,
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
        Done::Restored => change::Done::Restored,
        Done::Purged => change::Done::Purged,
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
