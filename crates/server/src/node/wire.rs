//! The engine's types to protobuf messages, and back. Used on the wire and, for log
//! positions and memberships, on disk.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::{EntryPayload, entry::RaftEntry as _, impls::leader_id_std};
use prost::Message as _;
use quorid_directory::Level;
use quorid_storage::{Fault, LogPos, LogVote, Payload};

use super::types::{
    AppendRequest, Enlisted, Entry, LogId, Membership, Proposal, SnapshotMeta, StoredMembership,
    StreamAppendResult, Vote,
};
use crate::{
    named_server::NamedServer,
    state::{first_level, proto as state},
};

/// Generated from `proto/peer.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_enum_match_arm,
    reason = "generated from proto/, where the documentation is"
)]
pub(crate) mod proto {
    pub mod peer {
        pub mod v1 {
            tonic::include_proto!("quorid.peer.v1");
        }
    }
    pub mod state {
        pub mod v1 {
            pub use crate::state::proto::*;
        }
    }
    pub use peer::v1::*;
}

/// A message that lacks what it must have, or says what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("malformed {0}")]
pub(crate) struct Malformed(&'static str);

impl From<Malformed> for tonic::Status {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_argument(malformed.to_string())
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::new("reading what was stored", malformed)
    }
}

pub(crate) fn log_pos(id: &LogId) -> LogPos {
    LogPos {
        term: id.leader_id.term,
        index: id.index,
    }
}

pub(crate) fn log_id(pos: LogPos) -> LogId {
    LogId::new(pos.term.into(), pos.index)
}

pub(crate) fn log_vote(vote: &Vote) -> LogVote {
    LogVote {
        term: vote.leader_id.term,
        candidate: vote.leader_id.voted_for,
        committed: vote.committed,
    }
}

pub(crate) fn vote(vote: LogVote) -> Vote {
    Vote {
        leader_id: leader_id_std::LeaderId {
            term: vote.term,
            voted_for: vote.candidate,
        },
        committed: vote.committed,
    }
}

pub(crate) fn payload(entry: Entry) -> (LogPos, Payload) {
    let at = log_pos(&entry.log_id);
    let payload = match entry.payload {
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Normal(proposal) => Payload::Command(proposal.0),
        EntryPayload::Membership(membership) => {
            Payload::Membership(Bytes::from(encode_membership(&membership)))
        }
    };
    (at, payload)
}

pub(crate) fn entry(at: LogPos, payload: Payload) -> Result<Entry, Malformed> {
    let payload = match payload {
        Payload::Blank => EntryPayload::Blank,
        Payload::Command(bytes) => EntryPayload::Normal(Proposal(bytes)),
        Payload::Membership(bytes) => EntryPayload::Membership(decode_membership(&bytes)?),
    };
    Ok(Entry::new(log_id(at), payload))
}

fn encode_membership(membership: &Membership) -> Vec<u8> {
    membership_message(membership).encode_to_vec()
}

fn decode_membership(bytes: &[u8]) -> Result<Membership, Malformed> {
    let message = state::Membership::decode(bytes).map_err(|_| Malformed("membership"))?;
    membership_from(message)
}

fn membership_message(membership: &Membership) -> state::Membership {
    state::Membership {
        configs: membership
            .get_joint_config()
            .iter()
            .map(|ids| state::VoterSet {
                ids: ids.iter().copied().collect(),
            })
            .collect(),
        members: membership
            .nodes()
            .map(|(id, Enlisted { server, level })| state::Member {
                id: *id,
                name: server.name.clone(),
                client_address: server.client_address.clone(),
                peer_address: server.peer_address.clone(),
                level: level.0,
            })
            .collect(),
    }
}

fn membership_from(message: state::Membership) -> Result<Membership, Malformed> {
    let configs: Vec<BTreeSet<u64>> = message
        .configs
        .into_iter()
        .map(|set| set.ids.into_iter().collect())
        .collect();
    let members: BTreeMap<u64, Enlisted> = message
        .members
        .into_iter()
        .map(|member| {
            let server = NamedServer {
                name: member.name,
                client_address: member.client_address,
                peer_address: member.peer_address,
            };
            let level = Level(member.level);
            (member.id, Enlisted { server, level })
        })
        .collect();
    if configs.is_empty() && members.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, members).map_err(|_| Malformed("membership"))
}

/// The feature level that all of its members supported when they were taken in.
pub(crate) fn level_of(membership: &Membership) -> Level {
    first_level(membership.nodes().map(|(_, member)| member.level))
}

/// A membership and where it stands in the log, as the state keeps it.
pub(crate) fn encode_stored_membership(membership: &StoredMembership) -> Vec<u8> {
    stored_membership_message(membership).encode_to_vec()
}

/// What [`encode_stored_membership`] made; of nothing, the membership of no servers.
pub(crate) fn decode_stored_membership(bytes: &[u8]) -> Result<StoredMembership, Malformed> {
    let message =
        state::StoredMembership::decode(bytes).map_err(|_| Malformed("stored membership"))?;
    stored_membership_from(message)
}

fn stored_membership_message(stored: &StoredMembership) -> state::StoredMembership {
    state::StoredMembership {
        log_id: stored.log_id().as_ref().map(log_id_message),
        membership: Some(membership_message(stored.membership())),
    }
}

fn stored_membership_from(message: state::StoredMembership) -> Result<StoredMembership, Malformed> {
    let membership = membership_from(message.membership.unwrap_or_default())?;
    Ok(StoredMembership::new(
        message.log_id.map(log_id_from),
        membership,
    ))
}

pub(crate) fn log_id_message(id: &LogId) -> state::LogId {
    state::LogId {
        term: id.leader_id.term,
        index: id.index,
    }
}

pub(crate) fn log_id_from(message: state::LogId) -> LogId {
    log_id(LogPos {
        term: message.term,
        index: message.index,
    })
}

pub(crate) fn vote_message(vote: &Vote) -> state::Vote {
    let LogVote {
        term,
        candidate,
        committed,
    } = log_vote(vote);
    state::Vote {
        term,
        leader: candidate,
        committed,
    }
}

pub(crate) fn vote_from(message: Option<state::Vote>) -> Result<Vote, Malformed> {
    let message = message.ok_or(Malformed("vote"))?;
    Ok(vote(LogVote {
        term: message.term,
        candidate: message.leader,
        committed: message.committed,
    }))
}

pub(super) fn initial_server_message(server: &NamedServer) -> proto::InitialServer {
    proto::InitialServer {
        name: server.name.clone(),
        peer_address: server.peer_address.clone(),
        client_address: server.client_address.clone(),
    }
}

pub(super) fn initial_server_from(message: &proto::InitialServer) -> NamedServer {
    NamedServer {
        name: message.name.clone(),
        peer_address: message.peer_address.clone(),
        client_address: message.client_address.clone(),
    }
}

pub(crate) fn append_message(request: AppendRequest) -> proto::AppendRequest {
    proto::AppendRequest {
        vote: Some(vote_message(&request.vote)),
        prev_log_id: request.prev_log_id.as_ref().map(log_id_message),
        entries: request.entries.into_iter().map(entry_message).collect(),
        leader_commit: request.leader_commit.as_ref().map(log_id_message),
    }
}

pub(crate) fn append_from(message: proto::AppendRequest) -> Result<AppendRequest, Malformed> {
    Ok(AppendRequest {
        vote: vote_from(message.vote)?,
        prev_log_id: message.prev_log_id.map(log_id_from),
        entries: message
            .entries
            .into_iter()
            .map(entry_from)
            .collect::<Result<_, _>>()?,
        leader_commit: message.leader_commit.map(log_id_from),
    })
}

/// A heartbeat: what an append says, without its entries.
pub(crate) fn heartbeat_message(id: u64, request: &AppendRequest) -> proto::HeartbeatRequest {
    proto::HeartbeatRequest {
        id,
        vote: Some(vote_message(&request.vote)),
        prev_log_id: request.prev_log_id.as_ref().map(log_id_message),
        leader_commit: request.leader_commit.as_ref().map(log_id_message),
    }
}

/// A heartbeat as an append without entries.
pub(crate) fn heartbeat_from(
    message: &proto::HeartbeatRequest,
) -> Result<AppendRequest, Malformed> {
    Ok(AppendRequest {
        vote: vote_from(message.vote)?,
        prev_log_id: message.prev_log_id.map(log_id_from),
        entries: Vec::new(),
        leader_commit: message.leader_commit.map(log_id_from),
    })
}

fn entry_message(entry: Entry) -> state::Entry {
    let payload = match entry.payload {
        EntryPayload::Blank => state::entry::Payload::Blank(state::Nothing {}),
        EntryPayload::Normal(proposal) => state::entry::Payload::Command(proposal.0),
        EntryPayload::Membership(membership) => {
            state::entry::Payload::Membership(membership_message(&membership))
        }
    };
    state::Entry {
        log_id: Some(log_id_message(&entry.log_id)),
        payload: Some(payload),
    }
}

fn entry_from(message: state::Entry) -> Result<Entry, Malformed> {
    let log_id = log_id_from(message.log_id.ok_or(Malformed("log entry"))?);
    let payload = match message.payload.ok_or(Malformed("log entry"))? {
        state::entry::Payload::Blank(_) => EntryPayload::Blank,
        state::entry::Payload::Command(bytes) => EntryPayload::Normal(Proposal(bytes)),
        state::entry::Payload::Membership(membership) => {
            EntryPayload::Membership(membership_from(membership)?)
        }
    };
    Ok(Entry::new(log_id, payload))
}

pub(crate) fn append_result_message(result: StreamAppendResult) -> proto::AppendResponse {
    use openraft::raft::StreamAppendError;
    use proto::append_response::Result as Kind;
    let kind = match result {
        Ok(last) => Kind::Flushed(proto::Flushed {
            last: last.as_ref().map(log_id_message),
        }),
        Err(StreamAppendError::Conflict(id)) => Kind::Conflict(log_id_message(&id)),
        Err(StreamAppendError::HigherVote(vote)) => Kind::HigherVote(vote_message(&vote)),
    };
    proto::AppendResponse { result: Some(kind) }
}

pub(crate) fn append_result_from(
    message: proto::AppendResponse,
) -> Result<StreamAppendResult, Malformed> {
    use openraft::raft::StreamAppendError;
    use proto::append_response::Result as Kind;
    Ok(match message.result.ok_or(Malformed("append response"))? {
        Kind::Flushed(flushed) => Ok(flushed.last.map(log_id_from)),
        Kind::Conflict(id) => Err(StreamAppendError::Conflict(log_id_from(id))),
        Kind::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote_from(Some(vote))?)),
    })
}

pub(crate) fn heartbeat_outcome_message(
    id: u64,
    outcome: StreamAppendResult,
) -> proto::HeartbeatResponse {
    proto::HeartbeatResponse {
        id,
        outcome: Some(append_result_message(outcome)),
    }
}

pub(crate) fn heartbeat_outcome_from(
    message: proto::HeartbeatResponse,
) -> Result<StreamAppendResult, Malformed> {
    let outcome = message.outcome.ok_or(Malformed("heartbeat response"))?;
    append_result_from(outcome)
}

pub(crate) fn snapshot_meta_message(meta: &SnapshotMeta) -> state::SnapshotMeta {
    state::SnapshotMeta {
        last_log_id: meta.last_log_id.as_ref().map(log_id_message),
        last_membership: Some(stored_membership_message(&meta.last_membership)),
    }
}

pub(crate) fn snapshot_meta_from(
    message: Option<state::SnapshotMeta>,
) -> Result<SnapshotMeta, Malformed> {
    let message = message.ok_or(Malformed("snapshot head"))?;
    Ok(SnapshotMeta {
        last_log_id: message.last_log_id.map(log_id_from),
        last_membership: stored_membership_from(message.last_membership.unwrap_or_default())?,
    })
}
