//! What a snapshot is while the engine holds it, and how one from another server is taken in.

use quorid_directory::Level;
use quorid_storage::{
    FORMAT_VERSION, Loaded, Loader, SnapshotChunk, SnapshotReader, SnapshotTotals,
};
use tonic::Status;

use super::{
    gate::OrStatus as _,
    state_machine::position,
    types::{Snapshot, SnapshotMeta, Vote},
    wire::{self, proto},
};
use crate::state::State;

/// A snapshot's content.
#[derive(Debug)]
pub(crate) enum StateSnapshot {
    /// The state itself, made durable by a checkpoint: nothing to carry around.
    Checkpoint,
    /// A view of the state, to be sent.
    Outgoing(Box<SnapshotReader>),
    /// Received in full, to be put in the state's place.
    Incoming(Box<Loaded>),
}

/// Takes in a snapshot that another server sends, part by part. Nothing of it reaches the state
/// before all of it is there and fits together.
pub(super) struct SnapshotReceiver {
    vote: Vote,
    meta: SnapshotMeta,
    loader: Loader,
}

impl SnapshotReceiver {
    /// The head says whose snapshot it is, and of what.
    pub(super) fn begin(
        store: &State,
        supports: Level,
        head: proto::SnapshotHead,
    ) -> Result<Self, Status> {
        if head.format_version != FORMAT_VERSION {
            return Err(Status::failed_precondition(format!(
                "the snapshot has format version {}, this server knows {FORMAT_VERSION}",
                head.format_version
            )));
        }
        if head.level > supports.0 {
            return Err(Status::failed_precondition(format!(
                "the directory is at feature level {}, and this server supports {supports} at most; \
                 install a newer version of quorid",
                head.level
            )));
        }
        Ok(Self {
            vote: wire::vote_from(head.vote)?,
            meta: wire::snapshot_meta_from(head.meta)?,
            loader: store.loader().or_internal()?,
        })
    }

    /// That of the directory in the snapshot.
    pub(super) fn revision(&self) -> u64 {
        self.meta.last_log_id.map_or(0, |last| last.index)
    }

    pub(super) fn add(&mut self, chunk: proto::SnapshotChunk) -> Result<(), Status> {
        let proto::SnapshotChunk {
            table,
            keys,
            values,
            crc32,
        } = chunk;
        let chunk = SnapshotChunk {
            table,
            keys,
            values,
            crc32,
        };
        self.loader.add(&chunk).or_internal()
    }

    /// The tail says what must have come.
    pub(super) fn finish(self, tail: proto::SnapshotTail) -> Result<(Vote, Snapshot), Status> {
        let totals = SnapshotTotals {
            rows: tail.rows,
            crc32: tail.crc32,
        };
        let loaded = self.loader.finish(totals).or_internal()?;
        let (last_log_id, last_membership) = position(loaded.position()).or_internal()?;
        if last_log_id != self.meta.last_log_id || last_membership != self.meta.last_membership {
            return Err(Status::data_loss("the snapshot is not what its head says"));
        }
        let snapshot = Snapshot {
            meta: self.meta,
            snapshot: StateSnapshot::Incoming(Box::new(loaded)),
        };
        Ok((self.vote, snapshot))
    }
}

impl From<SnapshotChunk> for proto::SnapshotChunk {
    fn from(chunk: SnapshotChunk) -> Self {
        Self {
            table: chunk.table,
            keys: chunk.keys,
            values: chunk.values,
            crc32: chunk.crc32,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::node::types::{Enlisted, Membership, StoredMembership};
    use quorid_storage::{DataDirectory, LogPos, LogVote, StoreOptions};

    fn stored_membership(at: LogPos, voter: u64) -> StoredMembership {
        let members = BTreeMap::from([(voter, Enlisted::default())]);
        let membership = Membership::new(vec![[voter].into()], members).expect("a membership");
        StoredMembership::new(Some(wire::log_id(at)), membership)
    }

    /// Sends the state of a store under a head that names this position and membership.
    fn received(store: &State, last: LogPos, membership: StoredMembership) -> bool {
        let vote = wire::vote(LogVote {
            term: 1,
            candidate: 1,
            committed: true,
        });
        let meta = SnapshotMeta {
            last_log_id: Some(wire::log_id(last)),
            last_membership: membership,
        };
        let head = proto::SnapshotHead {
            vote: Some(wire::vote_message(&vote)),
            meta: Some(wire::snapshot_meta_message(&meta)),
            format_version: FORMAT_VERSION,
            level: Level::SUPPORTED.0,
        };
        let mut receiver = SnapshotReceiver::begin(store, Level::SUPPORTED, head).expect("a head");
        let mut reader = store.snapshot().expect("a snapshot");
        while let Some(chunk) = reader.next_chunk().expect("a chunk") {
            receiver.add(chunk.into()).expect("a chunk of ours");
        }
        let SnapshotTotals { rows, crc32 } = reader.totals();
        receiver.finish(proto::SnapshotTail { rows, crc32 }).is_ok()
    }

    #[test]
    fn a_snapshot_that_is_not_what_its_head_says_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(DataDirectory::open(folder.path()).expect("a data directory"));
        let store = State::open(disk, StoreOptions::default()).expect("a state");
        let at = LogPos { term: 1, index: 5 };
        let bytes = wire::encode_stored_membership(&stored_membership(at, 1));
        store
            .write(|state| state.membership(at, &bytes, 1, Level::SUPPORTED))
            .expect("a membership");

        let later = LogPos { term: 1, index: 6 };
        assert!(received(&store, at, stored_membership(at, 1)));
        assert!(!received(&store, at, stored_membership(at, 2)));
        assert!(!received(&store, at, stored_membership(later, 1)));
        assert!(!received(&store, later, stored_membership(at, 1)));
    }
}
