//! One line at a time: the account that it asks for is made, or changed, or is there already.

use std::sync::atomic::{AtomicBool, Ordering};

use quorid_api::{Account, AccountName, Client, Error, NewAccount, Password, Read, Reason};
use quorid_directory::Schema;
use uuid::Uuid;

use super::{
    difference::{Difference, is_as_new},
    dry_run::{Checker, Plan, check_login_name, fields_of_new, is_there},
    lines::{BadLine, NewLine},
};
use crate::errors::{Cause, Exit, Failure};
use crate::record::SERVICE;

/// How often a line is tried again because somebody else changed its account meanwhile.
const TRIES: usize = 8;

/// What became of one line.
pub(super) enum Outcome {
    Done(Done),
    /// What would be done, of a dry run.
    Planned(Plan),
    Rejected(BadLine),
    /// It refers to an account that is not there: another line may make it.
    Waits(Box<NewLine>, BadLine),
    /// Nothing further can be imported.
    Stopped(Failure),
}

/// What was done for one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Created,
    Updated,
    Unchanged,
}

/// Brings the accounts of lines into the directory.
pub(super) struct Importer {
    client: Client,
    schema: &'static Schema,
    /// Whether accounts that are there are changed.
    update: bool,
    /// For a dry run.
    checker: Option<Checker>,
    /// Whether the last account was there already. Then the next one probably is, and asking
    /// first spares the server the hash of a password that comes to nothing.
    repeats: AtomicBool,
}

impl Importer {
    pub(super) fn new(
        client: Client,
        schema: &'static Schema,
        update: bool,
        dry_run: bool,
    ) -> Self {
        let checker = dry_run.then(|| Checker::new(client.clone(), schema));
        Self {
            client,
            schema,
            update,
            checker,
            repeats: AtomicBool::new(false),
        }
    }

    pub(super) async fn import(&self, line: NewLine) -> Outcome {
        let outcome = match (&self.checker, self.update) {
            (Some(checker), _) => self.plan(checker, &line).await.map(Outcome::Planned),
            (None, true) => self.update(&line).await.map(Outcome::Done),
            (None, false) => self.create(&line).await.map(Outcome::Done),
        };
        outcome.unwrap_or_else(|failure| stopped_or_rejected(line, failure))
    }

    /// What would be done for a line.
    async fn plan(&self, checker: &Checker, line: &NewLine) -> Result<Plan, Failure> {
        if !self.update || !line.login_name.is_empty() {
            check_login_name(&line.login_name)?;
        }
        let account = self.find(line).await?;
        let fields = match &account {
            None if self.update => {
                check_whole(line)?;
                fields_of_new(line)
            }
            None => fields_of_new(line),
            Some(account) if self.kind_differs(account, line) => return Err(other_kind(account)),
            Some(account) if self.update => Difference::of(self.schema, account, line).fields(),
            Some(account) if is_as_new(self.schema, account, line) => Vec::new(),
            Some(account) => return Err(is_there(account)),
        };
        if fields.is_empty() {
            return Ok(Plan::unchanged(line));
        }
        checker.plan(account.as_ref(), line, fields).await
    }

    async fn create(&self, line: &NewLine) -> Result<Done, Failure> {
        if self.repeats.load(Ordering::Relaxed) {
            let name = AccountName::Login(line.login_name.clone());
            if matches!(self.account(&name).await, Ok(Some(account)) if is_as_new(self.schema, &account, line))
            {
                return Ok(Done::Unchanged);
            }
            self.repeats.store(false, Ordering::Relaxed);
        }
        let rejected = match self.client.create_account(new_account(line)).await {
            Ok(_) => return Ok(Done::Created),
            Err(Error::Rejected(rejected)) if rejected.reason == Reason::LoginNameTaken => rejected,
            Err(error) => return Err(error.into()),
        };
        let holder = rejected.metadata.get("account_id");
        let holder = holder.and_then(|id| Uuid::try_parse(id).ok());
        let name = holder.map_or_else(
            || AccountName::Login(line.login_name.clone()),
            AccountName::Id,
        );
        let account = self.account(&name).await?;
        if let Some(account) = account.as_ref().filter(|it| self.kind_differs(it, line)) {
            return Err(other_kind(account));
        }
        if !account.is_some_and(|account| is_as_new(self.schema, &account, line)) {
            return Err(rejected.into());
        }
        self.repeats.store(true, Ordering::Relaxed);
        Ok(Done::Unchanged)
    }

    /// Changes the account of a line, or makes it: again, while somebody else does the same.
    async fn update(&self, line: &NewLine) -> Result<Done, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (made, done) = match self.find(line).await? {
                Some(account) if self.kind_differs(&account, line) => {
                    return Err(other_kind(&account));
                }
                Some(account) => {
                    let difference = Difference::of(self.schema, &account, line);
                    if difference.fields().is_empty() {
                        return Ok(Done::Unchanged);
                    }
                    let change = difference.change(&account);
                    (self.client.update_account(change).await, Done::Updated)
                }
                None => {
                    check_whole(line)?;
                    let new = new_account(line);
                    (self.client.create_account(new).await, Done::Created)
                }
            };
            match made {
                Ok(_) => return Ok(done),
                Err(Error::Rejected(rejected))
                    if tries < TRIES && is_overtaken(done, &rejected.reason) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether an account is of another kind than its line says. A line of an update that gives no kind changes
    /// accounts of any.
    fn kind_differs(&self, account: &Account, line: &NewLine) -> bool {
        let is_service = account.kind == SERVICE;
        match line.service {
            None if self.update => false,
            Some(_) | None => line.is_new_service() != is_service,
        }
    }

    /// The account of a line: of its id, or else of its login name.
    async fn find(&self, line: &NewLine) -> Result<Option<Account>, Error> {
        if let Some(id) = line.id
            && let Some(account) = self.account(&AccountName::Id(id)).await?
        {
            return Ok(Some(account));
        }
        if line.login_name.is_empty() {
            return Ok(None);
        }
        let name = AccountName::Login(line.login_name.clone());
        self.account(&name).await
    }

    async fn account(&self, name: &AccountName) -> Result<Option<Account>, Error> {
        match self.client.get_account(name, Read::Linearizable).await {
            Ok(account) => Ok(Some(account)),
            Err(Error::Rejected(rejected)) if rejected.reason == Reason::AccountNotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether somebody else changed, removed or made the account since it was read.
fn is_overtaken(done: Done, reason: &Reason) -> bool {
    match done {
        Done::Created => *reason == Reason::LoginNameTaken,
        Done::Updated => [Reason::EtagMismatch, Reason::AccountNotFound].contains(reason),
        Done::Unchanged => false,
    }
}

/// Whether the line of an update says enough for a new account.
fn check_whole(line: &NewLine) -> Result<(), Failure> {
    if line.id.is_none() && line.login_name.is_empty() {
        let why = "the line has neither an id nor a login_name";
        return Err(Failure::untrue(Cause::InvalidLine, why));
    }
    let why = match (line.id, line.new_real_name()) {
        (Some(id), _) if line.login_name.is_empty() => {
            format!("there is no account {id}, and the line has no login_name to make one")
        }
        (_, None) => format!(
            "there is no account with the login name `{}`, and the line has no real_name to make one",
            line.login_name
        ),
        (_, Some(_)) => return Ok(()),
    };
    Err(Failure::untrue(Cause::Reason(Reason::AccountNotFound), why))
}

fn other_kind(account: &Account) -> Failure {
    let Account {
        login_name,
        id,
        kind,
        ..
    } = account;
    Failure::untrue(
        Cause::KindDiffers,
        format!(
            "login name `{login_name}` belongs to account {id} of the kind {kind}, and a kind never changes; \
             choose another name, or give that kind"
        ),
    )
}

fn new_account(line: &NewLine) -> NewAccount {
    NewAccount {
        login_name: line.login_name.clone(),
        real_name: line.new_real_name().unwrap_or_default(),
        service: line.is_new_service(),
        attributes: line.attributes.clone(),
        assign_posix_number: line.assign_posix_number,
        password: line.password.clone().map(Password::from),
        password_hash: line.password_hash.clone().map(Password::from),
        request_id: None,
    }
}

/// What is wrong with one line concerns that line; all else would befall the others as well.
fn stopped_or_rejected(line: NewLine, failure: Failure) -> Outcome {
    let refers = failure.cause == Cause::Reason(Reason::ReferenceInvalid);
    match failure.exit {
        Exit::Rejected | Exit::NotFound => {
            let bad = BadLine {
                login_name: line.login_name.clone(),
                cause: failure.cause,
                message: failure.message,
            };
            match refers {
                true => Outcome::Waits(Box::new(line), bad),
                false => Outcome::Rejected(bad),
            }
        }
        Exit::Usage
        | Exit::NotAllowed
        | Exit::Unavailable
        | Exit::Fault
        | Exit::PartlyDone
        | Exit::Interrupted
        | Exit::ClosedPipe => Outcome::Stopped(failure),
    }
}
