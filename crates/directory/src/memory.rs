//! The directory in memory: the reference that a storage is compared with.

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::command::Command;
use crate::decide::decide;
use crate::event::{Event, Outcome};
use crate::id::{AccountId, RequestId};
use crate::model::{Account, Revision, Time};
use crate::name::LoginName;
use crate::view::View;

/// All of the state, in maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryDirectory {
    accounts: BTreeMap<AccountId, Account>,
    login_names: BTreeMap<LoginName, AccountId>,
    outcomes: BTreeMap<RequestId, Outcome>,
    clock: Time,
    floor: Time,
}

impl MemoryDirectory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides, applies the events and gives the answer.
    pub fn execute(&mut self, revision: Revision, command: &Command) -> Outcome {
        let Ok(decision) = decide(self, revision, command);
        for event in &decision.events {
            self.apply(event);
        }
        decision.outcome
    }

    /// Stores one event.
    ///
    /// # Panics
    /// If the event doesn't fit the state: then it was decided on another one.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::AccountCreated(account) => {
                self.give_login_name(&account.login_name, account.id);
                let before = self.accounts.insert(account.id, account.clone());
                assert!(before.is_none(), "account {} exists already", account.id);
            }
            Event::AccountModified {
                before_login,
                after,
            } => {
                self.take_login_name(before_login, after.id);
                self.give_login_name(&after.login_name, after.id);
                let before = self.accounts.insert(after.id, after.clone());
                assert!(before.is_some(), "no account {} to modify", after.id);
            }
            Event::AccountDeleted { id, login_name } => {
                self.take_login_name(login_name, *id);
                let before = self.accounts.remove(id);
                assert!(before.is_some(), "no account {id} to delete");
            }
            Event::OutcomeRecorded { request, outcome } => {
                let before = self.outcomes.insert(*request, outcome.clone());
                assert!(before.is_none(), "request {request} has an outcome already");
            }
            Event::OutcomeForgotten { request } => {
                let before = self.outcomes.remove(request);
                assert!(before.is_some(), "no outcome of {request} to forget");
            }
            Event::FloorRaised { floor } => {
                assert!(*floor > self.floor, "the floor only rises");
                self.floor = *floor;
            }
            Event::ClockAdvanced { now } => {
                assert!(*now > self.clock, "time only goes forward");
                self.clock = *now;
            }
        }
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> &BTreeMap<AccountId, Account> {
        &self.accounts
    }

    /// Whose each login name is.
    pub fn login_names(&self) -> &BTreeMap<LoginName, AccountId> {
        &self.login_names
    }

    /// The outcomes that are kept, by request id.
    pub fn outcomes(&self) -> &BTreeMap<RequestId, Outcome> {
        &self.outcomes
    }

    /// Checks what holds after any commands: one account a name, one name an account, and no
    /// account newer than its last change.
    ///
    /// # Panics
    /// If something of it doesn't.
    pub fn assert_whole(&self) {
        assert_eq!(self.accounts.len(), self.login_names.len());
        for (id, account) in &self.accounts {
            assert_eq!(*id, account.id);
            assert_eq!(self.login_names.get(&account.login_name), Some(id));
            assert!(account.created.time <= account.changed.time);
            assert!(account.verifier_version <= account.version);
        }
    }

    fn give_login_name(&mut self, name: &LoginName, id: AccountId) {
        let holder = self.login_names.insert(name.clone(), id);
        assert!(holder.is_none(), "login name `{name}` has a holder already");
    }

    fn take_login_name(&mut self, name: &LoginName, id: AccountId) {
        let holder = self.login_names.remove(name);
        assert_eq!(holder, Some(id), "holder of login name `{name}`");
    }
}

impl View for MemoryDirectory {
    type Error = Infallible;

    fn account(&self, id: &AccountId) -> Result<Option<Account>, Infallible> {
        Ok(self.accounts.get(id).cloned())
    }

    fn account_id(&self, name: &LoginName) -> Result<Option<AccountId>, Infallible> {
        Ok(self.login_names.get(name).copied())
    }

    fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Infallible> {
        Ok(self.outcomes.get(request).cloned())
    }

    fn outcome_count(&self) -> Result<u64, Infallible> {
        Ok(self.outcomes.len() as u64)
    }

    fn oldest_outcomes(&self, limit: usize) -> Result<Vec<RequestId>, Infallible> {
        Ok(self.outcomes.keys().take(limit).copied().collect())
    }

    fn clock(&self) -> Result<Time, Infallible> {
        Ok(self.clock)
    }

    fn floor(&self) -> Result<Time, Infallible> {
        Ok(self.floor)
    }
}
