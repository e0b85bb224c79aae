//! Objects as they were: what is there now, with the changes since undone on paper.

use crate::change_record::{ChangeRecord, PasswordRecord};
use crate::event::Change;
use crate::id::ObjectId;
use crate::model::{Actor, ClientAddress, Revision, Stamp, Time};
use crate::object::{Kind, Object};
use crate::recorded::Recorded;
use crate::view::Objects;

/// The changes that a state still knows.
pub trait History: Objects {
    /// What was changed at this revision; none: nothing, or it is forgotten.
    fn recorded(&self, revision: Revision) -> Result<Option<Recorded>, Self::Error>;

    /// The same, where an object was changed.
    fn change(&self, revision: Revision) -> Result<Option<ChangeRecord>, Self::Error> {
        let recorded = self.recorded(revision)?;
        Ok(recorded.and_then(Recorded::into_object))
    }

    /// Changes of other objects that concern this one, and its own deletion: the newest first, from the
    /// first one before `before`, `limit` at most.
    fn mentions(
        &self,
        id: &ObjectId,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<Revision>, Self::Error>;
}

/// The most changes of one object that are undone on paper to answer a retry. More of them within the time that
/// outcomes are kept are rare, and readers should not wait for it.
const UNDONE_MAX: usize = 1_000;

/// The object that a known outcome is about, as the first answer had it: at the version that it had
/// then. Where the changes since are forgotten, it is the object as it is now; where it is gone, too, what
/// the outcome itself says.
pub fn first_answer<H: History>(history: &H, change: &Change) -> Result<Object, H::Error> {
    let now = history.object(&change.id)?;
    let now = match now {
        Some(object) => Some(object),
        None => deleted(history, &change.id)?.and_then(|(_, record)| record.last_state()),
    };
    let then = match now.clone() {
        Some(object) => at(history, object, change.version)?,
        None => None,
    };
    Ok(then.or(now).unwrap_or_else(|| unknown(change)))
}

/// An object as it was at an earlier version; none: the changes since are forgotten.
pub fn at<H: History>(
    history: &H,
    mut object: Object,
    version: Revision,
) -> Result<Option<Object>, H::Error> {
    for _ in 0..UNDONE_MAX {
        if object.version == version {
            return Ok(Some(object));
        }
        let Some(record) = history.change(object.version)? else {
            return Ok(None);
        };
        let Some(previous) = record.previous_of(&object.id) else {
            return Ok(None);
        };
        let Some(before) = history.change(previous)? else {
            return Ok(None);
        };
        undo(&mut object, &record);
        object.version = previous;
        object.changed = before.stamp;
    }
    Ok(None)
}

/// The last change of an object that is not there any more; none: it never was, or that is forgotten.
pub fn deleted<H: History>(
    history: &H,
    id: &ObjectId,
) -> Result<Option<(Revision, ChangeRecord)>, H::Error> {
    // To what is gone nothing happens but its end: it is the newest of its mentions.
    let Some(revision) = history.mentions(id, None, 1)?.pop() else {
        return Ok(None);
    };
    let record = history.change(revision)?;
    let its_own = record.filter(|record| record.id == *id);
    Ok(its_own.map(|record| (revision, record)))
}

/// What a change made of attributes and password, back to what they were.
fn undo(object: &mut Object, record: &ChangeRecord) {
    if record.id != object.id {
        return; // It lost or got a member, which is no attribute of it.
    }
    for (number, change) in &record.attributes {
        match change.before.is_empty() {
            true => object.attributes.remove(number),
            false => object.attributes.insert(*number, change.before.clone()),
        };
    }
    object.password_version = match record.password {
        PasswordRecord::Kept => object.password_version,
        PasswordRecord::Set { before } => before,
        PasswordRecord::Removed { before } => Some(before),
    };
}

impl ChangeRecord {
    /// The object that this change deleted, as it last was.
    pub fn last_state(&self) -> Option<Object> {
        let origin = self.origin.as_deref()?;
        let mut object = Object {
            id: self.id,
            kind: self.kind,
            created: origin.created.clone(),
            changed: origin.changed.clone(),
            version: self.previous?,
            password_version: None,
            attributes: std::collections::BTreeMap::new(),
        };
        undo(&mut object, self);
        Some(object)
    }
}

/// Of an object about which nothing is known but that it was there.
pub(crate) fn unknown(change: &Change) -> Object {
    let stamp = Stamp {
        time: Time(0),
        actor: Actor::Anyone,
        client: ClientAddress::unknown(),
    };
    Object {
        id: change.id,
        kind: change.kind,
        created: stamp.clone(),
        changed: stamp,
        version: change.version,
        password_version: None,
        attributes: std::collections::BTreeMap::new(),
    }
}

impl Object {
    /// Its login name, or its name as a group.
    pub fn name(&self) -> &str {
        match self.kind {
            Kind::Person | Kind::Service => self.login_name(),
            Kind::Group => self.group_name(),
        }
    }
}
