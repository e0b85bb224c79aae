//! x
pub mod peer;
