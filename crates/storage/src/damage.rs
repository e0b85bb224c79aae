//! What is read from the state, and isn't what was written.

use std::io;

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};
use tokio::sync::watch;

use super::Fault;

/// Told of damage in the files of a state, whoever reads it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Damage(watch::Sender<Option<String>>);

impl Damage {
    /// Notes it, and returns it as an error of reading.
    pub(crate) fn found(&self, why: String) -> io::Error {
        self.0.send_replace(Some(why.clone()));
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    /// Returns once something was found.
    pub(crate) async fn wait(&self) -> Fault {
        let mut found = self.0.subscribe();
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
