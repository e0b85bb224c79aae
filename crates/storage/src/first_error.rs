//! What the log's writer tells when it fails: why, and to everybody who waits.
//!
//! raft-log's writer is a thread of its own, and ends at its first error. It tells whoever
//! waits for the writes that failed. Whatever is queued behind them is dropped, and each later
//! call fails because the queue is gone. Neither says why.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use super::log::FlushDone;

/// The first error of a log's writer: all later ones follow from it.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstError(Arc<OnceLock<io::Error>>);

impl FirstError {
    /// Told when something is written. `done` is told too, in any case.
    pub(super) fn watch(&self, done: FlushDone) -> Done {
        Done {
            done: Some(done),
            first: self.clone(),
        }
    }

    /// The first error, if there was one.
    pub(super) fn none_yet(&self) -> io::Result<()> {
        self.0.get().map_or(Ok(()), |first| Err(copy(first)))
    }

    /// The first error, or this one where there was none before.
    pub(super) fn or(&self, error: io::Error) -> io::Error {
        match self.0.get() {
            Some(first) => copy(first),
            None => error,
        }
    }

    fn note(&self, error: &io::Error) {
        // Only the first one counts.
        let _ = self.0.set(copy(error));
    }
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// Given to the writer with each write.
pub(super) struct Done {
    done: Option<FlushDone>,
    first: FirstError,
}

impl raft_log::Callback for Done {
    fn send(mut self, result: Result<(), io::Error>) {
        if let Err(error) = &result {
            self.first.note(error);
        }
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            let unwritten = io::Error::other("the log ended before this was written");
            done(Err(self.first.or(unwritten)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        sync::mpsc::{Receiver, channel},
    };

    use bytes::Bytes;
    use raft_log::Callback as _;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        DataDirectory, Disk as _, LogEngine, LogOptions, LogPos, Payload, limited_process,
    };

    type Told = Receiver<io::Result<()>>;

    fn waiting() -> (FlushDone, Told) {
        let (tell, told) = channel();
        (Box::new(move |result| drop(tell.send(result))), told)
    }

    #[test]
    fn whoever_is_forgotten_hears_of_the_first_error() {
        let first = FirstError::default();
        let (done, told) = waiting();
        drop(first.watch(done));
        let error = told.recv().expect("told").expect_err("not written");
        assert!(error.to_string().contains("the log ended"), "{error}");
        assert!(first.none_yet().is_ok());

        first
            .watch(Box::new(drop))
            .send(Err(io::Error::other("no space")));
        first
            .watch(Box::new(drop))
            .send(Err(io::Error::other("no queue")));
        let (done, told) = waiting();
        drop(first.watch(done));
        let error = told.recv().expect("told").expect_err("not written");
        assert_eq!(error.to_string(), "no space");
        let refused = first.none_yet().expect_err("the log has failed");
        assert_eq!(refused.to_string(), "no space");
        assert_eq!(
            first.or(io::Error::other("no queue")).to_string(),
            "no space"
        );
    }

    fn append(log: &dyn LogEngine, index: u64, bytes: usize) -> io::Result<()> {
        let (done, told) = waiting();
        let payload = Payload::Command(Bytes::from(vec![b'x'; bytes]));
        log.append(vec![(LogPos { term: 1, index }, payload)], done)?;
        told.recv().expect("told")
    }

    /// Set for the process in which no file may get longer than this, bytes.
    const LIMIT: &str = "QUORID_TEST_FILE_BYTES";

    #[test]
    fn when_there_is_no_space_for_a_note_the_next_entry_says_so() {
        let Ok(limit) = env::var(LIMIT) else {
            return in_a_process_with_small_files();
        };
        let limit: u64 = limit.parse().expect("a number");
        let folder = TempDir::new().expect("folder");
        let directory = DataDirectory::open(folder.path()).expect("a directory");
        // One file, whatever its length.
        let options = LogOptions {
            chunk_bytes: usize::try_from(2 * limit).expect("small"),
            ..LogOptions::default()
        };
        let log = directory.open_log(&options).expect("a log");
        append(&*log, 0, 100).expect("appended");
        let before = length(&folder);
        append(&*log, 1, 100).expect("appended");
        let around = length(&folder) - before - 100;
        // Ten bytes are left: too few for the note of what is committed.
        let fits = limit - length(&folder) - around - 10;
        append(&*log, 2, usize::try_from(fits).expect("small")).expect("appended");
        assert_eq!(length(&folder), limit - 10);
        log.save_committed(LogPos { term: 1, index: 2 })
            .expect("nobody waits for it");
        for index in 3..6 {
            let error = append(&*log, index, 1).expect_err("no space");
            assert!(error.to_string().contains("File too large"), "{error}");
        }
        // Nothing more was handed to the writer, then.
        let last = log.state().last.map(|last| last.index);
        assert!(last <= Some(3), "{last:?}");
    }

    fn length(folder: &TempDir) -> u64 {
        let files = fs::read_dir(folder.path().join("log")).expect("the log's folder");
        files
            .map(|file| file.and_then(|file| file.metadata()).expect("a file").len())
            .sum()
    }

    /// This test once more, where the limit on the length of files stands in for a full disk.
    fn in_a_process_with_small_files() {
        // More than the check for space at the start writes.
        const BLOCKS: u64 = 4096;
        limited_process::passes(
            &format!("trap '' XFSZ; ulimit -f {BLOCKS}"),
            module_path!(),
            "when_there_is_no_space_for_a_note_the_next_entry_says_so",
            (LIMIT, &(BLOCKS * 1024).to_string()),
        );
    }
}
