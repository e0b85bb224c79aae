//! Records of changes: who did what to which object, when, and what was there before. Never a secret.

use std::collections::BTreeMap;

use crate::deleted::Tombstone;
use crate::event::Done;
use crate::id::ObjectId;
use crate::model::{Actor, ClientAddress, Revision, Stamp};
use crate::object::{Kind, Object};
use crate::schema::AttributeNumber;
use crate::value::Value;

/// One change of an object, as it is kept under its revision. What changed nothing has no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRecord {
    /// When, by whom, and from where.
    pub stamp: Stamp,
    /// What was done to the object.
    pub done: Done,
    /// The object.
    pub id: ObjectId,
    /// Its kind.
    pub kind: Kind,
    /// Its login name or group name then: after the change, or before its deletion. Empty once it was
    /// erased.
    pub name: String,
    /// The version that it had before. With it, the changes of an object are a chain.
    pub previous: Option<Revision>,
    /// The attributes that are not as before.
    pub attributes: BTreeMap<AttributeNumber, ValuesChange>,
    /// What became of its password.
    pub password: PasswordRecord,
    /// Who became a member of this group, and who is one no longer.
    pub members: Vec<MemberChange>,
    /// The groups that have this object as a member no longer, because it was deleted; or again, because it was
    /// restored.
    pub groups: Vec<GroupLeft>,
    /// The stamps that a deleted object had.
    pub origin: Option<Box<Origin>>,
    /// The revision of the change that this one undid.
    pub reverts: Option<Revision>,
}

/// The values of an attribute, before and after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValuesChange {
    /// None: the object did not have the attribute.
    pub before: Vec<Value>,
    /// None: it does not have it any more.
    pub after: Vec<Value>,
}

/// What a change did to a password. Neither password nor verifier are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordRecord {
    /// Nothing.
    Kept,
    /// It is another one, or there was none.
    Set {
        /// The revision that had given the object its password.
        before: Option<Revision>,
    },
    /// There is none any more.
    Removed {
        /// The revision that had given the object its password.
        before: Revision,
    },
}

/// A member that a group has now, or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberChange {
    /// The kind of the member.
    pub kind: Kind,
    /// The member.
    pub member: ObjectId,
    /// Whether it became one.
    pub added: bool,
}

/// A group that a deleted object was a member of, or that a restored one is a member of again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupLeft {
    /// The group.
    pub group: ObjectId,
    /// The version that it had before, as losing or getting a member is a change of the group too.
    pub previous: Revision,
}

/// What is known of an object's beginning and of its last change before it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its creation.
    pub created: Stamp,
    /// Its last change.
    pub changed: Stamp,
}

impl ChangeRecord {
    /// A change that made `after` of `before`: of attributes and of the password.
    pub(crate) fn between(before: Option<&Object>, after: &Object) -> Self {
        let password_before = before.and_then(|object| object.password_version);
        Self {
            stamp: after.changed.clone(),
            done: match before {
                Some(_) => Done::Changed,
                None => Done::Created,
            },
            id: after.id,
            kind: after.kind,
            name: after.name().to_owned(),
            previous: before.map(|object| object.version),
            attributes: difference(before, Some(after)),
            password: match (password_before, after.password_version) {
                (before, Some(after)) if before != Some(after) => PasswordRecord::Set { before },
                (Some(before), None) => PasswordRecord::Removed { before },
                (_, _) => PasswordRecord::Kept,
            },
            members: Vec::new(),
            groups: Vec::new(),
            origin: None,
            reverts: None,
        }
    }

    /// The end of an object.
    pub(crate) fn of_deletion(stamp: Stamp, object: &Object, groups: Vec<GroupLeft>) -> Self {
        Self {
            stamp,
            done: Done::Deleted,
            id: object.id,
            kind: object.kind,
            name: object.name().to_owned(),
            previous: Some(object.version),
            attributes: difference(Some(object), None),
            password: match object.password_version {
                Some(before) => PasswordRecord::Removed { before },
                None => PasswordRecord::Kept,
            },
            members: Vec::new(),
            groups,
            origin: Some(Box::new(Origin {
                created: object.created.clone(),
                changed: object.changed.clone(),
            })),
            reverts: None,
        }
    }

    /// That nothing is left of an object any more.
    pub(crate) fn of_purge(stamp: Stamp, tombstone: &Tombstone) -> Self {
        let object = &tombstone.object;
        Self {
            stamp,
            done: Done::Purged,
            id: object.id,
            kind: object.kind,
            name: String::new(),
            previous: Some(tombstone.revision),
            attributes: BTreeMap::new(),
            password: PasswordRecord::Kept,
            members: Vec::new(),
            groups: Vec::new(),
            origin: None,
            reverts: None,
        }
    }

    /// The version that an object had before this change; none: the change is not one of this object, or
    /// made it.
    pub fn previous_of(&self, id: &ObjectId) -> Option<Revision> {
        if *id == self.id {
            return self.previous;
        }
        let mut groups = self.groups.iter();
        let left = groups.find(|left| left.group == *id);
        left.map(|left| left.previous)
    }

    /// Whether it changed this object: it is about the object, or took a member of it away or gave it back.
    pub fn changed(&self, id: &ObjectId) -> bool {
        *id == self.id || self.groups.iter().any(|left| left.group == *id)
    }

    /// The objects in whose history it is besides that of its own chain: members, and an object that it
    /// deletes or erases, of which nothing else says when that was.
    pub fn mentions(&self) -> impl Iterator<Item = ObjectId> {
        let members = self.members.iter().map(|change| change.member);
        let ends = matches!(self.done, Done::Deleted | Done::Purged);
        members.chain(ends.then_some(self.id))
    }

    /// How much room it takes: about its bytes on disk. All servers count the same.
    pub fn bytes(&self) -> u64 {
        let of_value = |value: &Value| match value {
            Value::Text(text) => 4 + text.len(),
            Value::Number(_) => 8,
        };
        let attributes = self.attributes.values().flat_map(|change| {
            let values = change.before.iter().chain(&change.after);
            values.map(of_value).chain([8])
        });
        let members = 24 * (self.members.len() * 2 + self.groups.len());
        let origin = self.origin.as_ref().map_or(0, |_| 96);
        let bytes = 96 + self.name.len() + attributes.sum::<usize>() + members + origin;
        bytes as u64
    }

    /// The record as it is kept of an object that was erased: that something was done, and when, but
    /// not to whom by name, nor what it was. Where it was the object itself who did it, not from where either.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let mut stamp = self.stamp.clone();
        if stamp.actor == Actor::Account(self.id) {
            stamp.client = ClientAddress::unknown();
        }
        Self {
            stamp,
            name: String::new(),
            attributes: BTreeMap::new(),
            origin: None,
            ..self.clone()
        }
    }

    /// Whether it is one that was redacted.
    pub fn is_redacted(&self) -> bool {
        self.name.is_empty()
    }
}

/// The attributes that two states of an object do not have in common.
fn difference(
    before: Option<&Object>,
    after: Option<&Object>,
) -> BTreeMap<AttributeNumber, ValuesChange> {
    let mut changes: BTreeMap<AttributeNumber, ValuesChange> = BTreeMap::new();
    for (number, values) in before.iter().flat_map(|object| &object.attributes) {
        if after.is_none_or(|object| object.values(*number) != values.as_slice()) {
            changes.entry(*number).or_default().before = values.clone();
        }
    }
    for (number, values) in after.iter().flat_map(|object| &object.attributes) {
        if before.is_none_or(|object| object.values(*number) != values.as_slice()) {
            changes.entry(*number).or_default().after = values.clone();
        }
    }
    changes
}
