//! The state of the directory: its records, each kind in a file of its own, over the tables of
//! ordered bytes that `quorid_storage` keeps.

mod changes;
mod command;
mod difference;
mod field;
mod member;
mod numbers;
mod object;
mod outcome;
mod read_view;
mod rejection;
#[cfg(test)]
mod tests;
mod unique;
mod verifier;

use std::{ops::Deref, sync::Arc};

use quorid_directory::Schema;
use quorid_storage::{Disk, Fault, Store, StoreOptions, Tables};

#[cfg(fuzzing)]
pub mod fuzzing;

pub use changes::Changes;
pub use command::{decode_command, encode_command};
pub use object::Stretch;
pub use read_view::ReadView;

/// All tables. A snapshot carries them in this order, and each is checked against those before it.
const TABLES: Tables = &[
    &numbers::TABLE,
    &object::TABLE,
    &unique::TABLE,
    &verifier::TABLE,
    &member::TABLE,
    &member::GROUPS_OF,
    &outcome::TABLE,
];

/// Generated from `proto/state.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_enum_match_arm,
    reason = "generated from proto/, where the documentation is"
)]
pub(crate) mod proto {
    tonic::include_proto!("quorid.state.v1");
}

/// The state on a disk. Its checkpoints and snapshots are the store's.
#[derive(Debug)]
pub struct State {
    store: Store,
}

impl State {
    /// Opens the state, or makes an empty one. After a crash it is at its last checkpoint.
    pub fn open(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Self, Fault> {
        let store = Store::open(disk, TABLES, options)?;
        Ok(Self { store })
    }

    /// A consistent view of the state as it is now. Keep it only as long as it takes to
    /// answer: old pages cannot be used again while somebody may read them.
    pub fn read(&self) -> Result<ReadView, Fault> {
        let view = self.store.view()?;
        Ok(ReadView::of(view, self.schema()))
    }

    /// The attributes that objects have now.
    pub fn schema(&self) -> Schema {
        Schema::default()
    }

    /// Makes changes: all that `work` does, or nothing if it fails. The changes must record how
    /// far they got with [`Changes::applied`].
    pub fn write<T>(
        &self,
        work: impl FnOnce(&mut Changes<'_, '_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.store.write(|batch| {
            let mut changes = Changes::to(batch, self.schema())?;
            let result = work(&mut changes)?;
            changes.finish()?;
            Ok(result)
        })
    }
}

impl Deref for State {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}
