//! Doors for the fuzzer, and only for it: what the log keeps, and a disk to test on.

mod memory_disk;
pub mod records;

pub use memory_disk::MemoryDisk;
