//! The kinds of strikes, and whether they can be done here.

use std::{fmt, path::Path};

use crate::{injection::Injection, small_disk::SmallDisk};

/// A kind of strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Kill,
    AllKilled,
    Stop,
    SyncError,
    SlowSync,
    FullDisk,
    Cut,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Kill,
        Self::AllKilled,
        Self::Stop,
        Self::SyncError,
        Self::SlowSync,
        Self::FullDisk,
        Self::Cut,
    ];

    /// Under what it is counted.
    pub(crate) fn figure(self) -> String {
        format!("fault: {self}")
    }

    /// Why it cannot be done to servers here; None if it can.
    pub(crate) async fn obstacle(self, on_stage: bool, directory: &Path) -> Option<String> {
        let elsewhere = || Some("the servers of a stage are not processes of ours".to_owned());
        match self {
            Self::Kill | Self::AllKilled | Self::Stop => None,
            Self::SyncError | Self::SlowSync | Self::FullDisk if on_stage => elsewhere(),
            Self::SyncError | Self::SlowSync => {
                let tried = Injection::try_out(directory).await;
                tried.err().map(|error| format!("{error:#}"))
            }
            Self::FullDisk => {
                let tried = SmallDisk::try_out(directory);
                tried.err().map(|error| format!("{error:#}"))
            }
            Self::Cut if on_stage => None,
            Self::Cut => Some("QUORID_STAGE names no stage with networks".to_owned()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill -9 of the leader",
            Self::AllKilled => "kill -9 of all servers at once",
            Self::Stop => "SIGSTOP of the leader",
            Self::SyncError => "failing sync of a server",
            Self::SlowSync => "slow syncs of a server",
            Self::FullDisk => "full disk of a server",
            Self::Cut => "leader's network cut",
        })
    }
}
