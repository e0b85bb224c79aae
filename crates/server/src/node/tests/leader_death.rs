//! A leader's death is seen at once, and nothing else is taken for it.
//!
//! The lease is so long here that an election within it can have one cause only.

use std::{io::ErrorKind, time::Duration};

use tokio::time::Instant;

use super::harness::{Cluster, wait, write};
use crate::{
    node::{Node, Timing},
    seams::Network as _,
};

const LEASE: Duration = Duration::from_secs(4);

async fn cluster(size: usize) -> Cluster {
    let timing = Timing {
        heartbeat_ms: 60,
        election_min_ms: 2000,
        election_max_ms: 4000,
    };
    Cluster::started(size, timing).await
}

fn term(node: &Node) -> u64 {
    node.state().term
}

fn deaths(node: &Node) -> u64 {
    node.status().expect("a status").leader_deaths
}

fn probes(node: &Node) -> u64 {
    node.status().expect("a status").leader_probes
}

/// The numbers and the nodes of the servers that don't lead.
fn followers(cluster: &Cluster, leader: usize) -> Vec<(usize, Node)> {
    let running = cluster.running.iter().filter(|(n, _)| **n != leader);
    running.map(|(n, it)| (*n, it.node.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_whose_process_ends_is_succeeded_before_its_lease_is_over() {
    for size in [3, 5] {
        let mut cluster = cluster(size).await;
        let (first, leader) = cluster.leader().await;
        write(&leader, 0..20).await;
        let before = term(&leader);

        let killed = Instant::now();
        cluster.kill(first);
        let (_, second) = cluster.leader().await;
        let took = killed.elapsed();

        assert!(term(&second) > before);
        assert!(took < LEASE, "{size} servers: {took:?}");
        let seen = followers(&cluster, first);
        let seen = seen.iter().map(|(_, node)| deaths(node)).sum::<u64>();
        // A majority of the voters has to have seen it.
        assert!(seen > (size / 2) as u64, "{size} servers: {seen}");
        write(&second, 20..40).await;
    }
}

// As proxies and NAT do it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_living_leader_whose_connections_are_reset_leads_on_in_its_term() {
    let cluster = cluster(3).await;
    let (number, leader) = cluster.leader().await;
    let before = term(&leader);
    write(&leader, 0..1).await;
    for round in 1..=5 {
        for (follower, node) in followers(&cluster, number) {
            let probed = probes(&node);
            let network = &cluster.networks[&cluster.servers[follower].name];
            assert!(network.reset_accepted() > 0, "round {round}");
            wait("the leader's port to be probed", || {
                (probes(&node) > probed).then_some(())
            })
            .await;
        }
        let revision = write(&leader, round * 10..round * 10 + 10).await;
        cluster.all_at(revision).await;
    }
    for running in cluster.running.values() {
        let state = running.node.state();
        assert_eq!((state.term, state.leader), (before, leader.state().leader));
        assert_eq!(deaths(&running.node), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_port_that_refuses_for_a_moment_is_no_death_while_the_connections_are_open() {
    let cluster = cluster(3).await;
    let (number, leader) = cluster.leader().await;
    let before = term(&leader);
    let address = cluster.servers[number].peer_address.clone();
    for (follower, _) in followers(&cluster, number) {
        let network = &cluster.networks[&cluster.servers[follower].name];
        network.set_refusing(&address, true);
        let refused = network.connect(&address).await.map(drop);
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(ErrorKind::ConnectionRefused)
        );
    }
    let revision = write(&leader, 0..20).await;
    cluster.all_at(revision).await;
    for (follower, node) in followers(&cluster, number) {
        let network = &cluster.networks[&cluster.servers[follower].name];
        network.set_refusing(&address, false);
        assert_eq!((term(&node), deaths(&node)), (before, 0));
    }
    assert_eq!(term(&leader), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_voter_that_has_not_seen_the_death_keeps_the_leader_in_office() {
    let cluster = cluster(3).await;
    let (number, leader) = cluster.leader().await;
    let before = term(&leader);
    write(&leader, 0..10).await;
    let address = cluster.servers[number].peer_address.clone();
    let (follower, mistaken) = followers(&cluster, number).swap_remove(0);
    let network = &cluster.networks[&cluster.servers[follower].name];
    network.set_refusing(&address, true);
    assert!(network.reset_accepted() > 0);
    wait("the follower to take the leader for dead", || {
        (deaths(&mistaken) > 0).then_some(())
    })
    .await;

    let revision = write(&leader, 10..30).await;
    cluster.all_at(revision).await;
    for running in cluster.running.values() {
        let state = running.node.state();
        assert_eq!((state.term, state.leader), (before, leader.state().leader));
    }
}
