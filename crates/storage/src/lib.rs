//! What a server keeps on disk: the log, the state, its identity.
//!
//! Nothing here knows of accounts, of elections or of the network. The log is a sequence of opaque
//! payloads. The state is a list of tables of ordered bytes, which whoever opens it gives. Both are
//! reached through [`Disk`], so that a simulation can put another disk underneath.

mod batch;
mod checked_file;
mod damage;
mod database;
mod disk;
mod fault;
mod first_error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod inspect;
#[cfg(test)]
mod limited_process;
mod log;
mod planted;
mod position;
mod row_sum;
mod rows;
mod scrub;
mod snapshot;
mod state_file;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod torn_tail;
mod view;
mod wal;

pub use batch::Batch;
pub use disk::{DataDirectory, Disk, FORMAT_VERSION, Identity, KnownMember, OpenError, remedy};
pub use fault::{Fault, OrFault};
pub use inspect::Inspected;
pub use log::{FlushDone, LogEngine, LogOptions, LogPos, LogState, LogVote, Payload};
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub use planted::{StorageBug, plant};
pub use position::{Fit, Position};
pub use row_sum::RowSum;
pub use rows::Rows;
pub use scrub::Scrub;
pub use snapshot::{Loaded, Loader, SnapshotChunk, SnapshotReader, SnapshotTotals, Totals};
pub use state_file::StateFile;
pub use store::{SET_ASIDE, Store, StoreOptions};
pub use table::{CheckRow, Digested, Shape, Table, Tables};
pub use torn_tail::LogContent;
pub use view::StoreView;
