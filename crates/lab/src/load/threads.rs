//! The threads on which clients make their requests.

use std::{num::NonZero, sync::Arc, thread};

use quorid_server::seams::{SystemThreads, Threads as _};
use tokio::runtime::Handle;

use crate::error::{LabError, OrFail as _};

/// Threads for clients. Each runs the tasks of its own connections only: threads that pass tasks to each other would
/// be measured, too. They end with the last clone of this.
#[derive(Clone, Debug)]
pub struct ClientThreads(Arc<SystemThreads>);

impl ClientThreads {
    /// As many as there are cores, but not more than there are connections.
    pub fn start(connections: usize) -> Result<Self, LabError> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = SystemThreads::start(cores.min(connections).max(1));
        let threads = threads.or_fail("cannot start the clients' threads")?;
        Ok(Self(Arc::new(threads)))
    }

    /// Where the next connection is opened and used: each time the next thread.
    pub fn next(&self) -> Handle {
        self.0.serving()
    }
}
