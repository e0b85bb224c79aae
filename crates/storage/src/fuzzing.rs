//! Doors for the fuzzer, and only for it: what the log keeps, and a disk to test on.

mod memory_disk;
pub mod records;

use super::{
    RowSum, Table,
    batch::is_summed,
    row_sum::{SUM, of_row},
};

pub use memory_disk::MemoryDisk;

/// Whether a row of the single values has the sum over the others.
pub fn is_sum(key: &[u8]) -> bool {
    key == SUM.as_bytes()
}

/// Adds rows of a table to a sum, as far as it has those of the table.
pub fn add_rows<'r>(
    sum: &mut RowSum,
    table: &Table,
    rows: impl Iterator<Item = (&'r [u8], &'r [u8])>,
) {
    if is_summed(table) {
        rows.for_each(|(key, value)| sum.add(of_row(table, key, value)));
    }
}
