//! Work for a thread that nothing else waits for.

use quorid_storage::{Fault, OrFault as _};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs work that takes a processor for long on a thread that nothing else waits for, where
/// the runtime has such threads; else in place: a thread's progress is nothing that a simulation
/// can repeat. A fault if it panicked or the runtime ends.
pub(crate) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        tokio::task::spawn_blocking(work)
            .await
            .or_fault("computing on another thread")
    } else {
        Ok(work())
    }
}
