//! How a snapshot is sent: as a stream of messages, whose progress is watched.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, Stream, StreamExt as _, future, stream};
use quorid_storage::{FORMAT_VERSION, Fault, SnapshotReader};

use super::{
    types::{SnapshotMeta, Vote},
    wire::{self, proto},
};
use crate::{seams::Threads, state::State};

/// A whole chunk of a snapshot is stored by then, or the transfer is given up.
pub(super) const SNAPSHOT_STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// What is said of a snapshot before it.
pub(super) fn snapshot_head(
    vote: &Vote,
    meta: &SnapshotMeta,
    reader: &SnapshotReader,
) -> Result<proto::SnapshotHead, Fault> {
    Ok(proto::SnapshotHead {
        vote: Some(wire::vote_message(vote)),
        meta: Some(wire::snapshot_meta_message(meta)),
        format_version: FORMAT_VERSION,
        level: State::level_of(reader)?.0,
    })
}

/// A snapshot as a stream of messages. Ends early, without a tail, if the state cannot be
/// read; the receiver then refuses what it has.
pub(super) fn snapshot_parts(
    head: proto::SnapshotHead,
    reader: SnapshotReader,
    threads: Arc<dyn Threads>,
    progress: Arc<AtomicU64>,
) -> impl Stream<Item = proto::SnapshotPart> + Send + 'static {
    let part = |part| proto::SnapshotPart { part: Some(part) };
    let head = part(proto::snapshot_part::Part::Head(head));
    let rest = stream::unfold(Some(reader), move |reader| {
        progress.fetch_add(1, Ordering::Relaxed);
        let threads = Arc::clone(&threads);
        async move {
            let mut reader = reader?;
            let read = move || {
                let next = reader.next_chunk();
                (next, reader)
            };
            let next = threads.elsewhere(read).await;
            match next.and_then(|(next, reader)| Ok((next?, reader))) {
                Ok((Some(chunk), reader)) => {
                    let chunk = proto::snapshot_part::Part::Chunk(chunk.into());
                    Some((part(chunk), Some(reader)))
                }
                Ok((None, reader)) => {
                    let totals = reader.totals();
                    let tail = proto::SnapshotTail {
                        rows: totals.rows,
                        crc32: totals.crc32,
                    };
                    Some((part(proto::snapshot_part::Part::Tail(tail)), None))
                }
                Err(fault) => {
                    tracing::error!(%fault, "sending a snapshot failed");
                    None
                }
            }
        }
    });
    stream::once(future::ready(head)).chain(rest)
}

/// Ends once no chunk was asked for within the time for one.
pub(super) async fn stalled(progress: Arc<AtomicU64>) {
    let mut before = progress.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(SNAPSHOT_STEP_TIMEOUT).map(drop).await;
        let now = progress.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}
