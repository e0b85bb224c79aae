//! Bits that flip in what servers keep on their disks: found, or of no effect, and never a wrong answer.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use quorid_api::{Client, Error, NewAccount, Read, Reason};
use quorid_lab::testbed::Testbed;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::sleep;

use super::{PATIENCE, number, program};

const ACCOUNTS: usize = 2000;
/// Names that are asked to be created a second time, a round.
const AGAIN: usize = 30;

/// What a flip came to.
#[derive(Debug, Default)]
struct Count {
    /// The server ended, or fetched its state anew.
    found: u64,
    harmless: u64,
}

/// A bit of a file.
struct Flip {
    file: PathBuf,
    at: u64,
    before: u8,
    after: u8,
}

impl Flip {
    fn new(file: &Path, random: &mut StdRng) -> Self {
        let size = fs::metadata(file).expect("a file").len();
        let at = random.random_range(0..size);
        let mut byte = [0];
        let open = fs::File::open(file).expect("opened");
        open.read_exact_at(&mut byte, at).expect("read");
        let [before] = byte;
        let after = before ^ (1 << random.random_range(0..8));
        let flip = Self {
            file: file.to_owned(),
            at,
            before,
            after,
        };
        flip.write(after);
        flip
    }

    fn write(&self, byte: u8) {
        let file = fs::OpenOptions::new().write(true).open(&self.file);
        let file = file.expect("opened");
        file.write_all_at(&[byte], self.at).expect("written");
    }

    /// The disk gives the right bit again, if nothing else was written there since.
    fn mend(&self) {
        let mut byte = [0];
        let read =
            fs::File::open(&self.file).and_then(|file| file.read_exact_at(&mut byte, self.at));
        if read.is_ok() && byte == [self.after] {
            self.write(self.before);
        }
    }
}

fn account(name: &str) -> NewAccount {
    NewAccount {
        login_name: name.to_owned(),
        real_name: "Some One".to_owned(),
        ..NewAccount::default()
    }
}

/// A file of a data directory, and whether it is the state.
fn any_file(directory: &Path, random: &mut StdRng) -> (PathBuf, bool) {
    match random.random_range(0..10) {
        0 => (directory.join("identity.json"), false),
        1 | 2 => {
            let log = fs::read_dir(directory.join("log")).expect("the log");
            let mut files: Vec<_> = log
                .filter_map(|file| Some(file.ok()?.path()))
                .filter(|file| file.extension().is_some_and(|end| end == "wal"))
                .collect();
            files.sort();
            let file = random.random_range(0..files.len());
            (files.swap_remove(file), false)
        }
        _ => (directory.join("state.redb"), true),
    }
}

/// Whether a server has ended by itself since the last question.
fn has_ended(cluster: &mut Testbed, server: usize) -> bool {
    let ended = cluster.take_ended().expect("told");
    assert!(ended.iter().all(|(other, _)| *other == server), "{ended:?}");
    !ended.is_empty()
}

/// Waits until a server follows a leader, or leads. False if it ends instead.
async fn comes_up(cluster: &mut Testbed, server: usize) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        if has_ended(cluster, server) {
            return false;
        }
        if let Ok(status) = cluster.status(server).await
            && status.leader_id != 0
        {
            return true;
        }
        assert!(Instant::now() < until, "the server neither ends nor serves");
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Makes a server the leader. False if it ends instead.
async fn leads(cluster: &mut Testbed, client: &Client, server: usize) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        if has_ended(cluster, server) {
            return false;
        }
        if cluster
            .status(server)
            .await
            .is_ok_and(|status| status.leader_id == server as u64 + 1)
        {
            return true;
        }
        assert!(Instant::now() < until, "the server does not lead");
        // Refused, for example, while it lacks some of the log.
        let name = cluster.name(server).to_owned();
        let _ = client.transfer_leadership(Some(&name)).await;
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// All accounts are there, and none is created twice.
async fn check_answers(client: &Client, names: &BTreeSet<String>, random: &mut StdRng) {
    let found: BTreeSet<String> = client
        .accounts(Read::Linearizable)
        .map_ok(|account| account.login_name)
        .try_collect()
        .await
        .expect("listed");
    assert_eq!(found, *names);
    let names: Vec<&String> = names.iter().collect();
    for _ in 0..AGAIN {
        let name = names[random.random_range(0..names.len())];
        let again = client.create_account(account(name)).await;
        match again {
            Err(Error::Rejected(rejected)) => {
                assert_eq!(rejected.reason, Reason::LoginNameTaken, "{rejected}");
            }
            other => panic!("{name} was created a second time: {other:?}"),
        }
    }
}

/// `QUORID_TEST_FLIPS` says how many; `QUORID_TEST_SEED` repeats where.
#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_flips_on_a_disk_is_found_or_of_no_effect() {
    let flips = number("QUORID_TEST_FLIPS", 12);
    let seed = number("QUORID_TEST_SEED", rand::random::<u32>().into());
    println!("QUORID_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut cluster = Testbed::builder(program())
        .setting("cache_bytes", 1 << 20)
        .setting("log_keep_entries", 500)
        .setting("snapshot_after_entries", 500)
        .start()
        .await
        .expect("a cluster");
    let client = cluster
        .operator()
        .expect("a client")
        .with_deadline(PATIENCE);
    let names: BTreeSet<String> = (0..ACCOUNTS).map(|n| format!("name{n}")).collect();
    let created: Vec<_> = stream::iter(&names)
        .map(|name| client.create_account(account(name)))
        .buffer_unordered(64)
        .collect()
        .await;
    created
        .into_iter()
        .for_each(|made| drop(made.expect("created")));

    let mut count = Count::default();
    for round in 0..flips {
        cluster.wait_ready(PATIENCE).await.expect("all are there");
        let server = random.random_range(0..cluster.len());
        let running = random.random_range(0..3) == 0;
        if !running {
            match random.random_range(0..2) {
                0 => cluster.stop(server).await.expect("stopped"),
                _ => cluster.kill9(server).await.expect("killed"),
            }
        }
        let directory = cluster.data_dir(server).expect("on this machine");
        let (file, is_state) = any_file(&directory, &mut random);
        let flip = Flip::new(&file, &mut random);
        println!("{round}: byte {} of {}, {running}", flip.at, file.display());
        if !running {
            cluster.start(server).await.expect("started");
        }
        let mut found = false;
        while !(comes_up(&mut cluster, server).await && leads(&mut cluster, &client, server).await)
        {
            found = true;
            if !is_state {
                flip.mend();
            }
            cluster.start(server).await.expect("started again");
        }
        check_answers(&client, &names, &mut random).await;
        if has_ended(&mut cluster, server) {
            found = true;
            cluster.start(server).await.expect("started again");
        }
        flip.mend();
        match found {
            true => count.found += 1,
            false => count.harmless += 1,
        }
    }
    cluster.wait_ready(PATIENCE).await.expect("all are there");
    let digests = cluster.digests(PATIENCE).await.expect("digests");
    assert!(digests.equal(), "the servers differ: {digests:?}");
    println!(
        "{flips} bits flipped: {} found, {} of no effect, 0 wrong answers, 0 second accounts",
        count.found, count.harmless
    );
}
