//! The rules of objects: what an operation changes, or why it mustn't.

use std::collections::{BTreeMap, BTreeSet};

use crate::change_record::ChangeRecord;
use crate::command::{Operation, Principal, Selector, VerifierChange};
use crate::definition::Definition;
use crate::deleted::{
    Holder, Tombstone, free_name, give_up, holder, purge, release, restore, take_back, tombstone,
};
use crate::edit::Edit;
use crate::event::{Done, Event};
use crate::id::ObjectId;
use crate::level::Level;
use crate::members::{Limit, change_members, leave, within};
use crate::model::{Revision, Stamp, Verifier};
use crate::numbers::{count, next_number};
use crate::object::Object;
use crate::planted::{PlantedBug, is_planted};
use crate::recorded::{DirectoryChange, DirectoryRecord, Recorded, SettingRecord};
use crate::reference::resolve;
use crate::rejection::Rejection;
use crate::revert::revert;
use crate::rights::{Action, permitted};
use crate::schema::{AttributeName, LOGIN_NAME, POSIX_NUMBER};
use crate::settings::{Setting, SettingChange};
use crate::value::Value;
use crate::view::View;

/// Why nothing is done: the rules say no, or the state couldn't be read.
pub(crate) enum Refused<E> {
    /// By the rules.
    Rejected(Rejection),
    /// The view's error.
    Unreadable(E),
}

/// So that `?` passes on what a view cannot read. Rejections are made where they are decided.
impl<E> From<E> for Refused<E> {
    fn from(error: E) -> Self {
        Self::Unreadable(error)
    }
}

/// What an operation does.
pub(crate) struct Executed {
    /// What is done to which object, as it is then, or as it last was. None: the directory is changed as a
    /// whole.
    pub(crate) object: Option<(Done, Object)>,
    /// What is to be remembered of it. None: nothing is changed.
    pub(crate) record: Option<Box<Recorded>>,
    pub(crate) events: Vec<Event>,
}

impl Executed {
    pub(crate) fn object(
        done: Done,
        object: Object,
        record: ChangeRecord,
        events: Vec<Event>,
    ) -> Self {
        Self {
            object: Some((done, object)),
            record: Some(Box::new(Recorded::Object(record))),
            events,
        }
    }

    /// The directory is changed as a whole, if it is.
    pub(crate) fn directory(
        stamp: Stamp,
        change: Option<DirectoryChange>,
        events: Vec<Event>,
    ) -> Self {
        let record = change.map(|change| DirectoryRecord { stamp, change });
        Self {
            object: None,
            record: record.map(|record| Box::new(Recorded::Directory(record))),
            events,
        }
    }

    /// An object is as asked for already.
    pub(crate) fn nothing(object: Object) -> Self {
        Self {
            object: Some((Done::Changed, object)),
            record: None,
            events: Vec::new(),
        }
    }
}

/// Executes an operation on paper, as of a time and for who asks.
pub(crate) fn execute<V: View>(
    view: &V,
    revision: Revision,
    stamp: Stamp,
    principal: &Principal,
    operation: &Operation,
) -> Result<Executed, Refused<V::Error>> {
    let may = |action: Action<'_>| match is_planted(PlantedBug::RightOutlives) {
        true => Ok(()),
        false => permitted(view, stamp.time, principal, action),
    };
    match operation {
        Operation::Create {
            id,
            kind,
            edits,
            verifier,
        } => {
            may(Action::Create(*kind, edits))?;
            let object = Object {
                id: *id,
                kind: *kind,
                created: stamp.clone(),
                changed: stamp,
                version: revision,
                password_version: verifier.as_ref().map(|_| revision),
                attributes: BTreeMap::new(),
            };
            create(view, object, edits, verifier.clone())
        }
        Operation::Members {
            group,
            expected_version,
            add,
            remove,
        } => {
            let group = find(view, group)?;
            may(Action::Members(&group))?;
            check_version(&group, *expected_version)?;
            change_members(view, revision, stamp, group, add, remove)
        }
        Operation::Change {
            target,
            expected_version,
            edits,
            verifier,
        } => {
            let before = find(view, target)?;
            may(Action::Change(&before, edits, verifier.into()))?;
            check_version(&before, *expected_version)?;
            change(view, revision, stamp, before, edits, verifier)
        }
        Operation::Delete {
            target,
            expected_version,
        } => {
            let object = find(view, target)?;
            may(Action::Delete(&object))?;
            check_version(&object, *expected_version)?;
            delete(view, revision, &stamp, object)
        }
        Operation::Restore { target } => {
            let tombstone = find_deleted(view, target)?;
            may(Action::Restore(&tombstone.object))?;
            restore(view, revision, stamp, tombstone)
        }
        Operation::Purge { target } => {
            may(Action::Operate)?;
            let tombstone = find_deleted(view, target)?;
            purge(view, stamp, &tombstone)
        }
        Operation::FreeName { name } => {
            may(Action::Operate)?;
            free_name(view, stamp, name)
        }
        Operation::Configure(changes) => {
            may(Action::Operate)?;
            configure(view, stamp, changes)
        }
        Operation::Revert { revision: of } => revert(view, revision, stamp, principal, *of),
        Operation::DefineAttribute { definition } => {
            may(Action::Operate)?;
            define(view, stamp, definition)
        }
        Operation::RaiseLevel { to } => {
            may(Action::Operate)?;
            raise_level(view, stamp, *to)
        }
    }
}

fn create<V: View>(
    view: &V,
    mut object: Object,
    edits: &[Edit],
    verifier: Option<Verifier>,
) -> Result<Executed, Refused<V::Error>> {
    let next = next_number(view, &object, edits)?;
    edit(view, &mut object, edits, next.as_ref())?;
    let id = object.id;
    let mut events = vec![Event::ObjectStored(object.clone())];
    events.extend(count(view, &object, next.as_ref())?);
    events.extend(move_unique(view, None, &object)?);
    events.extend(verifier.map(|verifier| Event::VerifierStored { id, verifier }));
    let record = ChangeRecord::between(None, &object);
    Ok(Executed::object(Done::Created, object, record, events))
}

/// A difference gives the object its version and stamp.
pub(crate) fn change<V: View>(
    view: &V,
    revision: Revision,
    stamp: Stamp,
    before: Object,
    edits: &[Edit],
    asked: &VerifierChange,
) -> Result<Executed, Refused<V::Error>> {
    let id = before.id;
    let kept = verifier(view, &before)?;
    let verifier = match asked {
        VerifierChange::Keep => kept.clone(),
        VerifierChange::Set(verifier) => Some(verifier.clone()),
        VerifierChange::Remove => None,
    };
    let mut after = before.clone();
    let next = next_number(view, &before, edits)?;
    edit(view, &mut after, edits, next.as_ref())?;
    if after == before && verifier == kept {
        return Ok(Executed::nothing(before));
    }
    after.version = revision;
    after.changed = stamp;
    if verifier != kept {
        after.password_version = verifier.as_ref().map(|_| revision);
    }
    if is_planted(PlantedBug::UuidChanges) {
        let stamped = after.id.uuid().as_u128() ^ u128::from(revision.0);
        after.id = ObjectId::from_bytes(stamped.to_be_bytes());
    }
    let mut events = vec![Event::ObjectStored(after.clone())];
    if before.values(POSIX_NUMBER) != after.values(POSIX_NUMBER) {
        events.extend(count(view, &after, next.as_ref())?);
    }
    events.extend(move_unique(view, Some(&before), &after)?);
    if verifier != kept {
        events.push(match verifier {
            Some(verifier) => Event::VerifierStored { id, verifier },
            None => Event::VerifierRemoved { id },
        });
    }
    let record = ChangeRecord::between(Some(&before), &after);
    Ok(Executed::object(Done::Changed, after, record, events))
}

pub(crate) fn delete<V: View>(
    view: &V,
    revision: Revision,
    stamp: &Stamp,
    object: Object,
) -> Result<Executed, Refused<V::Error>> {
    let id = object.id;
    let mut events = vec![Event::ObjectRemoved { id }];
    let tombstone = tombstone(view, revision, stamp, &object)?;
    let left = leave(view, revision, stamp, &object)?;
    let memberships = left.memberships;
    let former = memberships.iter().filter(|_| tombstone.is_some());
    let former = former.map(|&membership| Event::FormerAdded {
        gone: id,
        membership,
    });
    events.extend(former);
    events.extend(memberships.iter().copied().map(Event::MemberRemoved));
    events.extend(left.touched);
    match tombstone {
        Some(tombstone) => events.push(Event::TombstoneStored(Box::new(tombstone))),
        None => events.extend(release(view, stamp.time, stamp.time, &object)?),
    }
    let has_password = object.password_version.is_some();
    events.extend(has_password.then_some(Event::VerifierRemoved { id }));
    let record = ChangeRecord::of_deletion(stamp.clone(), &object, left.groups);
    Ok(Executed::object(Done::Deleted, object, record, events))
}

fn configure<V: View>(
    view: &V,
    stamp: Stamp,
    changes: &[SettingChange],
) -> Result<Executed, Refused<V::Error>> {
    let mut records: BTreeMap<Setting, SettingRecord> = BTreeMap::new();
    for change in changes {
        let setting = change.setting();
        let before = view.setting(setting)?;
        let after = change.value().unwrap_or(setting.default_value());
        let record = SettingRecord {
            setting,
            before,
            after,
        };
        records.insert(setting, record);
    }
    let records = records.into_values().filter(|it| it.before != it.after);
    let records: Vec<_> = records.collect();
    let change = (!records.is_empty()).then_some(DirectoryChange::Settings(records));
    let events = changes.iter().map(|it| Event::SettingChanged(*it));
    Ok(Executed::directory(stamp, change, events.collect()))
}

/// The attribute is there from this revision on; no object has it yet.
fn define<V: View>(
    view: &V,
    stamp: Stamp,
    definition: &Definition,
) -> Result<Executed, Refused<V::Error>> {
    let schema = view.schema();
    if let Ok(row) = schema.by_name(definition.name()) {
        let attribute = schema.name(row.number);
        return Err(Refused::Rejected(Rejection::AttributeExists { attribute }));
    }
    within(Limit::SiteAttributes, schema.of_site().len() + 1)?;
    let row = definition.clone().numbered(schema.next_of_site());
    let change = DirectoryChange::AttributeDefined(AttributeName {
        number: row.number,
        name: row.name.clone(),
    });
    let events = vec![Event::AttributeDefined(row)];
    Ok(Executed::directory(stamp, Some(change), events))
}

/// Whether all servers support the level is not in the state: the leader has asked them.
fn raise_level<V: View>(view: &V, stamp: Stamp, to: Level) -> Result<Executed, Refused<V::Error>> {
    let is = view.level()?;
    if to < is {
        return Err(Refused::Rejected(Rejection::LevelTooLow { to, is }));
    }
    let raised = (to > is).then_some(Event::LevelRaised { to });
    let (before, after) = (is, to);
    let change = DirectoryChange::LevelRaised { before, after };
    let change = raised.is_some().then_some(change);
    Ok(Executed::directory(
        stamp,
        change,
        raised.into_iter().collect(),
    ))
}

fn edit<V: View>(
    view: &V,
    object: &mut Object,
    edits: &[Edit],
    next: Option<&Value>,
) -> Result<(), Refused<V::Error>> {
    let edits = resolve(view, object, edits)?;
    let edited = object.edit(view.schema(), &edits, next);
    edited.map_err(|(attribute, violation)| {
        Refused::Rejected(Rejection::SchemaViolation {
            attribute: view.schema().name(attribute),
            violation,
        })
    })?;
    within(Limit::ObjectBytes, object.attribute_bytes())
}

/// Frees the unique values that an object no longer has, or reserves them, and gives it the new ones.
fn move_unique<V: View>(
    view: &V,
    before: Option<&Object>,
    after: &Object,
) -> Result<Vec<Event>, Refused<V::Error>> {
    let schema = view.schema();
    let now = after.changed.time;
    let mut given_up: BTreeSet<_> = before
        .into_iter()
        .flat_map(|object| object.unique_keys(schema))
        .map(|(key, _)| key)
        .collect();
    let (mut taken, mut taken_back) = (Vec::new(), 0);
    for (key, value) in after.unique_keys(schema) {
        if given_up.remove(&key) {
            continue; // It has it already.
        }
        let renamed = before.is_some() && key.attribute == LOGIN_NAME;
        let held = match renamed && is_planted(PlantedBug::RenameSkipsUniqueness) {
            true => Holder::Nobody,
            false => holder(view, now, after, &key)?,
        };
        match held {
            Holder::Nobody => {}
            Holder::Same => {
                let back = take_back(view, after, &key)?;
                taken_back += back.iter().count();
                taken.extend(back);
                continue;
            }
            Holder::Ended(events) => taken.extend(events),
            Holder::Other { id, kind, held } => {
                return Err(Refused::Rejected(Rejection::ValueTaken {
                    attribute: schema.name(key.attribute),
                    value: value.clone(),
                    kind,
                    holder: id,
                    held,
                }));
            }
        }
        let holder = after.id;
        taken.push(Event::UniqueTaken { key, holder });
    }
    let mut events = Vec::new();
    for key in given_up.into_iter().filter(|key| !key.is_kept(schema)) {
        events.push(give_up(view, now, after, key, taken_back)?);
    }
    events.extend(taken);
    Ok(events)
}

/// Read only where there is one.
fn verifier<V: View>(view: &V, object: &Object) -> Result<Option<Verifier>, V::Error> {
    match object.password_version {
        Some(_) => view.verifier(&object.id),
        None => Ok(None),
    }
}

/// The deleted object that a request names.
fn find_deleted<V: View>(view: &V, named: &Selector) -> Result<Tombstone, Refused<V::Error>> {
    let found = named.find_deleted(|key| view.holder(key), |id| view.tombstone(id))?;
    found.map_err(Refused::Rejected)
}

/// The object that a request names.
pub(crate) fn find<V: View>(view: &V, named: &Selector) -> Result<Object, Refused<V::Error>> {
    let found = named.find(|key| view.holder(key), |id| view.object(id))?;
    found.map_err(Refused::Rejected)
}

/// Asked only for those who may change the object: to others, versions are not told.
fn check_version<E>(object: &Object, expected: Option<Revision>) -> Result<(), Refused<E>> {
    match expected {
        Some(expected) if expected != object.version => {
            Err(Refused::Rejected(Rejection::VersionMismatch {
                account: object.id,
                expected,
                actual: object.version,
            }))
        }
        Some(_) | None => Ok(()),
    }
}
