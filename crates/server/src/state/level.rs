//! The feature level with which a directory begins.

use prost::Message as _;
use quorid_directory::Level;
use quorid_storage::{Fault, OrFault as _};

use super::proto;

/// The feature level of a directory whose first membership is this one, as the log keeps it.
pub fn level_of_membership(membership: &[u8]) -> Result<Level, Fault> {
    let membership = proto::Membership::decode(membership).or_fault("reading a membership")?;
    Ok(first_level(
        membership.members.iter().map(|it| Level(it.level)),
    ))
}

/// What all members supported when they were taken in: so a cluster needs no operator to begin at the
/// highest level that it can.
pub(crate) fn first_level(supported: impl Iterator<Item = Level>) -> Level {
    supported.min().unwrap_or(Level::BASE).max(Level::BASE)
}
