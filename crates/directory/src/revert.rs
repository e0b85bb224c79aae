//! One change is undone, if nothing later stands against it: as a change of its own, with the rights
//! that the opposite change needs.

use std::fmt;

use crate::change_record::{ChangeRecord, MemberChange, PasswordRecord};
use crate::command::{Principal, Selector, VerifierChange};
use crate::deleted::restore;
use crate::edit::{Edit, EditAction};
use crate::event::Done;
use crate::execute::{Executed, Refused, change, delete};
use crate::id::ObjectId;
use crate::members::{Membership, change_members};
use crate::model::{Revision, Stamp};
use crate::object::{Kind, Object};
use crate::recorded::Recorded;
use crate::rejection::Rejection;
use crate::rights::{Action, PasswordAction, permitted};
use crate::schema::AttributeNumber;
use crate::view::View;

/// The most changes of an object that are looked through to say which one stands against a revert.
const LOOKED_THROUGH_MAX: usize = 1_000;

/// Why a change can never be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Irreversible {
    /// Passwords are not kept.
    Password,
    /// What was deleted is not kept any more.
    Deletion,
    /// What the change was about was erased.
    Erased,
    /// It is not about one object.
    Directory,
}

/// As the end of the sentence that begins with the change.
impl fmt::Display for Irreversible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "it set or removed a password, and passwords are not kept",
            Self::Deletion => "it deleted something, which is not kept any more",
            Self::Erased => "what it was about was erased since",
            Self::Directory => "it changed the directory as a whole; change that again instead",
        })
    }
}

/// Undoes the change of a revision.
pub(crate) fn revert<V: View>(
    view: &V,
    revision: Revision,
    stamp: Stamp,
    principal: &Principal,
    of: Revision,
) -> Result<Executed, Refused<V::Error>> {
    let may = |action: Action<'_>| permitted(view, stamp.time, principal, action);
    let record = match view.recorded(of)? {
        Some(Recorded::Object(record)) => record,
        Some(Recorded::Directory(_)) => {
            may(Action::Operate)?;
            return Err(irreversible(of, Irreversible::Directory));
        }
        None => return Err(Refused::Rejected(Rejection::NoChange { revision: of })),
    };
    if record.done == Done::Deleted
        && let Some(tombstone) = view.tombstone(&record.id)?
        && tombstone.revision == of
    {
        may(Action::Restore(&tombstone.object))?;
        return Ok(reverting(of, restore(view, revision, stamp, tombstone)?));
    }
    let Some(object) = view.object(&record.id)? else {
        // Who may not read changes is told nothing of what is gone.
        may(Action::History(None))?;
        return Err(irreversible_or_gone(view, of, &record)?);
    };
    let executed = match (record.done, record.members.is_empty()) {
        (Done::Created | Done::Restored, _) => {
            may(Action::Delete(&object))?;
            check_untouched(view, of, &object)?;
            delete(view, revision, &stamp, object)?
        }
        (Done::Changed, false) => {
            may(Action::Members(&object))?;
            check_members(view, of, &object, &record.members)?;
            let (add, remove) = opposite(&record.members);
            change_members(view, revision, stamp, object, &add, &remove)?
        }
        (Done::Changed, true) => {
            let edits = edits_back(&record);
            may(Action::Change(&object, &edits, PasswordAction::Keep))?;
            check_reversible(of, &record)?;
            check_attributes(view, of, &object, &record)?;
            let keep = VerifierChange::Keep;
            change(view, revision, stamp, object, &edits, &keep)?
        }
        (Done::Deleted, _) => {
            may(Action::Delete(&object))?;
            let later = Some(object.version);
            return Err(since(of, object.id, object.kind, None, later));
        }
        (Done::Purged, _) => return Err(irreversible(of, Irreversible::Erased)),
    };
    Ok(reverting(of, executed))
}

fn reverting(of: Revision, mut executed: Executed) -> Executed {
    if let Some(Recorded::Object(record)) = executed.record.as_deref_mut() {
        record.reverts = Some(of);
    }
    executed
}

fn irreversible<E>(revision: Revision, why: Irreversible) -> Refused<E> {
    Refused::Rejected(Rejection::NotReversible { revision, why })
}

fn check_reversible<E>(of: Revision, record: &ChangeRecord) -> Result<(), Refused<E>> {
    match record.password {
        _ if record.is_redacted() => Err(irreversible(of, Irreversible::Erased)),
        PasswordRecord::Set { .. } | PasswordRecord::Removed { .. } => {
            Err(irreversible(of, Irreversible::Password))
        }
        PasswordRecord::Kept => Ok(()),
    }
}

/// Why a change of an object that is not there is not undone.
fn irreversible_or_gone<V: View>(
    view: &V,
    of: Revision,
    record: &ChangeRecord,
) -> Result<Refused<V::Error>, V::Error> {
    let end = crate::history::deleted(view, &record.id)?;
    let end = end.map(|(revision, _)| revision);
    if record.is_redacted() {
        return Ok(irreversible(of, Irreversible::Erased));
    }
    if record.done == Done::Deleted && end.is_none_or(|end| end == of) {
        return Ok(irreversible(of, Irreversible::Deletion));
    }
    Ok(since(of, record.id, record.kind, None, end))
}

fn since<E>(
    revision: Revision,
    id: ObjectId,
    kind: Kind,
    attribute: Option<crate::schema::AttributeName>,
    later: Option<Revision>,
) -> Refused<E> {
    Refused::Rejected(Rejection::ChangedSince {
        revision,
        id,
        kind,
        attribute,
        later,
    })
}

/// What was made is deleted again only if nothing happened to it since: it is as it was made, and was
/// made a member of nothing.
fn check_untouched<V: View>(
    view: &V,
    of: Revision,
    object: &Object,
) -> Result<(), Refused<V::Error>> {
    let later = match object.version {
        version if version != of => Some(version),
        _ => view.mentions(&object.id, None, 1)?.pop(),
    };
    match later.filter(|later| *later > of) {
        None => Ok(()),
        later => Err(since(of, object.id, object.kind, None, later)),
    }
}

/// The attributes are still as the change left them.
fn check_attributes<V: View>(
    view: &V,
    of: Revision,
    object: &Object,
    record: &ChangeRecord,
) -> Result<(), Refused<V::Error>> {
    let is_another = |number: &AttributeNumber| {
        let left = record.attributes.get(number).map(|it| it.after.as_slice());
        left.is_some_and(|left| left != object.values(*number))
    };
    let Some(number) = record.attributes.keys().find(|it| is_another(it)) else {
        return Ok(());
    };
    let changes_it = |record: &ChangeRecord| record.attributes.contains_key(number);
    let later = last_that(view, of, object, changes_it)?;
    let name = view.schema().name(*number);
    Err(since(of, object.id, object.kind, Some(name), later))
}

/// The members are still as the change left them, and those who left can come back.
fn check_members<V: View>(
    view: &V,
    of: Revision,
    group: &Object,
    members: &[MemberChange],
) -> Result<(), Refused<V::Error>> {
    for change in members {
        let membership = Membership {
            group: group.id,
            kind: change.kind,
            member: change.member,
        };
        let is_there = view.object(&change.member)?.is_some();
        if is_there && view.is_member(&membership)? == change.added {
            continue;
        }
        let moves_it = |record: &ChangeRecord| {
            let mut members = record.members.iter();
            members.any(|it| it.member == change.member) || record.id == change.member
        };
        let later = last_that(view, of, group, moves_it)?;
        return Err(since(of, group.id, group.kind, None, later));
    }
    Ok(())
}

/// The newest change of an object after a revision that does something; none: it is not known any more.
fn last_that<V: View>(
    view: &V,
    after: Revision,
    object: &Object,
    does: impl Fn(&ChangeRecord) -> bool,
) -> Result<Option<Revision>, V::Error> {
    let mut version = Some(object.version);
    for _ in 0..LOOKED_THROUGH_MAX {
        let Some(revision) = version.filter(|version| *version > after) else {
            break;
        };
        let Some(record) = view.change(revision)? else {
            break;
        };
        if does(&record) {
            return Ok(Some(revision));
        }
        version = record.previous_of(&object.id);
    }
    Ok(None)
}

fn edits_back(record: &ChangeRecord) -> Vec<Edit> {
    let attributes = record.attributes.iter();
    attributes
        .map(|(number, change)| Edit {
            attribute: *number,
            action: match change.before.is_empty() {
                true => EditAction::Clear,
                false => EditAction::Replace(change.before.clone()),
            },
        })
        .collect()
}

/// Who is to become a member again, and who is to be one no longer.
fn opposite(members: &[MemberChange]) -> (Vec<Selector>, Vec<Selector>) {
    let named = |added: bool| {
        let members = members.iter().filter(move |change| change.added == added);
        members
            .map(|change| match change.kind {
                Kind::Person | Kind::Service => Selector::Id(change.member),
                Kind::Group => Selector::GroupId(change.member),
            })
            .collect()
    };
    (named(false), named(true))
}
