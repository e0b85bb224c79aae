//! Reading tables, the same way from a batch and from a view.

use redb::ReadableTableMetadata as _;

use super::{
    Batch, Fault, OrFault as _, StoreView,
    table::{self, Opened, Table, Tables, for_any},
};

/// Tables that can be read.
pub trait Rows {
    /// All tables.
    fn tables(&self) -> Tables;

    /// What `read` makes of a key's value, where there is one.
    fn get<T>(
        &self,
        table: &Table,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault>;

    /// Gives `row` keys and values in order, from the first key behind `after`, for as long as it
    /// returns true.
    fn scan(
        &self,
        table: &Table,
        after: Option<&[u8]>,
        row: impl FnMut(&[u8], &[u8]) -> Result<bool, Fault>,
    ) -> Result<(), Fault>;

    /// Number of rows.
    fn count(&self, table: &Table) -> Result<u64, Fault>;

    /// What `read` makes of a single value, where there is one.
    fn value<T>(
        &self,
        name: &str,
        read: impl FnOnce(&[u8]) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.get(self.tables()[0], name.as_bytes(), read)
    }

    /// A single value of 8 bytes, big-endian; 0 where there is none.
    fn number(&self, name: &str) -> Result<u64, Fault> {
        let number = self.value(name, |bytes| {
            let bytes = bytes.try_into().map(u64::from_be_bytes);
            bytes.or_fault("reading a stored number")
        })?;
        Ok(number.unwrap_or_default())
    }
}

/// Reads the opened tables of a type. They are of other types of redb's in a batch than in a view.
macro_rules! read_opened {
    ($($Type:ty),*) => {
        $(impl Rows for $Type {
            fn tables(&self) -> Tables {
                self.tables
            }

            fn get<T>(
                &self,
                table: &Table,
                key: &[u8],
                read: impl FnOnce(&[u8]) -> Result<T, Fault>,
            ) -> Result<Option<T>, Fault> {
                for_any!(self.opened(table)?, opened => table::get(opened, table, key, read))
            }

            fn scan(
                &self,
                table: &Table,
                after: Option<&[u8]>,
                mut row: impl FnMut(&[u8], &[u8]) -> Result<bool, Fault>,
            ) -> Result<(), Fault> {
                for_any!(self.opened(table)?, opened => table::scan(opened, table, after, &mut row))
            }

            fn count(&self, table: &Table) -> Result<u64, Fault> {
                for_any!(self.opened(table)?, opened => opened.len().or_fault(table.doing("counting")))
            }
        })*
    };
}
read_opened!(Batch<'_>, StoreView);

/// Where a table stands among those of a state.
pub(crate) fn place(tables: Tables, table: &Table) -> usize {
    tables
        .iter()
        .position(|other| other.number == table.number)
        .expect("only tables that the state was opened with are asked for")
}
