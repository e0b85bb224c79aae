//! The state of the directory: its records, each kind in a file of its own, over the tables of
//! ordered bytes that `quorid_storage` keeps.

mod change;
mod changes;
mod command;
mod difference;
mod due;
mod field;
mod index;
mod level;
mod member;
mod numbers;
mod object;
mod outcome;
mod read_view;
mod rejection;
mod schema;
#[cfg(test)]
mod tests;
mod tombstone;
mod unique;
mod verifier;

use std::{
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
};

use quorid_directory::{Level, Schema};
use quorid_storage::{Disk, Fault, Loaded, Position, SnapshotReader, Store, StoreOptions, Tables};

#[cfg(fuzzing)]
pub mod fuzzing;

pub use changes::Changes;
pub use command::{StoredCommand, decode_command, encode_command};
pub(crate) use level::first_level;
pub use level::level_of_membership;
pub use object::Stretch;
pub use read_view::{HistoryCursor, HistoryStretch, ReadView};

/// All tables. A snapshot carries them in this order, and each is checked against those before it.
const TABLES: Tables = &[
    &numbers::TABLE,
    &schema::TABLE,
    &object::TABLE,
    &unique::TABLE,
    &index::TABLE,
    &verifier::TABLE,
    &member::TABLE,
    &member::GROUPS_OF,
    &tombstone::TABLE,
    &tombstone::FORMER,
    &due::RESERVED,
    &due::TABLE,
    &change::TABLE,
    &change::MENTIONS,
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
    /// The schema after the last change: views and batches would otherwise read it anew each time.
    schema: RwLock<Schema>,
}

impl State {
    /// Opens the state, or makes an empty one. After a crash it is at its last checkpoint.
    pub fn open(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Self, Fault> {
        let store = Store::open(disk, TABLES, options)?;
        let schema = RwLock::new(schema::read(&*store.view()?)?);
        Ok(Self { store, schema })
    }

    /// A consistent view of the state as it is now. Keep it only as long as it takes to
    /// answer: old pages cannot be used again while somebody may read them.
    pub fn read(&self) -> Result<ReadView, Fault> {
        let view = self.store.view()?;
        let schema = schema::as_of(&*view, self.schema())?;
        Ok(ReadView::of(view, schema))
    }

    /// The attributes that objects have now.
    pub fn schema(&self) -> Schema {
        let schema = self.schema.read().unwrap_or_else(PoisonError::into_inner);
        schema.clone()
    }

    fn keep_schema(&self, schema: Schema) {
        *self.schema.write().unwrap_or_else(PoisonError::into_inner) = schema;
    }

    /// Puts a loaded snapshot in the place of the state. Readers of the old state finish with the old
    /// state.
    pub fn install(&self, loaded: Loaded) -> Result<Position, Fault> {
        let position = self.store.install(loaded)?;
        self.keep_schema(schema::read(&*self.store.view()?)?);
        Ok(position)
    }

    /// The feature level that the directory is at.
    pub fn level(&self) -> Result<Level, Fault> {
        self.read()?.level()
    }

    /// The feature level of the directory in a snapshot.
    pub fn level_of(snapshot: &SnapshotReader) -> Result<Level, Fault> {
        numbers::level(snapshot.rows())
    }

    /// Makes changes: all that `work` does, or nothing if it fails. The changes must record how
    /// far they got with [`Changes::applied`].
    pub fn write<T>(
        &self,
        work: impl FnOnce(&mut Changes<'_, '_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (result, schema) = self.store.write(|batch| {
            let schema = schema::as_of(batch, self.schema())?;
            let mut changes = Changes::to(batch, schema)?;
            let result = work(&mut changes)?;
            Ok((result, changes.finish()?))
        })?;
        if let Some(schema) = schema {
            self.keep_schema(schema);
        }
        Ok(result)
    }
}

impl Deref for State {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}
