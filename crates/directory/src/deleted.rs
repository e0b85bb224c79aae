//! What becomes of objects that were deleted, and of names that are not used any more.
//!
//! A deleted object leaves a tombstone for a while. It keeps all that was unique of the object, so that
//! nobody else gets it, and the object can be restored as it was: with its id, password, groups and
//! numbers. An operator may erase it at once. A login name that an account no longer has stays reserved
//! for it for a while, too, so that nobody is taken for somebody else. Time is that of the commands: what is
//! due ends with one of the next ones.

use crate::change_record::{ChangeRecord, GroupLeft};
use crate::event::{Change, Done, Event};
use crate::execute::{Executed, Refused};
use crate::history::unknown;
use crate::id::ObjectId;
use crate::level::Level;
use crate::members::{Joining, Judge, Limit, touch, within};
use crate::model::{Revision, Stamp, Time, Verifier};
use crate::name::LoginName;
use crate::object::{Kind, Object, UniqueKey};
use crate::planted::{PlantedBug, is_planted};
use crate::recorded::DirectoryChange;
use crate::rejection::Rejection;
use crate::schema::LOGIN_NAME;
use crate::settings::Setting;
use crate::view::View;

/// What is left of a deleted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// As it last was.
    pub object: Object,
    /// What its password is checked against, once it is there again.
    pub verifier: Option<Verifier>,
    /// When, by whom, and from where it was deleted.
    pub deleted: Stamp,
    /// The revision of its deletion.
    pub revision: Revision,
    /// It can be restored until then.
    pub until: Time,
}

/// A login name that its last owner does not have any more, and nobody else may have yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reserved {
    /// Who had it last. It may be gone.
    pub owner: ObjectId,
    /// The name.
    pub key: UniqueKey,
}

/// Something that ends at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    /// Then.
    pub time: Time,
    /// What it is.
    pub ends: Ends,
}

/// What ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ends {
    /// The tombstone of this object.
    Tombstone(ObjectId),
    /// A reservation.
    Reservation(Reserved),
}

/// The most tombstones and reservations that one command ends, so that none takes long after a pause.
/// More than one, so that what is due does get less.
const ENDED_MAX: usize = 2;

/// The tombstone of an object that is deleted now; none: deleted objects are not kept.
pub(crate) fn tombstone<V: View>(
    view: &V,
    revision: Revision,
    stamp: &Stamp,
    object: &Object,
) -> Result<Option<Tombstone>, V::Error> {
    let kept_ms = match view.level()? < Level::TOMBSTONES {
        true => 0,
        false => view.setting(Setting::Tombstones)?,
    };
    if kept_ms == 0 {
        return Ok(None);
    }
    let verifier = match object.password_version {
        Some(_) => view.verifier(&object.id)?,
        None => None,
    };
    Ok(Some(Tombstone {
        object: object.clone(),
        verifier,
        deleted: stamp.clone(),
        revision,
        until: Time(stamp.time.0.saturating_add(kept_ms)),
    }))
}

/// What becomes of the unique values of an object that nothing is left of but that it was there: they are free,
/// but the login name stays reserved, counted from when it was deleted.
pub(crate) fn release<V: View>(
    view: &V,
    now: Time,
    deleted: Time,
    object: &Object,
) -> Result<Vec<Event>, V::Error> {
    let schema = view.schema();
    let mut events = Vec::new();
    for (key, _) in object.unique_keys(schema) {
        if key.is_kept(schema) {
            continue;
        }
        let reserved_until = reserved_until(view, &key, deleted)?.filter(|until| *until > now);
        events.push(match reserved_until {
            Some(until) => Event::NameReserved {
                reserved: Reserved {
                    owner: object.id,
                    key,
                },
                until,
            },
            None => Event::UniqueFreed { key },
        });
    }
    Ok(events)
}

/// How long a value stays its last owner's that nobody has since a time; none: it is free at once.
fn reserved_until<V: View>(
    view: &V,
    key: &UniqueKey,
    since: Time,
) -> Result<Option<Time>, V::Error> {
    if key.attribute != LOGIN_NAME || view.level()? < Level::TOMBSTONES {
        return Ok(None);
    }
    let ms = view.setting(Setting::ReservedNames)?;
    Ok((ms > 0).then(|| Time(since.0.saturating_add(ms))))
}

/// What becomes of a value that a living object gives up, which takes back so many others.
pub(crate) fn give_up<V: View>(
    view: &V,
    now: Time,
    object: &Object,
    key: UniqueKey,
    taken_back: usize,
) -> Result<Event, Refused<V::Error>> {
    let Some(until) = reserved_until(view, &key, now)? else {
        return Ok(Event::UniqueFreed { key });
    };
    let owner = object.id;
    let reserved = view.reserved_of(&owner)?.len();
    within(
        Limit::ReservedNames,
        (reserved + 1).saturating_sub(taken_back),
    )?;
    let reserved = Reserved { owner, key };
    Ok(Event::NameReserved { reserved, until })
}

/// The deleted object is there again: as it was, with what it was a member of, and who was a member of it.
pub(crate) fn restore<V: View>(
    view: &V,
    revision: Revision,
    stamp: Stamp,
    tombstone: Tombstone,
) -> Result<Executed, Refused<V::Error>> {
    let mut object = tombstone.object;
    let id = object.id;
    object.version = revision;
    object.changed = stamp.clone();
    let mut events = vec![
        Event::ObjectStored(object.clone()),
        Event::TombstoneRemoved { id },
    ];
    let verifier = tombstone.verifier;
    events.extend(verifier.map(|verifier| Event::VerifierStored { id, verifier }));
    let joined = rejoin(view, revision, &stamp, &id)?;
    events.extend(joined.events);
    let record = ChangeRecord {
        previous: Some(tombstone.revision),
        done: Done::Restored,
        groups: joined.groups,
        ..ChangeRecord::between(None, &object)
    };
    Ok(Executed::object(Done::Restored, object, record, events))
}

struct Joined {
    events: Vec<Event>,
    groups: Vec<GroupLeft>,
}

/// The memberships that ended with an object's deletion, where the other one is there; where that is
/// deleted too, they come back with it.
fn rejoin<V: View>(
    view: &V,
    revision: Revision,
    stamp: &Stamp,
    gone: &ObjectId,
) -> Result<Joined, Refused<V::Error>> {
    let (mut events, mut groups) = (Vec::new(), Vec::new());
    let (mut back, mut joining) = (Vec::new(), Joining::default());
    for membership in view.former(gone)? {
        let other = match membership.group == *gone {
            true => membership.member,
            false => membership.group,
        };
        events.push(Event::FormerRemoved {
            gone: *gone,
            membership,
        });
        if let Some(mut other) = view.object(&other)? {
            joining.add(&membership);
            back.push(membership);
            if membership.member == *gone {
                groups.push(GroupLeft {
                    group: other.id,
                    previous: other.version,
                });
                touch(&mut other, revision, stamp.clone());
                events.push(Event::ObjectStored(other));
            }
        } else if view.tombstone(&other)?.is_some() {
            events.push(Event::FormerAdded {
                gone: other,
                membership,
            });
        }
    }
    let mut judge: Option<Judge<'_, V>> = None;
    for membership in &back {
        let group = membership.group;
        let same = judge.take().filter(|judge| judge.group() == group);
        let of_group = same.unwrap_or_else(|| Judge::of_restored(view, group, &joining));
        judge.insert(of_group).may_join(membership)?;
    }
    events.extend(back.into_iter().map(Event::MemberAdded));
    Ok(Joined { events, groups })
}

/// Nothing is left of the deleted object but that it was there: neither values, nor in its history.
pub(crate) fn purge<V: View>(
    view: &V,
    stamp: Stamp,
    tombstone: &Tombstone,
) -> Result<Executed, Refused<V::Error>> {
    let object = &tombstone.object;
    let id = object.id;
    let schema = view.schema();
    let mut events = vec![Event::TombstoneRemoved { id }];
    for membership in view.former(&id)? {
        let gone = id;
        events.push(Event::FormerRemoved { gone, membership });
    }
    let keys = object.unique_keys(schema).map(|(key, _)| key);
    let freed = keys.filter(|key| !key.is_kept(schema));
    events.extend(freed.map(|key| Event::UniqueFreed { key }));
    for (key, _) in view.reserved_of(&id)? {
        events.extend(end_reservation(Reserved { owner: id, key }));
    }
    events.extend(redact(view, tombstone)?);
    let record = ChangeRecord::of_purge(stamp, tombstone);
    let erased = unknown(&Change::of(Done::Purged, object));
    Ok(Executed::object(Done::Purged, erased, record, events))
}

/// The changes of an object that are kept, each without what it was about.
fn redact<V: View>(view: &V, tombstone: &Tombstone) -> Result<Vec<Event>, V::Error> {
    let id = tombstone.object.id;
    let mut events = Vec::new();
    let mut next = Some(tombstone.revision);
    while let Some(revision) = next {
        let Some(record) = view.change(revision)? else {
            break;
        };
        next = record.previous_of(&id);
        if record.id == id && !record.is_redacted() {
            events.push(Event::ChangeRedacted { revision });
        }
    }
    Ok(events)
}

/// Nobody has the name, and from now on anybody may.
pub(crate) fn free_name<V: View>(
    view: &V,
    stamp: Stamp,
    name: &LoginName,
) -> Result<Executed, Refused<V::Error>> {
    let key = UniqueKey::login_name(name);
    let not_reserved = || {
        let name = name.clone();
        Err(Refused::Rejected(Rejection::NotReserved { name }))
    };
    let Some(owner) = view.holder(&key)? else {
        return not_reserved();
    };
    let reserved = Reserved { owner, key };
    match view.reserved_until(&reserved)? {
        Some(_) => {
            let change = DirectoryChange::NameFreed { owner };
            let events = end_reservation(reserved).to_vec();
            Ok(Executed::directory(stamp, Some(change), events))
        }
        None => not_reserved(),
    }
}

pub(crate) fn end_reservation(reserved: Reserved) -> [Event; 2] {
    let key = reserved.key.clone();
    [
        Event::ReservationEnded { reserved },
        Event::UniqueFreed { key },
    ]
}

/// Ends some of what is due, other than what the events of the command are about.
pub(crate) fn end_due<V: View>(
    view: &V,
    now: Time,
    events: &mut Vec<Event>,
) -> Result<(), V::Error> {
    // To look at one costs less, and mostly none is due.
    if view.due(1)?.iter().all(|due| due.time > now) {
        return Ok(());
    }
    for due in view.due(ENDED_MAX)? {
        if due.time > now || events.iter().any(|event| is_about(event, &due.ends)) {
            continue;
        }
        match due.ends {
            Ends::Reservation(reserved) => events.extend(end_reservation(reserved)),
            Ends::Tombstone(id) => {
                let Some(tombstone) = view.tombstone(&id)? else {
                    continue;
                };
                events.push(Event::TombstoneRemoved { id });
                for membership in view.former(&id)? {
                    let gone = id;
                    events.push(Event::FormerRemoved { gone, membership });
                }
                let deleted = tombstone.deleted.time;
                events.extend(release(view, now, deleted, &tombstone.object)?);
            }
        }
    }
    Ok(())
}

fn is_about(event: &Event, ends: &Ends) -> bool {
    match (event, ends) {
        (Event::TombstoneRemoved { id }, Ends::Tombstone(of)) => id == of,
        (Event::FormerAdded { gone, .. }, Ends::Tombstone(of)) => gone == of,
        (Event::ReservationEnded { reserved }, Ends::Reservation(of)) => reserved == of,
        _ => false,
    }
}

/// Who has a value, or had it last and keeps it.
pub(crate) enum Holder {
    /// It is free.
    Nobody,
    /// Whose it is, too, if they have it no longer: they may have it again.
    Same,
    /// It was reserved, or is a number that is kept: it can be taken over, after these events.
    Ended(Vec<Event>),
    /// It is another object's.
    Other {
        /// Whose.
        id: ObjectId,
        /// Of this kind.
        kind: Kind,
        /// How.
        held: Held,
    },
}

/// How a value is another object's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Held {
    /// It has it.
    Now,
    /// It is deleted, and can be restored.
    Deleted,
    /// It had it last, and it is reserved for it until then.
    Reserved(Time),
}

/// Who keeps an object from having a value.
pub(crate) fn holder<V: View>(
    view: &V,
    now: Time,
    object: &Object,
    key: &UniqueKey,
) -> Result<Holder, V::Error> {
    let Some(id) = view.holder(key)? else {
        return Ok(Holder::Nobody);
    };
    if id == object.id {
        return Ok(Holder::Same);
    }
    let schema = view.schema();
    let has = |it: &Object| it.unique_keys(schema).any(|(has, _)| has == *key);
    let other = |kind, held| Holder::Other { id, kind, held };
    let there = view.object(&id)?;
    if let Some(it) = there.as_ref().filter(|it| has(it)) {
        return Ok(other(it.kind, Held::Now));
    }
    let tombstone = view.tombstone(&id)?;
    if let Some(it) = tombstone.filter(|it| has(&it.object)) {
        if is_planted(PlantedBug::TombstoneFreesName) {
            return Ok(Holder::Ended(vec![Event::UniqueFreed { key: key.clone() }]));
        }
        return Ok(other(it.object.kind, Held::Deleted));
    }
    let reserved = Reserved {
        owner: id,
        key: key.clone(),
    };
    Ok(match view.reserved_until(&reserved)? {
        Some(until) if until > now => {
            let kind = there.map_or(object.kind, |it| it.kind);
            other(kind, Held::Reserved(until))
        }
        Some(_) => Holder::Ended(end_reservation(reserved).to_vec()),
        None if key.is_kept(schema) => Holder::Ended(vec![Event::UniqueFreed { key: key.clone() }]),
        None => other(object.kind, Held::Now),
    })
}

/// What an object that has a value again needs no longer.
pub(crate) fn take_back<V: View>(
    view: &V,
    object: &Object,
    key: &UniqueKey,
) -> Result<Option<Event>, V::Error> {
    let reserved = Reserved {
        owner: object.id,
        key: key.clone(),
    };
    let until = view.reserved_until(&reserved)?;
    Ok(until.map(|_| Event::ReservationEnded { reserved }))
}
