//! The state as readers see it.

use std::{io, sync::OnceLock};

use redb::{Database, ReadTransaction, ReadableDatabase as _};
use sha2::{Digest as _, Sha256};

use super::{
    Fault, OrFault as _,
    log::LogPos,
    position::{Position, read_applied, read_position},
    row_sum::{self, RowSum},
    rows::{Rows, place},
    table::{Digested, ReadTable, Table, Tables, open_to_read},
};

/// The state as it was at one position.
pub struct StoreView {
    pub(super) tables: Tables,
    transaction: ReadTransaction,
    /// In the order of `tables`; those that were asked for.
    opened: Vec<OnceLock<ReadTable>>,
}

impl StoreView {
    pub(super) fn of(database: &Database, tables: Tables) -> Result<Self, Fault> {
        let transaction = database.begin_read().or_fault("reading the state")?;
        Ok(Self {
            tables,
            transaction,
            opened: tables.iter().map(|_| OnceLock::new()).collect(),
        })
    }

    /// A table, opened at its first use: that takes longer than a row does.
    pub(super) fn opened(&self, table: &Table) -> Result<&ReadTable, Fault> {
        let place = place(self.tables, table);
        let cell = &self.opened[place];
        match cell.get() {
            Some(opened) => Ok(opened),
            None => {
                let opened = open_to_read(&self.transaction, self.tables[place])?;
                Ok(cell.get_or_init(|| opened))
            }
        }
    }

    /// The last entry whose effect the view shows.
    pub fn applied(&self) -> Result<Option<LogPos>, Fault> {
        read_applied(self)
    }

    /// Position and membership of the view.
    pub fn position(&self) -> Result<Position, Fault> {
        read_position(self)
    }

    /// SHA-256 of everything that is replicated: the rows of the tables, in order, then the
    /// numbers among the single values. Two servers at the same position have the same. Reads the
    /// whole state. Fails if the rows don't have the sum that was kept of them.
    pub fn digest(&self) -> Result<[u8; 32], Fault> {
        let mut hash = Sha256::new();
        let mut add = |key: &[u8], value: &[u8]| {
            for part in [key, value] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        };
        let mut numbers: Vec<&str> = Vec::new();
        let mut sum = RowSum::default();
        for table in self.tables {
            match table.digested {
                Digested::Rows => self.scan(table, None, |key, value| {
                    sum.add(row_sum::of_row(table, key, value));
                    add(key, value);
                    Ok(true)
                })?,
                Digested::Numbers(names) => numbers.extend(names),
            }
        }
        for name in numbers {
            add(name.as_bytes(), &self.number(name)?.to_be_bytes());
        }
        let kept = row_sum::stored(self)?;
        if sum != kept {
            let why = format!("the rows have the sum {sum}, and {kept} was kept of them");
            let why = io::Error::new(io::ErrorKind::InvalidData, why);
            return Err(Fault::new("reading the state", why));
        }
        Ok(hash.finalize().into())
    }

    /// Whether the tables fit together. Reads the whole state.
    pub fn check(&self) -> Result<(), Fault> {
        self.tables
            .iter()
            .try_for_each(|table| (table.check_whole)(self))
    }
}
