//! A snapshot that was so long on its way that the log is past it.

use std::{sync::Arc, time::Duration};

use openraft::EntryPayload;
use quorid_directory::Level;
use quorid_storage::{DataDirectory, LogPos, LogVote, Payload, StoreOptions};
use tempfile::TempDir;

use super::{network, open};
use crate::{
    node::{
        receive_snapshot,
        snapshot::StateSnapshot,
        state_machine::position,
        types::{
            AppendRequest, Enlisted, Entry, LogId, Membership, Raft, Snapshot, SnapshotMeta,
            StoredMembership, Vote,
        },
        wire,
    },
    state::State,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// That of the leader.
fn vote() -> Vote {
    wire::vote(LogVote {
        term: 1,
        candidate: 1,
        committed: true,
    })
}

fn at(index: u64) -> LogId {
    wire::log_id(LogPos { term: 1, index })
}

fn membership() -> Membership {
    let peers = [1, 2].map(|id| (id, Enlisted::default()));
    let voters = [1, 2].into();
    Membership::new(vec![voters], std::collections::BTreeMap::from(peers)).expect("a membership")
}

/// The leader sends what comes after `prev`, up to `last`: first the membership, then nothing.
fn append(prev: Option<u64>, last: u64, committed: u64) -> AppendRequest {
    let entry = |index| {
        let blank = wire::entry(LogPos { term: 1, index }, Payload::Blank).expect("an entry");
        match index {
            0 => Entry {
                payload: EntryPayload::Membership(membership()),
                ..blank
            },
            _ => blank,
        }
    };
    AppendRequest {
        vote: vote(),
        prev_log_id: prev.map(at),
        entries: (prev.map_or(0, |prev| prev + 1)..=last)
            .map(entry)
            .collect(),
        leader_commit: Some(at(committed)),
    }
}

/// Installs a snapshot of a leader's state as of this entry. Returns the follower's vote.
async fn install(raft: &Raft, folder: &TempDir, last: u64) -> Vote {
    let disk = DataDirectory::open(&folder.path().join("leader")).expect("a data directory");
    let store = State::open(Arc::new(disk), StoreOptions::default()).expect("a state");
    let stored = StoredMembership::new(Some(at(0)), membership());
    let bytes = wire::encode_stored_membership(&stored);
    let written = store.write(|state| {
        state.membership(LogPos { term: 1, index: 0 }, &bytes, 2, Level::SUPPORTED)?;
        state.applied(LogPos {
            term: 1,
            index: last,
        });
        Ok(())
    });
    written.expect("a state of the leader");
    let reader = store.snapshot().expect("a snapshot");
    let (last_log_id, last_membership) = position(reader.position()).expect("its position");
    let snapshot = Snapshot {
        meta: SnapshotMeta {
            last_log_id,
            last_membership,
        },
        snapshot: StateSnapshot::Outgoing(Box::new(reader)),
    };
    let response = receive_snapshot::install(raft, vote(), snapshot).await;
    response.expect("an answer").vote
}

/// A follower that hears nobody but the test.
async fn follower(folder: &TempDir) -> Raft {
    let config = openraft::Config {
        enable_elect: false,
        ..openraft::Config::default()
    };
    let (log, state) = open(folder);
    let config = Arc::new(config.validate().expect("a configuration"));
    Raft::new(2, config, network::refusing(), log, state)
        .await
        .expect("started")
}

async fn applies(raft: &Raft, index: u64) {
    let wait = raft.wait(Some(DEADLINE));
    let applied = wait.applied_index(Some(index), "what is committed");
    applied.await.expect("it applies that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_the_log_is_past_holds_nothing_up() {
    let folder = TempDir::new().expect("a folder");
    let raft = follower(&folder).await;
    let sent = raft.append_entries(append(None, 5, 2)).await;
    sent.expect("appended");
    assert_eq!(install(&raft, &folder, 3).await, vote());
    applies(&raft, 3).await;
    let sent = raft.append_entries(append(Some(5), 5, 5)).await;
    sent.expect("heard");
    applies(&raft, 5).await;
    let sent = raft.append_entries(append(Some(5), 8, 8)).await;
    sent.expect("appended");
    applies(&raft, 8).await;
    raft.shutdown().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_more_than_the_log_has_is_installed() {
    let folder = TempDir::new().expect("a folder");
    let raft = follower(&folder).await;
    let sent = raft.append_entries(append(None, 5, 2)).await;
    sent.expect("appended");
    assert_eq!(install(&raft, &folder, 9).await, vote());
    applies(&raft, 9).await;
    let sent = raft.append_entries(append(Some(9), 10, 10)).await;
    sent.expect("appended");
    applies(&raft, 10).await;
    raft.shutdown().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_leader_that_was_replaced_changes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let raft = follower(&folder).await;
    let later = wire::vote(LogVote {
        term: 2,
        candidate: 1,
        committed: true,
    });
    let newer = AppendRequest {
        vote: later,
        ..append(None, 5, 2)
    };
    raft.append_entries(newer).await.expect("appended");
    assert_eq!(install(&raft, &folder, 9).await, later);
    applies(&raft, 2).await;
    raft.shutdown().await.expect("stopped");
}
