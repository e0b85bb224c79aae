//! A file of the state, opened by redb.

use std::{
    io,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use redb::{
    Builder, CommitError, Database, StorageBackend, StorageError, TableError, TransactionError,
};

use super::{
    Fault, OrFault as _, StateFile, StoreOptions,
    table::{Tables, open_to_write},
};

/// redb's database, and what its disk said when it failed. After most errors redb takes nothing
/// more, and each refusal says only that there was an error before: see
/// <https://github.com/cberner/redb/pull/836>.
pub(super) struct StateDatabase {
    database: Database,
    disk_error: DiskError,
}

/// The last one: of those that redb gets over nothing follows, and behind one that it doesn't
/// there is no other.
#[derive(Debug, Clone, Default)]
struct DiskError(Arc<Mutex<Option<String>>>);

impl DiskError {
    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        })
    }

    fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl StateDatabase {
    /// Opens a database with all tables; new ones are empty.
    pub(super) fn open(
        file: Box<dyn StateFile>,
        tables: Tables,
        options: &StoreOptions,
    ) -> Result<Self, Fault> {
        let disk_error = DiskError::default();
        let backend = Backend {
            file,
            disk_error: disk_error.clone(),
        };
        let database = Builder::new()
            .set_cache_size(options.cache_bytes)
            .create_with_backend(backend)
            .or_fault("opening the state")?;
        create_tables(&database, tables)?;
        Ok(Self {
            database,
            disk_error,
        })
    }

    /// The result; a refusal for an error before gets that error for its reason.
    pub(super) fn explained<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|fault| match self.disk_error.get() {
            Some(error) if follows_from_another(&fault) => fault.because(error),
            Some(_) | None => fault,
        })
    }
}

/// Whether redb refused something only because of an error before.
fn follows_from_another(fault: &Fault) -> bool {
    let why = fault.why();
    let storage = if let Some(TransactionError::Storage(error)) = why.downcast_ref() {
        Some(error)
    } else if let Some(TableError::Storage(error)) = why.downcast_ref() {
        Some(error)
    } else if let Some(CommitError::Storage(error)) = why.downcast_ref() {
        Some(error)
    } else {
        why.downcast_ref()
    };
    matches!(storage, Some(StorageError::PreviousIo))
}

impl Deref for StateDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

fn create_tables(database: &Database, tables: Tables) -> Result<(), Fault> {
    let transaction = database.begin_write().or_fault("making the tables")?;
    for table in tables {
        drop(open_to_write(&transaction, table)?);
    }
    transaction.commit().or_fault("making the tables")
}

/// redb takes a backend by value.
#[derive(Debug)]
struct Backend {
    file: Box<dyn StateFile>,
    disk_error: DiskError,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.disk_error.noted(self.file.size())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk_error.noted(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk_error.noted(self.file.set_size(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk_error.noted(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk_error.noted(self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use redb::{TableDefinition, backends::InMemoryBackend};

    use super::*;

    /// A backend that has no room once the test says so.
    #[derive(Debug)]
    struct Full(InMemoryBackend, Arc<AtomicBool>);

    impl StateFile for Full {
        fn size(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }

        fn set_size(&self, size: u64) -> io::Result<()> {
            self.0.set_len(size)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            match self.1.load(Ordering::Relaxed) {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => self.0.write(offset, data),
            }
        }
    }

    const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("numbers");

    #[test]
    fn what_is_refused_after_an_error_of_the_disk_says_that_error() {
        let full = Arc::new(AtomicBool::new(false));
        let file = Box::new(Full(InMemoryBackend::new(), Arc::clone(&full)));
        let state = StateDatabase::open(file, &[], &StoreOptions::default()).expect("opened");
        let begin = || {
            let begun = state.begin_write().or_fault("beginning");
            state.explained(begun)
        };
        let transaction = begin().expect("room");
        transaction.open_table(TABLE).expect("a table");
        full.store(true, Ordering::Relaxed);
        let unwritten = transaction.commit().or_fault("committing");
        let first = state.explained(unwritten).expect_err("no room");
        let later = begin().err().expect("refused");
        let no_room = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(
            first.to_string(),
            format!("committing: I/O error: {no_room}")
        );
        assert_eq!(later.to_string(), format!("beginning: {no_room}"));

        let unrelated = Fault::new("reading", "it is damaged");
        let told = state.explained::<()>(Err(unrelated)).expect_err("damaged");
        assert_eq!(told.to_string(), "reading: it is damaged");
    }
}
