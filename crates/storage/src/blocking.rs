//! Work that holds up its thread.

/// Runs work that blocks (disk, hashing of much data) without holding up other tasks where
/// the runtime has other threads to run them on. In a single-threaded runtime, such as a
/// simulation's, it runs in place.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) | Err(_) => work(),
    }
}
