//! What the log keeps, and a disk to test on.

pub mod log_entries;
mod memory_disk;

pub(crate) use memory_disk::MemoryDisk;
