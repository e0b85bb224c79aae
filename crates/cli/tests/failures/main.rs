//! Real servers, killed with SIGKILL under load: nothing acknowledged is lost, nothing is done
//! twice, and all servers hold the same in the end.

#![allow(
    clippy::print_stdout,
    reason = "what was measured is told in the test's output"
)]

mod cuts;
mod flips;
mod workload;

use std::{
    env,
    time::{Duration, Instant},
};

use quorid_api::{AccountName, Client, ClientConfig, Error, NewAccount, Read, Reason};
use quorid_lab::testbed::Testbed;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::sleep;

use workload::{Told, Workload, compare, gap_around};

/// Long, because a busy machine is no failure: what is waited for ends the wait.
const PATIENCE: Duration = Duration::from_secs(120);
const CLIENTS: usize = 16;

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_quorid")
}

fn clients(cluster: &Testbed, count: usize) -> Vec<Client> {
    (0..count)
        .map(|_| {
            cluster
                .operator()
                .expect("a client")
                .with_deadline(PATIENCE)
        })
        .collect()
}

fn number(variable: &str, usual: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
        Err(_) => usual,
    }
}

async fn check(cluster: &mut Testbed, told: &[Told]) {
    cluster
        .wait_ready(PATIENCE)
        .await
        .expect("all servers follow a leader");
    let digests = cluster.digests(PATIENCE).await.expect("digests");
    assert!(digests.equal(), "the servers differ: {digests:?}");
    for server in cluster.running().collect::<Vec<_>>() {
        let has = cluster
            .accounts_of(server, digests.revision)
            .await
            .expect("a server lists what it has");
        let violations = compare(told, &has);
        assert!(violations.is_empty(), "server {server}: {violations:#?}");
    }
}

/// `QUORID_TEST_KILLS` says how often; `QUORID_TEST_SEED` repeats what the clients do.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_leader_is_killed_again_and_again() {
    let kills = number("QUORID_TEST_KILLS", 20);
    let seed = number("QUORID_TEST_SEED", rand::random::<u32>().into());
    println!("QUORID_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut cluster = Testbed::builder(program())
        .start()
        .await
        .expect("a cluster");
    cluster.keep_nothing(PATIENCE).await.expect("set");
    let workload = Workload::start(clients(&cluster, CLIENTS), seed);
    let mut moments = Vec::new();
    for _ in 0..kills {
        let leader = cluster.wait_ready(PATIENCE).await.expect("a leader");
        workload.more(20, PATIENCE).await;
        // Not a wait for something: the moment of the kill is to be any.
        sleep(Duration::from_millis(random.random_range(200..1000))).await;
        cluster.kill9(leader).await.expect("killed");
        moments.push(Instant::now());
        cluster.leader(PATIENCE).await.expect("a new leader");
        cluster.start(leader).await.expect("started again");
    }
    cluster.wait_ready(PATIENCE).await.expect("all are back");
    let told = workload.finish().await;
    check(&mut cluster, &told).await;

    let within = Duration::from_secs(5);
    let mut gaps: Vec<_> = moments
        .iter()
        .map(|moment| gap_around(&told, *moment, within))
        .collect();
    gaps.sort_unstable();
    let changes: usize = told.iter().map(|told| told.acknowledged.len()).sum();
    let lookups: u64 = told.iter().map(|told| told.lookups).sum();
    println!(
        "{kills} kills of the leader under {CLIENTS} clients: {changes} changes acknowledged, \
         {lookups} lookups, 0 lost, 0 done twice; writes stood still for {:?} (median), {:?} \
         (worst)",
        gaps[gaps.len() / 2],
        gaps[gaps.len() - 1]
    );
    assert!(lookups > 20, "the clients looked next to nothing up");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_all_servers_are_killed_at_once() {
    let mut cluster = Testbed::builder(program())
        .start()
        .await
        .expect("a cluster");
    for round in 0..3 {
        // Names of a round of their own; what was there before must stay too.
        cluster.keep_nothing(PATIENCE).await.expect("set");
        let workload = Workload::start(clients(&cluster, CLIENTS), round * 1000);
        workload.more(200, PATIENCE).await;
        cluster.kill9_all().await.expect("killed");
        cluster.start_all().await.expect("started again");
        workload.more(50, PATIENCE).await;
        let told = workload.finish().await;
        check(&mut cluster, &told).await;
        if round < 2 {
            // The next round's clients begin with an empty directory again.
            empty(&cluster).await;
        }
    }
}

/// As for an upgrade: one server after another is ended in order and started again. A client
/// of the library sees no error, or the workload would tell of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_error_reaches_a_client_while_one_server_after_another_is_restarted() {
    let mut cluster = Testbed::builder(program())
        .start()
        .await
        .expect("a cluster");
    cluster.keep_nothing(PATIENCE).await.expect("set");
    let workload = Workload::start(clients(&cluster, CLIENTS), 7);
    let mut stops = Vec::new();
    for _ in 0..2 {
        for server in 0..cluster.len() {
            let leader = cluster.wait_ready(PATIENCE).await.expect("a leader");
            workload.more(100, PATIENCE).await;
            stops.push((Instant::now(), leader == server));
            cluster.stop(server).await.expect("a clean end");
            workload.more(100, PATIENCE).await;
            cluster.start(server).await.expect("started again");
        }
    }
    cluster.wait_ready(PATIENCE).await.expect("all are back");
    let told = workload.finish().await;
    check(&mut cluster, &told).await;
    let ends = stops.iter().skip(1).map(|(next, _)| *next);
    for ((moment, led), end) in stops.iter().zip(ends.chain([Instant::now()])) {
        let what = if *led { "the leader" } else { "a follower" };
        let gap = gap_around(&told, *moment, end - *moment);
        println!("SIGTERM to {what}: writes stood still for {gap:?}, no error");
    }
    assert!(
        stops.iter().any(|(_, led)| *led),
        "no leader was among the servers stopped"
    );
}

async fn empty(cluster: &Testbed) {
    use futures_util::{StreamExt as _, TryStreamExt as _};
    let client = cluster.operator().expect("a client");
    let accounts: Vec<_> = client
        .accounts(Read::Linearizable)
        .try_collect()
        .await
        .expect("listed");
    let deletions = accounts.iter().map(|account| {
        let delete = quorid_api::DeleteAccount::of(AccountName::Id(workload::id(account)));
        client.delete_account(delete)
    });
    let done: Vec<_> = futures_util::stream::iter(deletions)
        .buffer_unordered(64)
        .collect()
        .await;
    for deletion in done {
        deletion.expect("deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_was_away_for_longer_than_the_log_is_kept_comes_back_while_writes_go_on() {
    let mut cluster = Testbed::builder(program())
        .setting("log_keep_entries", 200)
        .setting("snapshot_after_entries", 100)
        .start()
        .await
        .expect("a cluster");
    let leader = cluster.wait_ready(PATIENCE).await.expect("a leader");
    cluster.keep_nothing(PATIENCE).await.expect("set");
    let workload = Workload::start(clients(&cluster, CLIENTS), 1);
    let follower = (leader + 1) % cluster.len();
    let before = cluster
        .status(follower)
        .await
        .expect("its status")
        .applied_index;
    cluster.kill9(follower).await.expect("killed");
    // Away until the leader no longer has what it lacks.
    let until = Instant::now() + PATIENCE;
    loop {
        let status = cluster.status(leader).await.expect("the leader's status");
        if status.purged_index > before + 500 {
            break;
        }
        assert!(Instant::now() < until, "the log is never cut: {status:?}");
        sleep(Duration::from_millis(20)).await;
    }
    let since = std::time::SystemTime::now();
    let back = Instant::now();
    cluster.start(follower).await.expect("started again");
    cluster
        .wait_event(since, PATIENCE, |event| {
            event.server == follower && event.is("snapshot_installed")
        })
        .await
        .expect("it gets a snapshot");
    cluster.wait_ready(PATIENCE).await.expect("it follows");
    let caught_up = back.elapsed();
    let told = workload.finish().await;
    check(&mut cluster, &told).await;
    let stall = gap_around(&told, back, caught_up.max(Duration::from_millis(300)));
    println!("back by snapshot in {caught_up:?}; the longest pause of writes meanwhile: {stall:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_a_failover_gets_the_first_outcome() {
    let mut cluster = Testbed::builder(program())
        .start()
        .await
        .expect("a cluster");
    let leader = cluster.wait_ready(PATIENCE).await.expect("a leader");
    let client = cluster.operator().expect("a client");
    let new = NewAccount {
        login_name: "ana".to_owned(),
        real_name: "Ana".to_owned(),
        request_id: Some(client.new_request_id()),
        ..NewAccount::default()
    };
    let first = client.create_account(new.clone()).await.expect("created");
    cluster.kill9(leader).await.expect("killed");
    cluster.leader(PATIENCE).await.expect("a new leader");
    let again = client
        .create_account(new.clone())
        .await
        .expect("the first outcome");
    assert_eq!(again, first);

    let other = NewAccount {
        login_name: "bob".to_owned(),
        ..new
    };
    let reused = client.create_account(other).await.expect_err("refused");
    assert!(
        matches!(&reused, Error::Rejected(why) if why.reason == Reason::RequestReused),
        "{reused}"
    );
    let fresh = NewAccount {
        login_name: "ana".to_owned(),
        real_name: "Ana".to_owned(),
        ..NewAccount::default()
    };
    let taken = client.create_account(fresh).await.expect_err("taken");
    assert!(
        matches!(&taken, Error::Rejected(why) if why.reason == Reason::LoginNameTaken),
        "{taken}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_killed_is_seen_to_be_gone() {
    let mut cluster = Testbed::builder(program())
        .start()
        .await
        .expect("a cluster");
    let leader = cluster.wait_ready(PATIENCE).await.expect("a leader");
    let since = std::time::SystemTime::now();
    cluster.kill9(leader).await.expect("killed");
    let name = cluster.name(leader).to_owned();
    cluster
        .wait_event(since, PATIENCE, |event| {
            event.server != leader
                && event.is("leader_gone")
                && event.text("leader") == Some(&*name)
        })
        .await
        .expect("the others see it");
    let new = cluster.leader(PATIENCE).await.expect("a new leader");
    assert_ne!(new, leader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_one_server_finds_the_leader_and_all_others() {
    let mut cluster = Testbed::builder(program())
        .start()
        .await
        .expect("a cluster");
    let leader = cluster.wait_ready(PATIENCE).await.expect("a leader");
    let follower = (leader + 1) % cluster.len();
    let config = ClientConfig {
        servers: vec![cluster.client_address(follower).to_owned()],
        ..cluster.operator_config().expect("a configuration")
    };
    let client = Client::new(config).expect("a client");
    let new = |name: &str| NewAccount {
        login_name: name.to_owned(),
        real_name: "Some One".to_owned(),
        ..NewAccount::default()
    };
    client
        .create_account(new("first"))
        .await
        .expect("created by the leader");
    let mut known = client.known_servers();
    known.sort();
    let mut all = cluster.client_addresses();
    all.sort();
    assert_eq!(known, all);

    // The one server that it was told of is gone, and the leader too, one after the other.
    cluster.kill9(follower).await.expect("killed");
    client
        .create_account(new("second"))
        .await
        .expect("created without it");
    cluster.start(follower).await.expect("started again");
    cluster.wait_ready(PATIENCE).await.expect("all are back");
    cluster.kill9(leader).await.expect("killed");
    client
        .create_account(new("third"))
        .await
        .expect("created by the new leader");
}
