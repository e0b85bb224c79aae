//! A sum over all rows, kept up to date with every change: two servers with the same rows have the same.

use std::{collections::VecDeque, fmt};

use twox_hash::{XxHash3_64, XxHash3_128};

use super::{Fault, OrFault as _, rows::Rows, table::Table};

/// Name of the sum among the single values: 16 bytes, big-endian.
pub(crate) const SUM: &str = "row_sum";

/// The sum of the hashes of rows, whatever order they came in. It tells states apart that differ by
/// mistake; nobody must be kept from making two that have the same.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RowSum(u128);

impl RowSum {
    /// A row is there.
    pub(crate) fn add(&mut self, row: u128) {
        self.0 = self.0.wrapping_add(row);
    }

    /// A row is there no longer.
    pub(crate) fn take(&mut self, row: u128) {
        self.0 = self.0.wrapping_sub(row);
    }

    /// As it is kept and sent.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The sum that these bytes are, if they are 16.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let bytes: Result<[u8; 16], _> = bytes.try_into();
        let bytes = bytes.or_fault("reading a sum over rows")?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Debug for RowSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for RowSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a row adds to the sum.
pub(crate) fn of_row(table: &Table, key: &[u8], value: &[u8]) -> u128 {
    let seed = XxHash3_64::oneshot_with_seed(u64::from(table.number), key);
    XxHash3_128::oneshot_with_seed(seed, value)
}

/// The sum that is kept; that of no rows where there is none.
pub(crate) fn stored(rows: &impl Rows) -> Result<RowSum, Fault> {
    Ok(rows.value(SUM, RowSum::from_bytes)?.unwrap_or_default())
}

/// How many entries of the log the sums behind are remembered of.
const REMEMBERED: usize = 8192;

/// The sums behind the last entries of the log, to compare with those of other servers.
#[derive(Debug, Default)]
pub(crate) struct RecentSums(VecDeque<(u64, RowSum)>);

impl RecentSums {
    /// In the order of the log.
    pub(crate) fn extend(&mut self, sums: impl IntoIterator<Item = (u64, RowSum)>) {
        self.0.extend(sums);
        let beyond = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..beyond);
    }

    /// Only this one is known.
    pub(crate) fn restart(&mut self, at: Option<u64>, sum: RowSum) {
        self.0.clear();
        self.0.extend(at.map(|at| (at, sum)));
    }

    pub(crate) fn at(&self, index: u64) -> Option<RowSum> {
        let found = self.0.binary_search_by_key(&index, |(index, _)| *index);
        found.ok().map(|place| self.0[place].1)
    }

    pub(crate) fn last(&self) -> Option<(u64, RowSum)> {
        self.0.back().copied()
    }
}
