//! What is read from the state, and isn't what was written.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};
use tokio::sync::watch;

use super::Fault;

/// Damage in a file of the state, whoever reads it. Each file that is the state, or may become it, has one.
/// Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Damage {
    /// What was found in the file that is the state.
    found: watch::Sender<Option<String>>,
    /// Whether this file is the state.
    in_use: Arc<AtomicBool>,
}

impl Damage {
    /// That of another file, which may take the place of this one.
    pub(crate) fn of_another_file(&self) -> Self {
        Self {
            found: self.found.clone(),
            in_use: Arc::default(),
        }
    }

    /// The file is the state, or is it no longer.
    pub(crate) fn set_in_use(&self, in_use: bool) {
        self.in_use.store(in_use, Ordering::Release);
    }

    /// Returns what was found as an error of reading. Damage of the file that is the state is noted: that of one
    /// that is still received, or was replaced, ends only what reads it.
    pub(crate) fn found(&self, why: String) -> io::Error {
        if self.in_use.load(Ordering::Acquire) {
            self.found.send_replace(Some(why.clone()));
        }
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    /// Returns once something was found in the file that is the state.
    pub(crate) async fn wait(&self) -> Fault {
        let mut found = self.found.subscribe();
        loop {
            if let Some(why) = found.borrow_and_update().clone() {
                let why = io::Error::new(io::ErrorKind::InvalidData, why);
                return Fault::new("reading the state", why);
            }
            // The sender is `self`.
            if found.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What redb's storage said, if that is why.
pub(super) fn storage_error(fault: &Fault) -> Option<&StorageError> {
    let why = fault.why();
    if let Some(TransactionError::Storage(error)) = why.downcast_ref() {
        Some(error)
    } else if let Some(TableError::Storage(error)) = why.downcast_ref() {
        Some(error)
    } else if let Some(CommitError::Storage(error)) = why.downcast_ref() {
        Some(error)
    } else if let Some(DatabaseError::Storage(error)) = why.downcast_ref() {
        Some(error)
    } else {
        why.downcast_ref()
    }
}

/// Changes that are in the log, and not in the state.
#[derive(Debug, thiserror::Error)]
#[error(
    "changes were lost when a later one failed; the log has them, and the next start applies them"
)]
pub(super) struct ChangesLost;

/// Whether nothing can be read or written any more: the disk failed, or what was not on it is lost.
pub(super) fn is_final(fault: &Fault) -> bool {
    let why = fault.why();
    match storage_error(fault) {
        Some(StorageError::Corrupted(_) | StorageError::Io(_) | StorageError::PreviousIo) => true,
        Some(_) => false,
        None => why.is::<io::Error>() || why.is::<ChangesLost>(),
    }
}

/// Whether content of the state is damaged, rather than out of reach.
pub(super) fn is_damage(fault: &Fault) -> bool {
    let damaged = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        )
    };
    match storage_error(fault) {
        Some(StorageError::Corrupted(_)) => true,
        Some(StorageError::Io(error)) => damaged(error),
        Some(_) => false,
        None => fault.why().downcast_ref().is_some_and(damaged),
    }
}
