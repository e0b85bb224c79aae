//! The engine's own conformance suite, on the real log and the real state.

mod clocks;
mod damage;
mod flaky_network;
mod hand_over;
mod harness;
mod heartbeats;
mod late_snapshot;
mod leader_death;
mod leader_silence;
mod levels;
mod membership;
mod network;
mod read_barrier;
mod stories;

use std::sync::Arc;

use openraft::{
    StorageError,
    storage::RaftLogStorage as _,
    testing::log::{StoreBuilder, Suite},
};
use quorid_directory::Level;
use quorid_storage::{DataDirectory, Disk, LogOptions, LogVote, StoreOptions};
use tempfile::TempDir;

use super::{
    checkpoints::Flushed,
    log_store::LogStore,
    state_machine::StateMachine,
    types::{TypeConfig, Vote},
    wire,
};
use crate::{seams::InPlace, state::State};

struct OnDisk;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = TempDir::new().expect("a temporary folder");
        let (log, state) = open(&folder);
        Ok((folder, log, state))
    }
}

fn open(folder: &TempDir) -> (LogStore, StateMachine) {
    let disk: Arc<dyn Disk> =
        Arc::new(DataDirectory::open(&folder.path().join("data")).expect("a data directory"));
    let log = disk.open_log(&LogOptions::default()).expect("a log");
    let store = State::open(disk, StoreOptions::default()).expect("a state");
    let flushed = Flushed::default();
    // The suite applies entries that it never appended.
    flushed.note(Some(u64::MAX));
    (
        LogStore::new(log, Arc::default()),
        StateMachine::new(
            Arc::new(store),
            Arc::new(InPlace),
            flushed,
            Level::SUPPORTED,
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_passes_the_engines_suite() {
    Suite::test_all(OnDisk).await.expect("the suite passes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_is_on_the_disk_when_save_vote_returns() {
    let folder = TempDir::new().expect("a temporary folder");
    let vote: Vote = wire::vote(LogVote {
        term: 7,
        candidate: 3,
        committed: false,
    });
    {
        let (mut log, _state) = open(&folder);
        log.save_vote(&vote).await.expect("saved");
    }
    let (mut log, _state) = open(&folder);
    use openraft::RaftLogReader as _;
    assert_eq!(log.read_vote().await.expect("read"), Some(vote));
}
