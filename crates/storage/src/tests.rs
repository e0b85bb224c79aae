//! Logs that are damaged, and data directories that are in use or foreign.

use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use tempfile::TempDir;

use super::{
    wal::{WalPayload, WalVote},
    *,
};

fn disk(folder: &TempDir) -> Arc<dyn Disk> {
    Arc::new(DataDirectory::open(&folder.path().join("data")).expect("a data directory"))
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
        members: Vec::new(),
    };
    disk(&folder).save_identity(&identity).expect("saved");
    let error = DataDirectory::open(&folder.path().join("data")).expect_err("refused");
    assert!(
        matches!(
            error,
            OpenError::Format { found, known: FORMAT_VERSION, .. } if found == FORMAT_VERSION + 1
        ),
        "{error}"
    );
}
