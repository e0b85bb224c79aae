//! Feature levels: a number in the state that says what commands may ask for.
//!
//! Servers of two versions run side by side while a cluster is upgraded. A newer one must not make the
//! others store less of a command than it stores itself. So each command says which level it needs, and
//! the state says which level it is at: a command that needs more is refused, by every server alike,
//! also by one that could not read the command. An operator raises the level once every server supports
//! the next one. It is never lowered.
//!
//! | level | what commands may ask for |
//! | --- | --- |
//! | 1 | accounts and groups, their built-in attributes and members; raising the level |
//! | 2 | services, external ids, managers, attributes of a site, settings, undoing, restoring, reserved names |
//!
//! Whatever is added to commands later is of the next level, and so is whatever changes what an old
//! command does.

use std::fmt;

use crate::command::{Command, Operation};
use crate::edit::Edit;
use crate::object::Kind;
use crate::schema::{AttributeNumber, Schema};

/// A feature level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(pub u32);

impl Level {
    /// The level of every directory at least.
    pub const BASE: Self = Self(1);
    /// From this one on sites have attributes of their own.
    pub(crate) const SITE_ATTRIBUTES: Self = Self(2);
    /// From this one on programs have accounts of their own kind, and objects ids that others gave them.
    pub(crate) const SERVICES: Self = Self(2);
    /// From this one on accounts refer to others.
    pub(crate) const REFERENCES: Self = Self(2);
    /// From this one on the directory has settings.
    const SETTINGS: Self = Self(2);
    /// From this one on changes are undone.
    const REVERTS: Self = Self(2);
    /// From this one on deleted objects leave tombstones, and names stay reserved.
    pub(crate) const TOMBSTONES: Self = Self(2);
    /// The highest level that this program supports.
    pub const SUPPORTED: Self = Self(2);
}

/// The level of a directory that this program makes, if nothing says otherwise.
impl Default for Level {
    fn default() -> Self {
        Self::SUPPORTED
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Command {
    /// The lowest level of a directory in which the command can be executed.
    pub fn level(&self) -> Level {
        match &self.operation {
            Operation::Create {
                id: _,
                kind,
                edits,
                verifier: _,
            } => of_kind(*kind).max(of_edits(edits)),
            Operation::Change {
                target: _,
                expected_version: _,
                edits,
                verifier: _,
            } => of_edits(edits),
            Operation::Delete {
                target: _,
                expected_version: _,
            }
            | Operation::Members {
                group: _,
                expected_version: _,
                add: _,
                remove: _,
            } => Level::BASE,
            Operation::Restore { target: _ }
            | Operation::Purge { target: _ }
            | Operation::FreeName { name: _ } => Level::TOMBSTONES,
            Operation::Revert { revision: _ } => Level::REVERTS,
            Operation::Configure(_) => Level::SETTINGS,
            Operation::DefineAttribute { definition: _ } => Level::SITE_ATTRIBUTES,
            // Every server knows this one. Where it raises the level above what a server supports, that
            // server stops.
            Operation::RaiseLevel { to: _ } => Level::BASE,
        }
    }
}

fn of_kind(kind: Kind) -> Level {
    match kind {
        Kind::Person | Kind::Group => Level::BASE,
        Kind::Service => Level::SERVICES,
    }
}

fn of_edits(edits: &[Edit]) -> Level {
    let levels = edits.iter().map(|edit| of_attribute(edit.attribute));
    levels.max().unwrap_or(Level::BASE)
}

/// An attribute that is not built in is one of a site.
fn of_attribute(number: AttributeNumber) -> Level {
    let row = Schema::builtin().by_number(number);
    row.map_or(Level::SITE_ATTRIBUTES, |row| row.level)
}
