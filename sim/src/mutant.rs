//! Bugs on purpose, to see that the checks see them: the test of the tests.

use std::sync::OnceLock;

use quorid_directory::PlantedBug;
use quorid_storage::StorageBug;

/// A planted bug: of the simulated disk, of the clients, or of the servers themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mutant {
    /// The log says that entries are on the disk before they are.
    AckBeforeSync,
    /// The log forgets votes at a power cut.
    VoteNotSaved,
    /// A sync of the state syncs nothing.
    StateNotSynced,
    /// The log loses an entry that was flushed, now and then, at a power cut.
    FlushedEntryLost,
    /// A snapshot that was put in the state's place may be back under its old name after a
    /// power cut.
    SnapshotNameNotSynced,
    /// What was cut off the log is there again after a power cut, in place of what was written
    /// there since.
    TruncationNotSaved,
    /// Linearizable look-ups ask any server, and take what it has.
    StaleAnswer,
    /// A retry has another request id than the first try.
    RequestIdForgotten,
    /// See [`PlantedBug`] and [`StorageBug`], as for all that follow.
    RenameSkipsUniqueness,
    NameNotNormalised,
    UuidChanges,
    RequestActsAgain,
    SnapshotForgetsRequests,
    SnapshotSwapNotSynced,
    ReadSkipsBarrier,
    VoteHeldForGood,
    LeaseEndsWithoutDeath,
    CommandAppliedTwice,
    NumberGivenTwice,
    EditSkippedByFollower,
    DisabledLogsIn,
    FieldIgnored,
    RightOutlives,
    TombstoneFreesName,
    ChangeMissing,
    ChangeTwice,
    ReadUnsettled,
    ChecksumNotCompared,
    SumNotCompared,
}

/// Those that can be planted where there is only storage.
pub(crate) const OF_STORAGE: [Mutant; 6] = [
    Mutant::AckBeforeSync,
    Mutant::VoteNotSaved,
    Mutant::StateNotSynced,
    Mutant::SnapshotNameNotSynced,
    Mutant::SnapshotSwapNotSynced,
    Mutant::FlushedEntryLost,
];

static MUTANT: OnceLock<Option<Mutant>> = OnceLock::new();

/// Decides for this process which bug there is.
pub(crate) fn plant(mutant: Option<Mutant>) {
    let planted = *MUTANT.get_or_init(|| mutant);
    if let Some(bug) = planted.and_then(Mutant::of_the_servers) {
        quorid_directory::plant(bug);
    }
    if let Some(bug) = planted.and_then(Mutant::of_the_storage) {
        quorid_storage::plant(bug);
    }
}

impl Mutant {
    /// Whether this bug is there.
    pub(crate) fn is_planted(self) -> bool {
        MUTANT.get() == Some(&Some(self))
    }

    fn of_the_servers(self) -> Option<PlantedBug> {
        match self {
            Self::AckBeforeSync
            | Self::VoteNotSaved
            | Self::StateNotSynced
            | Self::FlushedEntryLost
            | Self::SnapshotNameNotSynced
            | Self::TruncationNotSaved
            | Self::StaleAnswer
            | Self::RequestIdForgotten
            | Self::SnapshotForgetsRequests
            | Self::SnapshotSwapNotSynced
            | Self::ChecksumNotCompared
            | Self::ReadUnsettled => None,
            Self::RenameSkipsUniqueness => Some(PlantedBug::RenameSkipsUniqueness),
            Self::NameNotNormalised => Some(PlantedBug::NameNotNormalised),
            Self::UuidChanges => Some(PlantedBug::UuidChanges),
            Self::RequestActsAgain => Some(PlantedBug::RequestActsAgain),
            Self::ReadSkipsBarrier => Some(PlantedBug::ReadSkipsBarrier),
            Self::VoteHeldForGood => Some(PlantedBug::VoteHeldForGood),
            Self::LeaseEndsWithoutDeath => Some(PlantedBug::LeaseEndsWithoutDeath),
            Self::CommandAppliedTwice => Some(PlantedBug::CommandAppliedTwice),
            Self::NumberGivenTwice => Some(PlantedBug::NumberGivenTwice),
            Self::EditSkippedByFollower => Some(PlantedBug::EditSkippedByFollower),
            Self::DisabledLogsIn => Some(PlantedBug::DisabledLogsIn),
            Self::FieldIgnored => Some(PlantedBug::FieldIgnored),
            Self::RightOutlives => Some(PlantedBug::RightOutlives),
            Self::TombstoneFreesName => Some(PlantedBug::TombstoneFreesName),
            Self::ChangeMissing => Some(PlantedBug::ChangeMissing),
            Self::ChangeTwice => Some(PlantedBug::ChangeTwice),
            Self::SumNotCompared => Some(PlantedBug::SumNotCompared),
        }
    }

    fn of_the_storage(self) -> Option<StorageBug> {
        match self {
            // The last table has the outcomes of requests.
            Self::SnapshotForgetsRequests => Some(StorageBug::SnapshotForgetsATable),
            Self::SnapshotSwapNotSynced => Some(StorageBug::SnapshotSwapNotSynced),
            Self::ReadUnsettled => Some(StorageBug::ReadUnsettled),
            Self::ChecksumNotCompared => Some(StorageBug::ChecksumNotCompared),
            Self::AckBeforeSync
            | Self::VoteNotSaved
            | Self::StateNotSynced
            | Self::FlushedEntryLost
            | Self::SnapshotNameNotSynced
            | Self::TruncationNotSaved
            | Self::StaleAnswer
            | Self::RequestIdForgotten
            | Self::RenameSkipsUniqueness
            | Self::NameNotNormalised
            | Self::UuidChanges
            | Self::RequestActsAgain
            | Self::ReadSkipsBarrier
            | Self::VoteHeldForGood
            | Self::LeaseEndsWithoutDeath
            | Self::CommandAppliedTwice
            | Self::NumberGivenTwice
            | Self::EditSkippedByFollower
            | Self::DisabledLogsIn
            | Self::FieldIgnored
            | Self::RightOutlives
            | Self::TombstoneFreesName
            | Self::ChangeMissing
            | Self::ChangeTwice
            | Self::SumNotCompared => None,
        }
    }
}
