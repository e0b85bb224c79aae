//! The state against the reference model; snapshots and logs that are damaged.

use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use proptest::prelude::*;
use quorid_directory::{
    AccountId, ClientAddress, Command, LoginName, MemoryDirectory, Operation, Proof, RealName,
    RequestId, Revision, Selector, Time, Verifier, VerifierChange,
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    snapshot::Totals,
    tables::TableId,
    wal::{WalPayload, WalVote},
    *,
};

const NOW_MS: u64 = 1_800_000_000_000;

fn disk(folder: &TempDir) -> Arc<dyn Disk> {
    Arc::new(DataDirectory::open(&folder.path().join("data")).expect("a data directory"))
}

fn store(folder: &TempDir) -> Store {
    Store::open(disk(folder), StoreOptions::default()).expect("a state")
}

fn request(number: u64) -> RequestId {
    let uuid = uuid::Builder::from_unix_timestamp_millis(NOW_MS, &[0; 10]).into_uuid();
    let mut bytes = uuid.into_bytes();
    bytes[8..].copy_from_slice(&(number | 0x8000_0000_0000_0000).to_be_bytes());
    RequestId::from_bytes(bytes).expect("version 7")
}

fn account_id(number: u8) -> AccountId {
    AccountId::new(Uuid::from_u128(u128::from(number) + 1))
}

fn login_name(number: u8) -> LoginName {
    LoginName::parse(&format!("name{number}")).expect("valid")
}

fn command(number: u64, operation: Operation) -> Command {
    Command {
        request: request(number),
        time: Time(NOW_MS + number),
        client: ClientAddress::parse("192.0.2.1:40000").expect("valid"),
        operation,
    }
}

fn create(id: u8, name: u8, verifier: bool) -> Operation {
    Operation::Create {
        id: account_id(id),
        login_name: login_name(name),
        real_name: RealName::parse("Some One").expect("valid"),
        verifier: verifier.then(|| Verifier::parse("$argon2id$v=19$x$y").expect("valid")),
    }
}

/// Operations over few names and ids, so that they collide.
fn operations() -> impl Strategy<Value = Vec<(u8, Operation)>> {
    let selector = prop_oneof![
        (0_u8..6).prop_map(|id| Selector::Id(account_id(id))),
        (0_u8..6).prop_map(|name| Selector::LoginName(login_name(name))),
    ];
    let proof = prop_oneof![
        3 => Just(Proof::Operator),
        1 => Just(Proof::NotNeeded),
        1 => (0_u64..40).prop_map(|at| Proof::Password { verifier_version: Revision(at) }),
    ];
    let version = prop_oneof![4 => Just(None), 1 => (1_u64..40).prop_map(|v| Some(Revision(v)))];
    let operation = prop_oneof![
        3 => (0_u8..6, 0_u8..6, any::<bool>()).prop_map(|(id, name, v)| create(id, name, v)),
        2 => (selector.clone(), version.clone(), proof.clone(), proptest::option::of(0_u8..6), 0..3)
            .prop_map(|(account, expected_version, proof, name, verifier)| Operation::Modify {
                account,
                expected_version,
                proof,
                login_name: name.map(login_name),
                real_name: None,
                verifier: match verifier {
                    0 => VerifierChange::Keep,
                    1 => VerifierChange::Remove,
                    _ => VerifierChange::Set(Verifier::parse("$argon2id$v=19$z$z").expect("ok")),
                },
            }),
        1 => (selector, version, proof).prop_map(|(account, expected_version, proof)| {
            Operation::Delete { account, expected_version, proof }
        }),
    ];
    // The number makes the request id: few numbers, so that requests are repeated.
    proptest::collection::vec((0_u8..30, operation), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn redb_and_the_memory_model_hold_the_same_state(
        operations in operations(),
        batches in proptest::collection::vec(1_usize..8, 1..40),
    ) {
        let folder = TempDir::new().expect("a temporary folder");
        let store = store(&folder);
        let mut memory = MemoryDirectory::new();
        let mut commands = (1..).zip(operations).map(|(index, (number, operation))| {
            (LogPos { term: 1, index }, command(u64::from(number), operation))
        });
        for size in batches.into_iter().cycle() {
            let batch: Vec<_> = commands.by_ref().take(size).collect();
            if batch.is_empty() {
                break;
            }
            let outcomes = store.write(|state| {
                batch.iter().map(|(at, it)| state.command(*at, &encode_command(it))).collect()
            });
            let outcomes: Vec<_> = outcomes.expect("written");
            for ((at, it), outcome) in batch.iter().zip(outcomes) {
                prop_assert_eq!(memory.execute(Revision(at.index), it), outcome);
            }
        }
        let view = store.read().expect("a view");
        let accounts = view.list(None, 1000).expect("listed");
        prop_assert_eq!(memory.accounts().values().cloned().collect::<Vec<_>>(), accounts);
        for (name, id) in memory.login_names() {
            prop_assert_eq!(view.account_id(name).expect("read"), Some(*id));
        }
        for (request, outcome) in memory.outcomes() {
            prop_assert_eq!(view.outcome(request).expect("read"), Some(outcome.clone()));
        }
    }

    #[test]
    fn a_command_reads_as_it_was_written(operations in operations()) {
        for (number, operation) in operations {
            let command = command(u64::from(number), operation);
            prop_assert_eq!(decode_command(&encode_command(&command)).expect("read"), command);
        }
    }

    #[test]
    fn bytes_that_are_no_command_are_a_fault_and_no_panic(bytes: Vec<u8>) {
        drop(decode_command(&bytes));
    }
}

fn filled(folder: &TempDir, accounts: u8) -> Store {
    let store = store(folder);
    store
        .write(|state| {
            for number in 0..accounts {
                let at = LogPos {
                    term: 1,
                    index: u64::from(number) + 1,
                };
                let create = command(u64::from(number), create(number, number, false));
                state.command(at, &encode_command(&create))?;
            }
            Ok(())
        })
        .expect("written");
    store
}

fn chunks(store: &Store) -> (Vec<Chunk>, SnapshotTotals) {
    let mut reader = store.snapshot().expect("a snapshot");
    let mut chunks = Vec::new();
    while let Some(chunk) = reader.next_chunk().expect("a chunk") {
        chunks.push(chunk);
    }
    (chunks, reader.totals())
}

fn load(store: &Store, chunks: &[Chunk], totals: SnapshotTotals) -> Result<Loaded, Fault> {
    let mut loader = store.loader()?;
    for chunk in chunks {
        loader.add(chunk)?;
    }
    loader.finish(totals)
}

#[test]
fn a_snapshot_carries_the_whole_state_and_survives_a_restart() {
    let (from, to) = (
        TempDir::new().expect("folder"),
        TempDir::new().expect("folder"),
    );
    let sender = filled(&from, 100);
    let (chunks, totals) = chunks(&sender);
    let digest = sender.read().expect("view").digest().expect("digest");
    {
        let receiver = filled(&to, 3);
        let loaded = load(&receiver, &chunks, totals).expect("loaded");
        receiver.install(loaded).expect("installed");
        assert_eq!(
            receiver.read().expect("view").digest().expect("digest"),
            digest
        );
    }
    let receiver = store(&to);
    let view = receiver.read().expect("view");
    assert_eq!(view.digest().expect("digest"), digest);
    assert_eq!(view.revision().expect("revision"), Revision(100));
}

#[test]
fn a_damaged_snapshot_is_refused_and_the_state_stays() {
    let (from, to) = (
        TempDir::new().expect("folder"),
        TempDir::new().expect("folder"),
    );
    let (good, totals) = chunks(&filled(&from, 50));
    let receiver = filled(&to, 3);
    let before = receiver.read().expect("view").digest().expect("digest");

    let mut flipped = good.clone();
    let value = flipped
        .last_mut()
        .and_then(|chunk| chunk.values.first_mut())
        .expect("a row");
    let mut bytes = value.to_vec();
    bytes[0] ^= 1;
    *value = Bytes::from(bytes);
    let missing = good[..good.len() - 1].to_vec();
    let mut reversed = good.clone();
    reversed.reverse();
    let mut unknown = good.clone();
    unknown[0].table = 99;

    for (what, chunks) in [
        ("flipped", flipped),
        ("missing", missing),
        ("reversed", reversed),
        ("unknown", unknown),
    ] {
        assert!(load(&receiver, &chunks, totals).is_err(), "{what}");
    }
    assert_eq!(
        receiver.read().expect("view").digest().expect("digest"),
        before
    );
}

#[test]
fn a_snapshot_of_rows_that_no_server_makes_is_refused() {
    let (from, to) = (
        TempDir::new().expect("folder"),
        TempDir::new().expect("folder"),
    );
    let (good, _) = chunks(&filled(&from, 3));
    let receiver = filled(&to, 1);
    let before = receiver.read().expect("view").digest().expect("digest");
    // (table, its first row's new key, its new value)
    let other = || Bytes::copy_from_slice(account_id(99).as_bytes());
    let junk = || Bytes::from_static(b"junk");
    for (what, table, key, value) in [
        ("unreadable account", TableId::Accounts, None, Some(junk())),
        (
            "account of another id",
            TableId::Accounts,
            Some(Bytes::from_static(&[0; 16])),
            None,
        ),
        ("unreadable outcome", TableId::Outcomes, None, Some(junk())),
        (
            "outcome of no request",
            TableId::Outcomes,
            Some(Bytes::from_static(&[0; 16])),
            None,
        ),
        (
            "login name of no account",
            TableId::LoginNames,
            None,
            Some(other()),
        ),
        (
            "login name of another",
            TableId::LoginNames,
            Some(Bytes::from_static(b"a")),
            None,
        ),
        ("position", TableId::Meta, None, Some(junk())),
    ] {
        let bad = good.iter().map(|chunk| {
            let (mut keys, mut values) = (chunk.keys.clone(), chunk.values.clone());
            if chunk.table == table as u32 {
                if let Some(key) = &key {
                    keys[0].clone_from(key);
                }
                if let Some(value) = &value {
                    values[0].clone_from(value);
                }
            }
            Chunk::of(chunk.table, keys, values)
        });
        assert!(load_all(&receiver, bad).is_err(), "{what}");
    }
    let nameless = good
        .iter()
        .filter(|chunk| chunk.table != TableId::LoginNames as u32);
    assert!(load_all(&receiver, nameless.cloned()).is_err());
    load_all(&receiver, good).expect("a good snapshot");
    assert_eq!(
        receiver.read().expect("view").digest().expect("digest"),
        before
    );
}

/// Loads chunks, with the totals that fit them.
fn load_all(store: &Store, chunks: impl IntoIterator<Item = Chunk>) -> Result<Loaded, Fault> {
    let mut totals = Totals::default();
    let chunks: Vec<Chunk> = chunks
        .into_iter()
        .inspect(|chunk| totals.add(chunk))
        .collect();
    load(store, &chunks, totals.get())
}

#[test]
fn a_state_is_at_its_last_checkpoint_after_a_restart() {
    let folder = TempDir::new().expect("folder");
    {
        let store = filled(&folder, 5);
        let durable = store.checkpoint().expect("a checkpoint");
        assert_eq!(durable.applied, Some(LogPos { term: 1, index: 5 }));
    }
    let store = store(&folder);
    assert_eq!(store.durable().applied, Some(LogPos { term: 1, index: 5 }));
    assert_eq!(store.read().expect("view").count().expect("count"), 5);
}

fn append(log: &dyn LogEngine, from: u64, count: u64) {
    let entries = (from..from + count)
        .map(|index| {
            (
                LogPos { term: 1, index },
                Payload::Command(Bytes::from(vec![b'x'; 100])),
            )
        })
        .collect();
    let (done, flushed) = mpsc::channel();
    log.append(entries, Box::new(move |result| drop(done.send(result))))
        .expect("appended");
    flushed.recv().expect("told").expect("flushed");
}

fn last_log_file(data: &Path) -> std::path::PathBuf {
    let mut files: Vec<_> = fs::read_dir(data.join("log"))
        .expect("the log's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wal"))
        .collect();
    files.sort();
    files.pop().expect("a file of the log")
}

#[test]
fn a_log_with_a_torn_tail_keeps_every_whole_entry() {
    for cut in [1, 7, 50, 99, 130] {
        let folder = TempDir::new().expect("folder");
        {
            let disk = disk(&folder);
            append(
                &*disk.open_log(&LogOptions::default()).expect("a log"),
                0,
                10,
            );
        }
        let path = last_log_file(&folder.path().join("data"));
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("the file");
        let length = file.metadata().expect("its length").len();
        file.set_len(length - cut).expect("cut");
        let disk = disk(&folder);
        let log = disk
            .open_log(&LogOptions::default())
            .expect("a torn tail is no damage");
        let kept = log.read(0, u64::MAX).expect("read");
        assert!(
            (8..10).contains(&kept.len()),
            "cut {cut}: {} entries",
            kept.len()
        );
        let next = log.state().last.map_or(0, |last| last.index + 1);
        append(&*log, next, 3);
    }
}

#[test]
fn a_log_that_was_damaged_in_the_middle_is_not_opened() {
    let folder = TempDir::new().expect("folder");
    {
        let disk = disk(&folder);
        append(
            &*disk.open_log(&LogOptions::default()).expect("a log"),
            0,
            10,
        );
    }
    let path = last_log_file(&folder.path().join("data"));
    let mut file = OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("the file");
    file.seek(SeekFrom::Start(300)).expect("seek");
    file.write_all(&[0xff; 8]).expect("write");
    drop(file);
    let disk = disk(&folder);
    assert!(disk.open_log(&LogOptions::default()).is_err());
}

/// The log's last file, and what is in it, of a log that was written as `write` does.
fn written_log(
    folder: &TempDir,
    write: impl FnOnce(&dyn LogEngine),
) -> (std::path::PathBuf, Vec<u8>) {
    {
        let disk = disk(folder);
        write(&*disk.open_log(&LogOptions::default()).expect("a log"));
    }
    let path = last_log_file(&folder.path().join("data"));
    let bytes = fs::read(&path).expect("the file");
    (path, bytes)
}

/// What is in the log after its last file was given other contents.
fn reopened(folder: &TempDir, path: &Path, bytes: &[u8]) -> std::io::Result<usize> {
    fs::write(path, bytes).expect("written");
    let log = disk(folder).open_log(&LogOptions::default())?;
    Ok(log.read(0, u64::MAX)?.len())
}

/// Where the sector begins that this place is in.
fn sector(at: usize) -> std::ops::Range<usize> {
    let begin = at / 512 * 512;
    begin..begin + 512
}

#[test]
fn a_log_whose_tail_lost_sectors_keeps_every_entry_before_them() {
    let folder = TempDir::new().expect("folder");
    // One append: nothing in it says that a part of it was on the disk before another.
    let (path, written) = written_log(&folder, |log| append(log, 0, 20));
    for at in (512..written.len()).step_by(512) {
        let mut torn = written.clone();
        let lost = at..sector(at).end.min(written.len());
        torn[lost].fill(0);
        let kept = reopened(&folder, &path, &torn).expect("a torn tail is no damage");
        // An entry takes 133 bytes on the disk, behind some 40 of the file's beginning.
        let whole = (at - 40) / 133;
        assert!(
            (whole - 1..=whole).contains(&kept),
            "sector at {at}: {kept} entries of {whole}"
        );
        let again = reopened(&folder, &path, &fs::read(&path).expect("read"));
        assert_eq!(again.expect("opens again"), kept);
    }
}

#[test]
fn a_log_that_lost_a_sector_which_was_on_the_disk_is_not_opened() {
    let folder = TempDir::new().expect("folder");
    let (path, mut written) = written_log(&folder, |log| {
        append(log, 0, 20);
        append(log, 20, 1);
    });
    written[512..1024].fill(0);
    let error = reopened(&folder, &path, &written).expect_err("refused");
    assert!(
        error.to_string().contains("was on the disk already"),
        "{error}"
    );
    assert_eq!(
        fs::read(&path).expect("read"),
        written,
        "nothing was cut off"
    );
}

#[test]
fn a_log_whose_last_entry_was_damaged_is_not_opened() {
    let folder = TempDir::new().expect("folder");
    let (path, written) = written_log(&folder, |log| append(log, 0, 20));
    for back in [1, 20, 60, 100] {
        let mut damaged = written.clone();
        let at = damaged.len() - back;
        damaged[at] ^= 0x10;
        let error = reopened(&folder, &path, &damaged).expect_err("refused");
        assert!(error.to_string().contains("no power cut"), "{error}");
    }
}

#[test]
fn a_log_with_entries_behind_a_damaged_length_is_not_opened() {
    let folder = TempDir::new().expect("folder");
    let (path, mut written) = written_log(&folder, |log| append(log, 0, 20));
    let payload = written
        .windows(100)
        .position(|bytes| bytes == [b'x'; 100])
        .expect("a payload");
    // The highest but one byte of the length: it seems to reach far behind the end.
    written[payload - 3] = 0x10;
    let error = reopened(&folder, &path, &written).expect_err("refused");
    assert!(error.to_string().contains("no power cut"), "{error}");
}

#[test]
fn what_an_earlier_process_wrote_is_on_the_disk_once_the_log_is_open() {
    let folder = TempDir::new().expect("folder");
    let (path, before) = written_log(&folder, |log| append(log, 0, 3));
    let (_, after) = written_log(&folder, |log| append(log, 3, 1));
    // The first thing written by the next process says up to where it had synced the log.
    let note = [&[1], before.len().to_be_bytes().as_slice()].concat();
    let found = after[before.len()..].windows(9).any(|bytes| bytes == note);
    assert!(found, "{}", path.display());
}

#[test]
fn a_new_state_takes_its_place_when_it_is_complete() {
    let folder = TempDir::new().expect("folder");
    let disk = disk(&folder);
    drop(disk.open_state("state.redb", false).expect("a file"));
    let inode = |name| fs::metadata(folder.path().join("data").join(name)).map(|it| it.ino());
    let empty = inode("state.redb").expect("a file");
    let store = Store::open(Arc::clone(&disk), StoreOptions::default()).expect("a state");
    assert_ne!(
        inode("state.redb").expect("a file"),
        empty,
        "written in place"
    );
    assert_eq!(store.read().expect("view").count().expect("count"), 0);
}

#[test]
fn the_log_takes_one_encoding_of_each_value_only() {
    use raft_log::codeq::Decode as _;

    let vote =
        |committed: u8| WalVote::decode([[0; 16].as_slice(), &[committed]].concat().as_slice());
    for (byte, committed) in [(0, false), (1, true)] {
        assert_eq!(vote(byte).expect("a vote").0.committed, committed);
    }
    assert!(vote(2).is_err());
    let blank = WalPayload::decode([0, 0, 0, 0, 0].as_slice()).expect("a blank entry");
    assert_eq!(blank.0, Payload::Blank);
    assert!(WalPayload::decode([0, 0, 0, 0, 1, 7].as_slice()).is_err());
}

#[test]
fn a_second_server_on_the_same_data_directory_is_refused() {
    let folder = TempDir::new().expect("folder");
    let _first = disk(&folder);
    let second = DataDirectory::open(&folder.path().join("data")).expect_err("refused");
    assert!(matches!(second, OpenError::Locked { .. }), "{second}");
}

#[test]
fn a_data_directory_of_an_unknown_format_is_refused() {
    let folder = TempDir::new().expect("folder");
    let identity = Identity {
        format_version: FORMAT_VERSION + 1,
        cluster_id: "c".to_owned(),
        server_id: 1,
        name: "s1".to_owned(),
        formed: true,
    };
    disk(&folder).save_identity(&identity).expect("saved");
    let error = DataDirectory::open(&folder.path().join("data")).expect_err("refused");
    assert!(
        matches!(
            error,
            OpenError::Format {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn whoever_reads_after_a_change_sees_it() {
    let folder = TempDir::new().expect("folder");
    let store = filled(&folder, 5);
    assert_eq!(store.read().expect("view").count().expect("count"), 5);
    let late = command(99, create(99, 99, false));
    let at = LogPos { term: 1, index: 6 };
    store
        .write(|state| state.command(at, &encode_command(&late)))
        .expect("written");
    assert_eq!(store.read().expect("view").count().expect("count"), 6);
}
