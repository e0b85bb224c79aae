//! Members that join, leave and are replaced, and servers that do not agree on the members.

use std::{future::Future, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::harness::{Cluster, DEADLINE, write};
use crate::{
    named_server::NamedServer,
    node::{MembershipError, Node, NodeConfig, StartError},
    seams::{Network as _, TcpNetwork},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_were_given_different_lists_are_refused() {
    let cluster = Cluster::new(3).await;
    let (_runtime, start) = cluster.starting(cluster.config(0)).await;
    let mut other = cluster.config(1);
    other.initial_servers.swap(0, 2);
    let (_other_runtime, other) = cluster.starting(other).await;
    let (first, second) = tokio::join!(timeout(DEADLINE, start), timeout(DEADLINE, other));
    for result in [first, second] {
        let text = result
            .expect("in time")
            .expect("no panic")
            .err()
            .expect("refused")
            .to_string();
        assert!(text.contains("given other initial servers"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_is_added_and_removed_while_the_cluster_runs() {
    let mut cluster = Cluster::new(4).await;
    let fourth = cluster.servers.pop().expect("four servers");
    cluster.start(&[0, 1, 2]).await;
    let (_, leader) = cluster.leader().await;
    write(&leader, 0..20).await;

    let (_runtime, start) = cluster.starting(joining(&fourth, &cluster)).await;
    eventually(|| leader.add_server(fourth.clone(), false)).await;
    let node = started(start).await;
    let revision = write(&leader, 20..40).await;
    node.wait_applied(revision).await.expect("applied");
    let state = leader.state();
    assert!(state.named("s4").is_some_and(|member| member.voter));

    let again = leader.add_server(fourth.clone(), false).await;
    let again = again.expect_err("there already");
    assert!(matches!(again, MembershipError::Exists(_)), "{again}");
    let alive = leader.replace_server("s4", fourth.clone()).await;
    let alive = alive.expect_err("it is alive");
    assert!(matches!(alive, MembershipError::NotReady { .. }), "{alive}");

    eventually(|| leader.remove_server("s4")).await;
    assert_eq!(leader.state().named("s4"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_lost_its_disk_is_replaced_under_its_name_by_a_new_id() {
    let mut cluster = Cluster::new(3).await;
    cluster.start(&[0, 1, 2]).await;
    let (number, leader) = cluster.leader().await;
    write(&leader, 0..20).await;
    let lost = (number + 1) % 3;
    let old = cluster.servers[lost].clone();
    cluster.kill(lost);
    std::fs::remove_dir_all(cluster.folder.path().join(&old.name)).expect("removed");

    let (_runtime, start) = cluster.starting(joining(&old, &cluster)).await;
    eventually(|| leader.replace_server(&old.name, old.clone())).await;
    let node = started(start).await;
    let revision = write(&leader, 20..40).await;
    node.wait_applied(revision).await.expect("applied");
    let state = leader.state();
    let ids: Vec<u64> = state.servers.iter().map(|member| member.id).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.contains(&4), "{ids:?}");
    assert_eq!(digest(&node), digest(&leader));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_comes_back_elsewhere_is_moved_once_it_proved_who_it_is() {
    let mut cluster = Cluster::new(3).await;
    cluster.start(&[0, 1, 2]).await;
    let (number, leader) = cluster.leader().await;
    write(&leader, 0..20).await;
    let away = (number + 1) % 3;
    let first = cluster.servers[away].clone();
    let name = first.name.clone();
    cluster.kill(away);
    // Not there yet.
    let free = TcpNetwork.bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("its address").to_string();
    drop(free);
    let moved = NamedServer {
        name: name.clone(),
        client_address: "127.0.0.1:77".to_owned(),
        peer_address: address,
    };
    let refused = async |moved: &NamedServer, why: &str| {
        let error = leader.move_server(moved.clone()).await;
        let error = error.expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(&moved, "does not answer").await;
    cluster.servers[away] = moved.clone();
    cluster.start(&[away]).await;
    // A restarted server knows the others, and they don't find it.
    let revision = write(&leader, 20..40).await;
    let client_address = "127.0.0.1:78".to_owned();
    let mistaken = NamedServer {
        client_address,
        ..moved.clone()
    };
    refused(&mistaken, "clients reach it at 127.0.0.1:77").await;
    let other = cluster.servers[3 - number - away].clone();
    let taken = NamedServer {
        name: name.clone(),
        ..other.clone()
    };
    refused(&taken, "is reached at one of these addresses").await;
    let stranger = NamedServer {
        name: "s9".to_owned(),
        ..moved.clone()
    };
    refused(&stranger, "no server of the cluster is named s9").await;

    eventually(|| leader.move_server(moved.clone())).await;
    assert_eq!(
        leader.state().named(&name).map(|it| &it.server),
        Some(&moved)
    );
    cluster.all_at(revision).await;
    // And back, where the others may still remember it.
    cluster.kill(away);
    cluster.servers[away] = first.clone();
    cluster.start(&[away]).await;
    let revision = write(&leader, 40..60).await;
    eventually(|| leader.move_server(first.clone())).await;
    cluster.all_at(revision).await;
    // The leader knows its own addresses, too.
    let mistaken = NamedServer {
        client_address: "127.0.0.1:79".to_owned(),
        ..cluster.servers[number].clone()
    };
    refused(&mistaken, "clients reach it at").await;
    // It can be elected there, and follow another one.
    drop(leader);
    cluster.kill(number);
    let (_, next) = cluster.leader().await;
    let revision = write(&next, 60..80).await;
    cluster.start(&[number]).await;
    cluster.all_at(revision).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_server_is_taken_in_at_the_addresses_of_its_own_configuration_only() {
    let mut cluster = Cluster::new(4).await;
    let fourth = cluster.servers.pop().expect("four servers");
    cluster.start(&[0, 1, 2]).await;
    let (_, leader) = cluster.leader().await;
    let (_runtime, start) = cluster.starting(joining(&fourth, &cluster)).await;
    let mistaken = NamedServer {
        client_address: "127.0.0.1:9".to_owned(),
        ..fourth.clone()
    };
    let until = Instant::now() + DEADLINE;
    let why = loop {
        let error = leader.add_server(mistaken.clone(), false).await;
        let error = error.expect_err("refused").to_string();
        if !error.contains("does not answer") {
            break error;
        }
        assert!(Instant::now() < until, "{error}");
        sleep(Duration::from_millis(50)).await;
    };
    assert!(
        why.contains("by its own configuration clients reach it at"),
        "{why}"
    );
    assert_eq!(leader.state().servers.len(), 3);
    eventually(|| leader.add_server(fourth.clone(), false)).await;
    started(start).await;
}

/// The configuration of a server that waits until a cluster takes it in.
pub(super) fn joining(server: &NamedServer, cluster: &Cluster) -> NodeConfig {
    NodeConfig {
        own: server.clone(),
        join: true,
        ..cluster.config(0)
    }
}

async fn started(start: JoinHandle<Result<Node, StartError>>) -> Node {
    let node = timeout(DEADLINE, start).await.expect("in time");
    node.expect("no panic").expect("started")
}

fn digest(node: &Node) -> [u8; 32] {
    let digest = node.read().and_then(|view| view.digest());
    digest.expect("a digest")
}

/// As an operator does it: asked again while the server starts, or the leader is busy.
async fn eventually<F: Future<Output = Result<(), MembershipError>>>(change: impl Fn() -> F) {
    let until = Instant::now() + DEADLINE;
    while let Err(error) = change().await {
        assert!(Instant::now() < until, "{error}");
        sleep(Duration::from_millis(50)).await;
    }
}
