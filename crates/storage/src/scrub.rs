//! Reading the whole state a little at a time, so that damage is found while the other servers are whole.

use super::{Fault, Store, rows::Rows as _, table::Tables};

/// How far the state was read. Rows that come and go meanwhile may be passed over.
#[derive(Debug)]
pub struct Scrub {
    /// The tables to go on with, and the last key that was read of the first one.
    rest: Tables,
    after: Option<Vec<u8>>,
}

impl Scrub {
    /// Begins at the first row.
    pub fn of(store: &Store) -> Self {
        Self {
            rest: store.tables(),
            after: None,
        }
    }

    /// Reads the next rows, so many bytes of them or a few more. Returns whether these were the last ones.
    /// Fails on what isn't what was written; [`Store::damaged`] tells of it too.
    pub fn read_on(&mut self, store: &Store, bytes: usize) -> Result<bool, Fault> {
        // For this stretch only: who keeps a view keeps old pages.
        let view = store.view()?;
        let mut read = 0;
        while let [table, rest @ ..] = self.rest {
            let mut last = None;
            view.scan(table, self.after.as_deref(), |key, value| {
                read += key.len() + value.len();
                let goes_on = read < bytes;
                if !goes_on {
                    last = Some(key.to_vec());
                }
                Ok(goes_on)
            })?;
            if last.is_some() {
                self.after = last;
                return Ok(false);
            }
            (self.rest, self.after) = (rest, None);
        }
        Ok(true)
    }
}
