//! Changes to the state: all of a batch, or none.

use std::cell::OnceCell;

use redb::{AccessGuard, Key, WriteTransaction};

use super::{
    Fault, OrFault as _,
    log::LogPos,
    position::{self, APPLIED, MEMBERSHIP, Position, RECEIVED},
    row_sum::{self, RowSum, SUM},
    rows::place,
    table::{Cell, Digested, Opened, Table, Tables, WriteTable, for_any, open_to_write},
};

/// A batch of changes that is being made.
pub struct Batch<'t> {
    pub(super) tables: Tables,
    transaction: &'t WriteTransaction,
    /// In the order of `tables`; those that were asked for.
    opened: Vec<OnceCell<WriteTable<'t>>>,
    applied: Option<LogPos>,
    sum: RowSum,
    sum_before: RowSum,
    /// The sums behind each entry whose effect the batch holds.
    pub(super) sums: Vec<(u64, RowSum)>,
    /// Bytes of the commands.
    pub(super) bytes: u64,
}

impl<'t> Batch<'t> {
    /// A batch whose changes are made to rows of this sum.
    pub(super) fn of(transaction: &'t WriteTransaction, tables: Tables, sum: RowSum) -> Self {
        Self {
            tables,
            transaction,
            opened: tables.iter().map(|_| OnceCell::new()).collect(),
            applied: None,
            sum,
            sum_before: sum,
            sums: Vec::new(),
            bytes: 0,
        }
    }

    /// A table, opened at its first use: that takes longer than a row does.
    pub(super) fn opened(&self, table: &Table) -> Result<&WriteTable<'t>, Fault> {
        let place = place(self.tables, table);
        let cell = &self.opened[place];
        match cell.get() {
            Some(opened) => Ok(opened),
            None => {
                let opened = open_to_write(self.transaction, self.tables[place])?;
                Ok(cell.get_or_init(|| opened))
            }
        }
    }

    fn opened_mut(&mut self, table: &Table) -> Result<&mut WriteTable<'t>, Fault> {
        self.opened(table)?;
        let cell = &mut self.opened[place(self.tables, table)];
        Ok(cell.get_mut().expect("it was opened just now"))
    }

    /// Puts a row in its place, or in the place of the row that has its key.
    pub fn insert(&mut self, table: &Table, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let replaced =
            for_any!(self.opened_mut(table)?, opened => insert(opened, table, key, value))?;
        let now = is_summed(table).then(|| row_sum::of_row(table, key, value));
        self.changed(replaced, now);
        Ok(())
    }

    /// Removes a row, if it is there.
    pub fn remove(&mut self, table: &Table, key: &[u8]) -> Result<(), Fault> {
        let removed = for_any!(self.opened_mut(table)?, opened => remove(opened, table, key))?;
        self.changed(removed, None);
        Ok(())
    }

    /// Takes a row's part out of the sum, and adds another one's.
    fn changed(&mut self, before: Option<u128>, now: Option<u128>) {
        if let Some(row) = before {
            self.sum.take(row);
        }
        if let Some(row) = now {
            self.sum.add(row);
        }
    }

    /// Keeps a single value.
    pub fn set_value(&mut self, name: &str, value: &[u8]) -> Result<(), Fault> {
        self.insert(self.tables[0], name.as_bytes(), value)
    }

    /// Keeps an encoded membership.
    pub fn membership(&mut self, membership: &[u8]) -> Result<(), Fault> {
        self.set_value(MEMBERSHIP, membership)
    }

    /// Notes that the batch holds the effect of everything up to here.
    pub fn applied(&mut self, at: LogPos) {
        self.applied = Some(at);
        self.sums.push((at.index, self.sum));
    }

    /// Notes that the state was received from another server.
    pub(super) fn received(&mut self, position: &Position) -> Result<(), Fault> {
        match position.received {
            Some(at) => self.set_value(RECEIVED, &position::encode(at)),
            None => Ok(()),
        }
    }

    /// Notes that a command of so many bytes has its effect here: after enough of them a
    /// checkpoint is due.
    pub fn command_bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// The sum of the rows, with those that the batch changed.
    pub(super) fn sum(&self) -> RowSum {
        self.sum
    }

    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        if let Some(at) = self.applied {
            self.set_value(APPLIED, &position::encode(at))?;
        }
        if self.sum != self.sum_before {
            self.set_value(SUM, &self.sum.to_bytes())?;
        }
        Ok(())
    }
}

/// Whether the sum of the rows has those of a table. Single values are written once a batch, and batches
/// are others on every server.
pub(crate) fn is_summed(table: &Table) -> bool {
    table.digested == Digested::Rows
}

/// Returns what the row that had the key was in the sum.
fn insert<K: Key + Cell + 'static, V: Cell + 'static>(
    opened: &mut redb::Table<'_, K, V>,
    table: &Table,
    key: &[u8],
    value: &[u8],
) -> Result<Option<u128>, Fault> {
    let place = K::of(key).or_fault(table.doing("storing in"))?;
    let value = V::of(value).or_fault(table.doing("storing in"))?;
    let replaced = opened
        .insert(place, value)
        .or_fault(table.doing("storing in"))?;
    Ok(in_sum(table, key, replaced))
}

/// Returns what the row was in the sum.
fn remove<K: Key + Cell + 'static, V: Cell + 'static>(
    opened: &mut redb::Table<'_, K, V>,
    table: &Table,
    key: &[u8],
) -> Result<Option<u128>, Fault> {
    let place = K::of(key).or_fault(table.doing("removing from"))?;
    let removed = opened
        .remove(place)
        .or_fault(table.doing("removing from"))?;
    Ok(in_sum(table, key, removed))
}

fn in_sum<V: Cell + 'static>(
    table: &Table,
    key: &[u8],
    row: Option<AccessGuard<'_, V>>,
) -> Option<u128> {
    let row = row.filter(|_| is_summed(table))?;
    Some(row_sum::of_row(table, key, V::bytes(&row.value())))
}
