//! The independent check: is there an order of all changes and linearizable look-ups, one
//! after the other, that explains every answer and agrees with real time? porcupine searches
//! for it, and knows neither of the log nor of revisions; only changes whose outcome nobody
//! was told are taken from the log, or left out where it has none.

use std::{collections::BTreeMap, time::Duration};

use porcupine_rs::{CheckResult, Model, check_operations, check_operations_timeout};
use quorid_api::Reason;
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
    let keeps = operations
        .iter()
        .any(|operation| matches!(operation.asked, Asked::Keep { .. }));
    for operation in operations {
        if let Some(step) = step(operation, keeps, &effect) {
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
    /// Who is kept out must not get this.
    LoggedIn(Key, Shown),
    /// The account is kept out.
    KeptOut(Key),
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
            Step::LoggedIn(key, account) => {
                let let_in = key.find(accounts) == Some(account) && !account.is_disabled();
                let_in.then(|| accounts.clone())
            }
            Step::KeptOut(key) => {
                let kept_out = key.find(accounts).is_some_and(Shown::is_disabled);
                kept_out.then(|| accounts.clone())
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

/// None for what says nothing of a linear order. `keeps`: names may be kept that nobody has.
fn step(
    operation: &Operation,
    keeps: bool,
    effect: &impl Fn(RequestId) -> Option<Effect>,
) -> Option<porcupine_rs::Operation<Directory>> {
    let mut returned = operation.returned;
    let step = match (&operation.asked, &operation.answer) {
        // The witness alone judges groups, the schema and the level.
        (
            Asked::CreateGroup { .. }
            | Asked::DeleteGroup { .. }
            | Asked::Member { .. }
            | Asked::Members { .. }
            | Asked::Define { .. }
            | Asked::Purge { .. }
            | Asked::FreeName { .. }
            | Asked::Keep { .. }
            | Asked::RaiseLevel,
            _,
        ) => None,
        (Asked::Look { freshness, .. } | Asked::LogIn { freshness, .. }, _)
            if *freshness != Freshness::Linearizable =>
        {
            None
        }
        (Asked::LogIn { account, .. }, Answer::Account { account: found, .. }) => {
            Some(Step::LoggedIn(Key::of(account), found.clone()))
        }
        (Asked::Look { account, .. }, Answer::Account { account: found, .. }) => {
            Some(Step::Found(Key::of(account), found.clone()))
        }
        (Asked::Create { .. } | Asked::Restore { .. }, Answer::Account { account, .. }) => {
            Some(Step::Created(account.clone()))
        }
        (
            Asked::Rename { account, .. }
            | Asked::Edit { account, .. }
            | Asked::SetPassword { account, .. },
            Answer::Account { account: after, .. },
        ) => Some(Step::Changed(Key::of(account), after.clone())),
        (Asked::Delete { account, .. }, Answer::Deleted { .. }) => {
            Some(Step::Deleted(Key::of(account), None))
        }
        (asked, Answer::Rejected { reason, .. }) => rejected(asked, reason, keeps),
        (asked, Answer::Unavailable { unknown: true }) => {
            // It may have been made at any time since.
            returned = u64::MAX >> 1;
            asked.request().and_then(effect).map(|effect| {
                let key = match asked {
                    Asked::Rename { account, .. }
                    | Asked::Delete { account, .. }
                    | Asked::Edit { account, .. }
                    | Asked::SetPassword { account, .. }
                    | Asked::LogIn { account, .. }
                    | Asked::Look { account, .. } => Some(Key::of(account)),
                    Asked::Create { .. }
                    | Asked::Restore { .. }
                    | Asked::Purge { .. }
                    | Asked::FreeName { .. }
                    | Asked::Keep { .. }
                    | Asked::CreateGroup { .. }
                    | Asked::DeleteGroup { .. }
                    | Asked::Member { .. }
                    | Asked::Define { .. }
                    | Asked::RaiseLevel
                    | Asked::Members { .. } => None,
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
        (
            _,
            Answer::Deleted { .. }
            | Answer::Members { .. }
            | Answer::Directory { .. }
            | Answer::Level { .. },
        ) => Some(Step::Deleted(Key::Name(String::new()), None)),
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

fn rejected(asked: &Asked, reason: &Reason, keeps: bool) -> Option<Step> {
    match (reason, asked) {
        // For whom it is kept, and how long, the witness knows.
        (Reason::LoginNameTaken, _) if keeps => None,
        (
            Reason::AccountNotFound,
            Asked::Rename { account, .. }
            | Asked::Delete { account, .. }
            | Asked::Edit { account, .. }
            | Asked::SetPassword { account, .. }
            | Asked::LogIn { account, .. }
            | Asked::Look { account, .. },
        ) => Some(Step::NotFound(Key::of(account))),
        (Reason::WrongPassword, Asked::LogIn { account, .. }) => {
            Some(Step::KeptOut(Key::of(account)))
        }
        (Reason::LoginNameTaken, Asked::Create { login_name, .. }) => {
            Some(Step::Taken(None, login_name.login_name.as_str().to_owned()))
        }
        (Reason::LoginNameTaken, Asked::Rename { account, to, .. }) => Some(Step::Taken(
            Some(Key::of(account)),
            to.login_name.as_str().to_owned(),
        )),
        // What a request id is used for is the witness's matter.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use quorid_directory::{LoginName, Revision};

    use super::*;
    use crate::operation::Name;

    /// A history that is written down by hand.
    #[derive(Default)]
    struct History(Vec<Operation>);

    impl History {
        fn add(&mut self, asked: Asked, answer: Answer, from: u64, to: u64) -> &mut Self {
            self.0.push(Operation {
                client: String::new(),
                by: None,
                asked,
                cell: 0,
                invoked: from,
                returned: to,
                returned_ms: to,
                committed: u64::MAX,
                answer,
            });
            self
        }

        fn wrong(&self) -> Vec<String> {
            check(&self.0, |_| None, None)
        }
    }

    fn request(number: u64) -> RequestId {
        RequestId::new(Revision(0), number)
    }

    fn name(text: &str) -> Name {
        Name {
            login_name: LoginName::parse(text).unwrap(),
            spelled: text.to_owned(),
        }
    }

    fn account(id: &str, login_name: &str, version: &str) -> Shown {
        Shown {
            id: id.to_owned(),
            login_name: login_name.to_owned(),
            real_name: "Somebody".to_owned(),
            version: version.to_owned(),
            attributes: BTreeMap::new(),
        }
    }

    fn create(text: &str) -> Asked {
        Asked::Create {
            request: request(1),
            login_name: name(text),
            real_name: "Somebody".to_owned(),
            numbered: false,
        }
    }

    fn rename(from: &str, to: &str) -> Asked {
        Asked::Rename {
            request: request(2),
            account: Which::Name(name(from)),
            to: name(to),
        }
    }

    fn delete(text: &str) -> Asked {
        Asked::Delete {
            request: request(3),
            account: Which::Name(name(text)),
        }
    }

    fn look(text: &str, freshness: Freshness) -> Asked {
        Asked::Look {
            account: Which::Name(name(text)),
            freshness,
        }
    }

    fn told(account: &Shown) -> Answer {
        Answer::Account {
            account: account.clone(),
            revision: 0,
        }
    }

    fn rejected(reason: Reason) -> Answer {
        Answer::Rejected {
            reason,
            revision: 0,
        }
    }

    const LOST: Answer = Answer::Unavailable { unknown: true };

    #[test]
    fn one_thing_after_the_other_is_linear() {
        let (ana, ema) = (account("1", "ana", "a"), account("1", "ema", "b"));
        let mut history = History::default();
        history
            .add(create("ana"), told(&ana), 1, 2)
            .add(create("ana"), rejected(Reason::LoginNameTaken), 3, 4)
            .add(rename("ana", "ema"), told(&ema), 5, 6)
            .add(
                look("ana", Freshness::Linearizable),
                rejected(Reason::AccountNotFound),
                7,
                8,
            )
            .add(look("ema", Freshness::Linearizable), told(&ema), 9, 10)
            .add(delete("ema"), Answer::Deleted { revision: 0 }, 11, 12);
        assert_eq!(history.wrong(), Vec::<String>::new());
    }

    #[test]
    fn a_stale_answer_is_linear_only_where_it_was_asked_for() {
        let ana = account("1", "ana", "a");
        let mut stale = History::default();
        stale.add(create("ana"), told(&ana), 1, 2).add(
            look("ana", Freshness::Stale),
            rejected(Reason::AccountNotFound),
            3,
            4,
        );
        assert_eq!(stale.wrong(), Vec::<String>::new());
        stale.add(
            look("ana", Freshness::Linearizable),
            rejected(Reason::AccountNotFound),
            5,
            6,
        );
        assert_eq!(stale.wrong().len(), 1);
    }

    #[test]
    fn answers_at_the_same_time_may_come_in_any_order() {
        let ana = account("1", "ana", "a");
        let mut history = History::default();
        history
            .add(create("ana"), told(&ana), 1, 4)
            .add(look("ana", Freshness::Linearizable), told(&ana), 2, 3)
            .add(look("ana", Freshness::Linearizable), told(&ana), 5, 6);
        assert_eq!(history.wrong(), Vec::<String>::new());
    }

    #[test]
    fn two_accounts_of_one_name_are_not_linear() {
        let (one, two) = (account("1", "ana", "a"), account("2", "ema", "b"));
        let renamed = account("2", "ana", "c");
        let mut history = History::default();
        history
            .add(create("ana"), told(&one), 1, 2)
            .add(create("ema"), told(&two), 3, 4)
            .add(rename("ema", "ana"), told(&renamed), 5, 6);
        assert_eq!(history.wrong().len(), 1);
    }

    #[test]
    fn a_uuid_that_changes_is_not_linear() {
        let mut history = History::default();
        history
            .add(create("ana"), told(&account("1", "ana", "a")), 1, 2)
            .add(rename("ana", "ema"), told(&account("2", "ema", "b")), 3, 4);
        assert_eq!(history.wrong().len(), 1);
    }

    #[test]
    fn a_change_without_an_answer_counts_from_any_time_on_if_the_log_has_it() {
        let ana = account("1", "ana", "a");
        let mut history = History::default();
        history
            .add(create("ana"), LOST, 1, 2)
            .add(
                look("ana", Freshness::Linearizable),
                rejected(Reason::AccountNotFound),
                3,
                4,
            )
            .add(look("ana", Freshness::Linearizable), told(&ana), 5, 6);
        let made = |_| Some(Effect::Account(ana.clone()));
        assert_eq!(check(&history.0, made, None), Vec::<String>::new());
        assert_eq!(history.wrong().len(), 1, "nobody made it");
    }

    #[test]
    fn an_account_logs_in_unless_it_is_disabled() {
        let ana = account("1", "ana", "a");
        let mut disabled = account("1", "ana", "b");
        let value = vec!["true".to_owned()];
        disabled.attributes.insert("disabled".to_owned(), value);
        let log_in = || Asked::LogIn {
            account: Which::Name(name("ana")),
            freshness: Freshness::Linearizable,
        };
        let edit = Asked::Edit {
            request: request(4),
            account: Which::Name(name("ana")),
            attribute: "disabled",
            value: Some("true".to_owned()),
        };
        let kept_out = || rejected(Reason::WrongPassword);
        for (before, after, wrong) in [
            (told(&ana), kept_out(), 0),
            (told(&ana), told(&disabled), 1),
            (kept_out(), kept_out(), 1),
        ] {
            let mut history = History::default();
            history
                .add(create("ana"), told(&ana), 1, 2)
                .add(log_in(), before, 3, 4)
                .add(edit.clone(), told(&disabled), 5, 6)
                .add(log_in(), after, 7, 8);
            assert_eq!(history.wrong().len(), wrong);
        }
    }

    #[test]
    fn a_name_that_is_free_is_not_taken() {
        let mut history = History::default();
        history.add(create("ana"), rejected(Reason::LoginNameTaken), 1, 2);
        assert_eq!(history.wrong().len(), 1);
    }
}
