//! A leader that is cut off, whose process lives: how long it takes until another one leads.

use std::time::Duration;

use tokio::time::Instant;

use super::harness::{Cluster, create, propose_to, wait, write};
use crate::node::{Node, Timing};

const LEASE: Duration = Duration::from_millis(900);
/// The engine alone waits for that much more at least.
const ELECTION_MIN: Duration = Duration::from_millis(800);

/// A cluster, its leader's number and the others.
async fn cluster(size: usize) -> (Cluster, usize, Vec<Node>) {
    let timing = Timing {
        heartbeat_ms: 60,
        election_min_ms: 800,
        election_max_ms: 900,
    };
    let cluster = Cluster::started(size, timing).await;
    let (first, leader) = cluster.leader().await;
    write(&leader, 0..20).await;
    let others = cluster.running.iter().filter(|(n, _)| **n != first);
    let others = others.map(|(_, running)| running.node.clone()).collect();
    (cluster, first, others)
}

/// Returns once one of these servers leads.
async fn one_leads(nodes: &[Node]) -> Node {
    wait("one of the others to lead", || {
        let leading = nodes.iter().find(|node| node.state().leads());
        leading.cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_silent_leader_is_succeeded_as_soon_as_its_lease_is_over() {
    for size in [3, 5] {
        let (cluster, first, others) = cluster(size).await;
        let network = &cluster.networks[&cluster.servers[first].name];
        network.fall_mute();
        let cut = Instant::now();
        one_leads(&others).await;
        let took = cut.elapsed();
        assert!(took < LEASE + ELECTION_MIN, "{size} servers: {took:?}");
        // Where the machine is so busy that a turn is too short, another one may lead soon after.
        for number in 20..40 {
            let outcome = propose_to(|| one_leads(&others), create(number)).await;
            assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        }
    }
}
