//! Changes to the state: all of a batch, or none.

use std::collections::VecDeque;

use prost::Message as _;
use quorid_directory::{
    Account, AccountId, Event, LoginName, Outcome, RequestId, Revision, Time, View, decide,
};
use redb::{ReadableTable as _, ReadableTableMetadata as _, Table, WriteTransaction};

use super::{
    Fault,
    codec::{decode_command, encode_account, encode_outcome, request_id},
    log::LogPos,
    proto,
    rows::{failed, find_account, find_account_id, find_outcome, read_u64},
    tables::{
        ACCOUNTS, LOGIN_NAMES, META, META_APPLIED, META_CLOCK, META_FLOOR, META_MEMBERSHIP,
        META_SERVER_ID_MAX, OUTCOMES,
    },
};

/// A batch of changes that is being made.
pub struct Batch<'t> {
    accounts: Table<'t, [u8; 16], &'static [u8]>,
    login_names: Table<'t, &'static str, [u8; 16]>,
    outcomes: Table<'t, [u8; 16], &'static [u8]>,
    meta: Table<'t, &'static str, &'static [u8]>,
    clock: Time,
    floor: Time,
    /// The first of the recorded requests, read ahead; complete only up to its last.
    oldest: VecDeque<RequestId>,
    outcome_count: u64,
    applied: Option<LogPos>,
    /// Of the commands.
    pub(super) bytes: u64,
}

/// How many of the oldest requests a batch reads ahead.
const OLDEST_AHEAD: usize = 64;

impl<'t> Batch<'t> {
    pub(super) fn of(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        let meta = transaction
            .open_table(META)
            .map_err(failed("reading the state"))?;
        let outcomes = transaction
            .open_table(OUTCOMES)
            .map_err(failed("reading outcomes"))?;
        Ok(Self {
            accounts: transaction
                .open_table(ACCOUNTS)
                .map_err(failed("reading accounts"))?,
            login_names: transaction
                .open_table(LOGIN_NAMES)
                .map_err(failed("reading login names"))?,
            clock: Time(read_u64(&meta, META_CLOCK)?),
            floor: Time(read_u64(&meta, META_FLOOR)?),
            oldest: VecDeque::new(),
            outcome_count: outcomes.len().map_err(failed("counting outcomes"))?,
            outcomes,
            meta,
            applied: None,
            bytes: 0,
        })
    }

    /// Executes an encoded command at its place in the log. The outcome is the command's
    /// first one, also when it is executed again.
    pub fn command(&mut self, at: LogPos, command: &[u8]) -> Result<Outcome, Fault> {
        self.bytes += command.len() as u64;
        self.read_ahead()?;
        let command = decode_command(command)?;
        let decision = decide(&*self, Revision(at.index), &command)?;
        for event in &decision.events {
            self.record(event)?;
        }
        self.applied(at);
        Ok(decision.outcome)
    }

    /// Keeps an encoded membership that names no server above `server_id_max`.
    pub fn membership(
        &mut self,
        at: LogPos,
        membership: &[u8],
        server_id_max: u64,
    ) -> Result<(), Fault> {
        self.set_meta(META_MEMBERSHIP, membership)?;
        let max = read_u64(&self.meta, META_SERVER_ID_MAX)?.max(server_id_max);
        self.set_meta(META_SERVER_ID_MAX, &max.to_be_bytes())?;
        self.applied(at);
        Ok(())
    }

    /// Notes that the batch holds the effect of everything up to here.
    pub fn applied(&mut self, at: LogPos) {
        self.applied = Some(at);
    }

    fn record(&mut self, event: &Event) -> Result<(), Fault> {
        match event {
            Event::AccountCreated(account) => {
                self.put_account(account)?;
                self.put_login_name(&account.login_name, account.id)
            }
            Event::AccountModified {
                before_login,
                after,
            } => {
                self.put_account(after)?;
                if *before_login != after.login_name {
                    self.remove_login_name(before_login)?;
                    self.put_login_name(&after.login_name, after.id)?;
                }
                Ok(())
            }
            Event::AccountDeleted { id, login_name } => {
                self.accounts
                    .remove(id.as_bytes())
                    .map_err(failed("removing an account"))?;
                self.remove_login_name(login_name)
            }
            Event::OutcomeRecorded { request, outcome } => {
                self.outcomes
                    .insert(request.as_bytes(), encode_outcome(outcome).as_slice())
                    .map_err(failed("recording an outcome"))?;
                self.outcome_count += 1;
                // Requests that come late stand among the oldest: read those anew.
                if self.oldest.back().is_some_and(|last| request < last) {
                    self.oldest.clear();
                }
                Ok(())
            }
            Event::OutcomeForgotten { request } => {
                self.outcomes
                    .remove(request.as_bytes())
                    .map_err(failed("forgetting an outcome"))?;
                self.outcome_count -= 1;
                match self.oldest.front() {
                    Some(first) if first == request => drop(self.oldest.pop_front()),
                    Some(_) | None => self.oldest.clear(),
                }
                Ok(())
            }
            Event::FloorRaised { floor } => {
                self.floor = *floor;
                Ok(())
            }
            Event::ClockAdvanced { now } => {
                self.clock = *now;
                Ok(())
            }
        }
    }

    fn put_account(&mut self, account: &Account) -> Result<(), Fault> {
        self.accounts
            .insert(account.id.as_bytes(), encode_account(account).as_slice())
            .map_err(failed("storing an account"))?;
        Ok(())
    }

    fn put_login_name(&mut self, name: &LoginName, id: AccountId) -> Result<(), Fault> {
        self.login_names
            .insert(name.as_str(), id.as_bytes())
            .map_err(failed("storing a login name"))?;
        Ok(())
    }

    fn remove_login_name(&mut self, name: &LoginName) -> Result<(), Fault> {
        self.login_names
            .remove(name.as_str())
            .map_err(failed("removing a login name"))?;
        Ok(())
    }

    fn set_meta(&mut self, key: &'static str, value: &[u8]) -> Result<(), Fault> {
        self.meta
            .insert(key, value)
            .map_err(failed("storing the state's position"))?;
        Ok(())
    }

    fn read_oldest(&self, limit: usize) -> Result<VecDeque<RequestId>, Fault> {
        let rows = self
            .outcomes
            .iter()
            .map_err(failed("reading the oldest outcomes"))?;
        rows.take(limit)
            .map(|row| {
                let (request, _) = row.map_err(failed("reading the oldest outcomes"))?;
                request_id(&request.value())
            })
            .collect()
    }

    /// Reads the oldest requests ahead, so that to forget one needs no search.
    fn read_ahead(&mut self) -> Result<(), Fault> {
        if self.oldest.len() < 8 && self.oldest.len() as u64 != self.outcome_count {
            self.oldest = self.read_oldest(OLDEST_AHEAD)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), Fault> {
        if let Some(at) = self.applied {
            let applied = proto::LogId {
                term: at.term,
                index: at.index,
            };
            self.set_meta(META_APPLIED, &applied.encode_to_vec())?;
        }
        let (clock, floor) = (self.clock.0.to_be_bytes(), self.floor.0.to_be_bytes());
        self.set_meta(META_CLOCK, &clock)?;
        self.set_meta(META_FLOOR, &floor)
    }
}

impl View for Batch<'_> {
    type Error = Fault;

    fn account(&self, id: &AccountId) -> Result<Option<Account>, Fault> {
        find_account(&self.accounts, id)
    }

    fn account_id(&self, name: &LoginName) -> Result<Option<AccountId>, Fault> {
        find_account_id(&self.login_names, name)
    }

    fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Fault> {
        find_outcome(&self.outcomes, request)
    }

    fn outcome_count(&self) -> Result<u64, Fault> {
        Ok(self.outcome_count)
    }

    fn oldest_outcomes(&self, limit: usize) -> Result<Vec<RequestId>, Fault> {
        if self.oldest.len() >= limit || self.oldest.len() as u64 == self.outcome_count {
            return Ok(self.oldest.iter().copied().take(limit).collect());
        }
        Ok(self.read_oldest(limit)?.into())
    }

    fn clock(&self) -> Result<Time, Fault> {
        Ok(self.clock)
    }

    fn floor(&self) -> Result<Time, Fault> {
        Ok(self.floor)
    }
}
