//! Bugs on purpose, to see that the simulation's checks see them: the test of the tests.
//!
//! Without the feature `planted-bugs`, which nothing that ships has, none of them is ever
//! there, and the compiler leaves out what they would do.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum PlantedBug {
    /// An account may be given a name that another one has.
    RenameSkipsUniqueness,
    /// Spellings of one login name are different names.
    NameNotNormalised,
    /// An account that is changed gets another UUID.
    UuidChanges,
    /// A request that comes again is executed again.
    RequestActsAgain,
    /// A leader answers linearizable reads without asking whether it still leads.
    ReadSkipsBarrier,
    /// Whoever asks a server whether its vote still holds is told that it does.
    VoteHeldForGood,
    /// A follower takes any end of a connection from the leader for the leader's death.
    LeaseEndsWithoutDeath,
    /// The first command after a restart or a checkpoint is executed twice.
    CommandAppliedTwice,
    /// A number is free again once the account or group that had it is gone.
    NumberGivenTwice,
    /// Who does not lead leaves out edits of attributes.
    EditSkippedByFollower,
    /// A server whose state differs from the majority's goes on. (Followers keep outcomes of requests that nobody
    /// made.)
    SumNotCompared,
    /// The unique values of a deleted object are free at once.
    TombstoneFreesName,
    /// A disabled account logs in.
    DisabledLogsIn,
    /// Rights are not looked up when a command is executed, only before it is proposed.
    RightOutlives,
    /// Commands are executed whatever the feature level, and a server leaves out those of a level that it
    /// does not support.
    FieldIgnored,
    /// Who follows the changes is not given some of them.
    ChangeMissing,
    /// Who goes on with the changes is given the last one again.
    ChangeTwice,
}

#[cfg(feature = "planted-bugs")]
static PLANTED: std::sync::OnceLock<PlantedBug> = std::sync::OnceLock::new();

/// Plants a bug, for as long as the process runs. There can be one.
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub fn plant(bug: PlantedBug) {
    PLANTED.get_or_init(|| bug);
}

/// Whether a bug is there.
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub fn is_planted(bug: PlantedBug) -> bool {
    PLANTED.get() == Some(&bug)
}

/// Whether a bug is there: never.
#[cfg(not(feature = "planted-bugs"))]
#[doc(hidden)]
pub const fn is_planted(_: PlantedBug) -> bool {
    false
}
