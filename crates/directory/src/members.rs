//! The rules of groups: who may be a member of what.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::change_record::{ChangeRecord, GroupLeft, MemberChange};
use crate::command::Selector;
use crate::event::{Done, Event};
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
    /// Memberships that are looked at to judge the new ones of one change.
    MembershipsLookedAt,
    /// Attributes that a site adds.
    SiteAttributes,
    /// Bytes of all attributes of one object.
    ObjectBytes,
    /// Former login names that are reserved for one account.
    ReservedNames,
}

impl Limit {
    /// The most that is allowed.
    pub const fn most(self) -> usize {
        match self {
            Self::GroupDepth => 8,
            Self::GroupsOfOne => 1_000,
            Self::MembershipsLookedAt => 100_000,
            Self::Numbers => 4_294_967_294,
            Self::SiteAttributes => 256,
            Self::ObjectBytes => 65_536,
            Self::ReservedNames => 16,
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
                "the directory has no number up to {most} left to give; give one that is free"
            ),
            Self::ObjectBytes => write!(
                f,
                "the attributes would have more than {most} bytes together; shorten some or clear them"
            ),
            Self::ReservedNames => write!(
                f,
                "the account would have more than {most} former login names reserved for it; give it one of \
                 these, or have an operator free some"
            ),
            Self::SiteAttributes => write!(
                f,
                "a site may add {most} attributes at most; use one that is there"
            ),
            Self::MembershipsLookedAt => write!(
                f,
                "to judge this change, more than {most} memberships would have to be looked at; \
                 name fewer members at once"
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
    let (mut events, mut members) = (Vec::new(), Vec::new());
    let mut judge = Judge::of(view, group.id);
    for (membership, added) in changes {
        let is_member = view.is_member(&membership)?;
        if is_member != added {
            members.push(MemberChange {
                kind: membership.kind,
                member: membership.member,
                added,
            });
        }
        match (is_member, added) {
            (false, true) => {
                judge.may_join(&membership)?;
                events.push(Event::MemberAdded(membership));
            }
            (true, false) => events.push(Event::MemberRemoved(membership)),
            (true, true) | (false, false) => {}
        }
    }
    if events.is_empty() {
        return Ok(Executed::nothing(group));
    }
    let before = group.clone();
    touch(&mut group, revision, stamp);
    events.insert(0, Event::ObjectStored(group.clone()));
    let record = ChangeRecord {
        members,
        ..ChangeRecord::between(Some(&before), &group)
    };
    Ok(Executed::object(Done::Changed, group, record, events))
}

/// What an object leaves.
pub(crate) struct Left {
    /// Its memberships, and those of its members.
    pub(crate) memberships: Vec<Membership>,
    /// The groups that it was a member of, each another one than before.
    pub(crate) touched: Vec<Event>,
    /// The same groups.
    pub(crate) groups: Vec<GroupLeft>,
}

/// What becomes of memberships when an object is removed: it has no members, and is none.
pub(crate) fn leave<V: View>(
    view: &V,
    revision: Revision,
    stamp: &Stamp,
    gone: &Object,
) -> Result<Left, Refused<V::Error>> {
    let (mut memberships, mut touched, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for group in view.groups_of(&gone.id)? {
        memberships.push(Membership {
            group,
            kind: gone.kind,
            member: gone.id,
        });
        if let Some(mut group) = view.object(&group)? {
            groups.push(GroupLeft {
                group: group.id,
                previous: group.version,
            });
            touch(&mut group, revision, stamp.clone());
            touched.push(Event::ObjectStored(group));
        }
    }
    if gone.kind == Kind::Group {
        for &kind in Kind::ALL {
            let members = view.members(&gone.id, kind, usize::MAX)?;
            memberships.extend(members.into_iter().map(|member| Membership {
                group: gone.id,
                kind,
                member,
            }));
        }
    }
    Ok(Left {
        memberships,
        touched,
        groups,
    })
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
        // Sorted once, which is faster than a set that is kept in order.
        let mut outer = Vec::new();
        for member in &next {
            outer.append(&mut groups_of(member)?);
        }
        outer.sort_unstable();
        outer.dedup();
        outer.retain(|group| known.insert(*group));
        found.extend(&outer);
        next = outer;
    }
    Ok(found)
}

/// Memberships that are to come together.
#[derive(Default)]
pub(crate) struct Joining {
    groups_of: BTreeMap<ObjectId, Vec<ObjectId>>,
    groups_within: BTreeMap<ObjectId, Vec<ObjectId>>,
    /// What was read of the groups that there are: the same ones are met on many ways.
    read: RefCell<BTreeMap<ObjectId, Vec<ObjectId>>>,
}

impl Joining {
    pub(crate) fn add(&mut self, membership: &Membership) {
        let Membership {
            group,
            kind,
            member,
        } = *membership;
        self.groups_of.entry(member).or_default().push(group);
        if kind == Kind::Group {
            self.groups_within.entry(group).or_default().push(member);
        }
    }

    /// The groups that an object is in, and those that it joins.
    fn all_groups_of<V: View>(&self, view: &V, id: &ObjectId) -> Result<Vec<ObjectId>, V::Error> {
        if let Some(groups) = self.read.borrow().get(id) {
            return Ok(groups.clone());
        }
        let mut groups = view.groups_of(id)?;
        groups.extend(self.groups_of.get(id).into_iter().flatten());
        self.read.borrow_mut().insert(*id, groups.clone());
        Ok(groups)
    }

    fn groups_within(&self, group: &ObjectId) -> impl Iterator<Item = ObjectId> {
        self.groups_within.get(group).into_iter().flatten().copied()
    }
}

/// Judges the new members of one group: no cycles, and all within their limits.
pub(crate) struct Judge<'v, V> {
    view: &'v V,
    group: ObjectId,
    /// Memberships that are not there yet, but come with the new one.
    joining: Option<&'v Joining>,
    /// The group and all that it is a member of, and how high they go; once they are needed.
    outer: Option<(BTreeSet<ObjectId>, usize)>,
    looked_at: usize,
}

impl<'v, V: View> Judge<'v, V> {
    fn of(view: &'v V, group: ObjectId) -> Self {
        Self {
            view,
            group,
            joining: None,
            outer: None,
            looked_at: 0,
        }
    }

    /// Of memberships that come back together. They were all there before, however many they are.
    pub(crate) fn of_restored(view: &'v V, group: ObjectId, joining: &'v Joining) -> Self {
        Self {
            joining: Some(joining),
            ..Self::of(view, group)
        }
    }

    pub(crate) fn group(&self) -> ObjectId {
        self.group
    }

    pub(crate) fn may_join(&mut self, membership: &Membership) -> Result<(), Refused<V::Error>> {
        let (group, member) = (self.group, membership.member);
        let (outer, height) = match self.outer.take() {
            Some(outer) => outer,
            None => self.around(group)?,
        };
        if membership.kind == Kind::Group {
            if outer.contains(&member) {
                return Err(Refused::Rejected(Rejection::GroupCycle { group, member }));
            }
            within(Limit::GroupDepth, height + self.height_within(member)?)?;
        }
        let groups = all_groups_of(&member, |id| self.groups_of(id))?;
        let others = groups.iter().filter(|group| !outer.contains(group)).count();
        within(Limit::GroupsOfOne, outer.len() + others)?;
        self.outer = Some((outer, height));
        Ok(())
    }

    /// A group and all that it is a member of, and the longest chain of these.
    fn around(
        &mut self,
        group: ObjectId,
    ) -> Result<(BTreeSet<ObjectId>, usize), Refused<V::Error>> {
        let outer = all_groups_of(&group, |id| self.groups_of(id))?;
        let height = height(group, |id| self.groups_of(id))?;
        Ok((outer.into_iter().chain([group]).collect(), height))
    }

    /// How many groups the longest chain of members in the group has, itself included.
    fn height_within(&mut self, group: ObjectId) -> Result<usize, Refused<V::Error>> {
        height(group, |group| {
            let left = Limit::MembershipsLookedAt
                .most()
                .saturating_sub(self.looked_at);
            let limit = match self.joining {
                Some(_) => usize::MAX,
                None => left + 1,
            };
            let mut within_it = self.view.members(group, Kind::Group, limit)?;
            within_it.extend(
                self.joining
                    .into_iter()
                    .flat_map(|it| it.groups_within(group)),
            );
            self.look_at(within_it.len())?;
            Ok(within_it)
        })
    }

    fn groups_of(&mut self, id: &ObjectId) -> Result<Vec<ObjectId>, Refused<V::Error>> {
        if let Some(joining) = self.joining {
            return Ok(joining.all_groups_of(self.view, id)?);
        }
        let groups = self.view.groups_of(id)?;
        self.look_at(groups.len())?;
        Ok(groups)
    }

    fn look_at(&mut self, memberships: usize) -> Result<(), Refused<V::Error>> {
        if self.joining.is_some() {
            return Ok(());
        }
        self.looked_at += memberships;
        within(Limit::MembershipsLookedAt, self.looked_at)
    }
}

pub(crate) fn within<E>(limit: Limit, count: usize) -> Result<(), Refused<E>> {
    match count <= limit.most() {
        true => Ok(()),
        false => Err(Refused::Rejected(Rejection::LimitExceeded { limit })),
    }
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
pub(crate) fn touch(group: &mut Object, revision: Revision, stamp: Stamp) {
    group.version = revision;
    group.changed = stamp;
}
