//! What must hold of the events of every command, apart from the rules that decided on them.

use quorid_directory::{Event, LOGIN_NAME, Objects as _, UniqueKey};

use super::replay::{Replay, as_of};

impl Replay {
    /// The rules of ids and unique values, once more and apart from those that decided.
    pub(super) fn breaks_a_rule(&self, event: &Event) -> Option<String> {
        match event {
            Event::ObjectStored(object) => {
                if let Some(why) = self.gives_a_number_again(object) {
                    return Some(why);
                }
                let last = self.objects.get(&object.id)?.last()?;
                let gone = last.1.is_none() && !self.kept.has(&object.id);
                gone.then(|| format!("{} was an account's before", object.id))
            }
            Event::ObjectRemoved { id } => {
                let there = as_of(self.objects.get(id), u64::MAX).is_some();
                (!there).then(|| format!("{id} was not there"))
            }
            Event::UniqueTaken { key, holder } => match as_of(self.unique.get(key), u64::MAX) {
                Some(other) => Some(format!("{key:?} is {other}'s already")),
                None => self.kept.breaks_a_rule(self.model.schema(), key, *holder),
            },
            Event::UniqueFreed { key } => {
                let held = as_of(self.unique.get(key), u64::MAX).is_some();
                (!held).then(|| format!("{key:?} was nobody's"))
            }
            Event::OutcomeRecorded { request, .. } => {
                let known = self.recorded.contains(request);
                known.then(|| format!("request {} has an outcome already", request.uuid()))
            }
            Event::MemberAdded(membership) => {
                let there = self.memberships.contains(membership);
                there.then(|| format!("{membership:?} is there already"))
            }
            Event::MemberRemoved(membership) => {
                let there = self.memberships.contains(membership);
                (!there).then(|| format!("{membership:?} was not there"))
            }
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
            | Event::FloorRaised { .. }
            | Event::ClockAdvanced { .. } => None,
        }
    }

    /// After all events of a command, an object has its unique values, and nobody has those of an
    /// object that is gone.
    pub(super) fn is_half_done(&self, events: &[Event]) -> Option<String> {
        let holder = |key: &UniqueKey| as_of(self.unique.get(key), u64::MAX);
        events.iter().find_map(|event| match event {
            Event::ObjectStored(object) => {
                let mut keys = object.unique_keys(self.model.schema());
                let other = keys.find(|(key, _)| holder(key) != Some(&object.id));
                other.map(|(key, _)| format!("{key:?} is not {}'s", object.id))
            }
            Event::ObjectRemoved { id } => {
                // A login name may stay reserved, and all of it kept, for who is gone.
                let all_kept = self.kept.has(id);
                let mut held = self.unique.keys().filter(|key| {
                    let kept = key.is_kept(self.model.schema()) || key.attribute == LOGIN_NAME;
                    !kept && !all_kept
                });
                let left = held.find(|key| holder(key) == Some(id));
                let mut memberships = self.memberships.iter();
                let joined = memberships.find(|it| it.group == *id || it.member == *id);
                left.map(|key| format!("{key:?} is still {id}'s"))
                    .or_else(|| joined.map(|joined| format!("{joined:?} is still there")))
            }
            Event::UniqueTaken { .. }
            | Event::UniqueFreed { .. }
            | Event::TombstoneStored(_)
            | Event::TombstoneRemoved { .. }
            | Event::FormerAdded { .. }
            | Event::FormerRemoved { .. }
            | Event::NameReserved { .. }
            | Event::ReservationEnded { .. }
            | Event::ChangeRedacted { .. }
            | Event::MemberAdded(_)
            | Event::MemberRemoved(_)
            | Event::VerifierStored { .. }
            | Event::VerifierRemoved { .. }
            | Event::NumbersCounted { .. }
            | Event::SettingChanged(_)
            | Event::AttributeDefined(_)
            | Event::LevelRaised { .. }
            | Event::ChangeRecorded { .. }
            | Event::ChangeForgotten { .. }
            | Event::OutcomeRecorded { .. }
            | Event::OutcomeForgotten { .. }
            | Event::FloorRaised { .. }
            | Event::ClockAdvanced { .. } => None,
        })
    }
}
