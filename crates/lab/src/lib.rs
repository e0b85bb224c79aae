//! Clusters to try, to watch, to measure and to break.
//!
//! [`testbed`] has real servers that can be killed and cut off, [`demo`] is what `quorid demo`
//! does with them, and [`load`] and [`compare`] make the requests of
//! `quorid bench`.

pub mod compare;
pub mod demo;
mod error;
pub mod load;
mod signals;
pub mod table;
pub mod terminal;
pub mod testbed;

pub use error::LabError;
pub use signals::interrupted;
