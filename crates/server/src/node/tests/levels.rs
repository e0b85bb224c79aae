//! Servers of two versions in one cluster, and the feature level.

use quorid_directory::{
    ClientAddress, Command, Level, Operation, OperatorName, Outcome, Principal, Time,
};
use quorid_storage::Fault;
use tokio::time::{sleep, timeout};

use super::harness::{Cluster, DEADLINE, new_request, wait, write};
use crate::{
    node::{MembershipError, Node, StartError, tests::membership::joining},
    seams::{Clock as _, SystemClock},
};

fn raise(to: Level) -> Command {
    Command {
        request: new_request(),
        time: Time(SystemClock.now().0),
        client: ClientAddress::parse("192.0.2.1:4000").expect("valid"),
        principal: Principal::Operator(OperatorName::of_certificate("olga")),
        operation: Operation::RaiseLevel { to },
    }
}

/// Asked again while the leader is busy or another server is elected, as an operator does it.
async fn raised(cluster: &Cluster, to: Option<Level>) -> Result<(Level, Outcome), MembershipError> {
    loop {
        let (_, leader) = cluster.leader().await;
        match leader.raise_level(to, raise).await {
            Err(MembershipError::Unavailable(_) | MembershipError::InProgress) => {}
            result => return result,
        }
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn level(node: &Node) -> Level {
    node.status().expect("a status").level
}

/// Whose fault it is that the level cannot be raised, and the message.
fn in_the_way<T: std::fmt::Debug>(result: Result<T, MembershipError>) -> (String, String) {
    let error = result.expect_err("refused");
    let text = error.to_string();
    let MembershipError::LevelNotSupported { name, .. } = error else {
        panic!("{text}");
    };
    (name, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_level_is_raised_once_every_server_supports_it() {
    let mut cluster = Cluster::new(3).await;
    cluster.supports_of(1, Level::BASE);
    cluster.start(&[0, 1, 2]).await;
    let (_, leader) = cluster.leader().await;
    write(&leader, 0..10).await;
    assert_eq!(level(&leader), Level::BASE);
    for to in [Some(Level::SUPPORTED), Some(Level(9))] {
        let (name, text) = in_the_way(raised(&cluster, to).await);
        assert!(to == Some(Level(9)) || name == "s2", "{text}");
        assert!(text.contains("install a newer version"), "{text}");
    }
    let (same, _) = raised(&cluster, None).await.expect("nothing to do");
    assert_eq!(same, Level::BASE);

    // A server that is away may be one of an older version.
    cluster.kill(1);
    let (name, text) = in_the_way(raised(&cluster, None).await);
    assert!(name == "s2" && text.contains("does not answer"), "{text}");

    cluster.supports_of(1, Level::SUPPORTED);
    cluster.start(&[1]).await;
    let (to, outcome) = raised(&cluster, None).await.expect("raised");
    assert_eq!(to, Level::SUPPORTED);
    cluster.all_at(outcome.revision).await;
    for running in cluster.running.values() {
        assert_eq!(level(&running.node), Level::SUPPORTED);
    }
    let digests = cluster.digests();
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_does_not_support_the_level_takes_no_part() {
    let mut cluster = Cluster::new(4).await;
    let fourth = cluster.servers.pop().expect("four servers");
    cluster.start(&[0, 1, 2]).await;
    let (number, leader) = cluster.leader().await;
    let revision = write(&leader, 0..5).await;
    assert_eq!(level(&leader), Level::SUPPORTED);
    cluster.all_at(revision).await;

    // One that was replaced by an older version.
    let old = (number + 1) % 3;
    let node = cluster.running[&old].node.clone();
    node.shutdown().await.expect("stopped");
    drop(node);
    cluster.kill(old);
    cluster.supports_of(old, Level::BASE);
    let (_runtime, start) = cluster.starting(cluster.config(old)).await;
    let refused = timeout(DEADLINE, start).await.expect("in time");
    let error = refused.expect("no panic").err().expect("refused");
    assert!(matches!(error, StartError::Level { .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("install")));

    // One that is to be added.
    let mut config = joining(&fourth, &cluster);
    config.supports = Level::BASE;
    let (_runtime, _start) = cluster.starting(config).await;
    let text = loop {
        let refused = leader.add_server(fourth.clone(), false).await;
        let text = refused.expect_err("refused").to_string();
        if text.contains("feature level") {
            break text;
        }
        sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(text.contains("s4") && text.contains("at most"), "{text}");
    assert_eq!(leader.state().named("s4"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_stops_where_the_level_passes_what_it_supports() {
    let mut cluster = Cluster::new(3).await;
    cluster.supports_of(1, Level::BASE);
    cluster.start(&[0, 1, 2]).await;
    let (_, leader) = cluster.leader().await;
    write(&leader, 0..5).await;
    // As if it had been replaced by an older version after it was asked.
    leader.propose(raise(Level::SUPPORTED)).await.ok();
    let older = cluster.running[&1].node.clone();
    let fault: Fault = timeout(DEADLINE, older.fatal()).await.expect("it stops");
    let text = fault.to_string();
    assert!(text.contains("feature level 2"), "{text}");
    // It shows nothing any more where it lost earlier changes with this one, and nothing of this one ever.
    if let Ok(status) = older.status() {
        assert_eq!(status.level, Level::BASE, "nothing of it was applied");
    }
    let others = wait("the others to apply it", || {
        let running = [0, 2].map(|number| level(&cluster.running[&number].node));
        (running == [Level::SUPPORTED; 2]).then_some(running)
    });
    others.await;
}
