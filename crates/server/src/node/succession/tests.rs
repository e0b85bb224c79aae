use std::{collections::BTreeMap, sync::Arc};

use openraft::ServerState;
use quorid_storage::LogVote;

use super::*;
use crate::{
    named_server::NamedServer,
    node::{
        types::{Enlisted, Membership, StoredMembership},
        wire,
    },
};

/// Servers 1 to 4, of which 4 is a learner, as one of them sees them while server 2 leads.
fn metrics(id: u64) -> RaftServerMetrics<TypeConfig> {
    let member = |id: u64| {
        let server = NamedServer {
            name: format!("s{id}"),
            peer_address: format!("s{id}:7401"),
            client_address: format!("s{id}:7400"),
        };
        let level = Default::default();
        (id, Enlisted { server, level })
    };
    let members: BTreeMap<u64, Enlisted> = (1..=4).map(member).collect();
    let voters = BTreeSet::from([1, 2, 3]);
    let members = Membership::new(vec![voters], members).expect("valid");
    let members = Arc::new(StoredMembership::new(None, members));
    RaftServerMetrics {
        id,
        vote: wire::vote(LogVote {
            term: 7,
            candidate: 2,
            committed: true,
        }),
        state: ServerState::Follower,
        current_leader: Some(2),
        membership_config: Arc::clone(&members),
        committed_membership_config: members,
    }
}

#[test]
fn voters_that_follow_a_leader_have_turns_in_the_order_of_their_ids() {
    for (id, turn) in [(1, 0), (3, 1)] {
        let leader = Leader::followed(&metrics(id)).expect("it follows s2");
        assert_eq!((leader.id, &*leader.name), (2, "s2"));
        assert_eq!(leader.address, "s2:7401");
        assert_eq!((leader.turn, leader.turns), (turn, 2));
    }
}

#[test]
fn nobody_succeeds_who_is_no_leader_of_theirs() {
    let none = |metrics: &RaftServerMetrics<TypeConfig>| {
        assert_eq!(Leader::followed(metrics), None, "{metrics}");
    };
    // The leader itself, and a learner.
    none(&metrics(2));
    none(&metrics(4));
    // Nobody leads, or an election is under way.
    let mut unled = metrics(1);
    unled.current_leader = None;
    none(&unled);
    let mut voting = metrics(1);
    voting.vote.committed = false;
    none(&voting);
}

#[test]
fn a_turn_is_a_quarter_of_a_heartbeat_but_not_too_short() {
    for (heartbeat_ms, turn_ms) in [(10, 15), (40, 15), (60, 15), (100, 25), (500, 125)] {
        let found = turn(Duration::from_millis(heartbeat_ms));
        assert_eq!(found, Duration::from_millis(turn_ms), "{heartbeat_ms}");
    }
}
