//! A snapshot: the whole state, on its way to another server.
//!
//! It is read from a view, so changes go on meanwhile, and sent in chunks: rows of one table
//! in the order of their keys, with a checksum each. The receiver loads them into a file of
//! its own beside its state, and only a complete one takes the state's place.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use redb::Durability;

use super::{
    Batch, Fault, OrFault as _,
    damage::Damage,
    database::StateDatabase,
    disk::Disk,
    planted::{StorageBug, is_planted},
    position::Position,
    row_sum::{self, RowSum},
    rows::Rows as _,
    store::StoreOptions,
    table::{Table, Tables},
    view::StoreView,
};

/// Files that snapshots are loaded into begin so.
pub(super) const INCOMING: &str = "incoming-";

/// A chunk is closed at the first row that brings it to this size.
const CHUNK_BYTES: usize = 256 << 10;

/// Rows of one table in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// Number of the table.
    pub table: u32,
    /// Keys, ascending.
    pub keys: Vec<Bytes>,
    /// The value of each key.
    pub values: Vec<Bytes>,
    /// Checksum of all of the above.
    pub crc32: u32,
}

impl SnapshotChunk {
    /// A chunk with its checksum.
    pub fn of(table: u32, keys: Vec<Bytes>, values: Vec<Bytes>) -> Self {
        let crc32 = Self::checksum(table, &keys, &values);
        Self {
            table,
            keys,
            values,
            crc32,
        }
    }

    fn checksum(table: u32, keys: &[Bytes], values: &[Bytes]) -> u32 {
        let mut hash = crc32fast::Hasher::new();
        hash.update(&table.to_be_bytes());
        for part in keys.iter().chain(values) {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize()
    }
}

/// What the receiver compares once it has everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotTotals {
    /// In all tables.
    pub rows: u64,
    /// Checksum of the chunks' checksums, in order.
    pub crc32: u32,
}

/// The totals of the chunks so far.
#[derive(Default)]
pub struct Totals {
    rows: u64,
    hash: crc32fast::Hasher,
}

impl Totals {
    /// Counts the next chunk.
    pub fn add(&mut self, chunk: &SnapshotChunk) {
        self.rows += chunk.keys.len() as u64;
        self.hash.update(&chunk.crc32.to_be_bytes());
    }

    /// What it comes to.
    pub fn get(&self) -> SnapshotTotals {
        SnapshotTotals {
            rows: self.rows,
            crc32: self.hash.clone().finalize(),
        }
    }
}

/// Reads a state chunk by chunk.
pub struct SnapshotReader {
    view: StoreView,
    position: Position,
    /// The tables to go on with, and the last key that was read of the first one.
    rest: Tables,
    after: Option<Vec<u8>>,
    totals: Totals,
}

impl fmt::Debug for SnapshotReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader")
            .field("applied", &self.position.applied)
            .finish()
    }
}

impl SnapshotReader {
    pub(super) fn of(view: StoreView) -> Result<Self, Fault> {
        let position = view.position()?;
        Ok(Self {
            rest: view.tables(),
            after: None,
            view,
            position,
            totals: Totals::default(),
        })
    }

    /// Position and membership of the snapshot.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The next chunk, or none when all were read.
    pub fn next_chunk(&mut self) -> Result<Option<SnapshotChunk>, Fault> {
        while let [table, rest @ ..] = self.rest {
            let forgotten = rest.is_empty() && is_planted(StorageBug::SnapshotForgetsATable);
            let rows = match forgotten {
                true => None,
                false => read_rows(&self.view, table, self.after.as_deref())?,
            };
            match rows {
                Some(rows) => {
                    self.after = rows.keys.last().map(|last| last.to_vec());
                    self.totals.add(&rows);
                    return Ok(Some(rows));
                }
                None => (self.rest, self.after) = (rest, None),
            }
        }
        Ok(None)
    }

    /// What it is a snapshot of.
    pub fn rows(&self) -> &StoreView {
        &self.view
    }

    /// The totals of the chunks read so far.
    pub fn totals(&self) -> SnapshotTotals {
        self.totals.get()
    }
}

/// The rows behind a key that make up a chunk, if there are any.
fn read_rows(
    view: &StoreView,
    table: &Table,
    after: Option<&[u8]>,
) -> Result<Option<SnapshotChunk>, Fault> {
    let (mut keys, mut values, mut bytes) = (Vec::new(), Vec::new(), 0);
    view.scan(table, after, |key, value| {
        keys.push(Bytes::copy_from_slice(key));
        values.push(Bytes::copy_from_slice(value));
        bytes += key.len() + value.len();
        Ok(bytes < CHUNK_BYTES)
    })?;
    Ok((!keys.is_empty()).then(|| SnapshotChunk::of(table.number, keys, values)))
}

/// The file that a snapshot is loaded into: removed, unless it was put in the state's place.
struct Incoming {
    disk: Arc<dyn Disk>,
    name: String,
    in_place: bool,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.in_place && self.disk.remove(&self.name).is_err() {
            tracing::warn!("cannot remove {}; it goes at the next start", self.name);
        }
    }
}

/// Takes a snapshot in, chunk by chunk.
pub struct Loader {
    pub(super) database: StateDatabase,
    tables: Tables,
    file: Incoming,
    /// Number of the table and key of the last row.
    last: Option<(u32, Bytes)>,
    totals: Totals,
    /// Of the rows so far.
    sum: RowSum,
}

impl Loader {
    pub(super) fn new(
        disk: &Arc<dyn Disk>,
        load: u64,
        tables: Tables,
        options: &StoreOptions,
        damage: Damage,
    ) -> Result<Self, Fault> {
        let file = Incoming {
            disk: Arc::clone(disk),
            name: format!("{INCOMING}{load}.redb"),
            in_place: false,
        };
        let backend = disk
            .open_state(&file.name, true)
            .or_fault("receiving a snapshot")?;
        let database = StateDatabase::open(backend, tables, options, damage)?;
        Ok(Self {
            database,
            tables,
            file,
            last: None,
            totals: Totals::default(),
            sum: RowSum::default(),
        })
    }

    /// Takes the next chunk in. Its rows must be what a server makes: what is found out here
    /// is the sender's fault, and what isn't would stop this server later.
    pub fn add(&mut self, chunk: &SnapshotChunk) -> Result<(), Fault> {
        let refused = |why: String| Fault::new("receiving a snapshot", why);
        let known = |table: &&&'static Table| table.number == chunk.table;
        let table = (self.tables.iter().find(known))
            .ok_or_else(|| refused(format!("unknown table {}", chunk.table)))?;
        if chunk.keys.len() != chunk.values.len() {
            return Err(refused(
                "a chunk has more keys than values, or fewer".to_owned(),
            ));
        }
        if SnapshotChunk::checksum(chunk.table, &chunk.keys, &chunk.values) != chunk.crc32 {
            return Err(refused("a chunk's checksum does not fit".to_owned()));
        }
        for key in &chunk.keys {
            let here = (table.number, key.clone());
            if self.last.as_ref().is_some_and(|last| *last >= here) {
                return Err(refused("rows are out of order".to_owned()));
            }
            self.last = Some(here);
        }
        self.store(table, chunk)?;
        self.totals.add(chunk);
        Ok(())
    }

    fn store(&mut self, table: &Table, chunk: &SnapshotChunk) -> Result<(), Fault> {
        const STORING: &str = "storing a received snapshot";
        let mut transaction = self.database.begin_write().or_fault(STORING)?;
        transaction
            .set_durability(Durability::None)
            .or_fault(STORING)?;
        let mut batch = Batch::of(&transaction, self.tables, self.sum);
        for (key, value) in chunk.keys.iter().zip(&chunk.values) {
            (table.check_row)(&batch, key, value)?;
            batch.insert(table, key, value)?;
        }
        self.sum = batch.sum();
        drop(batch);
        transaction.commit().or_fault(STORING)
    }

    /// Ends the load: everything must have arrived. The snapshot is on the disk then.
    pub fn finish(self, expected: SnapshotTotals) -> Result<Loaded, Fault> {
        let found = self.totals.get();
        if found != expected {
            return Err(Fault::new(
                "receiving a snapshot",
                format!("{} rows arrived, {} were sent", found.rows, expected.rows),
            ));
        }
        const STORING: &str = "storing a received snapshot";
        let view = StoreView::of(&self.database, self.tables)?;
        let sum = row_sum::stored(&view)?;
        if sum != self.sum {
            let why = format!("its rows have the sum {}, not {sum}", self.sum);
            return Err(Fault::new("receiving a snapshot", why));
        }
        view.check()?;
        let mut position = view.position()?;
        drop(view);
        let mut transaction = self.database.begin_write().or_fault(STORING)?;
        if is_planted(StorageBug::SnapshotSwapNotSynced) {
            transaction
                .set_durability(Durability::None)
                .or_fault(STORING)?;
        } else {
            transaction.set_quick_repair(true);
        }
        let mut batch = Batch::of(&transaction, self.tables, sum);
        position.received = position.applied;
        batch.received(&position)?;
        drop(batch);
        transaction.commit().or_fault(STORING)?;
        Ok(Loaded {
            database: self.database,
            file: self.file,
            position,
        })
    }
}

/// A complete snapshot in a file beside the state.
pub struct Loaded {
    database: StateDatabase,
    file: Incoming,
    position: Position,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("applied", &self.position.applied)
            .finish()
    }
}

impl Loaded {
    /// Position and membership of the snapshot.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Gives the file its new name, on the disk too. The database stays open under it.
    pub(super) fn put_in_place(mut self, name: &str) -> Result<(StateDatabase, Position), Fault> {
        self.file
            .disk
            .rename(&self.file.name, name)
            .or_fault("putting a snapshot in place")?;
        self.file.in_place = true;
        Ok((self.database, self.position))
    }
}
