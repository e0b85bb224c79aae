//! What must hold of the events of every command, apart from the rules that decided on them.

use quorid_directory::{
    Event, LOGIN_NAME, Membership, Object, ObjectId, Objects as _, RequestId, UniqueKey,
};

use super::replay::{Replay, as_of};

/// An event that a rule is about.
enum Ruled<'e> {
    /// An object as it is now; none: it is gone.
    Object(ObjectId, Option<&'e Object>),
    /// Whose a unique value is now; none: it is free.
    Unique(&'e UniqueKey, Option<ObjectId>),
    /// Whether an object is a member of a group now.
    Member(&'e Membership, bool),
    /// A request has an outcome.
    Outcome(&'e RequestId),
}

impl<'e> Ruled<'e> {
    fn of(event: &'e Event) -> Option<Self> {
        Some(match event {
            Event::ObjectStored(object) => Self::Object(object.id, Some(object)),
            Event::ObjectRemoved { id } => Self::Object(*id, None),
            Event::UniqueTaken { key, holder } => Self::Unique(key, Some(*holder)),
            Event::UniqueFreed { key } => Self::Unique(key, None),
            Event::MemberAdded(membership) => Self::Member(membership, true),
            Event::MemberRemoved(membership) => Self::Member(membership, false),
            Event::OutcomeRecorded {
                request,
                outcome: _,
            } => Self::Outcome(request),
            Event::VerifierStored { .. }
            | Event::VerifierRemoved { .. }
            | Event::TombstoneStored(_)
            | Event::TombstoneRemoved { .. }
            | Event::FormerAdded { .. }
            | Event::FormerRemoved { .. }
            | Event::NameReserved { .. }
            | Event::ReservationEnded { .. }
            | Event::ChangeRedacted { .. }
            | Event::NumbersCounted { .. }
            | Event::SettingChanged(_)
            | Event::AttributeDefined(_)
            | Event::LevelRaised { .. }
            | Event::ChangeRecorded { .. }
            | Event::ChangeForgotten { .. }
            | Event::OutcomeForgotten { .. }
            | Event::ClockSet { .. } => return None,
        })
    }
}

impl Replay {
    /// The rules of ids and unique values, once more and apart from those that decided.
    pub(super) fn breaks_a_rule(&self, event: &Event) -> Option<String> {
        match Ruled::of(event)? {
            Ruled::Object(id, Some(object)) => {
                if let Some(why) = self.gives_a_number_again(object) {
                    return Some(why);
                }
                let last = self.objects.get(&id)?.last()?;
                let gone = last.1.is_none() && !self.kept.has(&id);
                gone.then(|| format!("{id} was an account's before"))
            }
            Ruled::Object(id, None) => {
                let there = as_of(self.objects.get(&id), u64::MAX).is_some();
                (!there).then(|| format!("{id} was not there"))
            }
            Ruled::Unique(key, Some(holder)) => match as_of(self.unique.get(key), u64::MAX) {
                Some(other) => Some(format!("{key:?} is {other}'s already")),
                None => self.kept.breaks_a_rule(self.model.schema(), key, holder),
            },
            Ruled::Unique(key, None) => {
                let held = as_of(self.unique.get(key), u64::MAX).is_some();
                (!held).then(|| format!("{key:?} was nobody's"))
            }
            Ruled::Outcome(request) => {
                let known = self.recorded.contains(request);
                known.then(|| format!("request {} has an outcome already", request.uuid()))
            }
            Ruled::Member(membership, is_now) => {
                let was = self.memberships.contains(membership);
                let before = if was {
                    "is there already"
                } else {
                    "was not there"
                };
                (was == is_now).then(|| format!("{membership:?} {before}"))
            }
        }
    }

    /// After all events of a command, an object has its unique values, and nobody has those of an
    /// object that is gone.
    pub(super) fn is_half_done(&self, events: &[Event]) -> Option<String> {
        let holder = |key: &UniqueKey| as_of(self.unique.get(key), u64::MAX);
        events.iter().find_map(|event| match Ruled::of(event)? {
            Ruled::Object(id, Some(object)) => {
                let mut keys = object.unique_keys(self.model.schema());
                let other = keys.find(|(key, _)| holder(key) != Some(&id));
                other.map(|(key, _)| format!("{key:?} is not {id}'s"))
            }
            Ruled::Object(id, None) => {
                // A login name may stay reserved, and all of it kept, for who is gone.
                let all_kept = self.kept.has(&id);
                let mut held = self.unique.keys().filter(|key| {
                    let kept = key.is_kept(self.model.schema()) || key.attribute == LOGIN_NAME;
                    !kept && !all_kept
                });
                let left = held.find(|key| holder(key) == Some(&id));
                let mut memberships = self.memberships.iter();
                let joined = memberships.find(|it| it.group == id || it.member == id);
                left.map(|key| format!("{key:?} is still {id}'s"))
                    .or_else(|| joined.map(|joined| format!("{joined:?} is still there")))
            }
            Ruled::Unique(..) | Ruled::Member(..) | Ruled::Outcome(_) => None,
        })
    }
}
