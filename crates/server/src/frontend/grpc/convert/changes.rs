//! Changes between the wire and the directory's types.

use quorid_api::proto::{self, change};
use quorid_directory::{
    AttributeNumber, ChangeRecord, DirectoryChange, Done, Kind, ObjectId, PasswordRecord, Recorded,
    Value, ValuesChange,
};

use super::timestamp;
use crate::service::ShownChange;

/// A change as clients see it.
pub(crate) fn change(shown: &ShownChange) -> proto::Change {
    let stamp = shown.record.stamp();
    let whole = proto::Change {
        revision: shown.revision.0,
        time: Some(timestamp(stamp.time)),
        actor: stamp.actor.to_string(),
        address: match shown.address {
            true => stamp.client.to_string(),
            false => String::new(),
        },
        actor_login_name: shown.actor.clone(),
        ..proto::Change::default()
    };
    match &shown.record {
        Recorded::Object(record) => of_object(whole, shown, record),
        Recorded::Directory(record) => of_directory(whole, &record.change),
    }
}

/// A change of the directory as a whole, which has no id.
fn of_directory(whole: proto::Change, change: &DirectoryChange) -> proto::Change {
    let values = |attribute: &str, before: &[String], after: &[String]| proto::AttributeChange {
        attribute: attribute.to_owned(),
        before: before.to_vec(),
        after: after.to_vec(),
    };
    let changed = change::Done::Changed;
    let (name, display_name, done, attributes) = match change {
        DirectoryChange::Settings(records) => {
            let records = records.iter().map(|it| {
                let (before, after) = (it.before.to_string(), it.after.to_string());
                values(it.setting.as_str(), &[before], &[after])
            });
            let name = "settings".to_owned();
            (name.clone(), name, changed, records.collect())
        }
        DirectoryChange::AttributeDefined(attribute) => {
            let number = attribute.number.0.to_string();
            let attributes = vec![values("number", &[], &[number])];
            let name = attribute.name.to_string();
            (
                format!("schema/{name}"),
                name,
                change::Done::Created,
                attributes,
            )
        }
        DirectoryChange::LevelRaised { before, after } => {
            let level = values("level", &[before.to_string()], &[after.to_string()]);
            let display_name = "feature level".to_owned();
            ("level".to_owned(), display_name, changed, vec![level])
        }
        DirectoryChange::NameFreed { owner } => {
            let owner = values("owner", &[format!("accounts/{owner}")], &[]);
            let (name, display_name) = ("reserved_names".to_owned(), "reserved name".to_owned());
            (name, display_name, change::Done::Deleted, vec![owner])
        }
    };
    proto::Change {
        name,
        display_name,
        done: done.into(),
        attributes,
        password: change::Password::Kept.into(),
        ..whole
    }
}

fn of_object(whole: proto::Change, shown: &ShownChange, record: &ChangeRecord) -> proto::Change {
    let members = record.members.iter().zip(&shown.members);
    let attributes = record.attributes.iter();
    let groups = record.groups.iter();
    let groups = groups.map(|it| name(Kind::Group, &it.group)).collect();
    let (groups_left, groups_joined) = match record.done {
        Done::Restored => (Vec::new(), groups),
        Done::Created | Done::Changed | Done::Deleted | Done::Purged => (groups, Vec::new()),
    };
    proto::Change {
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
        ..whole
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
