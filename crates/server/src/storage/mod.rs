//! What a server keeps on disk: the log, the state, its identity.
//!
//! Nothing here knows of elections or of the network. The log is a sequence of opaque
//! payloads, the state is tables of accounts, login names and outcomes, and both are reached
//! through [`Disk`], so that a simulation can put another disk underneath.

mod batch;
mod codec;
mod database;
mod disk;
mod fault;
mod first_error;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod log;
mod rows;
mod snapshot;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod torn_tail;
mod view;
mod wal;

pub use batch::Batch;
pub use codec::{decode_command, encode_command};
pub use disk::{DataDirectory, Disk, FORMAT_VERSION, Identity, OpenError, StateFile};
pub use fault::Fault;
pub use log::{FlushDone, LogEngine, LogOptions, LogPos, LogState, LogVote, Payload};
pub use rows::Durable;
#[cfg(fuzzing)]
pub(crate) use snapshot::Totals;
pub use snapshot::{Chunk, Loaded, Loader, SnapshotReader, SnapshotTotals};
pub use store::{Store, StoreOptions};
pub use view::ReadView;

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

/// Runs work that blocks (disk, hashing of much data) without holding up other tasks where
/// the runtime has other threads to run them on. In a single-threaded runtime, such as a
/// simulation's, it runs in place.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) | Err(_) => work(),
    }
}

/// Runs work that takes a processor for long on a thread that nothing else waits for, where
/// the runtime has such threads; else in place, as [`blocking`] does: a thread's progress is
/// nothing that a simulation can repeat. None if it panicked or the runtime ends.
pub(crate) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    use tokio::runtime::{Handle, RuntimeFlavor};
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        tokio::task::spawn_blocking(work).await.ok()
    } else {
        Some(work())
    }
}
