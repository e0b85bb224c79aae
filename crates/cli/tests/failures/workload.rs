//! Clients that create, rename, delete and look up, and remember what was acknowledged.
//!
//! Each client has names of its own and does one thing after the other, so it knows what the
//! directory must say of them at any time: a lookup that says anything else is a violation at
//! once, and what is there in the end is compared to the last digit of the etag. An etag is
//! the log index of an account's last change: a change that was done twice gives it away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use quorid_api::{
    Account, AccountName, Client, DeleteAccount, Error, NewAccount, Read, Reason, UpdateAccount,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

/// How many accounts a client has at most before it deletes one.
const ACCOUNTS_MAX: usize = 40;

/// What one client was told.
#[derive(Default)]
pub(crate) struct Told {
    /// The accounts that must be there.
    pub(crate) accounts: BTreeMap<Uuid, Account>,
    /// Names that must be free.
    pub(crate) freed: Vec<String>,
    /// When each change was acknowledged.
    pub(crate) acknowledged: Vec<Instant>,
    /// Lookups that were answered.
    pub(crate) lookups: u64,
    /// What must never happen.
    pub(crate) violations: Vec<String>,
}

/// Clients at work.
pub(crate) struct Workload {
    stop: Arc<AtomicBool>,
    /// Changes acknowledged so far, to all of them.
    changes: Arc<AtomicUsize>,
    clients: JoinSet<Told>,
}

impl Workload {
    /// Starts so many clients. The seed decides what they do, the cluster when.
    pub(crate) fn start(clients: Vec<Client>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let changes = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for (number, client) in clients.into_iter().enumerate() {
            let random = StdRng::seed_from_u64(seed + number as u64);
            let worker = Worker {
                number,
                client,
                random,
                made: 0,
                changes: Arc::clone(&changes),
                told: Told::default(),
            };
            tasks.spawn(worker.work(Arc::clone(&stop)));
        }
        Self {
            stop,
            changes,
            clients: tasks,
        }
    }

    /// Returns once so many more changes were acknowledged.
    pub(crate) async fn more(&self, wanted: usize, patience: Duration) {
        let until = self.changes.load(Ordering::Relaxed) + wanted;
        let deadline = Instant::now() + patience;
        while self.changes.load(Ordering::Relaxed) < until {
            assert!(
                Instant::now() < deadline,
                "no {wanted} more changes were acknowledged within {patience:?}"
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets each client finish what it is doing.
    pub(crate) async fn finish(mut self) -> Vec<Told> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        while let Some(told) = self.clients.join_next().await {
            all.push(told.expect("a client does not panic"));
        }
        all
    }
}

struct Worker {
    number: usize,
    client: Client,
    random: StdRng,
    made: u64,
    changes: Arc<AtomicUsize>,
    told: Told,
}

impl Worker {
    async fn work(mut self, stop: Arc<AtomicBool>) -> Told {
        while !stop.load(Ordering::Relaxed) && self.told.violations.is_empty() {
            let choice = self.random.random_range(0..10);
            let done = match choice {
                _ if self.told.accounts.is_empty() => self.create().await,
                _ if self.told.accounts.len() >= ACCOUNTS_MAX => self.delete().await,
                0..4 => self.create().await,
                4..6 => self.rename().await,
                6 => self.delete().await,
                _ => self.look_up().await,
            };
            if let Err(error) = done {
                self.violation(format!("a request failed for good: {error}"));
            }
        }
        self.told
    }

    fn violation(&mut self, what: String) {
        self.told
            .violations
            .push(format!("client {}: {what}", self.number));
    }

    fn new_name(&mut self) -> String {
        self.made += 1;
        format!("c{}-{}", self.number, self.made)
    }

    fn any(&mut self) -> Account {
        let choice = self.random.random_range(0..self.told.accounts.len());
        let account = self.told.accounts.values().nth(choice);
        account.expect("it has that many").clone()
    }

    fn acknowledged(&mut self) {
        self.told.acknowledged.push(Instant::now());
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn holds(&mut self, account: Account) {
        self.acknowledged();
        self.told.accounts.insert(id(&account), account);
    }

    async fn create(&mut self) -> Result<(), Error> {
        let login_name = self.new_name();
        let new = NewAccount {
            login_name: login_name.clone(),
            real_name: format!("Client {}", self.number),
            ..NewAccount::default()
        };
        let account = self.client.create_account(new).await?;
        if account.login_name != login_name {
            self.violation(format!("created {login_name}, got {}", account.login_name));
        }
        self.holds(account);
        Ok(())
    }

    async fn rename(&mut self) -> Result<(), Error> {
        let old = self.any();
        let new_name = self.new_name();
        let mut update = UpdateAccount::of(AccountName::Id(id(&old)));
        update.login_name = Some(new_name.clone());
        // A change by anybody else, or by the same request once more, would be found out.
        update.etag = Some(old.etag.clone());
        let account = self.client.update_account(update).await?;
        if account.id != old.id || account.login_name != new_name {
            self.violation(format!(
                "renamed {} to {new_name}, got {account:?}",
                old.login_name
            ));
        }
        self.told.freed.push(old.login_name);
        self.holds(account);
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), Error> {
        let account = self.any();
        let mut delete = DeleteAccount::of(AccountName::Id(id(&account)));
        delete.etag = Some(account.etag.clone());
        self.client.delete_account(delete).await?;
        self.acknowledged();
        self.told.accounts.remove(&id(&account));
        self.told.freed.push(account.login_name);
        Ok(())
    }

    async fn look_up(&mut self) -> Result<(), Error> {
        self.told.lookups += 1;
        if let Some(freed) = self.told.freed.last().cloned() {
            match self
                .client
                .get_account(&AccountName::Login(freed.clone()), Read::Linearizable)
                .await
            {
                Err(Error::Rejected(why)) if why.reason == Reason::AccountNotFound => {}
                Ok(account) => {
                    self.violation(format!("{freed} was freed, and still names {}", account.id));
                }
                Err(error) => return Err(error),
            }
        }
        let expected = self.any();
        let name = AccountName::Login(expected.login_name.clone());
        let found = self.client.get_account(&name, Read::Linearizable).await;
        match found {
            Ok(found) if found == expected => Ok(()),
            Ok(found) => {
                self.violation(format!("looked up {expected:?}, got {found:?}"));
                Ok(())
            }
            Err(Error::Rejected(why)) => {
                self.violation(format!("{} is gone: {}", expected.login_name, why.message));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn id(account: &Account) -> Uuid {
    account.id.parse().expect("the server's ids are UUIDs")
}

/// What all clients were told, against what a server has.
pub(crate) fn compare(told: &[Told], has: &[Account]) -> Vec<String> {
    let has: BTreeMap<Uuid, &Account> = has.iter().map(|account| (id(account), account)).collect();
    let mut violations: Vec<String> = told
        .iter()
        .flat_map(|told| told.violations.iter().cloned())
        .collect();
    let expected: BTreeMap<Uuid, &Account> = told
        .iter()
        .flat_map(|told| &told.accounts)
        .map(|(id, account)| (*id, account))
        .collect();
    for (id, account) in &expected {
        match has.get(id) {
            None => violations.push(format!(
                "{} was acknowledged and is lost",
                account.login_name
            )),
            Some(found) if found != account => {
                violations.push(format!("acknowledged {account:?}, found {found:?}"));
            }
            Some(_) => {}
        }
    }
    let names: BTreeSet<&str> = has.values().map(|a| a.login_name.as_str()).collect();
    for freed in told.iter().flat_map(|told| &told.freed) {
        if names.contains(freed.as_str()) {
            violations.push(format!("{freed} was freed, and names an account"));
        }
    }
    for (id, account) in &has {
        if !expected.contains_key(id) {
            violations.push(format!(
                "{} is there, and should not be",
                account.login_name
            ));
        }
    }
    violations
}

/// The longest time in which no client at all had a change acknowledged, around a moment.
pub(crate) fn gap_around(told: &[Told], moment: Instant, within: Duration) -> Duration {
    let mut times: Vec<Instant> = told
        .iter()
        .flat_map(|told| &told.acknowledged)
        .copied()
        .filter(|at| *at + Duration::from_millis(200) > moment && *at < moment + within)
        .collect();
    times.sort_unstable();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or(within)
}
