//! States that are damaged, gone or wrong, and logs that lost something.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use quorid_storage::{SET_ASIDE, StoreOptions};
use tokio::time::timeout;

use super::harness::{Cluster, DEADLINE, create, propose, wait, write};
use crate::{
    node::{Refused, StartError},
    state::encode_command,
};

/// Three servers whose logs are cut behind each checkpoint, with some accounts. Returns a follower.
async fn with_accounts() -> (Cluster, usize) {
    let mut cluster = Cluster::new(3).await;
    cluster.keep = 5;
    // What is read comes from the disk.
    cluster.store = StoreOptions {
        cache_bytes: 0,
        ..StoreOptions::default()
    };
    cluster.start(&[0, 1, 2]).await;
    let (number, leader) = cluster.leader().await;
    let revision = write(&leader, 0..300).await;
    cluster.all_at(revision).await;
    let follower = (number + 1) % 3;
    log_is_cut(&cluster, follower).await;
    (cluster, follower)
}

/// Waits until a server's log no longer has all that led to its state.
async fn log_is_cut(cluster: &Cluster, number: usize) {
    let node = cluster.running[&number].node.clone();
    wait("a log that is cut", || {
        let status = node.status().expect("a status");
        (status.purged > 100).then_some(())
    })
    .await;
}

fn directory(cluster: &Cluster, number: usize) -> PathBuf {
    cluster.folder.path().join(&cluster.servers[number].name)
}

/// After `more` accounts were made that there weren't before.
async fn all_are_equal(cluster: &Cluster, more: std::ops::Range<u64>) {
    let (_, leader) = cluster.leader().await;
    let revision = write(&leader, more).await;
    cluster.all_at(revision).await;
    let digests = cluster.digests();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(digests.len(), 3);
}

/// Ends a server, does something to its data directory, and starts it again: it comes to the same as the others.
async fn is_equal_after(
    cluster: &mut Cluster,
    server: usize,
    damage: impl FnOnce(&Path),
    more: std::ops::Range<u64>,
) {
    cluster.kill(server);
    damage(&directory(cluster, server));
    cluster.start(&[server]).await;
    all_are_equal(cluster, more).await;
}

/// Writes over a file from a place on, in blocks as far apart.
fn overwrite(path: &Path, from: u64, step: usize) {
    let file = fs::OpenOptions::new().write(true).open(path);
    let file = file.expect("the file");
    let size = file.metadata().expect("its size").len();
    for at in (from..size.saturating_sub(16)).step_by(step) {
        file.write_all_at(b"not what I wrote", at).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_whose_state_is_damaged_or_gone_takes_it_from_another_one() {
    let (mut cluster, follower) = with_accounts().await;
    let damages: [fn(&Path); 5] = [
        |state| overwrite(state, 0, 4096),
        |state| overwrite(state, 20_000, 4096),
        |state| fs::write(state, "").expect("emptied"),
        |state| fs::remove_file(state).expect("removed"),
        |state| {
            let file = fs::OpenOptions::new().write(true).open(state);
            let file = file.expect("the file");
            let size = file.metadata().expect("its size").len();
            file.set_len(size / 2).expect("cut off");
        },
    ];
    for (damage, round) in damages.into_iter().zip(1..) {
        let damage = |data: &Path| damage(&data.join("state.redb"));
        is_equal_after(
            &mut cluster,
            follower,
            damage,
            round * 1000..round * 1000 + 10,
        )
        .await;
        log_is_cut(&cluster, follower).await;
    }
    // It stays only until there is another one.
    cluster.kill(follower);
    cluster.start(&[follower]).await;
    assert!(!directory(&cluster, follower).join(SET_ASIDE).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn damage_that_comes_while_a_server_runs_ends_it_before_it_answers() {
    let (mut cluster, follower) = with_accounts().await;
    let state = directory(&cluster, follower).join("state.redb");
    let node = cluster.running[&follower].node.clone();
    overwrite(&state, 20_000, 4096);
    let fault = timeout(DEADLINE, node.fatal()).await.expect("it ends");
    assert!(
        fault.to_string().contains("not what was written"),
        "{fault}"
    );
    assert!(fault.is_damage());
    assert!(!state.exists());
    drop(node);
    is_equal_after(&mut cluster, follower, |_| (), 1000..1010).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_whose_state_is_not_that_of_the_majority_stops_and_takes_another() {
    let (mut cluster, follower) = with_accounts().await;
    let (_, leader) = cluster.leader().await;
    let command = create(500);
    let outcome = propose(&leader, command.clone()).await;
    cluster.all_at(outcome.revision).await;
    let node = cluster.running[&follower].node.clone();
    let store = &node.inner.store;
    store
        .write(|state| state.invent_outcome(&encode_command(&command)))
        .expect("a row more than the others have");
    write(&leader, 501..502).await;
    let fault = timeout(DEADLINE, node.fatal()).await.expect("it ends");
    assert!(
        fault.to_string().contains("not that of the majority"),
        "{fault}"
    );
    wait("a comparison by the leader", || {
        let leading = leader.status().expect("a status");
        (leading.comparisons > 0).then_some(())
    })
    .await;
    drop(node);
    is_equal_after(&mut cluster, follower, |_| (), 1000..1010).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_whose_log_ends_before_its_state_is_refused() {
    let (mut cluster, follower) = with_accounts().await;
    cluster.keep = 100_000;
    cluster.kill(follower);
    let log = directory(&cluster, follower).join("log");
    let copy = cluster.folder.path().join("copy");
    fs::create_dir(&copy).expect("a folder");
    for file in fs::read_dir(&log).expect("the log") {
        let file = file.expect("a file");
        fs::copy(file.path(), copy.join(file.file_name())).expect("copied");
    }
    cluster.start(&[follower]).await;
    let (_, leader) = cluster.leader().await;
    let revision = write(&leader, 300..350).await;
    cluster.all_at(revision).await;
    let node = cluster.running[&follower].node.clone();
    wait("a checkpoint", || {
        let status = node.status().expect("a status");
        (status.checkpoint >= revision.0).then_some(())
    })
    .await;
    drop(node);
    cluster.kill(follower);
    fs::remove_dir_all(&log).expect("removed");
    fs::rename(&copy, &log).expect("the older log");
    let (_runtime, start) = cluster.starting(cluster.config(follower)).await;
    let refused = timeout(DEADLINE, start)
        .await
        .expect("in time")
        .expect("no panic");
    let error = refused.err().expect("refused");
    assert!(
        matches!(error, StartError::Refused(Refused::LogBehind { .. })),
        "{error}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("replace")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_whose_data_directory_is_taken_away_stops() {
    let takers: [fn(&Path); 4] = [
        |data| fs::remove_dir_all(data).expect("removed"),
        |data| fs::remove_dir_all(data.join("log")).expect("removed"),
        |data| fs::remove_file(data.join("state.redb")).expect("removed"),
        |data| {
            let kept = data.with_extension("kept");
            fs::rename(data, &kept).expect("renamed");
            fs::create_dir_all(data.join("log")).expect("made");
            for file in ["lock", "state.redb"] {
                fs::copy(kept.join(file), data.join(file)).expect("copied");
            }
        },
    ];
    for take_away in takers {
        let mut cluster = Cluster::new(3).await;
        cluster.start(&[0, 1, 2]).await;
        let (number, leader) = cluster.leader().await;
        write(&leader, 0..20).await;
        take_away(&directory(&cluster, number));
        let fault = timeout(DEADLINE, leader.fatal()).await.expect("it ends");
        let text = fault.to_string();
        assert!(text.contains("looking for the data directory"), "{text}");
        // As its process would.
        drop(leader);
        cluster.kill(number);
        let (_, next) = cluster.leader().await;
        write(&next, 20..40).await;
    }
}
