use std::future::Future as _;

use tempfile::TempDir;

use super::*;
use crate::{DataDirectory, Digested, LogPos, Shape, Table, rows::Rows as _};

const SINGLE: Table = Table {
    number: 1,
    name: "single_values",
    shape: Shape::TextToBytes,
    digested: Digested::Numbers(&[]),
    check_row: |_, _, _| Ok(()),
    check_whole: |_| Ok(()),
};
const ROWS: Table = Table {
    number: 2,
    name: "rows",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    ..SINGLE
};
const TABLES: Tables = &[&SINGLE, &ROWS];

fn open(folder: &TempDir) -> Store {
    let disk = DataDirectory::open(&folder.path().join("data")).expect("a data directory");
    Store::open(Arc::new(disk), TABLES, StoreOptions::default()).expect("a state")
}

fn put(store: &Store, index: u64) {
    store
        .write(|batch| {
            batch.insert(&ROWS, &index.to_be_bytes(), b"row")?;
            batch.applied(LogPos { term: 1, index });
            Ok(())
        })
        .expect("written");
}

fn fail(store: &Store) -> Fault {
    let failed = store.write(|batch| {
        batch.insert(&ROWS, b"never", b"row")?;
        Err::<(), _>(Fault::new("testing", "it fails"))
    });
    failed.expect_err("a fault")
}

/// How far the state is, and how many rows it has.
fn seen(store: &Store) -> (u64, u64) {
    let view = store.view().expect("a view");
    let mut rows = 0;
    let counted = view.scan(&ROWS, None, |_, _| {
        rows += 1;
        Ok(true)
    });
    counted.expect("counted");
    let applied = view.applied().expect("a position");
    (applied.map_or(0, |at| at.index), rows)
}

#[test]
fn whoever_reads_sees_every_batch_that_was_made_before() {
    let folder = TempDir::new().expect("folder");
    let store = open(&folder);
    let before = store.view().expect("a view");
    // More than share a transaction.
    let many = u64::from(OPEN_BATCHES_MAX) + 10;
    (1..=many).for_each(|index| put(&store, index));
    assert_eq!(seen(&store), (many, many));
    assert_eq!(before.applied().expect("a position"), None);
    for index in many + 1..many + 10 {
        put(&store, index);
        assert_eq!(seen(&store), (index, index));
    }
}

#[test]
fn a_checkpoint_has_what_nobody_has_read_yet() {
    let folder = TempDir::new().expect("folder");
    let store = open(&folder);
    (1..=5).for_each(|index| put(&store, index));
    let durable = store.checkpoint().expect("a checkpoint");
    assert_eq!(durable.applied.map(|at| at.index), Some(5));
    (6..=7).for_each(|index| put(&store, index));
    assert_eq!(seen(&store), (7, 7));
    (8..=9).for_each(|index| put(&store, index));
    drop(store);
    let (applied, rows) = seen(&open(&folder));
    assert!(applied >= 5 && applied == rows, "{rows} rows at {applied}");
}

#[test]
fn what_fails_alone_changes_nothing() {
    let folder = TempDir::new().expect("folder");
    let store = open(&folder);
    put(&store, 1);
    assert_eq!(seen(&store), (1, 1));
    assert_eq!(fail(&store).to_string(), "testing: it fails");
    assert_eq!(seen(&store), (1, 1));
    put(&store, 2);
    assert_eq!(seen(&store), (2, 2));
}

/// They were answered: an older state must not be shown.
#[test]
fn nothing_is_read_any_more_once_batches_were_lost_with_one_that_failed() {
    let folder = TempDir::new().expect("folder");
    let store = open(&folder);
    put(&store, 1);
    store.checkpoint().expect("a checkpoint");
    (2..=3).for_each(|index| put(&store, index));
    assert_eq!(fail(&store).to_string(), "testing: it fails");
    for result in [
        store.view().map(drop),
        store.write(|_| Ok(())),
        store.checkpoint().map(drop),
        store.snapshot().map(drop),
    ] {
        let fault = result.expect_err("a fault").to_string();
        assert!(fault.contains("changes were lost"), "{fault}");
    }
    drop(store);
    assert_eq!(seen(&open(&folder)), (1, 1));
}

/// Whether the store has noted damage.
fn is_damaged(store: &Store) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::pin!(store.damaged())
        .poll(&mut context)
        .is_ready()
}

#[test]
fn damage_of_a_file_that_is_not_the_state_leaves_the_state_alone() {
    let folder = TempDir::new().expect("folder");
    let store = open(&folder);
    put(&store, 1);
    let snapshot = || {
        let mut reader = store.snapshot().expect("a snapshot");
        let mut loader = store.loader().expect("a loader");
        while let Some(chunk) = reader.next_chunk().expect("read") {
            loader.add(&chunk).expect("added");
        }
        (loader, reader.totals())
    };
    let (loader, totals) = snapshot();
    let before = store.database();
    loader
        .database
        .damage
        .found("while it is received".to_owned());
    assert!(!is_damaged(&store));
    store
        .install(loader.finish(totals).expect("whole"))
        .expect("installed");
    before.damage.found("once it was replaced".to_owned());
    assert!(!is_damaged(&store));
    store.database().damage.found("of the state".to_owned());
    assert!(is_damaged(&store));
}
