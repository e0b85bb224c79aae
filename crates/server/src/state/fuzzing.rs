//! What log and state keep.

pub mod log_entries;
