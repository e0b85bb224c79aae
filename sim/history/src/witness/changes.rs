//! The witness of changes: each is recorded, and whoever follows them is given each once, in order.

use std::{
    collections::BTreeMap,
    iter,
    ops::Bound::{Excluded, Included, Unbounded},
};

use quorid_api::{
    AttributeChange, Change,
    proto::{MemberChange, change},
};
use quorid_directory::{
    ChangeRecord, DirectoryChange, DirectoryRecord, Done, Event, Kind, ObjectId, Objects as _,
    PasswordRecord, Recorded, Schema, Value,
};

use super::replay::Replay;
use crate::follower::{Followed, Stretch};

impl Replay {
    /// A command that changes something records that once, and no other one does.
    pub(super) fn is_not_recorded(events: &[Event]) -> Option<String> {
        let changes = |event: &Event| {
            matches!(
                event,
                Event::ObjectStored(_)
                    | Event::ObjectRemoved { .. }
                    | Event::AttributeDefined(_)
                    | Event::LevelRaised { .. }
            )
        };
        let records: Vec<&Recorded> = events.iter().filter_map(recorded).collect();
        let holds = match (events.iter().any(changes), &records[..]) {
            (true, [_]) | (false, []) => true,
            (false, [Recorded::Object(record)]) => record.done == Done::Purged,
            (false, [Recorded::Directory(record)]) => match record.change {
                DirectoryChange::Settings(_) | DirectoryChange::NameFreed { .. } => true,
                DirectoryChange::AttributeDefined(_) | DirectoryChange::LevelRaised { .. } => false,
            },
            (_, _) => false,
        };
        (!holds).then(|| format!("{records:?} is recorded of {events:?}"))
    }

    /// Whether a follower was given what the log says.
    pub(super) fn explains_followed(&self, followed: &Followed) -> Result<(), String> {
        let mut stretches = followed.stretches.iter();
        let explained = stretches.try_for_each(|stretch| self.explains_stretch(stretch));
        explained.map_err(|why| format!("a follower of changes, {}: {why}", followed.name))
    }

    fn explains_stretch(&self, stretch: &Stretch) -> Result<(), String> {
        let mut upto = stretch.since;
        // Of each object, the revision of its last change.
        let mut versions: BTreeMap<ObjectId, u64> = BTreeMap::new();
        for (number, given) in stretch.batches.iter().enumerate() {
            let (changes, revision) = (&given.batch.changes, given.batch.revision);
            if revision < upto {
                return Err(format!("complete up to {upto}, then only up to {revision}"));
            }
            if revision > given.committed {
                return Err(format!("it was given what was not committed, {revision}"));
            }
            let first = changes
                .first()
                .map_or(revision + 1, |change| change.revision);
            // Who asks for all that are kept does not get those that were forgotten by then.
            let is_gone = |revision: u64| {
                let gone = self.forgotten.get(&revision);
                gone.is_some_and(|at| *at <= given.committed)
            };
            let from_the_oldest = number == 0 && stretch.since == 0;
            let mut expected = self
                .changes
                .range((Excluded(upto), Included(revision)))
                .skip_while(|(at, _)| from_the_oldest && **at < first && is_gone(**at));
            for change in changes {
                let next = expected.next();
                let Some((at, record)) = next.filter(|(at, _)| **at == change.revision) else {
                    let next = next.map(|(at, _)| at);
                    return Err(format!(
                        "after {upto} it was given {change:?}, but the next one is of {next:?}"
                    ));
                };
                let schema = self.model.schema();
                let given_as = without_present_names(change);
                let told = told(*at, record, schema);
                // What was purged by then may be given without what it was about.
                let redacted = self.redacted.get(at).filter(|at| **at <= given.committed);
                let redacted = redacted.and(record.object()).map(ChangeRecord::redacted);
                let redacted = redacted.map(|it| self::told(*at, &Recorded::Object(it), schema));
                if given_as != told && Some(&given_as) != redacted.as_ref() {
                    return Err(format!("it was given {change:?} instead of {told:?}"));
                }
                if let Some(record) = record.object() {
                    self.is_next_of_its_objects(stretch.since, *at, record, &mut versions)?;
                }
            }
            if let Some((left_out, _)) = expected.next() {
                return Err(format!(
                    "complete up to {revision}, but without the change of {left_out}"
                ));
            }
            upto = revision;
        }
        let is_gone = |committed| {
            let mut later = self.forgotten.range((Excluded(upto), Unbounded));
            later.any(|(_, at)| *at <= committed)
        };
        match stretch.gone {
            Some(committed) if !is_gone(committed) => Err(format!(
                "it was told that changes after {upto} are gone, but they are kept"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The changes of an object are a chain: each names the one before.
    fn is_next_of_its_objects(
        &self,
        since: u64,
        revision: u64,
        record: &ChangeRecord,
        versions: &mut BTreeMap<ObjectId, u64>,
    ) -> Result<(), String> {
        let own = iter::once((record.id, record.previous));
        let left = record.groups.iter();
        let left = left.map(|left| (left.group, Some(left.previous)));
        for (id, previous) in own.chain(left) {
            let previous = previous.map(|previous| previous.0);
            let holds = match versions.insert(id, revision) {
                Some(last) => previous == Some(last),
                // It had no change since the follower began.
                None => previous.is_none_or(|it| it <= since || self.forgotten.contains_key(&it)),
            };
            if !holds {
                return Err(format!(
                    "the change of {revision} says that {id} was changed by {previous:?} before"
                ));
            }
        }
        Ok(())
    }
}

fn recorded(event: &Event) -> Option<&Recorded> {
    let Event::ChangeRecorded { record, .. } = event else {
        return None;
    };
    Some(record)
}

/// What an operator is told of a change, without names that others have now.
fn told(revision: u64, recorded: &Recorded, schema: &Schema) -> Change {
    match recorded {
        Recorded::Object(record) => told_of_object(revision, record, schema),
        Recorded::Directory(record) => told_of_directory(revision, record),
    }
}

fn told_of_directory(revision: u64, record: &DirectoryRecord) -> Change {
    let value = |attribute: &str, before: Option<String>, after: Option<String>| AttributeChange {
        attribute: attribute.to_owned(),
        before: before.into_iter().collect(),
        after: after.into_iter().collect(),
    };
    let some = |number: u64| Some(number.to_string());
    let (name, display_name, done, attributes) = match &record.change {
        DirectoryChange::Settings(settings) => (
            "settings".to_owned(),
            "settings".to_owned(),
            change::Done::Changed,
            settings
                .iter()
                .map(|it| value(it.setting.as_str(), some(it.before), some(it.after)))
                .collect(),
        ),
        DirectoryChange::AttributeDefined(attribute) => (
            format!("schema/{}", attribute.name),
            attribute.name.to_string(),
            change::Done::Created,
            vec![value("number", None, some(attribute.number.0.into()))],
        ),
        DirectoryChange::LevelRaised { before, after } => (
            "level".to_owned(),
            "feature level".to_owned(),
            change::Done::Changed,
            vec![value("level", some(before.0.into()), some(after.0.into()))],
        ),
        DirectoryChange::NameFreed { owner } => (
            "reserved_names".to_owned(),
            "reserved name".to_owned(),
            change::Done::Deleted,
            vec![value("owner", Some(format!("accounts/{owner}")), None)],
        ),
    };
    Change {
        revision,
        actor: record.stamp.actor.to_string(),
        address: record.stamp.client.to_string(),
        done: done.into(),
        name,
        display_name,
        attributes,
        password: change::Password::Kept.into(),
        ..Change::default()
    }
}

fn told_of_object(revision: u64, record: &ChangeRecord, schema: &Schema) -> Change {
    let groups: Vec<String> = record
        .groups
        .iter()
        .map(|it| format!("groups/{}", it.group))
        .collect();
    let (groups_left, groups_joined) = match record.done {
        Done::Restored => (Vec::new(), groups),
        Done::Created | Done::Changed | Done::Deleted | Done::Purged => (groups, Vec::new()),
    };
    let name = |kind, id: &ObjectId| match kind {
        Kind::Person | Kind::Service => format!("accounts/{id}"),
        Kind::Group => format!("groups/{id}"),
    };
    let texts = |values: &[Value]| values.iter().map(ToString::to_string).collect();
    Change {
        revision,
        time: None,
        actor: record.stamp.actor.to_string(),
        address: record.stamp.client.to_string(),
        done: match record.done {
            Done::Created => change::Done::Created,
            Done::Changed => change::Done::Changed,
            Done::Deleted => change::Done::Deleted,
            Done::Restored => change::Done::Restored,
            Done::Purged => change::Done::Purged,
        }
        .into(),
        name: name(record.kind, &record.id),
        id: record.id.to_string(),
        display_name: record.name.clone(),
        attributes: record
            .attributes
            .iter()
            .map(|(number, values)| AttributeChange {
                attribute: schema.name(*number).name.to_string(),
                before: texts(&values.before),
                after: texts(&values.after),
            })
            .collect(),
        password: match record.password {
            PasswordRecord::Kept => change::Password::Kept,
            PasswordRecord::Set { .. } => change::Password::Set,
            PasswordRecord::Removed { .. } => change::Password::Removed,
        }
        .into(),
        members: record
            .members
            .iter()
            .map(|it| MemberChange {
                name: name(it.kind, &it.member),
                id: it.member.to_string(),
                display_name: String::new(),
                added: it.added,
            })
            .collect(),
        groups_left,
        groups_joined,
        reverts: record.reverts.map_or(0, |reverted| reverted.0),
        actor_login_name: String::new(),
    }
}

/// What stays true of a change, whatever others are named later.
fn without_present_names(change: &Change) -> Change {
    let mut change = change.clone();
    change.time = None;
    change.actor_login_name.clear();
    for member in &mut change.members {
        member.display_name.clear();
    }
    change
}
