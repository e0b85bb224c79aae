//! The committed log, applied once more, and what every object was as of every revision.

use std::collections::{BTreeMap, BTreeSet};

use quorid_directory::{
    Accepted, Change, Done, Event, Level, Membership, MemoryDirectory, Object, ObjectId, Recorded,
    Rejection, Reply, RequestId, Revision, UniqueKey, decide,
};
use quorid_server::state::{decode_command, level_of_membership};
use quorid_storage::Payload;

use super::{Checked, CommittedLog, kept::Kept, shown};
use crate::{
    linearizability::Effect,
    operation::{Asked, Operation, Which},
    worker::PASSWORDS,
};

/// The committed log, applied.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) model: MemoryDirectory,
    /// What each request was told: by those outcomes that were not kept, and by the one that was.
    pub(super) outcomes: BTreeMap<RequestId, Vec<Told>>,
    /// The requests that have an outcome which was kept.
    pub(super) recorded: BTreeSet<RequestId>,
    /// The password of each account, as far as a client gave it.
    pub(super) passwords: BTreeMap<ObjectId, Timeline<&'static str>>,
    /// The password that each request gives.
    given: BTreeMap<RequestId, &'static str>,
    /// The feature level.
    pub(super) levels: Timeline<Level>,
    /// How often a request changed an account.
    pub(super) effects: BTreeMap<RequestId, u64>,
    /// Whose each unique value is.
    pub(super) unique: BTreeMap<UniqueKey, Timeline<ObjectId>>,
    pub(super) objects: BTreeMap<ObjectId, Timeline<Object>>,
    /// Who is a member of what now.
    pub(super) memberships: BTreeSet<Membership>,
    /// The members of each group, by id.
    pub(super) members: BTreeMap<ObjectId, Timeline<BTreeSet<ObjectId>>>,
    /// What is kept of those that are gone.
    pub(super) kept: Kept,
    /// Who was given each number, also those that are gone.
    pub(super) numbers: BTreeMap<u64, ObjectId>,
    /// The changes, by revision, also those that are forgotten: as they were recorded.
    pub(super) changes: BTreeMap<u64, Recorded>,
    /// The changes of which only that they were is kept, and at which index that began.
    pub(super) redacted: BTreeMap<u64, u64>,
    /// The changes that are forgotten, and at which index they were.
    pub(super) forgotten: BTreeMap<u64, u64>,
    /// The last index in the log.
    pub(super) last: u64,
}

/// What a request was told first.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) revision: Revision,
    /// None: it changed the directory, and no object.
    pub(super) result: Result<Option<Made>, Rejection>,
}

/// What was done to which object.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) done: Done,
    pub(super) object: Object,
}

impl Told {
    fn of(reply: Reply) -> Self {
        let Reply { outcome, object } = reply;
        Self {
            revision: outcome.revision,
            result: outcome.result.map(|accepted| match (accepted, object) {
                (Accepted::Object(Change { done, .. }), Some(object)) => {
                    Some(Made { done, object })
                }
                (Accepted::Object(_) | Accepted::Directory, _) => None,
            }),
        }
    }
}

/// From which revision on it is what; nothing before the first.
pub(super) type Timeline<T> = Vec<(u64, Option<T>)>;

/// What it is as of a revision.
pub(super) fn as_of<T>(timeline: Option<&Timeline<T>>, revision: u64) -> Option<&T> {
    let timeline = timeline?;
    let upto = timeline.partition_point(|(index, _)| *index <= revision);
    timeline[..upto].last()?.1.as_ref()
}

impl Replay {
    pub(super) fn of(
        log: &CommittedLog,
        operations: &[Operation],
        checked: &mut Checked,
    ) -> Option<Self> {
        let mut replay = Self {
            given: operations.iter().filter_map(gives).collect(),
            ..Self::default()
        };
        for ((&index, (_, payload)), expected) in log.iter().zip(0..) {
            if index != expected {
                let why = format!("nobody was seen to commit entry {expected}");
                checked.violations.push(why);
                return None;
            }
            replay.last = index;
            let bytes = match payload {
                Payload::Command(bytes) => bytes,
                Payload::Membership(bytes) if index == 0 => {
                    let level = level_of_membership(bytes).ok()?;
                    replay.model = MemoryDirectory::at_level(level);
                    replay.levels.push((index, Some(level)));
                    continue;
                }
                Payload::Blank | Payload::Membership(_) => continue,
            };
            checked.commands += 1;
            let command = match decode_command(bytes) {
                Ok(command) => command,
                Err(fault) => {
                    let why = format!("committed entry {index} is no command: {fault}");
                    checked.violations.push(why);
                    return None;
                }
            };
            let request = command.request;
            let Ok(decision) = decide(&replay.model, Revision(index), &command);
            if let Some(why) = replay.acts_without_a_right(&command, &decision.outcome) {
                checked.violations.push(format!("entry {index}: {why}"));
            }
            replay
                .kept
                .begin(&command, decision.outcome.result.is_err());
            for event in &decision.events {
                if let Some(why) = replay.breaks_a_rule(event) {
                    // What follows from it is of no use.
                    checked.violations.push(format!("entry {index}: {why}"));
                    return None;
                }
                replay.model.apply(event);
                replay.note(index, request, event);
            }
            let changes = |event: &Event| {
                matches!(
                    event,
                    Event::ObjectStored(_)
                        | Event::ObjectRemoved { .. }
                        | Event::ChangeRecorded { .. }
                        | Event::AttributeDefined(_)
                )
            };
            if decision.events.iter().any(changes) {
                *replay.effects.entry(request).or_default() += 1;
            }
            if let Some(why) = replay.is_half_done(&decision.events) {
                checked.violations.push(format!("entry {index}: {why}"));
                return None;
            }
            if let Some(why) = Self::is_not_recorded(&decision.events) {
                checked.violations.push(format!("entry {index}: {why}"));
            }
            let outcomes = replay.outcomes.entry(request).or_default();
            let is_told = |told: &Told| told.revision == decision.outcome.revision;
            if !outcomes.iter().any(is_told) {
                outcomes.push(Told::of(decision.reply()));
            }
        }
        for (request, times) in &replay.effects {
            if *times > 1 {
                let why = format!("request {} acted {times} times", request.uuid());
                checked.violations.push(why);
            }
        }
        Some(replay)
    }

    fn note(&mut self, index: u64, request: RequestId, event: &Event) {
        let level = as_of(Some(&self.levels), index).copied();
        self.kept.note(level.unwrap_or_default(), event);
        let mut object = |id: ObjectId, now: Option<&Object>| {
            let timeline = self.objects.entry(id).or_default();
            timeline.push((index, now.cloned()));
        };
        let mut unique = |key: &UniqueKey, holder| {
            let timeline = self.unique.entry(key.clone()).or_default();
            timeline.push((index, holder));
        };
        match event {
            Event::ObjectStored(now) => {
                object(now.id, Some(now));
                self.note_numbers(now);
            }
            Event::ObjectRemoved { id } => object(*id, None),
            Event::UniqueTaken { key, holder } => unique(key, Some(*holder)),
            Event::UniqueFreed { key } => unique(key, None),
            Event::LevelRaised { to } => self.levels.push((index, Some(*to))),
            Event::OutcomeRecorded { request, .. } => drop(self.recorded.insert(*request)),
            Event::MemberAdded(membership) => self.note_member(index, *membership, true),
            Event::MemberRemoved(membership) => self.note_member(index, *membership, false),
            Event::VerifierStored { id, .. } => {
                let password = self.given.get(&request).copied();
                self.passwords
                    .entry(*id)
                    .or_default()
                    .push((index, password));
            }
            Event::VerifierRemoved { id } => {
                self.passwords.entry(*id).or_default().push((index, None));
            }
            Event::ChangeRecorded { revision, record } => {
                self.changes.insert(revision.0, Recorded::clone(record));
            }
            Event::ChangeForgotten { revision } => drop(self.forgotten.insert(revision.0, index)),
            Event::ChangeRedacted { revision } => drop(self.redacted.insert(revision.0, index)),
            Event::NumbersCounted { .. }
            | Event::TombstoneStored(_)
            | Event::TombstoneRemoved { .. }
            | Event::FormerAdded { .. }
            | Event::FormerRemoved { .. }
            | Event::NameReserved { .. }
            | Event::ReservationEnded { .. }
            | Event::SettingChanged(_)
            | Event::AttributeDefined(_)
            | Event::OutcomeForgotten { .. }
            | Event::ClockSet { .. } => {}
        }
    }

    /// The account as of a revision.
    pub(super) fn at(&self, which: &Which, revision: u64) -> Option<&Object> {
        let id = match which {
            Which::Id(id) => id.parse::<ObjectId>().ok()?,
            Which::Name(name) => {
                let key = UniqueKey::login_name(&name.login_name);
                *as_of(self.unique.get(&key), revision)?
            }
        };
        let object = as_of(self.objects.get(&id), revision);
        // A name may stay the one's who had it last.
        object.filter(|object| match which {
            Which::Id(_) => true,
            Which::Name(name) => object.login_name() == name.login_name.as_str(),
        })
    }

    /// What a request changed, where it did.
    pub(super) fn effect(&self, request: RequestId) -> Option<Effect> {
        self.effects.get(&request)?;
        let mut told = self.outcomes.get(&request)?.iter();
        match &told.find(|told| told.result.is_ok())?.result {
            Ok(Some(change)) => Some(match change.done {
                Done::Created | Done::Changed | Done::Restored => {
                    Effect::Account(shown(&change.object))
                }
                Done::Deleted | Done::Purged => Effect::Deleted(change.object.id.to_string()),
            }),
            Ok(None) | Err(_) => None,
        }
    }
}

/// The password that a request gives an account.
fn gives(operation: &Operation) -> Option<(RequestId, &'static str)> {
    match &operation.asked {
        Asked::Create { request, .. } => Some((*request, PASSWORDS[0])),
        Asked::SetPassword {
            request, password, ..
        } => Some((*request, password)),
        Asked::Rename { .. }
        | Asked::Delete { .. }
        | Asked::Edit { .. }
        | Asked::CreateGroup { .. }
        | Asked::DeleteGroup { .. }
        | Asked::Member { .. }
        | Asked::Members { .. }
        | Asked::Define { .. }
        | Asked::Restore { .. }
        | Asked::Purge { .. }
        | Asked::FreeName { .. }
        | Asked::Keep { .. }
        | Asked::RaiseLevel
        | Asked::LogIn { .. }
        | Asked::Look { .. } => None,
    }
}
