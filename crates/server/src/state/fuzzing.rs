//! What log and state keep.

use quorid_storage::{RowSum, fuzzing};

use super::TABLES;

pub mod log_entries;

/// Adds rows of the table of a number to a sum over all rows, if there is such a table.
pub(crate) fn add_rows<'r>(
    sum: &mut RowSum,
    number: u32,
    rows: impl Iterator<Item = (&'r [u8], &'r [u8])>,
) {
    if let Some(table) = TABLES.iter().find(|table| table.number == number) {
        fuzzing::add_rows(sum, table, rows);
    }
}
