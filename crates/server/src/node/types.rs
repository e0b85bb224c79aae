//! The consensus engine's types, filled in with ours.

use std::fmt;

use bytes::Bytes;
use openraft::type_config::alias::{
    LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf,
};
use quorid_directory::{Level, Reply};

use super::snapshot::StateSnapshot;
use crate::named_server::NamedServer;

openraft::declare_raft_types!(
    /// One leader a term (the standard Raft rule), tokio.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Applied,
        NodeId = u64,
        Node = Enlisted,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = openraft::impls::TokioRuntime,
);

pub(crate) type Raft = openraft::Raft<TypeConfig, super::state_machine::StateMachine>;
pub(crate) type LogId = LogIdOf<TypeConfig>;
pub(crate) type Vote = VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Enlisted>;
pub(crate) type StoredMembership = StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
pub(crate) type Snapshot = SnapshotOf<TypeConfig, StateSnapshot>;
pub(crate) type AppendRequest = openraft::raft::AppendEntriesRequest<TypeConfig>;
pub(crate) type StreamAppendResult = openraft::raft::StreamAppendResult<TypeConfig>;

/// A member of the cluster as the log has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Enlisted {
    /// Its name and addresses.
    pub(crate) server: NamedServer,
    /// The highest feature level that it supported when it was taken in.
    pub(crate) level: Level,
}

/// A command on its way through the log, encoded: only apply decodes it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proposal(pub(crate) Bytes);

/// Says nothing of the content: it may hold a verifier.
impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposal({} bytes)", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What applying an entry gave: a reply, if the entry was a command.
#[derive(Debug, Clone)]
pub(crate) struct Applied(pub(crate) Option<Reply>);
