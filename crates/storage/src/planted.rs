//! Bugs on purpose, to see that the simulation's checks see them: the test of the tests.
//!
//! Without the feature `planted-bugs`, which nothing that ships has, none of them is ever
//! there, and the compiler leaves out what they would do.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
#[allow(unreachable_pub, reason = "public with the feature only")]
pub enum StorageBug {
    /// Snapshots don't hold the last table.
    SnapshotForgetsATable,
    /// A received snapshot takes the state's place before it is on the disk.
    SnapshotSwapNotSynced,
    /// Readers see what was committed, whatever else was made and answered.
    ReadUnsettled,
    /// What is read from the state is taken for what was written.
    ChecksumNotCompared,
}

#[cfg(feature = "planted-bugs")]
static PLANTED: std::sync::OnceLock<StorageBug> = std::sync::OnceLock::new();

/// Plants a bug, for as long as the process runs. There can be one.
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub fn plant(bug: StorageBug) {
    PLANTED.get_or_init(|| bug);
}

/// Whether a bug is there.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is_planted(bug: StorageBug) -> bool {
    PLANTED.get() == Some(&bug)
}

/// Whether a bug is there: never.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is_planted(_: StorageBug) -> bool {
    false
}
