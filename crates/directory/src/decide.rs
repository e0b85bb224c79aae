//! The rules: what a command changes, and what is answered.

use crate::command::{Command, Operation, Proof, Selector, VerifierChange};
use crate::event::{Change, Event, Outcome};
use crate::id::RequestId;
use crate::model::{Account, Revision, Stamp, Time};
use crate::name::LoginName;
use crate::rejection::Rejection;
use crate::view::View;

/// What to answer and what to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// To be stored together, in this order.
    pub events: Vec<Event>,
}

/// How long outcomes are kept. Every server of a cluster must have the same numbers: they
/// decide what is in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The most outcomes.
    pub outcomes_max: u64,
    /// The greatest age of a request whose outcome is kept, ms.
    pub age_max_ms: u64,
    /// How far a client's clock may be ahead of the directory's, ms.
    pub ahead_max_ms: u64,
    /// The most outcomes that one command makes forgotten, so that none takes long after a
    /// pause. More than one, so that what is due does get less.
    pub forgotten_max: usize,
}

impl Retention {
    /// The numbers that [`decide`] goes by: about a quarter of a million outcomes, a quarter of
    /// an hour, five minutes.
    pub const STANDARD: Self = Self {
        outcomes_max: 262_144,
        age_max_ms: 900_000,
        ahead_max_ms: 300_000,
        forgotten_max: 4,
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
    let fingerprint = command.fingerprint();
    let clock = view.clock()?;
    let now = clock.max(command.time);
    let mut events = Vec::new();
    if now > clock {
        events.push(Event::ClockAdvanced { now });
    }
    let answer = |result| Outcome {
        fingerprint,
        revision,
        result,
    };

    if let Some(known) = view.outcome(&command.request)? {
        let outcome = if known.fingerprint == fingerprint {
            known
        } else {
            answer(Err(reused(command)))
        };
        return Ok(Decision { outcome, events });
    }
    if let Err(rejection) = check_request_time(retention, view.floor()?, now, command.request) {
        let outcome = answer(Err(rejection));
        return Ok(Decision { outcome, events });
    }

    if id_is_in_use(view, &command.operation)? {
        let outcome = answer(Err(reused(command)));
        return Ok(Decision { outcome, events });
    }

    let stamp = Stamp {
        time: now,
        client: command.client.clone(),
    };
    let (result, event) = match execute(view, revision, stamp, command)? {
        Ok((change, event)) => (Ok(change), event),
        Err(rejection) => (Err(rejection), None),
    };
    events.extend(event);
    let outcome = answer(result);
    events.push(Event::OutcomeRecorded {
        request: command.request,
        outcome: outcome.clone(),
    });
    forget(retention, view, now, command.request, &mut events)?;
    Ok(Decision { outcome, events })
}

fn reused(command: &Command) -> Rejection {
    Rejection::RequestReused {
        request: command.request,
    }
}

/// The leader gave a new account an id that is in use. Ids are random, so this should never be
/// seen; but if it is, nothing is executed and nothing recorded, and a new request gets another id.
fn id_is_in_use<V: View>(view: &V, operation: &Operation) -> Result<bool, V::Error> {
    match operation {
        Operation::Create { id, .. } => Ok(view.account(id)?.is_some()),
        Operation::Modify { .. } | Operation::Delete { .. } => Ok(false),
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

/// What is done, and the event if that changes anything.
type Executed = Result<(Change, Option<Event>), Rejection>;

fn execute<V: View>(
    view: &V,
    revision: Revision,
    stamp: Stamp,
    command: &Command,
) -> Result<Executed, V::Error> {
    match &command.operation {
        Operation::Create {
            id,
            login_name,
            real_name,
            verifier,
        } => {
            if let Err(taken) = check_free(view, login_name)? {
                return Ok(Err(taken));
            }
            let account = Account {
                id: *id,
                login_name: login_name.clone(),
                real_name: real_name.clone(),
                created: stamp.clone(),
                changed: stamp,
                version: revision,
                verifier: verifier.clone(),
                verifier_version: verifier.as_ref().map_or(Revision(0), |_| revision),
            };
            let event = Event::AccountCreated(account.clone());
            Ok(Ok((Change::Created(account), Some(event))))
        }
        Operation::Modify {
            account,
            expected_version,
            proof,
            login_name,
            real_name,
            verifier,
        } => {
            let before = match permitted(view, account, *expected_version, *proof)? {
                Ok(before) => before,
                Err(rejection) => return Ok(Err(rejection)),
            };
            let mut after = before.clone();
            if let Some(name) = login_name.as_ref().filter(|n| **n != before.login_name) {
                if let Err(taken) = check_free(view, name)? {
                    return Ok(Err(taken));
                }
                after.login_name = name.clone();
            }
            if let Some(name) = real_name {
                after.real_name = name.clone();
            }
            match verifier {
                VerifierChange::Keep => {}
                VerifierChange::Set(verifier) => after.verifier = Some(verifier.clone()),
                VerifierChange::Remove => after.verifier = None,
            }
            if after == before {
                return Ok(Ok((Change::Modified(before), None)));
            }
            if after.verifier != before.verifier {
                after.verifier_version = revision;
            }
            after.version = revision;
            after.changed = stamp;
            let event = Event::AccountModified {
                before_login: before.login_name,
                after: after.clone(),
            };
            Ok(Ok((Change::Modified(after), Some(event))))
        }
        Operation::Delete {
            account,
            expected_version,
            proof,
        } => {
            let account = match permitted(view, account, *expected_version, *proof)? {
                Ok(account) => account,
                Err(rejection) => return Ok(Err(rejection)),
            };
            let event = Event::AccountDeleted {
                id: account.id,
                login_name: account.login_name.clone(),
            };
            Ok(Ok((Change::Deleted(account), Some(event))))
        }
    }
}

/// The account that is to be changed, if it is there, as expected, and the client may.
fn permitted<V: View>(
    view: &V,
    selector: &Selector,
    expected_version: Option<Revision>,
    proof: Proof,
) -> Result<Result<Account, Rejection>, V::Error> {
    let Some(account) = select(view, selector)? else {
        let account = selector.clone();
        return Ok(Err(Rejection::AccountNotFound { account }));
    };
    let checked =
        check_version(&account, expected_version).and_then(|()| check_proof(&account, proof));
    Ok(checked.map(|()| account))
}

fn select<V: View>(view: &V, selector: &Selector) -> Result<Option<Account>, V::Error> {
    match selector {
        Selector::Id(id) => view.account(id),
        Selector::LoginName(name) => {
            let Some(id) = view.account_id(name)? else {
                return Ok(None);
            };
            let account = view.account(&id)?;
            assert!(
                account.is_some(),
                "login name `{name}` leads to account {id}, which isn't there"
            );
            Ok(account)
        }
    }
}

fn check_version(account: &Account, expected: Option<Revision>) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != account.version => Err(Rejection::VersionMismatch {
            account: account.id,
            expected,
            actual: account.version,
        }),
        Some(_) | None => Ok(()),
    }
}

fn check_proof(account: &Account, proof: Proof) -> Result<(), Rejection> {
    let account_id = account.id;
    match proof {
        Proof::Operator => Ok(()),
        Proof::NotNeeded if account.verifier.is_none() => Ok(()),
        Proof::NotNeeded => Err(Rejection::PasswordNeeded {
            account: account_id,
        }),
        Proof::Password { verifier_version }
            if account.verifier.is_some() && account.verifier_version == verifier_version =>
        {
            Ok(())
        }
        Proof::Password { .. } => Err(Rejection::PasswordChanged {
            account: account_id,
        }),
    }
}

fn check_free<V: View>(view: &V, name: &LoginName) -> Result<Result<(), Rejection>, V::Error> {
    Ok(match view.account_id(name)? {
        Some(holder) => Err(Rejection::LoginNameTaken {
            login_name: name.clone(),
            holder,
        }),
        None => Ok(()),
    })
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
    let mut oldest = view.oldest_outcomes(retention.forgotten_max)?;
    oldest.push(recorded);
    oldest.sort_unstable();

    let mut count = view.outcome_count()? + 1;
    let mut floor = view.floor()?;
    for request in oldest.into_iter().take(retention.forgotten_max) {
        if count <= retention.outcomes_max && request.time() >= oldest_kept {
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
