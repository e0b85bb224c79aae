//! The directory in memory: the reference that a storage is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::command::Command;
use crate::decide::decide;
use crate::deleted::{Due, Ends, Reserved, Tombstone};
use crate::event::{Event, Outcome, Reply};
use crate::history::History;
use crate::id::{ObjectId, RequestId};
use crate::level::Level;
use crate::members::{Membership, all_groups_of};
use crate::model::{Revision, Time, Verifier};
use crate::object::{IndexKey, Kind, Object, UniqueKey};
use crate::recorded::Recorded;
use crate::schema::Schema;
use crate::settings::Setting;
use crate::view::{KeptChange, Objects, View};

/// All of the state, in maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryDirectory {
    schema: Schema,
    objects: BTreeMap<ObjectId, Object>,
    unique: BTreeMap<UniqueKey, ObjectId>,
    verifiers: BTreeMap<ObjectId, Verifier>,
    memberships: BTreeSet<Membership>,
    tombstones: BTreeMap<ObjectId, Tombstone>,
    former: BTreeSet<(ObjectId, Membership)>,
    reserved: BTreeMap<Reserved, Time>,
    due: BTreeSet<Due>,
    outcomes: BTreeMap<RequestId, Outcome>,
    changes: BTreeMap<Revision, Recorded>,
    mentions: BTreeSet<(ObjectId, Revision)>,
    changes_bytes: u64,
    changes_floor: Revision,
    next_number: u64,
    settings: BTreeMap<Setting, u64>,
    level: Level,
    clock: Time,
}

impl MemoryDirectory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty directory that is at another feature level than the highest one.
    pub fn at_level(level: Level) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }

    /// Decides, applies the events and gives the answer.
    pub fn execute(&mut self, revision: Revision, command: &Command) -> Reply {
        let Ok(decision) = decide(self, revision, command);
        for event in &decision.events {
            self.apply(event);
        }
        decision.reply()
    }

    /// Stores one event.
    ///
    /// # Panics
    /// If the event doesn't fit the state: then it was decided on another one.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::ObjectStored(object) => {
                self.objects.insert(object.id, object.clone());
            }
            Event::ObjectRemoved { id } => {
                let before = self.objects.remove(id);
                assert!(before.is_some(), "no object {id} to remove");
            }
            Event::UniqueTaken { key, holder } => {
                let before = self.unique.insert(key.clone(), *holder);
                assert!(before.is_none(), "{key:?} has a holder already");
            }
            Event::UniqueFreed { key } => {
                let before = self.unique.remove(key);
                assert!(before.is_some(), "no holder of {key:?}");
            }
            Event::VerifierStored { id, verifier } => {
                self.verifiers.insert(*id, verifier.clone());
            }
            Event::VerifierRemoved { id } => {
                let before = self.verifiers.remove(id);
                assert!(before.is_some(), "no verifier of {id} to remove");
            }
            Event::MemberAdded(membership) => {
                let new = self.memberships.insert(*membership);
                assert!(new, "{membership:?} is there already");
            }
            Event::MemberRemoved(membership) => {
                let there = self.memberships.remove(membership);
                assert!(there, "no {membership:?} to remove");
            }
            Event::TombstoneStored(tombstone) => self.bury(tombstone),
            Event::TombstoneRemoved { id } => {
                let tombstone = self.tombstones.remove(id).expect("a tombstone to remove");
                let (time, ends) = (tombstone.until, Ends::Tombstone(*id));
                assert!(self.due.remove(&Due { time, ends }), "it would have ended");
            }
            Event::FormerAdded { gone, membership } => {
                let new = self.former.insert((*gone, *membership));
                assert!(new, "{membership:?} ended before");
            }
            Event::FormerRemoved { gone, membership } => {
                let there = self.former.remove(&(*gone, *membership));
                assert!(there, "no {membership:?} that ended with {gone}");
            }
            Event::NameReserved { reserved, until } => {
                let before = self.reserved.insert(reserved.clone(), *until);
                assert!(before.is_none(), "{reserved:?} is reserved already");
                let ends = Ends::Reservation(reserved.clone());
                self.due.insert(Due { time: *until, ends });
            }
            Event::ReservationEnded { reserved } => {
                let until = self.reserved.remove(reserved);
                let time = until.expect("a reservation to end");
                let ends = Ends::Reservation(reserved.clone());
                assert!(self.due.remove(&Due { time, ends }), "it would have ended");
            }
            Event::AttributeDefined(row) => self.schema = self.schema.with(row.clone()),
            Event::ChangeRecorded { revision, record } => self.record(*revision, record),
            Event::ChangeRedacted { revision } => {
                let recorded = self.changes.get_mut(revision);
                let recorded = recorded.expect("a change to redact");
                self.changes_bytes -= recorded.bytes();
                let record = recorded.object().expect("it is of an object");
                *recorded = Recorded::Object(record.redacted());
                self.changes_bytes += recorded.bytes();
            }
            Event::ChangeForgotten { revision } => self.forget(*revision),
            Event::NumbersCounted { next } => {
                assert!(*next > self.next_number, "numbers are only counted up");
                self.next_number = *next;
            }
            Event::SettingChanged(change) => {
                match change.value() {
                    Some(value) => self.settings.insert(change.setting(), value),
                    None => self.settings.remove(&change.setting()),
                };
            }
            Event::LevelRaised { to } => {
                assert!(*to > self.level, "the level only rises");
                self.level = *to;
            }
            Event::OutcomeRecorded { request, outcome } => {
                let before = self.outcomes.insert(*request, outcome.clone());
                assert!(before.is_none(), "request {request} has an outcome already");
            }
            Event::OutcomeForgotten { request } => {
                let before = self.outcomes.remove(request);
                assert!(before.is_some(), "no outcome of {request} to forget");
            }
            Event::ClockSet { now } => self.clock = *now,
        }
    }

    fn bury(&mut self, tombstone: &Tombstone) {
        let id = tombstone.object.id;
        let before = self.tombstones.insert(id, tombstone.clone());
        assert!(before.is_none(), "{id} is deleted already");
        let (time, ends) = (tombstone.until, Ends::Tombstone(id));
        self.due.insert(Due { time, ends });
    }

    fn record(&mut self, revision: Revision, record: &Recorded) {
        let last = self.changes.last_key_value();
        assert!(last.is_none_or(|(last, _)| *last < revision), "in order");
        self.changes_bytes += record.bytes();
        let mentions = record.mentions().map(|id| (id, revision));
        self.mentions.extend(mentions);
        self.changes.insert(revision, record.clone());
    }

    fn forget(&mut self, revision: Revision) {
        let oldest = self.changes.pop_first();
        let (oldest, record) = oldest.expect("a change to forget");
        assert_eq!(oldest, revision, "the oldest change is forgotten first");
        self.changes_bytes -= record.bytes();
        self.changes_floor = revision;
        for id in record.mentions() {
            self.mentions.remove(&(id, revision));
        }
    }

    /// The changes that are kept.
    pub fn changes(&self) -> &BTreeMap<Revision, Recorded> {
        &self.changes
    }

    /// Which changes concern which objects, besides those of their own chains.
    pub fn all_mentions(&self) -> &BTreeSet<(ObjectId, Revision)> {
        &self.mentions
    }

    /// Changes up to this revision are forgotten; 0: none.
    pub fn changes_floor(&self) -> Revision {
        self.changes_floor
    }

    /// All objects, by id.
    pub fn objects(&self) -> &BTreeMap<ObjectId, Object> {
        &self.objects
    }

    /// Whose each unique value is.
    pub fn unique(&self) -> &BTreeMap<UniqueKey, ObjectId> {
        &self.unique
    }

    /// The verifiers of those who have a password.
    pub fn verifiers(&self) -> &BTreeMap<ObjectId, Verifier> {
        &self.verifiers
    }

    /// Who is a member of which group.
    pub fn memberships(&self) -> &BTreeSet<Membership> {
        &self.memberships
    }

    /// What is left of deleted objects.
    pub fn tombstones(&self) -> &BTreeMap<ObjectId, Tombstone> {
        &self.tombstones
    }

    /// The memberships that ended with objects, each with the one that is gone.
    pub fn all_former(&self) -> &BTreeSet<(ObjectId, Membership)> {
        &self.former
    }

    /// The values that nobody has and that are reserved, and until when.
    pub fn reserved(&self) -> &BTreeMap<Reserved, Time> {
        &self.reserved
    }

    /// What ends by itself.
    pub fn all_due(&self) -> &BTreeSet<Due> {
        &self.due
    }

    /// The outcomes that are kept, by request id.
    pub fn outcomes(&self) -> &BTreeMap<RequestId, Outcome> {
        &self.outcomes
    }

    /// Checks what holds after any commands: each unique value has the holder that has it, those who
    /// have a password have a verifier, memberships are of objects that are there, no group is a
    /// member of itself, and nothing is newer than its last change.
    ///
    /// # Panics
    /// If something of it doesn't.
    pub fn assert_whole(&self) {
        let mut unique = BTreeMap::new();
        for (id, object) in &self.objects {
            assert_eq!(*id, object.id);
            assert!(object.created.time <= object.changed.time);
            assert!(object.password_version <= Some(object.version));
            assert_eq!(
                object.password_version.is_some(),
                self.verifiers.contains_key(id)
            );
            for (key, _) in object.unique_keys(&self.schema) {
                assert_eq!(unique.insert(key, *id), None);
            }
        }
        for (id, tombstone) in &self.tombstones {
            let object = &tombstone.object;
            assert_eq!(*id, object.id);
            assert!(!self.objects.contains_key(id), "{id} is there and deleted");
            assert_eq!(
                object.password_version.is_some(),
                tombstone.verifier.is_some()
            );
            for (key, _) in object.unique_keys(&self.schema) {
                assert_eq!(unique.insert(key, *id), None);
            }
        }
        for reserved in self.reserved.keys() {
            assert_eq!(unique.insert(reserved.key.clone(), reserved.owner), None);
        }
        for (gone, membership) in &self.former {
            assert!(self.tombstones.contains_key(gone), "{gone} is not deleted");
            assert!([membership.group, membership.member].contains(gone));
        }
        let of_tombstones = self.tombstones.iter().map(|(id, tombstone)| Due {
            time: tombstone.until,
            ends: Ends::Tombstone(*id),
        });
        let of_names = self.reserved.iter().map(|(reserved, until)| Due {
            time: *until,
            ends: Ends::Reservation(reserved.clone()),
        });
        assert_eq!(
            of_tombstones.chain(of_names).collect::<BTreeSet<_>>(),
            self.due
        );
        let kept = |key: &UniqueKey| key.is_kept(&self.schema);
        for (key, id) in self.unique.iter().filter(|(key, _)| kept(key)) {
            unique.entry(key.clone()).or_insert(*id);
        }
        assert_eq!(unique, self.unique);
        assert!(
            self.verifiers
                .keys()
                .all(|id| self.objects.contains_key(id))
        );
        for Membership {
            group,
            kind,
            member,
        } in &self.memberships
        {
            let kind_of = |id| self.objects.get(id).map(|object| object.kind);
            assert_eq!(kind_of(group), Some(Kind::Group));
            assert_eq!(kind_of(member), Some(*kind));
            let Ok(outer) = all_groups_of(group, |id| self.groups_of(id));
            assert!(!outer.contains(group), "{group} is a member of itself");
        }
        self.assert_history();
    }

    /// The last change of each object is there, and of the one before that, until they are forgotten.
    fn assert_history(&self) {
        for (id, object) in &self.objects {
            let mut version = Some(object.version);
            while let Some(revision) = version.filter(|version| *version > self.changes_floor) {
                let record = self.changes.get(&revision).and_then(Recorded::object);
                let record = record.expect("the change that made this version");
                assert!(record.changed(id), "{revision} is no change of {id}");
                version = record.previous_of(id);
                assert!(version.is_none_or(|before| before < revision));
            }
        }
        let mut mentions = BTreeSet::new();
        for (revision, record) in &self.changes {
            mentions.extend(record.mentions().map(|id| (id, *revision)));
            assert!(*revision > self.changes_floor);
        }
        assert_eq!(mentions, self.mentions);
        let bytes = self.changes.values().map(Recorded::bytes);
        assert_eq!(bytes.sum::<u64>(), self.changes_bytes);
    }
}

impl Objects for MemoryDirectory {
    type Error = Infallible;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn object(&self, id: &ObjectId) -> Result<Option<Object>, Infallible> {
        Ok(self.objects.get(id).cloned())
    }

    fn holder(&self, key: &UniqueKey) -> Result<Option<ObjectId>, Infallible> {
        Ok(self.unique.get(key).copied())
    }

    fn groups_of(&self, member: &ObjectId) -> Result<Vec<ObjectId>, Infallible> {
        let of = self.memberships.iter().filter(|it| it.member == *member);
        Ok(of.map(|membership| membership.group).collect())
    }

    fn tombstone(&self, id: &ObjectId) -> Result<Option<Tombstone>, Infallible> {
        Ok(self.tombstones.get(id).cloned())
    }

    fn former(&self, gone: &ObjectId) -> Result<Vec<Membership>, Infallible> {
        let of = self.former.iter().filter(|(of, _)| of == gone);
        Ok(of.map(|(_, membership)| *membership).collect())
    }

    fn groups_within(&self, group: &ObjectId) -> Result<Vec<ObjectId>, Infallible> {
        self.members(group, Kind::Group, usize::MAX)
    }

    fn indexed(&self, key: &IndexKey) -> Result<Vec<ObjectId>, Infallible> {
        let has_it = |object: &&Object| object.index_keys(&self.schema).contains(key);
        let objects = self.objects.values().filter(has_it);
        Ok(objects.map(|object| object.id).collect())
    }
}

impl History for MemoryDirectory {
    fn recorded(&self, revision: Revision) -> Result<Option<Recorded>, Infallible> {
        Ok(self.changes.get(&revision).cloned())
    }

    fn mentions(
        &self,
        id: &ObjectId,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<Revision>, Infallible> {
        let before = before.unwrap_or(Revision(u64::MAX));
        let range = self.mentions.range((*id, Revision(0))..(*id, before));
        let revisions = range.rev().map(|(_, revision)| *revision);
        Ok(revisions.take(limit).collect())
    }
}

impl View for MemoryDirectory {
    fn is_member(&self, membership: &Membership) -> Result<bool, Infallible> {
        Ok(self.memberships.contains(membership))
    }

    fn members(
        &self,
        group: &ObjectId,
        kind: Kind,
        limit: usize,
    ) -> Result<Vec<ObjectId>, Infallible> {
        let of_kind = |it: &&Membership| it.group == *group && it.kind == kind;
        let of = self.memberships.iter().filter(of_kind);
        let members = of.map(|membership| membership.member);
        Ok(members.take(limit).collect())
    }

    fn verifier(&self, id: &ObjectId) -> Result<Option<Verifier>, Infallible> {
        Ok(self.verifiers.get(id).cloned())
    }

    fn next_number(&self) -> Result<u64, Infallible> {
        Ok(self.next_number)
    }

    fn reserved_until(&self, reserved: &Reserved) -> Result<Option<Time>, Infallible> {
        Ok(self.reserved.get(reserved).copied())
    }

    fn reserved_of(&self, owner: &ObjectId) -> Result<Vec<(UniqueKey, Time)>, Infallible> {
        let of = self.reserved.iter().filter(|(it, _)| it.owner == *owner);
        Ok(of.map(|(it, until)| (it.key.clone(), *until)).collect())
    }

    fn due(&self, limit: usize) -> Result<Vec<Due>, Infallible> {
        Ok(self.due.iter().take(limit).cloned().collect())
    }

    fn setting(&self, setting: Setting) -> Result<u64, Infallible> {
        let value = self.settings.get(&setting).copied();
        Ok(value.unwrap_or(setting.default_value()))
    }

    fn level(&self) -> Result<Level, Infallible> {
        Ok(self.level)
    }

    fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Infallible> {
        Ok(self.outcomes.get(request).cloned())
    }

    fn oldest_outcomes(&self, limit: usize) -> Result<Vec<RequestId>, Infallible> {
        Ok(self.outcomes.keys().take(limit).copied().collect())
    }

    fn changes_bytes(&self) -> Result<u64, Infallible> {
        Ok(self.changes_bytes)
    }

    fn oldest_changes(&self, limit: usize) -> Result<Vec<KeptChange>, Infallible> {
        let oldest = self.changes.iter().take(limit);
        Ok(oldest
            .map(|(revision, record)| KeptChange {
                revision: *revision,
                time: record.stamp().time,
                bytes: record.bytes(),
            })
            .collect())
    }

    fn clock(&self) -> Result<Time, Infallible> {
        Ok(self.clock)
    }
}
