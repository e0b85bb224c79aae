//! Servers whose clocks are wrong.

use super::harness::{Cluster, wait, write};
use crate::node::Role;

const HOUR_MS: i64 = 3_600_000;

/// Waits until a server says this of its clock.
async fn clock_is(cluster: &Cluster, number: usize, wrong: bool) {
    let node = cluster.running[&number].node.clone();
    wait("the verdict on a clock", || {
        let status = node.status().expect("a status");
        (status.clock_is_wrong == wrong).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_whose_clock_is_wrong_hands_over_and_no_change_is_refused() {
    // With one of them dead there is still a majority that says so.
    let mut cluster = Cluster::new(5).await;
    cluster.start(&[0, 1, 2, 3, 4]).await;
    let mut numbers = 0..;
    for error_ms in [HOUR_MS, 24 * HOUR_MS, 365 * 24 * HOUR_MS] {
        for error_ms in [error_ms, -error_ms] {
            let (wrong, leader) = cluster.leader().await;
            let clock = cluster.clocks[&cluster.servers[wrong].name].clone();
            clock.set_error_ms(error_ms);
            let mut make = async |node| {
                let first = numbers.next().expect("more") * 10;
                write(node, first..first + 10).await
            };
            make(&leader).await;
            clock_is(&cluster, wrong, true).await;
            wait("another leader", || {
                let status = leader.status().expect("a status");
                (status.role == Role::Follower && status.leader.is_some()).then_some(())
            })
            .await;
            let ahead = leader.status().expect("a status").clock_ahead_ms;
            let away = ahead.expect("the others answered").abs_diff(error_ms);
            assert!(away < 5000, "{ahead:?} ms ahead, {error_ms} ms wrong");

            // Nor is it elected while it is so, though the leader dies.
            let (second, _) = cluster.leader().await;
            assert_ne!(second, wrong);
            cluster.kill(second);
            let (third, node) = cluster.leader().await;
            assert!(third != wrong && third != second);
            let revision = make(&node).await;
            drop(node);
            cluster.start(&[second]).await;
            cluster.all_at(revision).await;

            clock.set_error_ms(0);
            clock_is(&cluster, wrong, false).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_clock_is_wrong_while_there_is_no_majority_that_says_so() {
    let mut cluster = Cluster::new(3).await;
    cluster.start(&[0, 1, 2]).await;
    let (leading, leader) = cluster.leader().await;
    let other = (leading + 1) % 3;
    cluster.kill(other);
    let name = cluster.servers[leading].name.clone();
    cluster.clocks[&name].set_error_ms(HOUR_MS);
    wait("a comparison with the third server", || {
        let status = leader.status().expect("a status");
        status.clock_ahead_ms.filter(|ahead| *ahead > HOUR_MS / 2)
    })
    .await;
    let status = leader.status().expect("a status");
    assert!(!status.clock_is_wrong && status.role == Role::Leader);
    write(&leader, 0..10).await;
    cluster.start(&[other]).await;
    clock_is(&cluster, leading, true).await;
}
