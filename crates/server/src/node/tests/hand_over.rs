//! A leader hands over, whatever the network does in that moment.
//!
//! The lease is so long here that nobody is elected without it.

use std::time::Duration;

use super::harness::{Cluster, write};
use crate::node::{Node, Timing};

/// The word is said twice in that time, and in vain. A hand-over may take 3 s.
const AWAY: Duration = Duration::from_millis(900);

/// A cluster, its leader, and one of the others.
async fn cluster() -> (Cluster, (usize, Node), (usize, Node)) {
    let timing = Timing {
        heartbeat_ms: 60,
        election_min_ms: 400,
        election_max_ms: 4000,
    };
    let cluster = Cluster::started(3, timing).await;
    let (leading, leader) = cluster.leader().await;
    write(&leader, 0..10).await;
    let follower = cluster
        .running
        .iter()
        .find(|(number, _)| **number != leading);
    let follower = follower.map(|(number, it)| (*number, it.node.clone()));
    (
        cluster,
        (leading, leader),
        follower.expect("another server"),
    )
}

fn name(cluster: &Cluster, number: usize) -> String {
    cluster.servers[number].name.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_word_that_hands_over_is_repeated_until_it_is_heard() {
    let (cluster, (leading, leader), (next, follower)) = cluster().await;
    let network = cluster.networks[&name(&cluster, leading)].clone();
    let address = cluster.servers[next].peer_address.clone();
    network.set_refusing(&address, true);
    cluster.networks[&name(&cluster, next)].reset_accepted();
    let back = tokio::spawn(async move {
        // Not a wait for something: for so long the next leader cannot be reached.
        tokio::time::sleep(AWAY).await;
        network.set_refusing(&address, false);
    });
    let to = name(&cluster, next);
    leader
        .transfer_leadership(Some(&to))
        .await
        .expect("handed over");
    back.await.expect("the network came back");
    write(&follower, 10..20).await;
}
