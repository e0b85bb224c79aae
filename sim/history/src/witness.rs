//! The witness check: the committed log, applied by the directory's own rules, has to explain
//! every answer, in an order that agrees with real time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use quorid_api::Reason;
use quorid_directory::{
    Change, Done, Event, Kind, LOGIN_NAME, Membership, MemoryDirectory, Object, ObjectId, Outcome,
    POSIX_NUMBER, REAL_NAME, Rejection, RequestId, Revision, Schema, UniqueKey, decide,
};
use quorid_server::state::decode_command;
use quorid_storage::Payload;

use crate::{
    linearizability::{self, Effect},
    operation::{Answer, Asked, Freshness, Operation, Shown, Which},
};

use groups::{has, others};

mod groups;

/// What was committed, by index: term and payload.
pub type CommittedLog = BTreeMap<u64, (u64, Payload)>;

/// What the check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Each is a defect.
    pub violations: Vec<String>,
    /// Operations that changed something.
    pub mutating: u64,
    /// Commands in the log.
    pub commands: u64,
}

/// Checks a whole history by the committed log, and `listed`, all accounts in the end, where
/// they are known; and by a search for a linear order, which may take as long as `patience`.
pub fn check(
    log: &CommittedLog,
    operations: &[Operation],
    listed: Option<&[Shown]>,
    patience: Option<Duration>,
) -> Checked {
    let mut checked = Checked::default();
    let Some(replay) = Replay::of(log, &mut checked) else {
        return checked;
    };
    let floors = Floors::of(operations);
    for operation in operations {
        if let Err(why) = replay.explains(operation, floors.before(operation.invoked)) {
            checked.violations.push(format!("{why}: {operation:?}"));
        }
        let request = operation.asked.request();
        if request.is_some_and(|request| replay.effects.contains_key(&request)) {
            checked.mutating += 1;
        }
    }
    if let Some(listed) = listed {
        let expected: Vec<Shown> = {
            let objects = replay.model.objects().values();
            objects
                .filter(|it| it.kind == Kind::Person)
                .map(shown)
                .collect()
        };
        if listed != expected {
            checked.violations.push(format!(
                "in the end the cluster lists {listed:?}, but its log says {expected:?}"
            ));
        }
    }
    let effect = |request| replay.effect(request);
    let not_linear = linearizability::check(operations, effect, patience);
    checked.violations.extend(not_linear);
    checked
}

/// The committed log, applied.
#[derive(Default)]
struct Replay {
    model: MemoryDirectory,
    /// The first outcome of each request.
    outcomes: BTreeMap<RequestId, Outcome>,
    /// How often a request changed an account.
    effects: BTreeMap<RequestId, u64>,
    /// Whose each unique value is.
    unique: BTreeMap<UniqueKey, Timeline<ObjectId>>,
    objects: BTreeMap<ObjectId, Timeline<Object>>,
    /// Who is a member of what now.
    memberships: BTreeSet<Membership>,
    /// The members of each group, by id.
    members: BTreeMap<ObjectId, Timeline<BTreeSet<ObjectId>>>,
    /// Who was given each number, also those that are gone.
    numbers: BTreeMap<u64, ObjectId>,
    /// The last index in the log.
    last: u64,
}

/// From which revision on it is what; nothing before the first.
type Timeline<T> = Vec<(u64, Option<T>)>;

/// What it is as of a revision.
fn as_of<T>(timeline: Option<&Timeline<T>>, revision: u64) -> Option<&T> {
    let timeline = timeline?;
    let upto = timeline.partition_point(|(index, _)| *index <= revision);
    timeline[..upto].last()?.1.as_ref()
}

impl Replay {
    fn of(log: &CommittedLog, checked: &mut Checked) -> Option<Self> {
        let mut replay = Self::default();
        for ((&index, (_, payload)), expected) in log.iter().zip(0..) {
            if index != expected {
                let why = format!("nobody was seen to commit entry {expected}");
                checked.violations.push(why);
                return None;
            }
            replay.last = index;
            let Payload::Command(bytes) = payload else {
                continue;
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
            for event in &decision.events {
                if let Some(why) = replay.breaks_a_rule(event) {
                    // What follows from it is of no use.
                    checked.violations.push(format!("entry {index}: {why}"));
                    return None;
                }
                replay.model.apply(event);
                replay.note(index, event);
            }
            let changes = |event: &Event| {
                matches!(event, Event::ObjectStored(_) | Event::ObjectRemoved { .. })
            };
            if decision.events.iter().any(changes) {
                *replay.effects.entry(request).or_default() += 1;
            }
            if let Some(why) = replay.is_half_done(&decision.events) {
                checked.violations.push(format!("entry {index}: {why}"));
                return None;
            }
            replay.outcomes.entry(request).or_insert(decision.outcome);
        }
        for (request, times) in &replay.effects {
            if *times > 1 {
                let why = format!("request {} acted {times} times", request.uuid());
                checked.violations.push(why);
            }
        }
        Some(replay)
    }

    /// The rules of ids and unique values, once more and apart from those that decided.
    fn breaks_a_rule(&self, event: &Event) -> Option<String> {
        match event {
            Event::ObjectStored(object) => {
                if let Some(why) = self.gives_a_number_again(object) {
                    return Some(why);
                }
                let last = self.objects.get(&object.id)?.last()?;
                let gone = last.1.is_none();
                gone.then(|| format!("{} was an account's before", object.id))
            }
            Event::ObjectRemoved { id } => {
                let there = as_of(self.objects.get(id), u64::MAX).is_some();
                (!there).then(|| format!("{id} was not there"))
            }
            Event::UniqueTaken { key, .. } => {
                let holder = as_of(self.unique.get(key), u64::MAX)?;
                Some(format!("{key:?} is {holder}'s already"))
            }
            Event::UniqueFreed { key } => {
                let held = as_of(self.unique.get(key), u64::MAX).is_some();
                (!held).then(|| format!("{key:?} was nobody's"))
            }
            Event::OutcomeRecorded { request, .. } => {
                let known = self.outcomes.contains_key(request);
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
            | Event::NumbersCounted { .. }
            | Event::SettingChanged(_)
            | Event::OutcomeForgotten { .. }
            | Event::FloorRaised { .. }
            | Event::ClockAdvanced { .. } => None,
        }
    }

    /// After all events of a command, an object has its unique values, and nobody has those of an
    /// object that is gone.
    fn is_half_done(&self, events: &[Event]) -> Option<String> {
        let holder = |key: &UniqueKey| as_of(self.unique.get(key), u64::MAX);
        events.iter().find_map(|event| match event {
            Event::ObjectStored(object) => {
                let mut keys = object.unique_keys(Schema::builtin());
                let other = keys.find(|(key, _)| holder(key) != Some(&object.id));
                other.map(|(key, _)| format!("{key:?} is not {}'s", object.id))
            }
            Event::ObjectRemoved { id } => {
                let mut held = self.unique.keys().filter(|key| !key.is_kept(Schema::builtin()));
                let left = held.find(|key| holder(key) == Some(id));
                let mut memberships = self.memberships.iter();
                let joined = memberships.find(|it| it.group == *id || it.member == *id);
                left.map(|key| format!("{key:?} is still {id}'s"))
                    .or_else(|| joined.map(|joined| format!("{joined:?} is still there")))
            }
            Event::UniqueTaken { .. }
            | Event::UniqueFreed { .. }
            | Event::MemberAdded(_)
            | Event::MemberRemoved(_)
            | Event::VerifierStored { .. }
            | Event::VerifierRemoved { .. }
            | Event::NumbersCounted { .. }
            | Event::SettingChanged(_)
            | Event::OutcomeRecorded { .. }
            | Event::OutcomeForgotten { .. }
            | Event::FloorRaised { .. }
            | Event::ClockAdvanced { .. } => None,
        })
    }

    fn note(&mut self, index: u64, event: &Event) {
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
            Event::MemberAdded(membership) => self.note_member(index, *membership, true),
            Event::MemberRemoved(membership) => self.note_member(index, *membership, false),
            Event::VerifierStored { .. }
            | Event::VerifierRemoved { .. }
            | Event::NumbersCounted { .. }
            | Event::SettingChanged(_)
            | Event::OutcomeRecorded { .. }
            | Event::OutcomeForgotten { .. }
            | Event::FloorRaised { .. }
            | Event::ClockAdvanced { .. } => {}
        }
    }

    /// The account as of a revision.
    fn at(&self, which: &Which, revision: u64) -> Option<&Object> {
        let id = match which {
            Which::Id(id) => id.parse::<ObjectId>().ok()?,
            Which::Name(name) => {
                let key = UniqueKey::login_name(&name.login_name);
                *as_of(self.unique.get(&key), revision)?
            }
        };
        as_of(self.objects.get(&id), revision)
    }

    /// What a request changed, where it did.
    fn effect(&self, request: RequestId) -> Option<Effect> {
        self.effects.get(&request)?;
        match &self.outcomes.get(&request)?.result {
            Ok(change) => Some(match change.done {
                Done::Created | Done::Changed => Effect::Account(shown(&change.object)),
                Done::Deleted => Effect::Deleted(change.object.id.to_string()),
            }),
            Err(_) => None,
        }
    }

    fn explains(&self, operation: &Operation, floor: u64) -> Result<(), String> {
        if let Some(revision) = operation.answer.revision()
            && revision > operation.committed
        {
            return Err("it was answered from what was not committed".to_owned());
        }
        match &operation.asked {
            Asked::Look { account, freshness } => {
                self.explains_look(account, *freshness, &operation.answer, floor)
            }
            Asked::LogIn { account, freshness } => {
                self.explains_login(account, *freshness, operation, floor)
            }
            Asked::Members { group, freshness } => {
                self.explains_members(group, *freshness, &operation.answer, floor)
            }
            Asked::Create { request, .. }
            | Asked::Rename { request, .. }
            | Asked::Edit { request, .. }
            | Asked::CreateGroup { request, .. }
            | Asked::DeleteGroup { request, .. }
            | Asked::Member { request, .. }
            | Asked::Delete { request, .. } => self.explains_change(*request, operation, floor),
        }
    }

    fn explains_look(
        &self,
        which: &Which,
        freshness: Freshness,
        answer: &Answer,
        floor: u64,
    ) -> Result<(), String> {
        let (found, revision) = match answer {
            Answer::Account { account, revision } => (Some(account), *revision),
            Answer::Rejected { reason, revision } if *reason == Reason::AccountNotFound => {
                (None, *revision)
            }
            Answer::Rejected { reason, .. } => return Err(format!("unexpected reason {reason}")),
            Answer::Deleted { .. } | Answer::Members { .. } => {
                return Err("a look-up got another answer".to_owned());
            }
            Answer::Unavailable { .. } => return Ok(()),
        };
        is_fresh(freshness, revision, floor)?;
        let expected = self.at(which, revision).map(shown);
        if found != expected.as_ref() {
            return Err(format!("at revision {revision} it was {expected:?}"));
        }
        Ok(())
    }

    fn explains_change(
        &self,
        request: RequestId,
        operation: &Operation,
        floor: u64,
    ) -> Result<(), String> {
        let outcome = self.outcomes.get(&request);
        let acted = self.effects.contains_key(&request);
        let answered = match &operation.answer {
            Answer::Unavailable { unknown: false } if acted => {
                return Err("it was said not to be done, but it was".to_owned());
            }
            Answer::Unavailable { .. } => return Ok(()),
            Answer::Rejected { .. } if outcome.is_none() => {
                return Err("the rejection is not in the log".to_owned());
            }
            answered @ (Answer::Account { .. }
            | Answer::Deleted { .. }
            | Answer::Members { .. }
            | Answer::Rejected { .. }) => answered,
        };
        let Some(outcome) = outcome else {
            return Err("an acknowledged change is lost".to_owned());
        };
        let Revision(revision) = outcome.revision;
        if revision > operation.committed {
            return Err("it was acknowledged before it was committed".to_owned());
        }
        let as_answered = match (answered, &outcome.result) {
            (
                Answer::Account {
                    account,
                    revision: told,
                },
                Ok(made),
            ) => made.done != Done::Deleted && *account == shown(&made.object) && *told == revision,
            (Answer::Deleted { revision: told }, Ok(change)) => {
                change.done == Done::Deleted && *told == revision
            }
            (
                Answer::Rejected {
                    reason,
                    revision: told,
                },
                Err(rejection),
            ) => *reason == self::reason(rejection) && *told == revision,
            _ => false,
        };
        if !as_answered {
            return Err(format!("the log says {outcome:?}"));
        }
        if let Ok(change) = &outcome.result {
            self.is_what_was_asked(&operation.asked, change, revision)?;
        }
        if revision <= floor {
            return Err(format!(
                "it took effect at revision {revision}, but {floor} was seen before it was asked"
            ));
        }
        Ok(())
    }
}

impl Replay {
    /// Whether a change, made at this revision, is the one that was asked for.
    fn is_what_was_asked(
        &self,
        asked: &Asked,
        change: &Change,
        revision: u64,
    ) -> Result<(), String> {
        let object = &change.object;
        let (which, made) = match (asked, change.done) {
            (
                Asked::Create {
                    login_name,
                    real_name,
                    numbered,
                    ..
                },
                Done::Created,
            ) => {
                let named = object.login_name() == login_name.login_name.as_str();
                let numbered = object.values(POSIX_NUMBER).is_empty() != *numbered;
                (
                    None,
                    named && numbered && object.text(REAL_NAME) == real_name,
                )
            }
            (Asked::Rename { account, to, .. }, Done::Changed) => {
                (Some(account), object.login_name() == to.login_name.as_str())
            }
            (Asked::Delete { account, .. }, Done::Deleted) => (Some(account), true),
            (
                Asked::Edit {
                    account,
                    attribute,
                    value,
                    ..
                },
                Done::Changed,
            ) => (Some(account), has(object, attribute, value.as_deref())),
            (asked, _) => (None, self.is_group_as_asked(asked, change, revision)),
        };
        let named = which.is_none_or(|which| {
            let before = self.at(which, revision.saturating_sub(1));
            before.map(|before| before.id) == Some(object.id)
        });
        if made && named {
            Ok(())
        } else {
            Err(format!("it is not what was done: {change:?}"))
        }
    }
}

/// The highest revision that anybody had heard of, by moment.
struct Floors(BTreeMap<u64, u64>);

impl Floors {
    fn of(operations: &[Operation]) -> Self {
        let mut answered: Vec<(u64, u64)> = operations
            .iter()
            .filter_map(|operation| Some((operation.returned, operation.answer.revision()?)))
            .collect();
        answered.sort_unstable();
        let mut highest = 0;
        Self(
            answered
                .into_iter()
                .map(|(moment, revision)| {
                    highest = revision.max(highest);
                    (moment, highest)
                })
                .collect(),
        )
    }

    fn before(&self, moment: u64) -> u64 {
        let last = self.0.range(..moment).next_back();
        last.map_or(0, |(_, revision)| *revision)
    }
}

fn shown(account: &Object) -> Shown {
    Shown {
        id: account.id.to_string(),
        login_name: match account.kind {
            Kind::Person => account.login_name().to_owned(),
            Kind::Group => account.group_name().to_owned(),
        },
        real_name: account.text(REAL_NAME).to_owned(),
        version: format!("{:x}", account.version.0),
        attributes: others(account),
    }
}

/// Whether an answer of this revision is as fresh as was asked for.
fn is_fresh(freshness: Freshness, revision: u64, floor: u64) -> Result<(), String> {
    let needed = match freshness {
        Freshness::Linearizable => floor,
        Freshness::AtLeast(revision) => revision,
        Freshness::Stale => 0,
    };
    if revision < needed {
        return Err(format!("stale: it had to see revision {needed}"));
    }
    Ok(())
}

/// What a client is answered.
fn reason(rejection: &Rejection) -> Reason {
    match rejection {
        Rejection::ValueTaken { attribute, .. } if attribute.number == LOGIN_NAME => {
            Reason::LoginNameTaken
        }
        Rejection::ValueTaken { .. } => Reason::ValueTaken,
        Rejection::SchemaViolation { .. } => Reason::SchemaViolation,
        Rejection::NotPermitted { .. } => Reason::NotPermitted,
        Rejection::NotFound { object } => match object.kind() {
            Kind::Person => Reason::AccountNotFound,
            Kind::Group => Reason::GroupNotFound,
        },
        Rejection::WrongKind { .. } => Reason::WrongKind,
        Rejection::GroupCycle { .. } => Reason::GroupCycle,
        Rejection::LimitExceeded { .. } => Reason::LimitExceeded,
        Rejection::VersionMismatch { .. } => Reason::EtagMismatch,
        Rejection::PasswordNeeded { .. } => Reason::PasswordNeeded,
        Rejection::PasswordChanged { .. } => Reason::WrongPassword,
        Rejection::RequestExpired { .. } => Reason::RequestExpired,
        Rejection::RequestReused { .. } => Reason::RequestReused,
        Rejection::RequestFromFuture { .. } => Reason::RequestFromFuture,
    }
}
