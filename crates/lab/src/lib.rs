//! Clusters to try, to watch, to measure and to break.
//!
//! [`testbed`] has real servers that can be killed and cut off, [`demo`] is what `quorid demo`
//! does with them, and [`load`] makes the requests of `quorid bench`. What they tell goes the
//! same ways as with every other command: [`errors`], [`terminal`] and [`table`] are the command
//! line's too.

pub mod demo;
pub mod errors;
pub mod load;
mod signals;
pub mod table;
pub mod terminal;
pub mod testbed;

pub use signals::interrupted;
