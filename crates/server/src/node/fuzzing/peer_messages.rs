//! Messages between servers, and what of them is kept: the first byte says which.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use openraft::{EntryPayload, entry::RaftEntry as _, raft::StreamAppendError};
use prost::{DecodeError, Message as _};
use quorid_directory::Level;
use quorid_storage::{FORMAT_VERSION, LogOptions, LogPos, LogVote, Payload, StoreOptions};

use crate::{
    config::TimingPreset,
    fuzzing::seed,
    named_server::NamedServer,
    node::{
        NodeConfig, bootstrap, gate,
        types::{
            AppendRequest, Enlisted, Entry, LogId, Membership, Proposal, SnapshotMeta,
            StoredMembership, Vote,
        },
        wire::{self, Malformed, proto},
    },
};

/// What is decoded, encoded and decoded again is the same.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    // A message that cannot be decoded is refused by the gRPC library.
    let _ = decode(*kind, bytes);
}

fn decode(kind: u8, bytes: &[u8]) -> Result<(), DecodeError> {
    match kind % 12 {
        0 => append(proto::AppendRequest::decode(bytes)?),
        1 => {
            let message = proto::AppendResponse::decode(bytes)?;
            if let Ok(result) = wire::append_result_from(message) {
                let again = wire::append_result_from(wire::append_result_message(result.clone()));
                assert_eq!(again.expect("a response"), result);
            }
        }
        2 => {
            let message = proto::VoteRequest::decode(bytes)?;
            if let Ok(request) = gate::vote_request(message) {
                assert_eq!(Some(wire::vote_message(&request.vote)), message.vote);
                assert_eq!(request.leadership_transfer, message.leadership_transfer);
                assert_eq!(
                    request.last_log_id.as_ref().map(wire::log_id_message),
                    message.last_log_id
                );
            } else {
                assert_eq!(message.vote, None);
            }
        }
        3 => vote(proto::VoteResponse::decode(bytes)?.vote),
        4 => vote(proto::TransferLeaderRequest::decode(bytes)?.from_leader),
        5 => hello(&proto::HelloResponse::decode(bytes)?),
        6 => snapshot_head(proto::SnapshotHead::decode(bytes)?),
        7 => {
            if let Ok(stored) = wire::decode_stored_membership(bytes) {
                assert_sound(stored.membership());
                let again =
                    wire::decode_stored_membership(&wire::encode_stored_membership(&stored));
                assert_eq!(again.expect("a membership"), stored);
            }
        }
        8 => {
            let payload = Payload::Membership(Bytes::copy_from_slice(bytes));
            if let Ok(entry) = wire::entry(LogPos::default(), payload) {
                let (at, payload) = wire::payload(entry.clone());
                assert_eq!(wire::entry(at, payload).expect("an entry"), entry);
            }
        }
        9 => {
            proto::HelloRequest::decode(bytes)?;
            proto::EnlistRequest::decode(bytes)?;
        }
        10 => heartbeat(&proto::HeartbeatRequest::decode(bytes)?),
        _ => {
            let message = proto::HeartbeatResponse::decode(bytes)?;
            if let Ok(outcome) = wire::heartbeat_outcome_from(message) {
                let again = wire::heartbeat_outcome_message(message.id, outcome.clone());
                let again = wire::heartbeat_outcome_from(again);
                assert_eq!(again.expect("an outcome"), outcome);
            }
        }
    }
    Ok(())
}

fn append(message: proto::AppendRequest) {
    let Ok(request) = wire::append_from(message) else {
        return;
    };
    for entry in &request.entries {
        if let EntryPayload::Membership(membership) = &entry.payload {
            assert_sound(membership);
        }
        let (at, payload) = wire::payload(entry.clone());
        let kept = wire::entry(at, payload).expect("an entry");
        assert_eq!(kept, *entry, "as the log keeps it");
    }
    let again = wire::append_from(wire::append_message(request.clone())).expect("a request");
    assert_eq!(again.vote, request.vote);
    assert_eq!(again.prev_log_id, request.prev_log_id);
    assert_eq!(again.entries, request.entries);
    assert_eq!(again.leader_commit, request.leader_commit);
}

fn heartbeat(message: &proto::HeartbeatRequest) {
    match wire::heartbeat_from(message) {
        Ok(request) => {
            assert!(request.entries.is_empty(), "entries come elsewhere");
            assert_eq!(wire::heartbeat_message(message.id, &request), *message);
        }
        Err(_) => assert_eq!(message.vote, None),
    }
}

fn vote(message: Option<proto::state::v1::Vote>) {
    if let Ok(vote) = wire::vote_from(message) {
        assert_eq!(
            wire::vote(wire::log_vote(&vote)),
            vote,
            "as the log keeps it"
        );
        let again: Result<Vote, Malformed> = wire::vote_from(Some(wire::vote_message(&vote)));
        assert_eq!(again.expect("a vote"), vote);
    }
}

fn snapshot_head(head: proto::SnapshotHead) {
    vote(head.vote);
    if let Ok(meta) = wire::snapshot_meta_from(head.meta) {
        assert_sound(meta.last_membership.membership());
        let again = wire::snapshot_meta_from(Some(wire::snapshot_meta_message(&meta)));
        assert_eq!(again.expect("a head"), meta);
    }
}

/// Every voter is a member, so that it can be reached.
fn assert_sound(membership: &Membership) {
    for voter in membership.voter_ids() {
        assert!(membership.get_node(&voter).is_some(), "voter {voter}");
    }
}

/// Only a server that was given the same list, and belongs to no cluster, forms one with this one.
fn hello(answer: &proto::HelloResponse) {
    let config = config();
    match bootstrap::check(&config, &config.initial_servers[1], answer) {
        Ok(None) => {
            assert_eq!(answer.initial_servers, config.initial_messages());
            assert!(!answer.formed && answer.cluster_id.is_empty());
        }
        Ok(Some(why)) => assert_ne!(why, ""),
        Err(refused) => assert!(refused.hint().is_some()),
    }
}

fn config() -> NodeConfig {
    let server = |number: u8| NamedServer {
        name: format!("s{number}"),
        peer_address: format!("s{number}:7401"),
        client_address: format!("s{number}:7400"),
    };
    NodeConfig {
        own: server(1),
        initial_servers: vec![server(1), server(2)],
        join: false,
        form_alone: false,
        supports: Level::SUPPORTED,
        timing: TimingPreset::Lan.timing(),
        checkpoint_interval: Duration::from_secs(1),
        compare_interval: Duration::from_secs(30),
        snapshot_after_entries: 1,
        log_keep_entries: 1,
        write_timeout: Duration::from_secs(1),
        store: StoreOptions::default(),
        log: LogOptions::default(),
    }
}

/// Each message with all of its fields.
pub fn seeds() -> Vec<Vec<u8>> {
    let vote = wire::vote(LogVote {
        term: 3,
        candidate: 1,
        committed: true,
    });
    let log_id = |index| wire::log_id(LogPos { term: 3, index });
    let entry = |index, payload| Entry::new(log_id(index), payload);
    let heartbeat = AppendRequest {
        vote,
        prev_log_id: Some(log_id(6)),
        entries: Vec::new(),
        leader_commit: Some(log_id(5)),
    };
    let request = AppendRequest {
        vote,
        prev_log_id: Some(log_id(6)),
        entries: vec![
            entry(7, EntryPayload::Blank),
            entry(
                8,
                EntryPayload::Normal(Proposal(Bytes::from_static(b"command"))),
            ),
            entry(9, EntryPayload::Membership(membership())),
        ],
        leader_commit: Some(log_id(5)),
    };
    let result = |result| seed(1, &wire::append_result_message(result));
    let vote_message = Some(wire::vote_message(&vote));
    let last = Some(wire::log_id_message(&log_id(9)));
    let stored = StoredMembership::new(Some(log_id(9)), membership());
    let head = snapshot_head_of(vote, log_id(9));
    let (_, kept) = wire::payload(entry(9, EntryPayload::Membership(membership())));
    let Payload::Membership(kept) = kept else {
        unreachable!("the entry is a membership");
    };
    vec![
        seed(0, &wire::append_message(request)),
        result(Ok(Some(log_id(9)))),
        result(Err(StreamAppendError::Conflict(log_id(4)))),
        result(Err(StreamAppendError::HigherVote(vote))),
        seed(
            2,
            &proto::VoteRequest {
                vote: vote_message,
                last_log_id: last,
                leadership_transfer: true,
            },
        ),
        seed(
            3,
            &proto::VoteResponse {
                vote: vote_message,
                vote_granted: true,
                last_log_id: last,
            },
        ),
        seed(
            4,
            &proto::TransferLeaderRequest {
                from_leader: vote_message,
                to: 2,
                last_log_id: last,
            },
        ),
        seed(
            5,
            &proto::HelloResponse {
                name: "s2".to_owned(),
                format_version: FORMAT_VERSION,
                initial_servers: config().initial_messages(),
                ..proto::HelloResponse::default()
            },
        ),
        seed(
            5,
            &proto::HelloResponse {
                name: "s2".to_owned(),
                cluster_id: "c".to_owned(),
                server_id: 2,
                format_version: FORMAT_VERSION,
                formed: true,
                asker_id: 1,
                leader_id: 2,
                level: Level::SUPPORTED.0,
                ..proto::HelloResponse::default()
            },
        ),
        seed(6, &head),
        [vec![7], wire::encode_stored_membership(&stored)].concat(),
        [&[8], kept.as_ref()].concat(),
        seed(10, &wire::heartbeat_message(7, &heartbeat)),
        seed(11, &wire::heartbeat_outcome_message(7, Ok(Some(log_id(6))))),
    ]
}

/// Two voters and a learner, while a voter is replaced.
pub(super) fn membership() -> Membership {
    let server = |id: u64| {
        let server = NamedServer {
            name: format!("s{id}"),
            client_address: format!("s{id}:7400"),
            peer_address: format!("s{id}:7401"),
        };
        let level = Level::SUPPORTED;
        (id, Enlisted { server, level })
    };
    let configs = vec![[1, 2].into(), [1, 3].into()];
    let members: BTreeMap<u64, Enlisted> = (1..=4).map(server).collect();
    Membership::new(configs, members).expect("every voter is a member")
}

/// The head of a snapshot up to `last`.
pub(super) fn snapshot_head_of(vote: Vote, last: LogId) -> proto::SnapshotHead {
    let meta = SnapshotMeta {
        last_log_id: Some(last),
        last_membership: StoredMembership::new(Some(last), membership()),
    };
    proto::SnapshotHead {
        vote: Some(wire::vote_message(&vote)),
        meta: Some(wire::snapshot_meta_message(&meta)),
        format_version: FORMAT_VERSION,
        level: Level::SUPPORTED.0,
    }
}
