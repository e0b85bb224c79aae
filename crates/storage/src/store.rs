//! The state: tables of ordered bytes, in redb.
//!
//! Changes are made in batches. A batch is seen by whoever reads after it was made, and is on the disk
//! with the next checkpoint; what a crash takes is made good from the log, which is kept
//! behind the last checkpoint.
//!
//! redb shows readers what was committed. To commit costs as much as a few changes, so batches that nobody
//! reads between share one transaction: whoever wants to read commits it first.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use redb::{Durability, WriteTransaction};
use tokio::sync::{Notify, OwnedMutexGuard};

use super::{
    Fault, OrFault as _,
    batch::Batch,
    damage::{ChangesLost, Damage},
    database::StateDatabase,
    disk::Disk,
    planted::{StorageBug, is_planted},
    position::{Position, read_position},
    row_sum::{self, RecentSums, RowSum},
    snapshot::{Loaded, Loader, SnapshotReader, SnapshotTotals},
    table::Tables,
    view::StoreView,
};

/// The file that holds the state.
pub(super) const STATE: &str = "state.redb";
/// The file that held it, until it was found to be damaged.
pub const SET_ASIDE: &str = "damaged.redb";

/// Batches that may share one transaction.
const OPEN_BATCHES_MAX: u32 = 256;
/// Bytes of their commands: what they change is in memory until then.
const OPEN_BYTES_MAX: u64 = 1 << 20;

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
            cache_bytes: 16 << 20,
            checkpoint_bytes: 16 << 20,
        }
    }
}

/// The state on a disk. One writer, any number of readers.
pub struct Store {
    disk: Arc<dyn Disk>,
    tables: Tables,
    options: StoreOptions,
    damage: Damage,
    /// Replaced as a whole when a snapshot is installed.
    database: RwLock<Arc<StateDatabase>>,
    /// A view of the state as it is, until the next change: most reads share one.
    view: Mutex<Option<Arc<StoreView>>>,
    /// Of whoever must not wait for the disk with a thread.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever is about to have redb's only write transaction, and while a batch is made. Taken
    /// before `made`.
    writing: Mutex<()>,
    /// What was made since the last commit. Held while a batch is added, and until a commit is visible.
    made: Mutex<Made>,
    /// The last checkpoint.
    durable: Mutex<Position>,
    sums: Mutex<RecentSums>,
    /// Snapshots that were begun to be loaded; each gets a file of its own.
    loads: AtomicU64,
    /// Bytes of the commands applied since the last checkpoint.
    bytes: AtomicU64,
    checkpoint_due: Notify,
}

/// Batches that were made.
enum Made {
    /// All of them are visible.
    Settled,
    /// Some will be, once this is committed.
    Open {
        transaction: Box<WriteTransaction>,
        batches: u32,
        bytes: u64,
    },
    /// Some were lost with the transaction that they shared: nothing is read any more.
    Lost,
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
        let damage = Damage::default();
        let database = open_or_make(&disk, tables, &options, damage.clone())?;
        damage.set_in_use(true);
        let view = StoreView::of(&database, tables)?;
        let durable = view.position()?;
        let mut sums = RecentSums::default();
        let at = durable.applied.map(|at| at.index);
        sums.restart(at, row_sum::stored(&view)?);
        if durable.applied.is_some() {
            // There is a state again: nobody needs what was left of the one before.
            disk.remove(SET_ASIDE)
                .or_fault("removing a damaged state")?;
        }
        Ok(Self {
            disk,
            tables,
            options,
            damage,
            database: RwLock::new(Arc::new(database)),
            view: Mutex::new(None),
            turn: Arc::default(),
            writing: Mutex::new(()),
            made: Mutex::new(Made::Settled),
            durable: Mutex::new(durable),
            sums: Mutex::new(sums),
            loads: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            checkpoint_due: Notify::new(),
        })
    }

    /// A consistent view of the state as it is now. Keep it only as long as it takes to
    /// answer: old pages cannot be used again while somebody may read them.
    pub fn view(&self) -> Result<Arc<StoreView>, Fault> {
        let mut shared = lock(&self.view);
        if let Some(view) = &*shared {
            return Ok(Arc::clone(view));
        }
        let database = self.database();
        if !is_planted(StorageBug::ReadUnsettled) {
            database.explained(self.settle())?;
        }
        let view = Arc::new(database.explained(StoreView::of(&database, self.tables))?);
        *shared = Some(Arc::clone(&view));
        Ok(view)
    }

    /// The state has changed: whoever reads from now on must see it.
    fn forget_view(&self) {
        *lock(&self.view) = None;
    }

    /// Returns when nobody else has the turn. While a checkpoint is written, [`write`](Self::write) waits
    /// for the disk, and holds up its thread: who has other work for that thread takes the turn first,
    /// and who makes the checkpoint, too.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
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
        let writing = lock(&self.writing);
        let mut made = lock(&self.made);
        let (transaction, batches, bytes) = match std::mem::replace(&mut *made, Made::Lost) {
            Made::Open {
                transaction,
                batches,
                bytes,
            } => (transaction, batches, bytes),
            Made::Lost => return Err(lost("making a batch")),
            Made::Settled => {
                *made = Made::Settled;
                // Readers go on meanwhile: it may take as long as a checkpoint does.
                drop(made);
                let transaction = begin_batch(database)?;
                made = lock(&self.made);
                (Box::new(transaction), 0, 0)
            }
        };
        let added = batch_of(&transaction, self.tables).and_then(|mut batch| {
            let result = work(&mut batch)?;
            batch.finish()?;
            Ok((result, batch.bytes, batch.sums))
        });
        let (result, added, sums) = match added {
            Ok(added) => added,
            Err(fault) => {
                // The transaction ends without a trace, and with it what was made in it before.
                *made = if batches == 0 {
                    Made::Settled
                } else {
                    Made::Lost
                };
                return Err(fault);
            }
        };
        *made = Made::Open {
            transaction,
            batches: batches + 1,
            bytes: bytes + added,
        };
        if batches + 1 >= OPEN_BATCHES_MAX || bytes + added >= OPEN_BYTES_MAX {
            commit(&mut made)?;
        }
        lock(&self.sums).extend(sums);
        drop(made);
        drop(writing);
        self.forget_view();
        let before = self.bytes.fetch_add(added, Ordering::Relaxed);
        if before + added >= self.options.checkpoint_bytes {
            self.checkpoint_due.notify_one();
        }
        Ok(result)
    }

    /// Makes every batch so far visible.
    fn settle(&self) -> Result<(), Fault> {
        commit(&mut lock(&self.made))
    }

    /// Puts every change made so far on the disk. Returns what is there then. Waits for a
    /// batch that is being made, and holds up the next one for as long as the disk takes.
    pub fn checkpoint(&self) -> Result<Position, Fault> {
        let database = self.database();
        database.explained(self.write_checkpoint(&database))
    }

    fn write_checkpoint(&self, database: &StateDatabase) -> Result<Position, Fault> {
        let mut transaction = {
            let _writing = lock(&self.writing);
            // Not part of the checkpoint's own transaction: readers would have to wait for the disk.
            self.settle()?;
            database.begin_write().or_fault("beginning a checkpoint")?
        };
        transaction
            .set_durability(Durability::Immediate)
            .or_fault("beginning a checkpoint")?;
        // Saves the allocator's state too, so that a restart needs not walk the tables.
        transaction.set_quick_repair(true);
        self.bytes.store(0, Ordering::Relaxed);
        let durable = {
            let state = batch_of(&transaction, self.tables)?;
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
        database.explained(
            self.settle()
                .and_then(|()| StoreView::of(&database, self.tables).and_then(SnapshotReader::of)),
        )
    }

    /// The sum over all rows behind an entry of the log, if that is among the last thousands applied.
    pub fn sum_at(&self, index: u64) -> Option<RowSum> {
        lock(&self.sums).at(index)
    }

    /// The last entry applied, and the sum behind it.
    pub fn last_sum(&self) -> Option<(u64, RowSum)> {
        lock(&self.sums).last()
    }

    /// Returns once damage was found, by whoever read.
    pub async fn damaged(&self) -> Fault {
        self.damage.wait().await
    }

    /// Takes the file of the state out of its place, for the next start not to believe it. This store reads
    /// and writes it under its new name.
    pub fn set_aside(disk: &dyn Disk) -> Result<(), Fault> {
        disk.rename(STATE, SET_ASIDE)
            .or_fault("setting a damaged state aside")
    }

    /// An empty state beside this one, for a snapshot to be loaded into.
    pub fn loader(&self) -> Result<Loader, Fault> {
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        let damage = self.damage.of_another_file();
        Loader::new(&self.disk, load, self.tables, &self.options, damage)
    }

    /// Puts a loaded snapshot in the place of the state. Readers of the old state finish
    /// with the old state.
    pub fn install(&self, loaded: Loaded) -> Result<Position, Fault> {
        let writing = lock(&self.writing);
        // Of the old state.
        *lock(&self.made) = Made::Settled;
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let (new, durable) = loaded.put_in_place(STATE)?;
        let sum = row_sum::stored(&StoreView::of(&new, self.tables)?)?;
        new.damage.set_in_use(true);
        let old = std::mem::replace(&mut *database, Arc::new(new));
        old.damage.set_in_use(false);
        let at = durable.applied.map(|at| at.index);
        lock(&self.sums).restart(at, sum);
        drop(database);
        drop(writing);
        self.forget_view();
        self.lock_durable().clone_from(&durable);
        Ok(durable)
    }

    pub(super) fn tables(&self) -> Tables {
        self.tables
    }

    /// Bytes on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.disk.state_bytes()
    }

    fn database(&self) -> Arc<StateDatabase> {
        Arc::clone(&self.database.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_durable(&self) -> MutexGuard<'_, Position> {
        lock(&self.durable)
    }
}

/// No panic under these locks leaves anything half done that others would take for whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn begin_batch(database: &StateDatabase) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write().or_fault("beginning a batch")?;
    transaction
        .set_durability(Durability::None)
        .or_fault("beginning a batch")?;
    Ok(transaction)
}

/// A batch that goes on with the sum that is kept.
fn batch_of(transaction: &WriteTransaction, tables: Tables) -> Result<Batch<'_>, Fault> {
    let sum = row_sum::stored(&Batch::of(transaction, tables, RowSum::default()))?;
    Ok(Batch::of(transaction, tables, sum))
}

fn commit(made: &mut Made) -> Result<(), Fault> {
    match std::mem::replace(made, Made::Lost) {
        Made::Settled => {}
        Made::Open { transaction, .. } => transaction.commit().or_fault("committing a batch")?,
        Made::Lost => return Err(lost("reading the state")),
    }
    *made = Made::Settled;
    Ok(())
}

fn lost(doing: &'static str) -> Fault {
    Fault::new(doing, ChangesLost)
}

fn open_or_make(
    disk: &Arc<dyn Disk>,
    tables: Tables,
    options: &StoreOptions,
    damage: Damage,
) -> Result<StateDatabase, Fault> {
    let file = disk
        .open_state(STATE, false)
        .or_fault("opening the state")?;
    if file.size().or_fault("opening the state")? == 0 {
        // Made beside its place, like a snapshot: redb cannot open a file that it was making when
        // the power went, since its magic number was not written yet:
        // https://github.com/cberner/redb/pull/914.
        drop(file);
        let loader = Loader::new(disk, 0, tables, options, damage)?;
        let made = loader.finish(SnapshotTotals::default())?;
        return Ok(made.put_in_place(STATE)?.0);
    }
    StateDatabase::open(file, tables, options, damage)
}

#[cfg(test)]
mod tests;
