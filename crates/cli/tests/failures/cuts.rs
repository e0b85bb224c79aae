//! Cut wires, on a stage with a real network: three servers, 16 clients, and a leader that
//! cannot reach a majority, cannot be heard, cannot hear, or sees one of two followers only.
//!
//! `make hosts-test` makes the stage, runs these tests on it and removes it.
//! `QUORID_TEST_CUTS` says how often each way of cutting is tried.

use std::{
    env, fmt,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use quorid_api::{AccountName, Client, Error, NewAccount, Read};
use quorid_lab::testbed::{Cut, Testbed};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use super::{
    CLIENTS, PATIENCE, check, clients, number,
    workload::{Told, Workload, gap_around},
};

/// Acknowledged changes that show that writes go on.
const ENOUGH: usize = 100;
/// For one server's answer to a read that it must not answer.
const QUESTION: Duration = Duration::from_millis(600);
/// A server stands for election after some 350 ms without word from a leader, and writes should
/// be back within two such times of a majority being able to talk: what is measured is printed.
/// This is for machines that are busy with other things.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// What is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One server, the leader, from others and clients as the kind of cut says.
    Leader(Cut),
    /// The leader from one follower: the other one sees both.
    Bridge,
    /// A follower from everybody.
    Follower,
    /// Every server from every other: no majority is left until the cuts are undone.
    Everyone,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader(Cut::All) => "the leader from everybody",
            Self::Leader(Cut::Peers) => "the leader from the other servers",
            Self::Leader(Cut::In) => "what the leader hears of the others",
            Self::Leader(Cut::Out) => "what the others hear of the leader",
            Self::Bridge => "the leader from one follower",
            Self::Follower => "a follower from everybody",
            Self::Everyone => "every server from every other",
        })
    }
}

impl Way {
    async fn cut(self, cluster: &mut Testbed, leader: usize) {
        let done = match self {
            Self::Leader(cut) => cluster.cut(leader, cut).await,
            Self::Bridge => cluster.part(leader, follower_of(cluster, leader)).await,
            Self::Follower => {
                let since = SystemTime::now();
                let follower = follower_of(cluster, leader);
                cluster.cut(follower, Cut::All).await.expect("cut");
                // From here on it would stand for election if it could.
                let lost = cluster.wait_event(since, PATIENCE, |event| {
                    event.server == follower && event.is("leader_lost")
                });
                lost.await.map(drop)
            }
            Self::Everyone => {
                for server in 0..cluster.len() {
                    cluster.cut(server, Cut::Peers).await.expect("cut");
                }
                Ok(())
            }
        };
        done.expect("cut");
    }

    /// Whether clients can still ask the leader that the others depose.
    fn leaves_old_leader_reachable(self) -> bool {
        self.deposes() && self != Self::Leader(Cut::All)
    }

    /// Whether the leader keeps its majority, and so its term.
    fn leaves_leader_alone(self) -> bool {
        matches!(self, Self::Bridge | Self::Follower)
    }

    /// Whether another server takes over while the cut lasts.
    fn deposes(self) -> bool {
        matches!(self, Self::Leader(_))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs hosts with a network: make hosts-test"]
async fn a_leader_cut_off_from_everybody() {
    again_and_again(Way::Leader(Cut::All)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs hosts with a network: make hosts-test"]
async fn a_leader_cut_off_from_the_servers_that_clients_still_reach() {
    again_and_again(Way::Leader(Cut::Peers)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs hosts with a network: make hosts-test"]
async fn a_leader_that_is_heard_and_hears_nothing() {
    again_and_again(Way::Leader(Cut::In)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs hosts with a network: make hosts-test"]
async fn a_leader_that_hears_and_is_not_heard() {
    again_and_again(Way::Leader(Cut::Out)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs hosts with a network: make hosts-test"]
async fn two_servers_that_see_each_other_only_through_a_third() {
    again_and_again(Way::Bridge).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs hosts with a network: make hosts-test"]
async fn a_follower_that_comes_back_without_disturbing_the_leader() {
    again_and_again(Way::Follower).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs hosts with a network: make hosts-test"]
async fn a_cluster_that_falls_apart_and_comes_together() {
    again_and_again(Way::Everyone).await;
}

fn follower_of(cluster: &Testbed, leader: usize) -> usize {
    (leader + 1) % cluster.len()
}

/// When what happened in one round.
struct Round {
    cut: Instant,
    healed: Instant,
    /// From the undone cut until all servers follow one leader.
    together: Duration,
}

async fn again_and_again(way: Way) {
    let times = number("QUORID_TEST_CUTS", 10);
    let seed = number("QUORID_TEST_SEED", rand::random::<u32>().into());
    println!("QUORID_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let stage = env::var_os("QUORID_STAGE").expect("QUORID_STAGE names a stage file");
    let mut cluster = Testbed::on_stage(&PathBuf::from(stage)).expect("a stage");
    cluster.clear().await.expect("nothing of an earlier test");
    cluster.start_all().await.expect("a cluster");
    let writer = cluster
        .operator()
        .expect("a client")
        .with_deadline(PATIENCE);
    cluster.keep_nothing(PATIENCE).await.expect("set");
    let workload = Workload::start(clients(&cluster, CLIENTS), seed);
    let mut probes = Vec::new();
    let mut refused = 0;
    let mut rounds = Vec::new();
    for round in 0..times {
        let leader = cluster.wait_ready(PATIENCE).await.expect("a leader");
        let term = cluster.status(leader).await.expect("its status").term;
        workload.more(ENOUGH, PATIENCE).await;
        // Not a wait for something: the moment of the cut is to be any.
        sleep(Duration::from_millis(random.random_range(0..300))).await;
        let prober = way.leaves_old_leader_reachable().then(|| {
            let at_old = cluster.operator_at(leader).expect("a client");
            Prober::start(writer.clone(), at_old, round)
        });
        let cut = Instant::now();
        way.cut(&mut cluster, leader).await;
        if way.deposes() {
            while cluster.leader(PATIENCE).await.expect("a new leader") == leader {}
        }
        if way == Way::Everyone {
            no_majority(&cluster, leader).await;
        } else {
            workload.more(ENOUGH, PATIENCE).await;
        }
        if let Some(prober) = prober {
            let probed = prober.finish().await;
            assert!(probed.refused > 0, "the old leader was asked nothing");
            refused += probed.refused;
            probes.extend(probed.accounts);
        }
        let healed = Instant::now();
        cluster.heal().await.expect("healed");
        let now = cluster.wait_ready(PATIENCE).await.expect("all together");
        if way.leaves_leader_alone() {
            let status = cluster.status(now).await.expect("its status");
            assert_eq!(
                (now, status.term),
                (leader, term),
                "the leader was disturbed"
            );
        }
        rounds.push(Round {
            cut,
            healed,
            together: healed.elapsed(),
        });
    }
    workload.more(ENOUGH, PATIENCE).await;
    let mut told = workload.finish().await;
    told.push(Told {
        accounts: probes.into_iter().collect(),
        ..Told::default()
    });
    check(&mut cluster, &told).await;
    report(way, &told, refused, &rounds);
    cluster.clear().await.expect("ended");
}

/// From before a cut on: creates an account, and as soon as that is acknowledged asks the server
/// that led before the cut for it. Once another leads, the old one cannot know of it: it must
/// refuse. If it answered, it would say that there is no such account.
struct Prober {
    stop: watch::Sender<bool>,
    task: JoinHandle<Probed>,
}

#[derive(Default)]
struct Probed {
    accounts: Vec<(uuid::Uuid, quorid_api::Account)>,
    /// Linearizable reads that the old leader refused while it answered stale ones.
    refused: usize,
}

impl Prober {
    fn start(writer: Client, at_old: Client, round: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut probed = Probed::default();
            let mut number = 0;
            // Once more after it is told to stop: by then another server leads.
            loop {
                let last = *stopped.borrow();
                number += 1;
                probe(
                    &writer,
                    &at_old,
                    format!("probe-{round}-{number}"),
                    &mut probed,
                )
                .await;
                if last {
                    return probed;
                }
            }
        });
        Self { stop, task }
    }

    async fn finish(self) -> Probed {
        self.stop.send_replace(true);
        self.task.await.expect("no stale read")
    }
}

async fn probe(writer: &Client, at_old: &Client, login_name: String, probed: &mut Probed) {
    let new = NewAccount {
        login_name: login_name.clone(),
        real_name: "Probe".to_owned(),
        ..NewAccount::default()
    };
    let account = writer.create_account(new).await.expect("created");
    let name = AccountName::Login(login_name);
    let asked = at_old.with_deadline(QUESTION);
    match asked.get_account(&name, Read::Linearizable).await {
        Ok(found) => assert_eq!(found, account),
        Err(Error::Unavailable(_)) => {
            // It can be asked, it just mustn't answer that.
            let stale = at_old.list_accounts(1, "", Read::Stale).await;
            stale.expect("stale reads need no majority");
            probed.refused += 1;
        }
        Err(error) => panic!("a stale read of a leader that no majority follows: {error}"),
    }
    probed
        .accounts
        .push((super::workload::id(&account), account));
}

/// A leader alone serves no linearizable read, and says that it doesn't lead.
async fn no_majority(cluster: &Testbed, leader: usize) {
    let alone = cluster.operator_at(leader).expect("a client");
    let answer = alone
        .with_deadline(QUESTION)
        .list_accounts(1, "", Read::Linearizable)
        .await;
    assert!(
        matches!(&answer, Err(Error::Unavailable(_))),
        "a leader without a majority answered: {answer:?}"
    );
    let stale = alone.list_accounts(1, "", Read::Stale).await;
    stale.expect("stale reads need no majority");
    let status = cluster.status(leader).await.expect("its status");
    assert_eq!(status.leader_id, 0, "{status:?}");
}

fn report(way: Way, told: &[Told], refused: usize, rounds: &[Round]) {
    let changes: usize = told.iter().map(|told| told.acknowledged.len()).sum();
    let lookups: u64 = told.iter().map(|told| told.lookups).sum();
    assert!(
        changes > 100 && lookups > 50,
        "the clients did next to nothing"
    );
    let gaps = rounds.iter().map(|round| match way {
        // From the moment on at which a majority can talk again.
        Way::Everyone => first_after(told, round.healed),
        Way::Leader(_) | Way::Bridge | Way::Follower => {
            let until = round.healed + round.together;
            gap_around(told, round.cut, until - round.cut)
        }
    });
    let (median, worst) = median_and_worst(gaps.collect());
    let (together, latest) = median_and_worst(rounds.iter().map(|r| r.together).collect());
    println!(
        "cut {} times: {way}; {CLIENTS} clients: {changes} changes acknowledged, {lookups} \
         lookups, 0 lost, 0 done twice, 0 stale, {refused} reads refused by a leader without a \
         majority; writes stood still for {median:?} (median), \
         {worst:?} (worst){}; all servers together again after {together:?} (median), \
         {latest:?} (worst)",
        rounds.len(),
        match way {
            Way::Everyone => " after the cuts were undone",
            Way::Leader(_) | Way::Bridge | Way::Follower => "",
        }
    );
    assert!(median < BACK_WITHIN, "writes were back late");
}

fn first_after(told: &[Told], moment: Instant) -> Duration {
    let times = told.iter().flat_map(|told| &told.acknowledged);
    let first = times.filter(|at| **at > moment).min();
    *first.expect("writes went on") - moment
}

fn median_and_worst(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}
