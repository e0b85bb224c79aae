use std::{env, os::unix::fs::chown};

use tempfile::TempDir;

use super::*;
use crate::limited_process;

/// Says that what is there should be removed.
fn loses(remedy: &str) -> bool {
    remedy.contains("empty the data directory")
}

fn why_not(opened: io::Result<Arc<dyn LogEngine>>) -> io::Error {
    match opened {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[test]
fn only_damage_is_a_reason_to_empty_the_data_directory() {
    let folder = TempDir::new().expect("a folder");
    let directory = DataDirectory::open(folder.path()).expect("a directory");
    let options = LogOptions::default();
    drop(directory.open_log(&options).expect("a log"));
    let log = folder.path().join(LOG);
    let files = fs::read_dir(&log).expect("files").filter_map(Result::ok);
    let file = files.map(|file| file.path()).next().expect("a file");

    let whole = fs::read(&file).expect("read");
    fs::write(&file, [[0xff; 64].as_slice(), &whole].concat()).expect("damaged");
    let damaged = why_not(directory.open_log(&options));
    assert!(loses(remedy(&damaged)), "{damaged}");

    fs::rename(&log, folder.path().join("elsewhere")).expect("moved");
    fs::write(&log, "").expect("a file in its place");
    let elsewhere = why_not(directory.open_log(&options));
    assert!(!loses(remedy(&elsewhere)), "{elsewhere}");
    let shown = log.display().to_string();
    assert!(elsewhere.to_string().starts_with(&shown), "{elsewhere}");
}

#[test]
fn an_identity_that_cannot_be_read_is_not_taken_for_damaged() {
    let folder = TempDir::new().expect("a folder");
    let hint = || {
        let error = DataDirectory::open(folder.path()).expect_err("no identity");
        (error.hint(), error.to_string())
    };
    let identity = folder.path().join(IDENTITY);
    fs::create_dir(&identity).expect("a folder in its place");
    let (unreadable, why) = hint();
    assert!(!loses(unreadable), "{why}");
    fs::remove_dir(&identity).expect("removed");
    fs::write(&identity, "{").expect("half of it");
    let (damaged, why) = hint();
    assert!(loses(damaged), "{why}");
}

#[test]
fn what_may_not_be_read_is_named_with_its_owner() {
    let folder = TempDir::new().expect("a folder");
    let this = geteuid().as_raw();
    // Only root can give something away; for everybody else the root directory is another's.
    let (path, owner) = if geteuid().is_root() {
        let file = folder.path().join("log");
        fs::write(&file, "").expect("a file");
        chown(&file, Some(12_345), None).expect("given away");
        (folder.path().to_owned(), 12_345)
    } else {
        (PathBuf::from("/"), 0)
    };
    let denied = explained(&path, &io::ErrorKind::PermissionDenied.into());
    let text = denied.to_string();
    assert!(
        text.contains(&format!("belongs to user {owner}, ")),
        "{text}"
    );
    assert!(text.contains(&format!("runs as user {this}")), "{text}");
    assert!(!loses(remedy(&denied)));
}

/// Set for the process that may have few files open.
const FEW_FILES: &str = "QUORID_TEST_FEW_FILES";

#[test]
fn too_few_open_files_are_named_and_no_reason_to_remove_anything() {
    if env::var_os(FEW_FILES).is_none() {
        limited_process::passes(
            "ulimit -n 40",
            module_path!(),
            "too_few_open_files_are_named_and_no_reason_to_remove_anything",
            (FEW_FILES, "1"),
        );
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let directory = DataDirectory::open(folder.path()).expect("a directory");
    let mut open = Vec::new();
    while let Ok(file) = File::open(folder.path()) {
        open.push(file);
    }
    let error = why_not(directory.open_log(&LogOptions::default()));
    drop(open);
    assert!(
        error.to_string().contains("may have 40 files open"),
        "{error}"
    );
    assert!(!loses(remedy(&error)), "{error}");
}
