//! The rules of requests: each is executed once, and its outcome kept for a while.

use crate::command::{Command, Fingerprint, Operation};
use crate::deleted::end_due;
use crate::event::{Accepted, Change, Event, Outcome, Reply};
use crate::execute::{Refused, execute};
use crate::id::RequestId;
use crate::level::Level;
use crate::model::{Revision, Stamp, Time};
use crate::object::Object;
use crate::planted::{PlantedBug, is_planted};
use crate::rejection::Rejection;
use crate::settings::Setting;
use crate::view::{KeptChange, View};

/// What to answer and what to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// The object that it is about, where that was executed now: as it is then, or as it last was.
    pub object: Option<Object>,
    /// Events to store together, in this order.
    pub events: Vec<Event>,
}

impl Decision {
    /// Nothing is executed.
    fn only(outcome: Outcome, events: Vec<Event>) -> Self {
        Self {
            outcome,
            object: None,
            events,
        }
    }

    /// What is to be answered.
    pub fn reply(self) -> Reply {
        Reply {
            outcome: self.outcome,
            object: self.object,
        }
    }
}

/// How long outcomes and changes are kept. Every server of a cluster must have the same numbers: they
/// decide what is in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The most outcomes.
    pub outcomes_max: u64,
    /// The greatest age of a request whose outcome is kept, ms.
    pub age_max_ms: u64,
    /// How far a client's clock may be ahead of the directory's, ms.
    pub ahead_max_ms: u64,
    /// The most outcomes, and the most changes, that one command makes forgotten, so that none takes
    /// long after a pause. More than one, so that what is due does get less.
    pub forgotten_max: usize,
    /// The greatest age of a change that is kept, ms, whatever the settings say.
    pub history_ms: u64,
    /// The most room that the changes take that are kept, bytes, whatever the settings say.
    pub history_bytes: u64,
}

impl Retention {
    /// The numbers that [`decide`] goes by: about a quarter of a million outcomes, a quarter of
    /// an hour, five minutes; changes as the settings say.
    pub const STANDARD: Self = Self {
        outcomes_max: 262_144,
        age_max_ms: 900_000,
        ahead_max_ms: 300_000,
        forgotten_max: 4,
        history_ms: u64::MAX,
        history_bytes: u64::MAX,
    };
}

/// Executes a command on paper. `revision` is its own: higher than that of any command before.
///
/// The result depends on the state and the command alone, however commands are batched.
pub fn decide<V: View>(
    view: &V,
    revision: Revision,
    command: &Command,
) -> Result<Decision, V::Error> {
    decide_with(&Retention::STANDARD, view, revision, command)
}

/// [`decide`] with other numbers, for tests and simulations.
pub fn decide_with<V: View>(
    retention: &Retention,
    view: &V,
    revision: Revision,
    command: &Command,
) -> Result<Decision, V::Error> {
    let needed = command.level();
    if needed > view.level()? && !is_planted(PlantedBug::FieldIgnored) {
        return decide_beyond(view, revision, command.time, needed);
    }
    let fingerprint = command.fingerprint();
    let (now, mut events) = advance_clock(view, command.time)?;
    let answer = |result| Outcome {
        fingerprint,
        revision,
        result,
    };

    if let Some(known) = view.outcome(&command.request)?
        && !is_planted(PlantedBug::RequestActsAgain)
    {
        let outcome = if known.fingerprint == fingerprint {
            known
        } else {
            answer(Err(reused(command)))
        };
        return Ok(Decision::only(outcome, events));
    }
    if let Err(rejection) = check_request_time(retention, view.floor()?, now, command.request) {
        let outcome = answer(Err(rejection));
        return Ok(Decision::only(outcome, events));
    }

    if id_is_in_use(view, &command.operation)? {
        let outcome = answer(Err(reused(command)));
        return Ok(Decision::only(outcome, events));
    }

    let stamp = Stamp {
        time: now,
        actor: command.principal.actor(),
        client: command.client.clone(),
    };
    let (mut object, mut recorded) = (None, None);
    let result = match execute(
        view,
        revision,
        stamp,
        &command.principal,
        &command.operation,
    ) {
        Ok(executed) => {
            events.extend(executed.events);
            recorded = executed.record;
            Ok(match executed.object {
                None => Accepted::Directory,
                Some((done, changed)) => {
                    let change = Change::of(done, &changed);
                    object = Some(changed);
                    Accepted::Object(change)
                }
            })
        }
        Err(Refused::Unreadable(error)) => return Err(error),
        // Who asks isn't part of what is asked for: the same request may come again from somebody who
        // may, or with the right password.
        Err(Refused::Rejected(rejection)) if rejection.may_pass() => {
            let outcome = answer(Err(rejection));
            return Ok(Decision::only(outcome, events));
        }
        Err(Refused::Rejected(rejection)) => Err(rejection),
    };
    let outcome = answer(result);
    end_due(view, now, &mut events)?;
    events.push(Event::OutcomeRecorded {
        request: command.request,
        outcome: outcome.clone(),
    });
    forget(retention, view, now, command.request, &mut events)?;
    let bytes = recorded.as_ref().map_or(0, |record| record.bytes());
    events.extend(recorded.map(|record| Event::ChangeRecorded { revision, record }));
    forget_changes(retention, view, now, bytes, &mut events)?;
    Ok(Decision {
        outcome,
        object,
        events,
    })
}

/// What becomes of a command that needs a level that the directory is not at. That takes nothing but the
/// time of the command, so that a server that cannot read the rest comes to the same.
pub fn decide_beyond<V: View>(
    view: &V,
    revision: Revision,
    time: Time,
    needed: Level,
) -> Result<Decision, V::Error> {
    let (_, events) = advance_clock(view, time)?;
    let is = view.level()?;
    let outcome = Outcome {
        fingerprint: Fingerprint::from_bytes([0; 16]), // It is not kept, and so never compared.
        revision,
        result: Err(Rejection::FeatureLevel { needed, is }),
    };
    Ok(Decision::only(outcome, events))
}

/// The directory's time, now that there is a command of this time; and the event, if that changes it.
fn advance_clock<V: View>(view: &V, time: Time) -> Result<(Time, Vec<Event>), V::Error> {
    let clock = view.clock()?;
    let now = clock.max(time);
    let advanced = (now > clock).then_some(Event::ClockAdvanced { now });
    Ok((now, advanced.into_iter().collect()))
}

fn reused(command: &Command) -> Rejection {
    Rejection::RequestReused {
        request: command.request,
    }
}

/// The leader gave a new object an id that is in use. Ids are random, so this should never be
/// seen; but if it is, nothing is executed and nothing recorded, and a new request gets another id.
fn id_is_in_use<V: View>(view: &V, operation: &Operation) -> Result<bool, V::Error> {
    match operation {
        Operation::Create { id, .. } => {
            Ok(view.object(id)?.is_some() || view.tombstone(id)?.is_some())
        }
        Operation::Change { .. }
        | Operation::Delete { .. }
        | Operation::Members { .. }
        | Operation::Restore { .. }
        | Operation::Purge { .. }
        | Operation::FreeName { .. }
        | Operation::Configure(_)
        | Operation::Revert { .. }
        | Operation::DefineAttribute { .. }
        | Operation::RaiseLevel { .. } => Ok(false),
    }
}

/// For a request that isn't known: whether it may be executed.
fn check_request_time(
    retention: &Retention,
    floor: Time,
    now: Time,
    request: RequestId,
) -> Result<(), Rejection> {
    let time = request.time();
    if time <= floor {
        return Err(Rejection::RequestExpired { time, floor });
    }
    if time.0 > now.0.saturating_add(retention.ahead_max_ms) {
        return Err(Rejection::RequestFromFuture { time, now });
    }
    Ok(())
}

/// Forgets the oldest outcomes, `recorded` among them, while they are too many or too old. A
/// retry of what is forgotten is refused, as the floor rises with it.
fn forget<V: View>(
    retention: &Retention,
    view: &V,
    now: Time,
    recorded: RequestId,
    events: &mut Vec<Event>,
) -> Result<(), V::Error> {
    let oldest_kept = Time(now.0.saturating_sub(retention.age_max_ms));
    let mut count = view.outcome_count()? + 1;
    let is_due =
        |request: &RequestId, count| count > retention.outcomes_max || request.time() < oldest_kept;
    // To look at one costs less, and mostly none is due.
    let mut oldest = view.oldest_outcomes(1)?;
    oldest.push(recorded);
    if !oldest.iter().any(|request| is_due(request, count)) {
        return Ok(());
    }
    let mut oldest = view.oldest_outcomes(retention.forgotten_max)?;
    oldest.push(recorded);
    oldest.sort_unstable();

    let mut floor = view.floor()?;
    for request in oldest.into_iter().take(retention.forgotten_max) {
        if !is_due(&request, count) {
            break;
        }
        events.push(Event::OutcomeForgotten { request });
        count -= 1;
        if request.time() > floor {
            floor = request.time();
            events.push(Event::FloorRaised { floor });
        }
    }
    Ok(())
}

/// Forgets the oldest changes while they are too old or take too much room, now that there are `added`
/// bytes more.
fn forget_changes<V: View>(
    retention: &Retention,
    view: &V,
    now: Time,
    added: u64,
    events: &mut Vec<Event>,
) -> Result<(), V::Error> {
    let age_max = view.setting(Setting::History)?.min(retention.history_ms);
    let bytes_max = view.setting(Setting::HistoryBytes)?;
    let bytes_max = bytes_max.min(retention.history_bytes);
    let oldest_kept = Time(now.0.saturating_sub(age_max));
    let mut bytes = view.changes_bytes()? + added;
    let is_due = |change: &KeptChange, bytes| bytes > bytes_max || change.time < oldest_kept;
    // To look at one costs less, and mostly none is due.
    let oldest = view.oldest_changes(1)?;
    if !oldest.iter().any(|change| is_due(change, bytes)) {
        return Ok(());
    }
    for change in view.oldest_changes(retention.forgotten_max)? {
        if !is_due(&change, bytes) {
            break;
        }
        let revision = change.revision;
        events.push(Event::ChangeForgotten { revision });
        bytes -= change.bytes;
    }
    Ok(())
}
