//! What is believed of whom.

use super::*;
use crate::proto::Server;

fn at(address: &str) -> Endpoint {
    address.parse().expect("an address")
}

/// Servers `s1:1`, `s2:2`, ... as server `answered_by` sees them.
fn view(term: u64, leader_id: u64, answered_by: u64) -> ClusterView {
    ClusterView {
        term,
        leader_id,
        answered_by,
        servers: (1..=3)
            .map(|id| Server {
                id,
                client_address: format!("s{id}:{id}"),
                ..Server::default()
            })
            .collect(),
        ..ClusterView::default()
    }
}

fn known(finder: &LeaderFinder) -> (u64, Option<String>) {
    let known = finder.leadership().borrow().clone();
    (
        known.term,
        known.leader.map(|leader| leader.endpoint.to_string()),
    )
}

#[test]
fn only_views_that_are_not_older_than_what_is_known_are_accepted() {
    let finder = LeaderFinder::unconnected(&["s1:1"]);
    // (term, leader, asked server) -> (term, leader)
    for (told, expected) in [
        ((2, 1, 1), (2, Some("s1:1"))),
        ((1, 3, 3), (2, Some("s1:1"))), // from before
        ((2, 0, 3), (2, Some("s1:1"))), // has not heard of it yet
        ((2, 0, 1), (2, None)),         // stepped down
        ((2, 1, 2), (2, Some("s1:1"))),
        ((3, 0, 2), (3, None)), // an election
        ((2, 1, 1), (3, None)),
        ((3, 2, 2), (3, Some("s2:2"))),
    ] {
        finder.accept(view(told.0, told.1, told.2));
        assert_eq!(
            known(&finder),
            (expected.0, expected.1.map(str::to_owned)),
            "{told:?}"
        );
    }
}

#[test]
fn a_server_of_another_cluster_is_not_followed() {
    let finder = LeaderFinder::unconnected(&["s1:1"]);
    let of = |cluster_id: &str, term, leader_id| ClusterView {
        cluster_id: cluster_id.to_owned(),
        ..view(term, leader_id, leader_id)
    };
    let mut second = of("second", 9, 1);
    second.servers.truncate(1);

    assert!(finder.accept(of("", 1, 1)));
    assert!(finder.accept(of("first", 2, 2)));
    assert!(!finder.accept(second.clone()));
    assert!(finder.accept(of("", 2, 2)));
    assert!(!finder.accept(second), "also after a view that had no id");

    assert_eq!(known(&finder), (2, Some("s2:2".to_owned())));
    assert_eq!(finder.addresses(), ["s1:1", "s2:2", "s3:3"]);
}

#[test]
fn a_member_that_cannot_be_asked_is_logged_once() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let writer = Arc::new(log.reopen().expect("the file"));
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(writer)
        .finish();
    let finder = LeaderFinder::unconnected(&["s1:1"]);
    let mut odd = view(2, 2, 1);
    odd.servers[1].name = "s2".to_owned();
    odd.servers[1].client_address = "[fe80::1%2]:7400".to_owned();
    tracing::subscriber::with_default(subscriber, || {
        finder.accept(odd.clone());
        finder.accept(odd);
    });
    assert_eq!(finder.addresses(), ["s1:1", "s3:3"]);
    assert_eq!(known(&finder), (2, None));
    let log = std::io::read_to_string(log).expect("text");
    assert_eq!(log.lines().count(), 1, "{log}");
    for expected in ["WARN", "cannot be asked", "\"s2\"", "`[fe80::1%2]:7400`"] {
        assert!(log.contains(expected), "{log}");
    }
}

#[test]
fn members_are_asked_before_configured_servers_that_are_none() {
    let finder = LeaderFinder::unconnected(&["alias:1", "s2:2", "alias:1"]);
    assert_eq!(finder.addresses(), ["alias:1", "s2:2"]);
    finder.accept(view(1, 1, 1));
    let servers = finder.servers();
    let order: Vec<_> = servers
        .iter()
        .map(|server| server.endpoint.as_str())
        .collect();
    assert_eq!(order, ["s1:1", "s2:2", "s3:3", "alias:1"]);
    assert_eq!(finder.addresses(), ["s1:1", "s2:2", "s3:3"]);
}

#[test]
fn a_refusal_to_lead_refutes_what_was_known_of_that_server_only() {
    let finder = LeaderFinder::unconnected(&["s1:1"]);
    finder.accept(view(2, 1, 1));
    let [one, two, three] = ["s1:1", "s2:2", "s3:3"].map(|address| finder.server_at(&at(address)));

    finder.refused(&two, 1, Some(&three));
    assert_eq!(known(&finder), (2, Some("s1:1".to_owned())), "an old hint");
    finder.refused(&two, 2, None);
    assert_eq!(
        known(&finder),
        (2, Some("s1:1".to_owned())),
        "it knows of no leader"
    );
    finder.refused(&one, 2, None);
    assert_eq!(known(&finder), (2, None));
    finder.refused(&two, 2, Some(&three));
    assert_eq!(known(&finder), (2, Some("s3:3".to_owned())));
    finder.refused(&one, 5, Some(&two));
    assert_eq!(known(&finder), (5, Some("s2:2".to_owned())));
}

#[test]
fn who_does_what_a_leader_does_leads_unless_there_was_an_election() {
    let finder = LeaderFinder::unconnected(&["s1:1"]);
    let then = finder.leadership().borrow().clone();
    let one = finder.server_at(&at("s1:1"));
    finder.led(&one, &then);
    assert_eq!(known(&finder), (0, Some("s1:1".to_owned())));

    finder.accept(view(2, 2, 2));
    finder.led(&one, &then);
    assert_eq!(known(&finder), (2, Some("s2:2".to_owned())));
}

#[test]
fn the_leader_is_asked_first_and_watched_last() {
    let finder = LeaderFinder::unconnected(&["s1:1"]);
    finder.accept(view(1, 2, 1));
    let known = finder.leadership().borrow().clone();
    let mut tried = Vec::new();
    while let Some(server) = finder.for_leader(&known, &tried) {
        tried.push(server);
    }
    let order: Vec<_> = tried
        .iter()
        .map(|server| server.endpoint.as_str())
        .collect();
    assert_eq!(order, ["s2:2", "s1:1", "s3:3"]);

    tried.clear();
    while let Some(server) = finder.for_watch(&tried) {
        tried.push(server);
    }
    let order: Vec<_> = tried
        .iter()
        .map(|server| server.endpoint.as_str())
        .collect();
    assert_eq!(order, ["s1:1", "s3:3", "s2:2"]);
}
