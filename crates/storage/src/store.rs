//! The state: tables of ordered bytes, in redb.
//!
//! Changes are made in batches. A batch is visible when it is committed, and on the disk
//! with the next checkpoint; what a crash takes is made good from the log, which is kept
//! behind the last checkpoint.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use redb::{Durability, TransactionError};
use tokio::sync::Notify;

use super::{
    Fault, OrFault as _,
    batch::Batch,
    blocking::blocking,
    database::StateDatabase,
    disk::Disk,
    position::{Position, read_position},
    snapshot::{Loaded, Loader, SnapshotReader, SnapshotTotals},
    table::Tables,
    view::StoreView,
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

/// The state on a disk. One writer, any number of readers.
pub struct Store {
    disk: Arc<dyn Disk>,
    tables: Tables,
    options: StoreOptions,
    /// Replaced as a whole when a snapshot is installed.
    database: RwLock<Arc<StateDatabase>>,
    /// A view of the state as it is, until the next change: most reads share one.
    view: Mutex<Option<Arc<StoreView>>>,
    /// The last checkpoint.
    durable: Mutex<Position>,
    /// Snapshots that were begun to be loaded; each gets a file of its own.
    loads: AtomicU64,
    /// Bytes of the commands applied since the last checkpoint.
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
    ///
    /// # Panics
    ///
    /// If the tables aren't in the order of their numbers, beginning with 1.
    pub fn open(disk: Arc<dyn Disk>, tables: Tables, options: StoreOptions) -> Result<Self, Fault> {
        assert!(
            tables.first().is_some_and(|first| first.number == 1)
                && tables.is_sorted_by(|one, next| one.number < next.number)
        );
        disk.remove_all(super::snapshot::INCOMING)
            .or_fault("removing half-received snapshots")?;
        let database = open_or_make(&disk, tables, &options)?;
        let durable = StoreView::of(&database, tables)?.position()?;
        Ok(Self {
            disk,
            tables,
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
    /// answer: old pages cannot be used again while somebody may read them.
    pub fn view(&self) -> Result<Arc<StoreView>, Fault> {
        let mut shared = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = &*shared {
            return Ok(Arc::clone(view));
        }
        let database = self.database();
        let view = Arc::new(database.explained(StoreView::of(&database, self.tables))?);
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
        database.explained(self.write_batch(&database, work))
    }

    fn write_batch<T>(
        &self,
        database: &StateDatabase,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut transaction = match database.try_begin_write() {
            // A checkpoint is being written.
            Err(TransactionError::WouldBlock) => blocking(|| database.begin_write()),
            begun => begun,
        }
        .or_fault("beginning a batch")?;
        transaction
            .set_durability(Durability::None)
            .or_fault("beginning a batch")?;
        let mut batch = Batch::of(&transaction, self.tables)?;
        let result = work(&mut batch)?;
        let bytes = batch.bytes;
        batch.finish()?;
        transaction.commit().or_fault("committing a batch")?;
        self.forget_view();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= self.options.checkpoint_bytes {
            self.checkpoint_due.notify_one();
        }
        Ok(result)
    }

    /// Puts every change made so far on the disk. Returns what is there then. Waits for a
    /// batch that is being made, and holds up the next one for as long as the disk takes.
    pub fn checkpoint(&self) -> Result<Position, Fault> {
        let database = self.database();
        database.explained(blocking(|| self.write_checkpoint(&database)))
    }

    fn write_checkpoint(&self, database: &StateDatabase) -> Result<Position, Fault> {
        let mut transaction = database.begin_write().or_fault("beginning a checkpoint")?;
        transaction
            .set_durability(Durability::Immediate)
            .or_fault("beginning a checkpoint")?;
        // Saves the allocator's state too, so that a restart needs not walk the tables.
        transaction.set_quick_repair(true);
        self.bytes.store(0, Ordering::Relaxed);
        let durable = {
            let state = Batch::of(&transaction, self.tables)?;
            read_position(&state)?
        };
        transaction.commit().or_fault("writing a checkpoint")?;
        self.forget_view();
        let mut last = self.lock_durable();
        // A snapshot that was installed meanwhile is newer, and durable too.
        if durable.applied > last.applied {
            last.clone_from(&durable);
        }
        Ok(durable)
    }

    /// Returns when so much was written since the last checkpoint that another one is due.
    pub async fn checkpoint_due(&self) {
        self.checkpoint_due.notified().await;
    }

    /// What the last checkpoint holds.
    pub fn durable(&self) -> Position {
        self.lock_durable().clone()
    }

    /// The whole state as it is now, to be sent to another server.
    pub fn snapshot(&self) -> Result<SnapshotReader, Fault> {
        let database = self.database();
        database.explained(StoreView::of(&database, self.tables).and_then(SnapshotReader::of))
    }

    /// An empty state beside this one, for a snapshot to be loaded into.
    pub fn loader(&self) -> Result<Loader, Fault> {
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        Loader::new(&self.disk, load, self.tables, &self.options)
    }

    /// Puts a loaded snapshot in the place of the state. Readers of the old state finish
    /// with the old state.
    pub fn install(&self, loaded: Loaded) -> Result<Position, Fault> {
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

    fn database(&self) -> Arc<StateDatabase> {
        Arc::clone(&self.database.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_durable(&self) -> std::sync::MutexGuard<'_, Position> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_or_make(
    disk: &Arc<dyn Disk>,
    tables: Tables,
    options: &StoreOptions,
) -> Result<StateDatabase, Fault> {
    let file = disk
        .open_state(STATE, false)
        .or_fault("opening the state")?;
    if file.size().or_fault("opening the state")? == 0 {
        // Made beside its place, like a snapshot: redb cannot open a file that it was making when
        // the power went, since its magic number was not written yet:
        // https://github.com/cberner/redb/pull/914.
        drop(file);
        let made = Loader::new(disk, 0, tables, options)?.finish(SnapshotTotals::default())?;
        return Ok(made.put_in_place(STATE)?.0);
    }
    StateDatabase::open(file, tables, options)
}
