//! How a snapshot comes in from the leader, and what is done with one that comes too late.

use std::{sync::Arc, time::Duration};

use openraft::raft::{AppendEntriesResponse, SnapshotResponse};
use quorid_directory::Level;
use tokio::{sync::Mutex, time::timeout};
use tonic::{Status, Streaming};
use tracing::info;

use super::{
    gate::OrStatus as _,
    snapshot::SnapshotReceiver,
    types::{AppendRequest, Raft, Snapshot, TypeConfig, Vote},
    wire::proto::{self, snapshot_part::Part},
};
use crate::{seams::Threads, state::State};

/// A part of a snapshot that doesn't come by then ends the transfer.
const SNAPSHOT_PART_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes in a snapshot, part by part, and installs it. One at a time: who comes meanwhile waits.
pub(super) async fn receive(
    raft: Raft,
    store: &State,
    threads: &dyn Threads,
    receiving: &Arc<Mutex<()>>,
    supports: Level,
    parts: Streaming<proto::SnapshotPart>,
) -> Result<SnapshotResponse<TypeConfig>, Status> {
    let one = Arc::clone(receiving).lock_owned().await;
    let why = "the leader's log no longer has what this server lacks";
    let (vote, snapshot) = load(store, threads, supports, parts, (0, why)).await?;
    // What the engine was handed is installed even if the leader gives up the call; the
    // next snapshot waits for that.
    let install = tokio::spawn(async move {
        let response = install(&raft, vote, snapshot).await;
        drop(one);
        response
    });
    install.await.or_internal()?
}

/// Takes a snapshot in, beside the state, if it is of this revision at least. `why` is for who reads the log.
pub(super) async fn load(
    store: &State,
    threads: &dyn Threads,
    supports: Level,
    mut parts: Streaming<proto::SnapshotPart>,
    (revision, why): (u64, &str),
) -> Result<(Vote, Snapshot), Status> {
    let Some(Part::Head(head)) = next_part(&mut parts).await? else {
        return Err(Status::invalid_argument("a snapshot begins with its head"));
    };
    let mut receiver = SnapshotReceiver::begin(store, supports, head)?;
    if receiver.revision() < revision {
        let has = receiver.revision();
        return Err(Status::failed_precondition(format!(
            "it is behind: it has revision {has}, and {revision} is needed"
        )));
    }
    info!(
        event = "snapshot_receiving",
        revision = receiver.revision(),
        "receiving a snapshot: {why}"
    );
    let tail = loop {
        match next_part(&mut parts).await? {
            Some(Part::Chunk(chunk)) => {
                let add = move || receiver.add(chunk).map(|()| receiver);
                receiver = threads.elsewhere(add).await.or_internal()??;
            }
            Some(Part::Tail(tail)) => break tail,
            Some(Part::Head(_)) | None => {
                return Err(Status::data_loss("the snapshot ended before its tail"));
            }
        }
    };
    let finish = move || receiver.finish(tail);
    threads.elsewhere(finish).await.or_internal()?
}

/// Installs a snapshot, unless the log has all that is in it.
///
/// A snapshot that was long on its way may come when the log is past it already. To install that
/// one too would take the engine's note of what was written to the log back to the snapshot's end
/// (openraft 0.10.0-alpha.37), and what comes after it would be applied late. But all that a
/// leader sends in a snapshot is committed: the log can be told just that, by an append of
/// nothing. An append that comes between the two calls does no harm: the first one has told the
/// engine what is committed, and it then skips the snapshot by itself.
pub(super) async fn install(
    raft: &Raft,
    vote: Vote,
    snapshot: Snapshot,
) -> Result<SnapshotResponse<TypeConfig>, Status> {
    let last = snapshot.meta.last_log_id;
    let committed = AppendRequest {
        vote,
        prev_log_id: last,
        entries: Vec::new(),
        leader_commit: last,
    };
    match raft.append_entries(committed).await.or_unavailable()? {
        AppendEntriesResponse::Success => {
            let revision = last.map_or(0, |last| last.index);
            info!(
                event = "snapshot_skipped",
                revision, "snapshot not needed: the log has all up to revision {revision} by now"
            );
            Ok(SnapshotResponse::new(vote))
        }
        AppendEntriesResponse::HigherVote(vote) => Ok(SnapshotResponse::new(vote)),
        AppendEntriesResponse::Conflict | AppendEntriesResponse::PartialSuccess(_) => raft
            .install_full_snapshot(vote, snapshot)
            .await
            .or_unavailable(),
    }
}

async fn next_part(parts: &mut Streaming<proto::SnapshotPart>) -> Result<Option<Part>, Status> {
    match timeout(SNAPSHOT_PART_TIMEOUT, parts.message()).await {
        Ok(part) => Ok(part?.and_then(|part| part.part)),
        Err(_) => Err(Status::deadline_exceeded("the snapshot stopped coming")),
    }
}
