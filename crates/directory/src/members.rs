//! The rules of groups: who may be a member of what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::command::Selector;
use crate::event::{Change, Done, Event};
use crate::execute::{Executed, Refused, find};
use crate::id::ObjectId;
use crate::model::{Revision, Stamp};
use crate::object::{Kind, Object};
use crate::rejection::Rejection;
use crate::view::View;

/// That an object is a member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Membership {
    /// The group.
    pub group: ObjectId,
    /// The kind of its member.
    pub kind: Kind,
    /// Its member.
    pub member: ObjectId,
}

/// How far groups may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Groups in groups, counted from the outermost to the innermost one.
    GroupDepth,
    /// Groups that one object is a member of, by way of other groups too.
    GroupsOfOne,
    /// Numbers for accounts and groups.
    Numbers,
    /// Groups that are looked at to judge one membership of a group in a group.
    GroupsWithin,
}

impl Limit {
    /// The most that is allowed.
    pub const fn most(self) -> usize {
        match self {
            Self::GroupDepth => 8,
            Self::GroupsOfOne => 1_000,
            Self::GroupsWithin => 10_000,
            Self::Numbers => 4_294_967_294,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most();
        match self {
            Self::GroupDepth => write!(
                f,
                "groups would be nested more than {most} deep; make the member part of an outer group"
            ),
            Self::GroupsOfOne => write!(
                f,
                "the member would be in more than {most} groups, counting groups of groups; take it \
                 out of some first"
            ),
            Self::Numbers => write!(
                f,
                "the directory has no number below {most} left to give; give one that is free"
            ),
            Self::GroupsWithin => write!(
                f,
                "the group to be added has more than {most} groups in it; add those it has directly"
            ),
        }
    }
}

/// Adds members to a group and removes others. Who is a member already, or none, stays so.
pub(crate) fn change_members<V: View>(
    view: &V,
    revision: Revision,
    stamp: Stamp,
    mut group: Object,
    add: &[Selector],
    remove: &[Selector],
) -> Result<Executed, Refused<V::Error>> {
    let mut changes = BTreeMap::new();
    for (selectors, added) in [(add, true), (remove, false)] {
        for selector in selectors {
            let member = find(view, selector)?;
            let membership = Membership {
                group: group.id,
                kind: member.kind,
                member: member.id,
            };
            changes.insert(membership, added);
        }
    }
    let mut events = Vec::new();
    for (membership, added) in changes {
        let is_member = view.is_member(&membership)?;
        match (is_member, added) {
            (false, true) => {
                may_join(view, &membership)?;
                events.push(Event::MemberAdded(membership));
            }
            (true, false) => events.push(Event::MemberRemoved(membership)),
            (true, true) | (false, false) => {}
        }
    }
    if !events.is_empty() {
        touch(&mut group, revision, stamp);
        events.insert(0, Event::ObjectStored(group.clone()));
    }
    let change = Change {
        done: Done::Changed,
        object: group,
        verifier: None,
    };
    Ok((change, events))
}

/// What becomes of memberships when an object is removed: it has no members, and is none.
pub(crate) fn leave<V: View>(
    view: &V,
    revision: Revision,
    stamp: &Stamp,
    gone: &Object,
) -> Result<Vec<Event>, Refused<V::Error>> {
    let mut events = Vec::new();
    for group in view.groups_of(&gone.id)? {
        events.push(Event::MemberRemoved(Membership {
            group,
            kind: gone.kind,
            member: gone.id,
        }));
        if let Some(mut group) = view.object(&group)? {
            touch(&mut group, revision, stamp.clone());
            events.push(Event::ObjectStored(group));
        }
    }
    if gone.kind == Kind::Group {
        for kind in Kind::ALL {
            let members = view.members(&gone.id, kind)?;
            events.extend(members.into_iter().map(|member| {
                Event::MemberRemoved(Membership {
                    group: gone.id,
                    kind,
                    member,
                })
            }));
        }
    }
    Ok(events)
}

/// All groups that an object is a member of, by way of other groups too: nearer ones first, and
/// then by their ids.
pub fn all_groups_of<E>(
    member: &ObjectId,
    mut groups_of: impl FnMut(&ObjectId) -> Result<Vec<ObjectId>, E>,
) -> Result<Vec<ObjectId>, E> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    let mut next = vec![*member];
    while !next.is_empty() {
        let mut outer = BTreeSet::new();
        for member in &next {
            outer.extend(groups_of(member)?);
        }
        next = outer.into_iter().filter(|it| known.insert(*it)).collect();
        found.extend(&next);
    }
    Ok(found)
}

/// Whether an object may become a member: no cycles, and all within their limits.
fn may_join<V: View>(view: &V, membership: &Membership) -> Result<(), Refused<V::Error>> {
    let Membership {
        group,
        kind,
        member,
    } = membership;
    let groups_of = |id: &ObjectId| Ok(view.groups_of(id)?);
    let mut outer: BTreeSet<_> = all_groups_of(group, groups_of)?.into_iter().collect();
    outer.insert(*group);
    if *kind == Kind::Group {
        if outer.contains(member) {
            let (group, member) = (*group, *member);
            return Err(Refused::Rejected(Rejection::GroupCycle { group, member }));
        }
        let depth = height(*group, groups_of)? + height_within(view, *member)?;
        within(Limit::GroupDepth, depth)?;
    }
    outer.extend(all_groups_of(member, groups_of)?);
    within(Limit::GroupsOfOne, outer.len())
}

fn within<E>(limit: Limit, count: usize) -> Result<(), Refused<E>> {
    match count <= limit.most() {
        true => Ok(()),
        false => Err(Refused::Rejected(Rejection::LimitExceeded { limit })),
    }
}

/// How many groups the longest chain of members in the group has, itself included.
fn height_within<V: View>(view: &V, group: ObjectId) -> Result<usize, Refused<V::Error>> {
    let mut looked_at = 0;
    height(group, |group| {
        let within_it = view.members(group, Kind::Group)?;
        looked_at += within_it.len();
        within(Limit::GroupsWithin, looked_at)?;
        Ok(within_it)
    })
}

/// How many there are on the longest way from an object to where there is no next one, itself
/// included. Ends, as nothing leads back to itself; no way is longer than groups are nested.
fn height<E>(
    from: ObjectId,
    mut next: impl FnMut(&ObjectId) -> Result<Vec<ObjectId>, Refused<E>>,
) -> Result<usize, Refused<E>> {
    let mut height = 0;
    let mut layer = BTreeSet::from([from]);
    while !layer.is_empty() && height <= Limit::GroupDepth.most() {
        height += 1;
        let mut after = BTreeSet::new();
        for id in &layer {
            after.extend(next(id)?);
        }
        layer = after;
    }
    Ok(height)
}

/// The group is another one than before.
fn touch(group: &mut Object, revision: Revision, stamp: Stamp) {
    group.version = revision;
    group.changed = stamp;
}
