use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
};

use openraft::ServerState;
use quorid_storage::LogVote;

use super::*;
use crate::{
    named_server::NamedServer,
    node::{
        types::{Enlisted, Membership, StoredMembership},
        wire,
    },
    seams::{BoxFuture, Listener},
};

/// What a port does with the next connections.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Accept,
    Refuse,
    Reset,
    Silence,
}
use Answer::{Accept, Refuse, Reset, Silence};

/// A port that answers as it is told.
struct Port(Mutex<VecDeque<Answer>>);

impl Network for Port {
    fn connect<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        let answer = self.0.lock().expect("not poisoned").pop_front();
        Box::pin(async move {
            match answer.expect("it is probed no more often than that") {
                Accept => Ok(Box::new(tokio::io::duplex(1).0) as BoxedIo),
                Refuse => Err(io::ErrorKind::ConnectionRefused.into()),
                Reset => Err(io::ErrorKind::ConnectionReset.into()),
                Silence => pending().await,
            }
        })
    }

    fn bind<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_port_that_refuses_says_that_its_process_is_gone() {
    for (answers, gone) in [
        (vec![Refuse], true),
        // Its connections ended before its port.
        (vec![Accept, Accept, Refuse], true),
        (vec![Accept; PAUSES_MS.len()], false),
        (vec![Reset], false),
        (vec![Silence], false),
        // What comes later says nothing: it may be another one's answer by then.
        (vec![Accept, Silence], false),
        (vec![Accept, Reset], false),
    ] {
        let port = Port(Mutex::new(answers.clone().into()));
        assert_eq!(is_gone(&port, "s1:7401").await, gone, "{answers:?}");
        assert!(port.0.lock().expect("not poisoned").is_empty());
    }
}

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
        let leader = Leader::named(&metrics(id), "s2").expect("it follows s2");
        assert_eq!((leader.id, &*leader.address), (2, "s2:7401"));
        assert_eq!((leader.turn, leader.turns), (turn, 2));
    }
}

#[test]
fn nobody_looks_after_who_is_no_leader_of_theirs() {
    let none = |metrics: &RaftServerMetrics<TypeConfig>, name| {
        assert_eq!(Leader::named(metrics, name), None, "{metrics}");
    };
    // A connection from another follower, or from a server that was removed.
    none(&metrics(1), "s3");
    none(&metrics(1), "s9");
    // The leader itself, and a learner.
    none(&metrics(2), "s2");
    none(&metrics(4), "s2");
    // Nobody leads, or an election is under way.
    let mut unled = metrics(1);
    unled.current_leader = None;
    none(&unled, "s2");
    let mut voting = metrics(1);
    voting.vote.committed = false;
    none(&voting, "s2");
}

#[tokio::test]
async fn a_server_whose_connections_end_all_at_once_is_looked_at_once() {
    let ended = EndedConnections::default();
    for name in ["s2", "s1", "s2", "s2"] {
        ended.note(name);
    }
    assert_eq!(ended.next().await, "s1");
    assert_eq!(ended.next().await, "s2");
    // While that one was looked at, another connection of it ended.
    ended.note("s2");
    assert_eq!(ended.next().await, "s2");
    assert!(ended.names().is_empty());
}
