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

/// How long outcomes and changes are kept, and by which clock. Every server of a cluster must have the same
/// numbers: they decide what is in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// For how many revisions a request is known: its outcome is kept until the directory is so far beyond
    /// the revision that its id begins with.
    pub window: u64,
    /// How far a leader's clock may be behind the directory's time for the latter to wait, ms. One that is
    /// further behind is right, and the directory's time was wrong.
    pub behind_max_ms: u64,
    /// The most outcomes, and the most changes, that one command makes forgotten, so that none takes
    /// long after a pause. More than one, so that what is due does get less.
    pub forgotten_max: usize,
    /// The greatest age of a change that is kept, ms, whatever the settings say.
    pub history_ms: u64,
    /// The most room that the changes take that are kept, bytes, whatever the settings say.
    pub history_bytes: u64,
}

impl Retention {
    /// The numbers that [`decide`] goes by: requests of the last quarter of a million revisions, ten seconds;
    /// changes as the settings say.
    pub const STANDARD: Self = Self {
        window: 262_144,
        behind_max_ms: 10_000,
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
        return beyond(retention, view, revision, command.time, needed);
    }
    let fingerprint = command.fingerprint();
    let (now, mut events) = set_clock(retention, view, command.time)?;
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
    if let Err(rejection) = retention.check(command.request, revision) {
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
    forget(retention, view, revision, &mut events)?;
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
    beyond(&Retention::STANDARD, view, revision, time, needed)
}

fn beyond<V: View>(
    retention: &Retention,
    view: &V,
    revision: Revision,
    time: Time,
    needed: Level,
) -> Result<Decision, V::Error> {
    let (_, events) = set_clock(retention, view, time)?;
    let is = view.level()?;
    let outcome = Outcome {
        fingerprint: Fingerprint::from_bytes([0; 16]), // It is not kept, and so never compared.
        revision,
        result: Err(Rejection::FeatureLevel { needed, is }),
    };
    Ok(Decision::only(outcome, events))
}

/// The directory's time, now that there is a command of this time; and the event, if that changes it.
///
/// The clocks of two leaders differ a little: then the directory's time waits, and changes are in the order
/// of their times. After one that was wrong it goes back.
fn set_clock<V: View>(
    retention: &Retention,
    view: &V,
    time: Time,
) -> Result<(Time, Vec<Event>), V::Error> {
    let clock = view.clock()?;
    let behind = clock.0.saturating_sub(time.0);
    let now = match behind > retention.behind_max_ms {
        true => time,
        false => clock.max(time),
    };
    let set = (now != clock).then_some(Event::ClockSet { now });
    Ok((now, set.into_iter().collect()))
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

impl Retention {
    /// Requests that begin with an older revision than this are refused: their outcomes may be forgotten.
    fn oldest(&self, revision: Revision) -> Revision {
        Revision(revision.0.saturating_sub(self.window))
    }

    /// For a request whose outcome isn't there: whether a command of this revision may execute it. If it
    /// was executed before, that was after the revision that it begins with.
    pub fn check(&self, request: RequestId, revision: Revision) -> Result<(), Rejection> {
        let (seen, oldest) = (request.seen(), self.oldest(revision));
        if seen < oldest {
            return Err(Rejection::RequestExpired { seen, oldest });
        }
        if seen >= revision {
            return Err(Rejection::RequestFromFuture { seen, revision });
        }
        Ok(())
    }
}

/// Forgets the oldest outcomes that are no longer asked for: such a request is refused.
fn forget<V: View>(
    retention: &Retention,
    view: &V,
    revision: Revision,
    events: &mut Vec<Event>,
) -> Result<(), V::Error> {
    let oldest_kept = retention.oldest(revision);
    let is_due = |request: &RequestId| request.seen() < oldest_kept;
    // To look at one costs less, and mostly none is due.
    if !view.oldest_outcomes(1)?.iter().any(is_due) {
        return Ok(());
    }
    let oldest = view.oldest_outcomes(retention.forgotten_max)?;
    let due = oldest.into_iter().filter(is_due);
    events.extend(due.map(|request| Event::OutcomeForgotten { request }));
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
