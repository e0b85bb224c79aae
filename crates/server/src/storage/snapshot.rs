//! A snapshot: the whole state, on its way to another server.
//!
//! It is read from a view, so changes go on meanwhile, and sent in chunks: rows of one table
//! in the order of their keys, with a checksum each. The receiver loads them into a file of
//! its own beside its state, and only a complete one takes the state's place.

use std::{fmt, ops::Bound, sync::Arc};

use bytes::Bytes;
use quorid_directory::{AccountId, PlantedBug, is_planted};
use redb::Durability;

use super::{
    Fault, blocking,
    codec::{decode_account, decode_outcome, request_id},
    database::StateDatabase,
    disk::Disk,
    rows::{Durable, failed, find_account},
    store::StoreOptions,
    tables::{ACCOUNTS, LOGIN_NAMES, META, OUTCOMES, TableId},
    view::ReadView,
};

/// Files that snapshots are loaded into begin so.
pub(super) const INCOMING: &str = "incoming-";

/// A chunk is closed at the first row that brings it to this size.
const CHUNK_BYTES: usize = 256 << 10;

/// Rows of one table in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Number of the table.
    pub table: u32,
    /// Keys, ascending.
    pub keys: Vec<Bytes>,
    /// The value of each key.
    pub values: Vec<Bytes>,
    /// Of all of the above.
    pub crc32: u32,
}

impl Chunk {
    /// With its checksum.
    pub(crate) fn of(table: u32, keys: Vec<Bytes>, values: Vec<Bytes>) -> Self {
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
    /// Of the chunks' checksums, in order.
    pub crc32: u32,
}

/// Of the chunks so far.
#[derive(Default)]
pub(crate) struct Totals {
    rows: u64,
    hash: crc32fast::Hasher,
}

impl Totals {
    pub(crate) fn add(&mut self, chunk: &Chunk) {
        self.rows += chunk.keys.len() as u64;
        self.hash.update(&chunk.crc32.to_be_bytes());
    }

    pub(crate) fn get(&self) -> SnapshotTotals {
        SnapshotTotals {
            rows: self.rows,
            crc32: self.hash.clone().finalize(),
        }
    }
}

/// Reads a state chunk by chunk.
pub struct SnapshotReader {
    view: ReadView,
    durable: Durable,
    /// The table to go on with, and the last key that was read of it.
    next: Option<(TableId, Option<Vec<u8>>)>,
    totals: Totals,
}

impl fmt::Debug for SnapshotReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader")
            .field("applied", &self.durable.applied)
            .finish()
    }
}

impl SnapshotReader {
    pub(super) fn of(view: ReadView) -> Result<Self, Fault> {
        let durable = view.durable()?;
        Ok(Self {
            view,
            durable,
            next: Some((TableId::Meta, None)),
            totals: Totals::default(),
        })
    }

    /// Position and membership of the snapshot.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// The next chunk, or none when all were read.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, Fault> {
        while let Some((table, after)) = self.next.take() {
            if table == TableId::Outcomes && is_planted(PlantedBug::SnapshotForgetsRequests) {
                continue;
            }
            let rows = blocking(|| read_rows(&self.view, table, after.as_deref()))?;
            let Some(last) = rows.keys.last() else {
                let following = TableId::ALL.into_iter().find(|other| *other > table);
                self.next = following.map(|table| (table, None));
                continue;
            };
            self.next = Some((table, Some(last.to_vec())));
            self.totals.add(&rows);
            return Ok(Some(rows));
        }
        Ok(None)
    }

    /// Of the chunks read so far.
    pub fn totals(&self) -> SnapshotTotals {
        self.totals.get()
    }
}

fn read_rows(view: &ReadView, table: TableId, after: Option<&[u8]>) -> Result<Chunk, Fault> {
    let tables = view.tables();
    let mut keys = Vec::new();
    let mut values = Vec::new();
    let mut bytes = 0;
    let mut add = |key: &[u8], value: &[u8]| {
        keys.push(Bytes::copy_from_slice(key));
        values.push(Bytes::copy_from_slice(value));
        bytes += key.len() + value.len();
        bytes >= CHUNK_BYTES
    };
    const READING: &str = "reading a snapshot";
    match table {
        TableId::Meta | TableId::LoginNames => {
            let after = after
                .map(str::from_utf8)
                .transpose()
                .map_err(failed(READING))?;
            let range = (
                after.map_or(Bound::Unbounded, Bound::Excluded),
                Bound::Unbounded,
            );
            if table == TableId::Meta {
                for row in tables.meta.range::<&str>(range).map_err(failed(READING))? {
                    let (key, value) = row.map_err(failed(READING))?;
                    if add(key.value().as_bytes(), value.value()) {
                        break;
                    }
                }
            } else {
                for row in tables
                    .login_names
                    .range::<&str>(range)
                    .map_err(failed(READING))?
                {
                    let (key, value) = row.map_err(failed(READING))?;
                    if add(key.value().as_bytes(), &value.value()) {
                        break;
                    }
                }
            }
        }
        TableId::Accounts | TableId::Outcomes => {
            let after: Option<[u8; 16]> = after
                .map(TryInto::try_into)
                .transpose()
                .map_err(failed(READING))?;
            let range = (
                after.map_or(Bound::Unbounded, Bound::Excluded),
                Bound::Unbounded,
            );
            let table = if table == TableId::Accounts {
                tables.accounts
            } else {
                tables.outcomes
            };
            for row in table.range::<[u8; 16]>(range).map_err(failed(READING))? {
                let (key, value) = row.map_err(failed(READING))?;
                if add(&key.value(), value.value()) {
                    break;
                }
            }
        }
    }
    Ok(Chunk::of(table as u32, keys, values))
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
    database: StateDatabase,
    file: Incoming,
    last: Option<(TableId, Bytes)>,
    totals: Totals,
}

impl Loader {
    pub(super) fn new(
        disk: &Arc<dyn Disk>,
        load: u64,
        options: &StoreOptions,
    ) -> Result<Self, Fault> {
        let file = Incoming {
            disk: Arc::clone(disk),
            name: format!("{INCOMING}{load}.redb"),
            in_place: false,
        };
        let backend = disk
            .open_state(&file.name, true)
            .map_err(failed("receiving a snapshot"))?;
        let database = StateDatabase::open(backend, options)?;
        Ok(Self {
            database,
            file,
            last: None,
            totals: Totals::default(),
        })
    }

    /// Takes the next chunk in. Its rows must be what a server makes: what is found out here
    /// is the sender's fault, and what isn't would stop this server later.
    pub fn add(&mut self, chunk: &Chunk) -> Result<(), Fault> {
        let refused = |why: String| Fault::new("receiving a snapshot", why);
        let table = TableId::from_number(chunk.table)
            .ok_or_else(|| refused(format!("unknown table {}", chunk.table)))?;
        if chunk.keys.len() != chunk.values.len() {
            return Err(refused(
                "a chunk has more keys than values, or fewer".to_owned(),
            ));
        }
        if Chunk::checksum(chunk.table, &chunk.keys, &chunk.values) != chunk.crc32 {
            return Err(refused("a chunk's checksum doesn't fit".to_owned()));
        }
        for key in &chunk.keys {
            let here = (table, key.clone());
            if self.last.as_ref().is_some_and(|last| *last >= here) {
                return Err(refused("rows are out of order".to_owned()));
            }
            self.last = Some(here);
        }
        blocking(|| self.store(table, chunk))?;
        self.totals.add(chunk);
        Ok(())
    }

    fn store(&self, table: TableId, chunk: &Chunk) -> Result<(), Fault> {
        const STORING: &str = "storing a received snapshot";
        let mut transaction = self.database.begin_write().map_err(failed(STORING))?;
        transaction
            .set_durability(Durability::None)
            .map_err(failed(STORING))?;
        let rows = chunk.keys.iter().zip(&chunk.values);
        match table {
            TableId::Meta => {
                let mut meta = transaction.open_table(META).map_err(failed(STORING))?;
                for (key, value) in rows {
                    let key = str::from_utf8(key).map_err(failed(STORING))?;
                    meta.insert(key, value.as_ref()).map_err(failed(STORING))?;
                }
            }
            TableId::LoginNames => {
                let accounts = transaction.open_table(ACCOUNTS).map_err(failed(STORING))?;
                let mut names = transaction
                    .open_table(LOGIN_NAMES)
                    .map_err(failed(STORING))?;
                for (key, value) in rows {
                    let key = str::from_utf8(key).map_err(failed(STORING))?;
                    let id: [u8; 16] = value.as_ref().try_into().map_err(failed(STORING))?;
                    // Accounts come before login names.
                    let holder = find_account(&accounts, &AccountId::from_bytes(id))?;
                    if holder.is_none_or(|holder| holder.login_name.as_str() != key) {
                        return Err(Fault::new(STORING, "a login name isn't its account's"));
                    }
                    names.insert(key, id).map_err(failed(STORING))?;
                }
            }
            TableId::Accounts => {
                let mut accounts = transaction.open_table(ACCOUNTS).map_err(failed(STORING))?;
                for (key, value) in rows {
                    let id = decode_account(value)?.id;
                    if key != id.as_bytes().as_slice() {
                        return Err(Fault::new(STORING, "an account isn't that of its id"));
                    }
                    accounts
                        .insert(id.as_bytes(), value.as_ref())
                        .map_err(failed(STORING))?;
                }
            }
            TableId::Outcomes => {
                let mut outcomes = transaction.open_table(OUTCOMES).map_err(failed(STORING))?;
                for (key, value) in rows {
                    decode_outcome(value)?;
                    outcomes
                        .insert(request_id(key)?.as_bytes(), value.as_ref())
                        .map_err(failed(STORING))?;
                }
            }
        }
        transaction.commit().map_err(failed(STORING))
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
        blocking(|| {
            const STORING: &str = "storing a received snapshot";
            if !is_planted(PlantedBug::SnapshotSwapNotSynced) {
                let mut transaction = self.database.begin_write().map_err(failed(STORING))?;
                transaction.set_quick_repair(true);
                transaction.commit().map_err(failed(STORING))?;
            }
            let view = ReadView::of(&self.database)?;
            view.check()?;
            let durable = view.durable()?;
            Ok(Loaded {
                database: self.database,
                file: self.file,
                durable,
            })
        })
    }
}

/// A complete snapshot in a file beside the state.
pub struct Loaded {
    database: StateDatabase,
    file: Incoming,
    durable: Durable,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("applied", &self.durable.applied)
            .finish()
    }
}

impl Loaded {
    /// Position and membership of the snapshot.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// Gives the file its new name, on the disk too. The database stays open under it.
    pub(super) fn put_in_place(mut self, name: &str) -> Result<(StateDatabase, Durable), Fault> {
        self.file
            .disk
            .rename(&self.file.name, name)
            .map_err(failed("putting a snapshot in place"))?;
        self.file.in_place = true;
        Ok((self.database, self.durable))
    }
}
