//! Doors for the fuzzer, and only for it: what the command line reads, and what it shows of a
//! server's answers. See `quorid_server::fuzzing` for what a target is.

pub use crate::import::fuzzing as import_files;
pub mod operator_files;
pub mod server_answers;
