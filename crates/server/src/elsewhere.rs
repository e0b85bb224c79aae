//! Work for a thread that nothing else waits for.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs work that takes a processor for long on a thread that nothing else waits for, where
/// the runtime has such threads; else in place: a thread's progress is nothing that a simulation
/// can repeat. None if it panicked or the runtime ends.
pub(crate) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        tokio::task::spawn_blocking(work).await.ok()
    } else {
        Some(work())
    }
}
