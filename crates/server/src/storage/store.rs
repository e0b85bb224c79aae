//! The state: the directory's tables in redb.
//!
//! Changes are made in batches. A batch is visible when it is committed, and on the disk
//! with the next checkpoint; what a crash takes is made good from the log, which is kept
//! behind the last checkpoint.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use prost::Message as _;
use quorid_directory::{
    Account, AccountId, Event, LoginName, Outcome, RequestId, Revision, Time, View, decide,
};
use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase as _,
    ReadableTable, ReadableTableMetadata as _, Table, TransactionError, WriteTransaction,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::{
    Fault, blocking,
    codec::{
        account_id, damaged, decode_account, decode_command, decode_outcome, encode_account,
        encode_outcome, request_id,
    },
    disk::{Disk, StateFile},
    log::LogPos,
    proto,
    snapshot::{Loaded, Loader, SnapshotReader},
    tables::{
        ACCOUNTS, LOGIN_NAMES, META, META_APPLIED, META_CLOCK, META_FLOOR, META_MEMBERSHIP,
        META_SERVER_ID_MAX, OUTCOMES,
    },
};

/// The file that holds the state.
const STATE: &str = "state.redb";

/// How the state is kept.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Memory for pages of the state, bytes.
    pub cache_bytes: usize,
    /// A checkpoint is due after commands of this many bytes.
    pub checkpoint_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            checkpoint_bytes: 16 << 20,
        }
    }
}

/// What a checkpoint or an opened state holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durable {
    /// The last entry whose effect is in it.
    pub applied: Option<LogPos>,
    /// The last membership in it, encoded.
    pub membership: Vec<u8>,
}

/// The state on a disk. One writer, any number of readers.
pub struct Store {
    disk: Arc<dyn Disk>,
    options: StoreOptions,
    /// Replaced as a whole when a snapshot is installed.
    database: RwLock<Arc<Database>>,
    /// A view of the state as it is, until the next change: most reads share one.
    view: Mutex<Option<Arc<ReadView>>>,
    /// The last checkpoint.
    durable: Mutex<Durable>,
    /// Snapshots that were begun to be loaded; each gets a file of its own.
    loads: AtomicU64,
    /// Of the commands since then.
    bytes: AtomicU64,
    checkpoint_due: Notify,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the state, or makes an empty one. After a crash it is at its last checkpoint.
    pub fn open(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Self, Fault> {
        disk.remove_all(super::snapshot::INCOMING)
            .map_err(|error| Fault::new("removing half-received snapshots", error))?;
        let file = disk
            .open_state(STATE, false)
            .map_err(|error| Fault::new("opening the state", error))?;
        let database = open_database(file, &options)?;
        create_tables(&database)?;
        let durable = ReadView::of(&database)?.durable()?;
        Ok(Self {
            disk,
            options,
            database: RwLock::new(Arc::new(database)),
            view: Mutex::new(None),
            durable: Mutex::new(durable),
            loads: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            checkpoint_due: Notify::new(),
        })
    }

    /// A consistent view of the state as it is now. Keep it only as long as it takes to
    /// answer: old pages can't be used again while somebody may read them.
    pub fn read(&self) -> Result<Arc<ReadView>, Fault> {
        let mut shared = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = &*shared {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(ReadView::of(&self.database())?);
        *shared = Some(Arc::clone(&view));
        Ok(view)
    }

    /// The state has changed: whoever reads from now on must see it.
    fn forget_view(&self) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Makes changes: all that `work` does, or nothing if it fails. The batch must record how
    /// far it got with [`Batch::applied`].
    pub fn write<T>(
        &self,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let database = self.database();
        let mut transaction = match database.try_begin_write() {
            // A checkpoint is being written.
            Err(TransactionError::WouldBlock) => blocking(|| database.begin_write()),
            begun => begun,
        }
        .map_err(failed("beginning a batch"))?;
        transaction
            .set_durability(Durability::None)
            .map_err(failed("beginning a batch"))?;
        let mut batch = Batch::of(&transaction)?;
        let result = work(&mut batch)?;
        let bytes = batch.bytes;
        batch.finish()?;
        transaction.commit().map_err(failed("committing a batch"))?;
        self.forget_view();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= self.options.checkpoint_bytes {
            self.checkpoint_due.notify_one();
        }
        Ok(result)
    }

    /// Puts every change made so far on the disk. Returns what is there then. Waits for a
    /// batch that is being made, and holds up the next one for as long as the disk takes.
    pub fn checkpoint(&self) -> Result<Durable, Fault> {
        blocking(|| {
            let database = self.database();
            let mut transaction = database
                .begin_write()
                .map_err(failed("beginning a checkpoint"))?;
            transaction
                .set_durability(Durability::Immediate)
                .map_err(failed("beginning a checkpoint"))?;
            // Saves the allocator's state too, so that a restart needs not walk the tables.
            transaction.set_quick_repair(true);
            self.bytes.store(0, Ordering::Relaxed);
            let durable = {
                let meta = transaction
                    .open_table(META)
                    .map_err(failed("reading the state"))?;
                read_durable(&meta)?
            };
            transaction
                .commit()
                .map_err(failed("writing a checkpoint"))?;
            self.forget_view();
            let mut last = self.lock_durable();
            // A snapshot that was installed meanwhile is newer, and durable too.
            if durable.applied > last.applied {
                last.clone_from(&durable);
            }
            Ok(durable)
        })
    }

    /// Returns when so much was written since the last checkpoint that another one is due.
    pub async fn checkpoint_due(&self) {
        self.checkpoint_due.notified().await;
    }

    /// What the last checkpoint holds.
    pub fn durable(&self) -> Durable {
        self.lock_durable().clone()
    }

    /// The whole state as it is now, to be sent to another server.
    pub fn snapshot(&self) -> Result<SnapshotReader, Fault> {
        SnapshotReader::of(ReadView::of(&self.database())?)
    }

    /// An empty state beside this one, for a snapshot to be loaded into.
    pub fn loader(&self) -> Result<Loader, Fault> {
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        Loader::new(&self.disk, load, &self.options)
    }

    /// Puts a loaded snapshot in the place of the state. Readers of the old state finish
    /// with the old state.
    pub fn install(&self, loaded: Loaded) -> Result<Durable, Fault> {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let (new, durable) = loaded.put_in_place(STATE)?;
        *database = Arc::new(new);
        drop(database);
        self.forget_view();
        self.lock_durable().clone_from(&durable);
        Ok(durable)
    }

    /// Bytes on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.disk.state_bytes()
    }

    fn database(&self) -> Arc<Database> {
        Arc::clone(&self.database.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_durable(&self) -> std::sync::MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn open_database(file: StateFile, options: &StoreOptions) -> Result<Database, Fault> {
    Builder::new()
        .set_cache_size(options.cache_bytes)
        .create_with_backend(Backend(file))
        .map_err(failed("opening the state"))
}

pub(super) fn create_tables(database: &Database) -> Result<(), Fault> {
    let transaction = database
        .begin_write()
        .map_err(failed("making the tables"))?;
    transaction
        .open_table(ACCOUNTS)
        .map_err(failed("making the table of accounts"))?;
    transaction
        .open_table(LOGIN_NAMES)
        .map_err(failed("making the table of login names"))?;
    transaction
        .open_table(OUTCOMES)
        .map_err(failed("making the table of outcomes"))?;
    transaction
        .open_table(META)
        .map_err(failed("making the table of single values"))?;
    transaction.commit().map_err(failed("making the tables"))
}

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
    bytes: u64,
}

/// How many of the oldest requests a batch reads ahead.
const OLDEST_AHEAD: usize = 64;

impl<'t> Batch<'t> {
    fn of(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
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

    fn finish(mut self) -> Result<(), Fault> {
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

/// The state as it was at one revision.
pub struct ReadView {
    accounts: ReadOnlyTable<[u8; 16], &'static [u8]>,
    login_names: ReadOnlyTable<&'static str, [u8; 16]>,
    outcomes: ReadOnlyTable<[u8; 16], &'static [u8]>,
    meta: ReadOnlyTable<&'static str, &'static [u8]>,
}

impl ReadView {
    pub(super) fn of(database: &Database) -> Result<Self, Fault> {
        let transaction: ReadTransaction =
            database.begin_read().map_err(failed("reading the state"))?;
        Ok(Self {
            accounts: transaction
                .open_table(ACCOUNTS)
                .map_err(failed("reading accounts"))?,
            login_names: transaction
                .open_table(LOGIN_NAMES)
                .map_err(failed("reading login names"))?,
            outcomes: transaction
                .open_table(OUTCOMES)
                .map_err(failed("reading outcomes"))?,
            meta: transaction
                .open_table(META)
                .map_err(failed("reading the state"))?,
        })
    }

    /// Log index of the last entry whose effect the view shows.
    pub fn revision(&self) -> Result<Revision, Fault> {
        Ok(Revision(self.durable_position()?.map_or(0, |at| at.index)))
    }

    /// The account of an id.
    pub fn account(&self, id: &AccountId) -> Result<Option<Account>, Fault> {
        find_account(&self.accounts, id)
    }

    /// The id of the account that has a login name.
    pub fn account_id(&self, name: &LoginName) -> Result<Option<AccountId>, Fault> {
        find_account_id(&self.login_names, name)
    }

    /// What became of a request, where it is still known.
    pub fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Fault> {
        find_outcome(&self.outcomes, request)
    }

    /// At most `limit` accounts in the order of their ids, from the first one after `after`.
    pub fn list(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>, Fault> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(*id.as_bytes()));
        let rows = self
            .accounts
            .range::<[u8; 16]>((from, Bound::Unbounded))
            .map_err(failed("listing accounts"))?;
        rows.take(limit)
            .map(|row| {
                let (_, account) = row.map_err(failed("listing accounts"))?;
                decode_account(account.value())
            })
            .collect()
    }

    /// Number of accounts.
    pub fn count(&self) -> Result<u64, Fault> {
        self.accounts.len().map_err(failed("counting accounts"))
    }

    /// The highest server id that any membership named.
    pub fn server_id_max(&self) -> Result<u64, Fault> {
        read_u64(&self.meta, META_SERVER_ID_MAX)
    }

    /// SHA-256 of everything that is replicated: accounts, login names, outcomes, clock and
    /// floor. Two servers at the same revision have the same. Reads the whole state.
    pub fn digest(&self) -> Result<[u8; 32], Fault> {
        blocking(|| {
            let mut hash = Sha256::new();
            let mut add = |key: &[u8], value: &[u8]| {
                for part in [key, value] {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
            };
            for row in self.accounts.iter().map_err(failed("reading accounts"))? {
                let (key, value) = row.map_err(failed("reading accounts"))?;
                add(&key.value(), value.value());
            }
            for row in self
                .login_names
                .iter()
                .map_err(failed("reading login names"))?
            {
                let (key, value) = row.map_err(failed("reading login names"))?;
                add(key.value().as_bytes(), &value.value());
            }
            for row in self.outcomes.iter().map_err(failed("reading outcomes"))? {
                let (key, value) = row.map_err(failed("reading outcomes"))?;
                add(&key.value(), value.value());
            }
            for key in [META_CLOCK, META_FLOOR] {
                add(key.as_bytes(), &read_u64(&self.meta, key)?.to_be_bytes());
            }
            Ok(hash.finalize().into())
        })
    }

    /// Position and membership of the view.
    pub fn durable(&self) -> Result<Durable, Fault> {
        read_durable(&self.meta)
    }

    fn durable_position(&self) -> Result<Option<LogPos>, Fault> {
        read_applied(&self.meta)
    }

    pub(super) fn tables(&self) -> Tables<'_> {
        Tables {
            accounts: &self.accounts,
            login_names: &self.login_names,
            outcomes: &self.outcomes,
            meta: &self.meta,
        }
    }
}

/// All tables of a view, for a snapshot.
pub(super) struct Tables<'v> {
    pub(super) accounts: &'v ReadOnlyTable<[u8; 16], &'static [u8]>,
    pub(super) login_names: &'v ReadOnlyTable<&'static str, [u8; 16]>,
    pub(super) outcomes: &'v ReadOnlyTable<[u8; 16], &'static [u8]>,
    pub(super) meta: &'v ReadOnlyTable<&'static str, &'static [u8]>,
}

fn find_account(
    table: &impl ReadableTable<[u8; 16], &'static [u8]>,
    id: &AccountId,
) -> Result<Option<Account>, Fault> {
    match table
        .get(id.as_bytes())
        .map_err(failed("reading an account"))?
    {
        Some(row) => decode_account(row.value()).map(Some),
        None => Ok(None),
    }
}

fn find_account_id(
    table: &impl ReadableTable<&'static str, [u8; 16]>,
    name: &LoginName,
) -> Result<Option<AccountId>, Fault> {
    match table
        .get(name.as_str())
        .map_err(failed("reading a login name"))?
    {
        Some(row) => account_id(&row.value()).map(Some),
        None => Ok(None),
    }
}

fn find_outcome(
    table: &impl ReadableTable<[u8; 16], &'static [u8]>,
    request: &RequestId,
) -> Result<Option<Outcome>, Fault> {
    match table
        .get(request.as_bytes())
        .map_err(failed("reading an outcome"))?
    {
        Some(row) => decode_outcome(row.value()).map(Some),
        None => Ok(None),
    }
}

fn read_durable(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Durable, Fault> {
    let membership = meta
        .get(META_MEMBERSHIP)
        .map_err(failed("reading the membership"))?;
    Ok(Durable {
        applied: read_applied(meta)?,
        membership: membership.map_or_else(Vec::new, |row| row.value().to_vec()),
    })
}

fn read_applied(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<LogPos>, Fault> {
    match meta
        .get(META_APPLIED)
        .map_err(failed("reading the state's position"))?
    {
        Some(row) => {
            let at = proto::LogId::decode(row.value()).map_err(damaged("position"))?;
            Ok(Some(LogPos {
                term: at.term,
                index: at.index,
            }))
        }
        None => Ok(None),
    }
}

fn read_u64(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &'static str,
) -> Result<u64, Fault> {
    match meta.get(key).map_err(failed("reading the state"))? {
        Some(row) => row
            .value()
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(damaged("number")),
        None => Ok(0),
    }
}

pub(super) fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Fault {
    move |error| Fault::new(what, error)
}

/// redb takes a backend by value.
#[derive(Debug)]
struct Backend(StateFile);

impl redb::StorageBackend for Backend {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> std::io::Result<()> {
        self.0.close()
    }
}
