//! Changes to the state: all of a batch, or none.

use std::cell::OnceCell;

use redb::{Key, WriteTransaction};

use super::{
    Fault, OrFault as _,
    log::LogPos,
    position::{self, APPLIED, MEMBERSHIP},
    rows::place,
    table::{Cell, Opened, Table, Tables, WriteTable, for_any, open_to_write},
};

/// A batch of changes that is being made.
pub struct Batch<'t> {
    pub(super) tables: Tables,
    transaction: &'t WriteTransaction,
    /// In the order of `tables`; those that were asked for.
    opened: Vec<OnceCell<WriteTable<'t>>>,
    applied: Option<LogPos>,
    /// Bytes of the commands.
    pub(super) bytes: u64,
}

impl<'t> Batch<'t> {
    pub(super) fn of(transaction: &'t WriteTransaction, tables: Tables) -> Self {
        Self {
            tables,
            transaction,
            opened: tables.iter().map(|_| OnceCell::new()).collect(),
            applied: None,
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
        for_any!(self.opened_mut(table)?, opened => insert(opened, table, key, value))
    }

    /// Removes a row, if it is there.
    pub fn remove(&mut self, table: &Table, key: &[u8]) -> Result<(), Fault> {
        for_any!(self.opened_mut(table)?, opened => remove(opened, table, key))
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
    }

    /// Notes that a command of so many bytes has its effect here: after enough of them a
    /// checkpoint is due.
    pub fn command_bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    pub(super) fn finish(mut self) -> Result<(), Fault> {
        match self.applied {
            Some(at) => self.set_value(APPLIED, &position::encode(at)),
            None => Ok(()),
        }
    }
}

fn insert<K: Key + Cell + 'static, V: Cell + 'static>(
    opened: &mut redb::Table<'_, K, V>,
    table: &Table,
    key: &[u8],
    value: &[u8],
) -> Result<(), Fault> {
    let key = K::of(key).or_fault(table.doing("storing in"))?;
    let value = V::of(value).or_fault(table.doing("storing in"))?;
    opened
        .insert(key, value)
        .or_fault(table.doing("storing in"))?;
    Ok(())
}

fn remove<K: Key + Cell + 'static, V: Cell + 'static>(
    opened: &mut redb::Table<'_, K, V>,
    table: &Table,
    key: &[u8],
) -> Result<(), Fault> {
    let key = K::of(key).or_fault(table.doing("removing from"))?;
    opened.remove(key).or_fault(table.doing("removing from"))?;
    Ok(())
}
