//! The independent check: is there an order of all changes and linearizable look-ups, one
//! after the other, that explains every answer and agrees with real time? porcupine searches
//! for it, and knows neither of the log nor of revisions; only changes whose outcome nobody
//! was told are taken from the log, or left out where it has none.

use std::{collections::BTreeMap, time::Duration};

use porcupine_rs::{CheckResult, Model, check_operations, check_operations_timeout};
use quorid_directory::RequestId;

use crate::operation::{Answer, Asked, Freshness, Operation, Shown, Which};

/// What the log says of a change whose answer got lost.
#[derive(Debug, Clone)]
pub enum Effect {
    /// The account as it was made or changed.
    Account(Shown),
    /// The account was deleted; its UUID's text.
    Deleted(String),
}

/// Checks each cell of a history for itself, and returns what is wrong. `effect` tells what
/// became of a change by the log. Without `patience` the search goes on until it ends.
pub fn check(
    operations: &[Operation],
    effect: impl Fn(RequestId) -> Option<Effect>,
    patience: Option<Duration>,
) -> Vec<String> {
    let mut cells: BTreeMap<u64, Vec<porcupine_rs::Operation<Directory>>> = BTreeMap::new();
    for operation in operations {
        if let Some(step) = step(operation, &effect) {
            cells.entry(operation.cell).or_default().push(step);
        }
    }
    let mut wrong = Vec::new();
    for (cell, steps) in cells {
        let result = match patience {
            Some(patience) => check_operations_timeout(&steps, patience),
            None if check_operations(&steps) => CheckResult::Ok,
            None => CheckResult::Illegal,
        };
        let count = steps.len();
        match result {
            CheckResult::Ok => {}
            CheckResult::Illegal => wrong.push(format!(
                "not linearizable: no order of the {count} operations of cell {cell} explains them"
            )),
            CheckResult::Unknown => wrong.push(format!(
                "no verdict on whether the {count} operations of cell {cell} are linearizable"
            )),
        }
    }
    wrong
}

/// The directory as far as one cell of names goes: accounts by login name.
#[derive(Clone, Debug)]
struct Directory;

type Accounts = BTreeMap<String, Shown>;

/// An operation with what came of it.
#[derive(Clone, Debug)]
enum Step {
    Created(Shown),
    /// The account that had this UUID or name is now this one.
    Changed(Key, Shown),
    /// The account's UUID where it is known.
    Deleted(Key, Option<String>),
    Found(Key, Shown),
    NotFound(Key),
    /// The name is another account's than the one named first.
    Taken(Option<Key>, String),
}

#[derive(Clone, Debug)]
enum Key {
    Id(String),
    Name(String),
}

impl Key {
    fn of(which: &Which) -> Self {
        match which {
            Which::Id(id) => Self::Id(id.clone()),
            Which::Name(name) => Self::Name(name.login_name.as_str().to_owned()),
        }
    }

    fn find<'a>(&self, accounts: &'a Accounts) -> Option<&'a Shown> {
        match self {
            Self::Id(id) => accounts.values().find(|account| account.id == *id),
            Self::Name(name) => accounts.get(name),
        }
    }
}

impl Model for Directory {
    type State = Accounts;
    type Op = Step;
    type Metadata = ();

    fn init() -> Accounts {
        Accounts::new()
    }

    fn step(accounts: &Accounts, step: &Step) -> (bool, Accounts) {
        let next = match step {
            Step::Created(account) => {
                let free = !accounts.contains_key(&account.login_name)
                    && Key::Id(account.id.clone()).find(accounts).is_none();
                free.then(|| with(accounts, account))
            }
            Step::Changed(key, after) => key
                .find(accounts)
                .filter(|before| {
                    let holder = accounts.get(&after.login_name);
                    before.id == after.id && holder.is_none_or(|holder| holder.id == after.id)
                })
                .map(|before| with(&without(accounts, before), after)),
            Step::Deleted(key, id) => key
                .find(accounts)
                .filter(|before| id.as_ref().is_none_or(|id| before.id == *id))
                .map(|before| without(accounts, before)),
            Step::Found(key, account) => {
                (key.find(accounts) == Some(account)).then(|| accounts.clone())
            }
            Step::NotFound(key) => key.find(accounts).is_none().then(|| accounts.clone()),
            Step::Taken(key, name) => {
                let own = key.as_ref().map(|key| key.find(accounts));
                let taken = match (own, accounts.get(name)) {
                    (Some(Some(own)), Some(holder)) => own.id != holder.id,
                    (None, Some(_)) => true,
                    (Some(None), _) | (_, None) => false,
                };
                taken.then(|| accounts.clone())
            }
        };
        next.map_or_else(|| (false, Accounts::new()), |next| (true, next))
    }
}

fn with(accounts: &Accounts, account: &Shown) -> Accounts {
    let mut accounts = accounts.clone();
    accounts.insert(account.login_name.clone(), account.clone());
    accounts
}

fn without(accounts: &Accounts, account: &Shown) -> Accounts {
    let mut accounts = accounts.clone();
    accounts.remove(&account.login_name);
    accounts
}

/// None for what says nothing of a linear order.
fn step(
    operation: &Operation,
    effect: &impl Fn(RequestId) -> Option<Effect>,
) -> Option<porcupine_rs::Operation<Directory>> {
    let mut returned = operation.returned;
    let step = match (&operation.asked, &operation.answer) {
        (Asked::Look { freshness, .. }, _) if *freshness != Freshness::Linearizable => None,
        (Asked::Look { account, .. }, Answer::Account { account: found, .. }) => {
            Some(Step::Found(Key::of(account), found.clone()))
        }
        (Asked::Create { .. }, Answer::Account { account, .. }) => {
            Some(Step::Created(account.clone()))
        }
        (Asked::Rename { account, .. }, Answer::Account { account: after, .. }) => {
            Some(Step::Changed(Key::of(account), after.clone()))
        }
        (Asked::Delete { account, .. }, Answer::Deleted { .. }) => {
            Some(Step::Deleted(Key::of(account), None))
        }
        (asked, Answer::Rejected { reason, .. }) => rejected(asked, reason),
        (asked, Answer::Unavailable { unknown: true }) => {
            // It may have been made at any time since.
            returned = u64::MAX >> 1;
            asked.request().and_then(effect).map(|effect| {
                let key = match asked {
                    Asked::Rename { account, .. }
                    | Asked::Delete { account, .. }
                    | Asked::Look { account, .. } => Some(Key::of(account)),
                    Asked::Create { .. } => None,
                };
                match (key, effect) {
                    (None, Effect::Account(account)) => Step::Created(account),
                    (Some(key), Effect::Account(after)) => Step::Changed(key, after),
                    (Some(key), Effect::Deleted(id)) => Step::Deleted(key, Some(id)),
                    (None, Effect::Deleted(id)) => Step::Deleted(Key::Id(id), None),
                }
            })
        }
        (_, Answer::Unavailable { unknown: false }) => None,
        // An answer to another question: nothing explains it.
        (_, Answer::Account { account, .. }) => {
            Some(Step::Changed(Key::Name(String::new()), account.clone()))
        }
        (_, Answer::Deleted { .. }) => Some(Step::Deleted(Key::Name(String::new()), None)),
    };
    let time = |moment: u64| i64::try_from(moment).unwrap_or(i64::MAX);
    Some(porcupine_rs::Operation {
        client_id: None,
        call_time: time(operation.invoked),
        return_time: time(returned),
        op: step?,
        metadata: None,
    })
}

fn rejected(asked: &Asked, reason: &str) -> Option<Step> {
    match (reason, asked) {
        (
            "ACCOUNT_NOT_FOUND",
            Asked::Rename { account, .. }
            | Asked::Delete { account, .. }
            | Asked::Look { account, .. },
        ) => Some(Step::NotFound(Key::of(account))),
        ("LOGIN_NAME_TAKEN", Asked::Create { login_name, .. }) => {
            Some(Step::Taken(None, login_name.login_name.as_str().to_owned()))
        }
        ("LOGIN_NAME_TAKEN", Asked::Rename { account, to, .. }) => Some(Step::Taken(
            Some(Key::of(account)),
            to.login_name.as_str().to_owned(),
        )),
        // What a request id is used for is the witness's matter.
        _ => None,
    }
}
