//! What the command line reads, and what it shows of a server's answers.

pub use super::import::fuzzing as import_files;
pub mod operator_files;
pub mod server_answers;
