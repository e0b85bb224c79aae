//! The tables of a state: what whoever opens it says of each, and how redb has them.

use std::{fmt, ops::Bound};

use redb::{
    Key, ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, Value, WriteTransaction,
};

use super::{Batch, Fault, OrFault as _, StoreView};

/// The tables of a state, in the order of their numbers. The first one has the single values.
pub type Tables = &'static [&'static Table];

/// Looks at the key and the value of a row, and at the rows that were received before.
pub type CheckRow = fn(&Batch<'_>, &[u8], &[u8]) -> Result<(), Fault>;

/// Values by keys, in the order of the keys' bytes.
#[derive(Debug)]
pub struct Table {
    /// Its number in snapshots. A number once used keeps its meaning.
    pub number: u32,
    /// Its name in the file, and in errors.
    pub name: &'static str,
    /// Which keys and values it takes.
    pub shape: Shape,
    /// The part of it that a digest covers.
    pub digested: Digested,
    /// Refuses a received row that no server makes. The tables before this one are complete then.
    pub check_row: CheckRow,
    /// Refuses a received state whose rows don't fit together. Every row was checked before.
    pub check_whole: fn(&StoreView) -> Result<(), Fault>,
}

impl Table {
    /// What is being done with this table, for its fault.
    pub(crate) fn doing(&self, what: &'static str) -> impl fmt::Display {
        let name = self.name;
        fmt::from_fn(move |f| write!(f, "{what} {name}"))
    }
}

/// What keys and values are, as redb lays them out in pages. An id is 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Bytes by ids.
    IdToBytes,
    /// Ids by bytes.
    BytesToId,
    /// Bytes by texts, UTF-8.
    TextToBytes,
    /// Bytes by bytes.
    BytesToBytes,
}

/// The part of a table that a digest covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digested {
    /// All rows.
    Rows,
    /// The numbers of these names, after the rows of the other tables; 0 where there is none.
    Numbers(&'static [&'static str]),
}

type Id = [u8; 16];
type Bytes = &'static [u8];
type Text = &'static str;

/// One of redb's tables, opened to read or to write.
pub(crate) enum Opened<A, B, C, D> {
    IdToBytes(A),
    BytesToId(B),
    TextToBytes(C),
    BytesToBytes(D),
}

pub(crate) type ReadTable = Opened<
    ReadOnlyTable<Id, Bytes>,
    ReadOnlyTable<Bytes, Id>,
    ReadOnlyTable<Text, Bytes>,
    ReadOnlyTable<Bytes, Bytes>,
>;
pub(crate) type WriteTable<'t> = Opened<
    redb::Table<'t, Id, Bytes>,
    redb::Table<'t, Bytes, Id>,
    redb::Table<'t, Text, Bytes>,
    redb::Table<'t, Bytes, Bytes>,
>;

/// The same expression for each type of table.
macro_rules! for_any {
    ($opened:expr, $table:ident => $does:expr) => {
        match $opened {
            Opened::IdToBytes($table) => $does,
            Opened::BytesToId($table) => $does,
            Opened::TextToBytes($table) => $does,
            Opened::BytesToBytes($table) => $does,
        }
    };
}
pub(crate) use for_any;

/// Opens a table with `open`, a method of a transaction.
macro_rules! open_with {
    ($transaction:expr, $table:expr) => {{
        let table: &Table = $table;
        let name = table.name;
        Ok(match table.shape {
            Shape::IdToBytes => Opened::IdToBytes(
                $transaction
                    .open_table(TableDefinition::new(name))
                    .or_fault(table.doing("opening"))?,
            ),
            Shape::BytesToId => Opened::BytesToId(
                $transaction
                    .open_table(TableDefinition::new(name))
                    .or_fault(table.doing("opening"))?,
            ),
            Shape::TextToBytes => Opened::TextToBytes(
                $transaction
                    .open_table(TableDefinition::new(name))
                    .or_fault(table.doing("opening"))?,
            ),
            Shape::BytesToBytes => Opened::BytesToBytes(
                $transaction
                    .open_table(TableDefinition::new(name))
                    .or_fault(table.doing("opening"))?,
            ),
        })
    }};
}

pub(crate) fn open_to_read(
    transaction: &ReadTransaction,
    table: &'static Table,
) -> Result<ReadTable, Fault> {
    open_with!(transaction, table)
}

pub(crate) fn open_to_write<'t>(
    transaction: &'t WriteTransaction,
    table: &'static Table,
) -> Result<WriteTable<'t>, Fault> {
    open_with!(transaction, table)
}

/// A key or a value, as redb has it.
pub(crate) trait Cell: Value {
    /// The one that these bytes are, or why they are none: redb asserts what it reads back.
    fn of<'b>(bytes: &'b [u8]) -> Result<Self::SelfType<'b>, String>
    where
        Self: 'b;

    fn bytes<'a, 'b: 'a>(cell: &'a Self::SelfType<'b>) -> &'a [u8]
    where
        Self: 'b;
}

impl Cell for Id {
    fn of<'b>(bytes: &'b [u8]) -> Result<Self::SelfType<'b>, String>
    where
        Self: 'b,
    {
        let wrong = |_| format!("{} bytes, not 16", bytes.len());
        bytes.try_into().map_err(wrong)
    }

    fn bytes<'a, 'b: 'a>(cell: &'a Self::SelfType<'b>) -> &'a [u8]
    where
        Self: 'b,
    {
        cell
    }
}

impl Cell for Bytes {
    fn of<'b>(bytes: &'b [u8]) -> Result<Self::SelfType<'b>, String>
    where
        Self: 'b,
    {
        Ok(bytes)
    }

    fn bytes<'a, 'b: 'a>(cell: &'a Self::SelfType<'b>) -> &'a [u8]
    where
        Self: 'b,
    {
        cell
    }
}

impl Cell for Text {
    fn of<'b>(bytes: &'b [u8]) -> Result<Self::SelfType<'b>, String>
    where
        Self: 'b,
    {
        str::from_utf8(bytes).map_err(|error| error.to_string())
    }

    fn bytes<'a, 'b: 'a>(cell: &'a Self::SelfType<'b>) -> &'a [u8]
    where
        Self: 'b,
    {
        cell.as_bytes()
    }
}

pub(crate) fn get<K: Key + Cell + 'static, V: Cell + 'static, T>(
    opened: &impl ReadableTable<K, V>,
    table: &Table,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let key = K::of(key).or_fault(table.doing("reading"))?;
    match opened.get(key).or_fault(table.doing("reading"))? {
        Some(row) => read(V::bytes(&row.value())).map(Some),
        None => Ok(None),
    }
}

/// Gives `row` the rows behind a key, in order, for as long as it returns true.
pub(crate) fn scan<K: Key + Cell + 'static, V: Cell + 'static>(
    opened: &impl ReadableTable<K, V>,
    table: &Table,
    after: Option<&[u8]>,
    row: &mut impl FnMut(&[u8], &[u8]) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    // A range looks for both of its ends, and who looks for the first row mostly needs no other.
    let first;
    let from = match after {
        Some(key) => K::of(key).or_fault(table.doing("reading"))?,
        None => {
            let Some((key, value)) = opened.first().or_fault(table.doing("reading"))? else {
                return Ok(());
            };
            if !row(K::bytes(&key.value()), V::bytes(&value.value()))? {
                return Ok(());
            }
            first = key;
            first.value()
        }
    };
    let rows = opened
        .range::<K::SelfType<'_>>((Bound::Excluded(from), Bound::Unbounded))
        .or_fault(table.doing("reading"))?;
    for found in rows {
        let (key, value) = found.or_fault(table.doing("reading"))?;
        let (key, value) = (key.value(), value.value());
        if !row(K::bytes(&key), V::bytes(&value))? {
            break;
        }
    }
    Ok(())
}
