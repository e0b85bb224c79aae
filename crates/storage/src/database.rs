//! A file of the state, opened by redb.

use std::{
    io,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use redb::{Builder, Database, ReadableDatabase as _, StorageBackend, StorageError};

use super::{
    Fault, OrFault as _, StateFile, StoreOptions,
    checked_file::CheckedFile,
    damage::{Damage, storage_error},
    table::{Tables, open_to_read, open_to_write},
};

/// redb's database, and what its disk said when it failed. After most errors redb takes nothing
/// more, and each refusal says only that there was an error before: see
/// <https://github.com/cberner/redb/pull/836>.
pub(super) struct StateDatabase {
    database: Database,
    disk_error: DiskError,
    pub(super) damage: Damage,
}

/// The last one: of those that redb gets over nothing follows, and behind one that it doesn't
/// there is no other.
#[derive(Debug, Clone, Default)]
struct DiskError(Arc<Mutex<Option<(io::ErrorKind, String)>>>);

impl DiskError {
    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let error = (error.kind(), error.to_string());
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        })
    }

    fn get(&self) -> Option<io::Error> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, why) = last.clone()?;
        Some(io::Error::new(kind, why))
    }
}

impl StateDatabase {
    /// Opens a database with all tables; new ones are empty. What is read and was not written is noted in
    /// `damage`.
    pub(super) fn open(
        file: Box<dyn StateFile>,
        tables: Tables,
        options: &StoreOptions,
        damage: Damage,
    ) -> Result<Self, Fault> {
        let disk_error = DiskError::default();
        let file = CheckedFile::open(file, damage.clone()).or_fault("opening the state")?;
        let is_doubtful = file.is_doubtful();
        let backend = Backend {
            file,
            disk_error: disk_error.clone(),
        };
        let database = Builder::new()
            .set_cache_size(options.cache_bytes)
            .set_check_integrity_on_open(is_doubtful)
            .create_with_backend(backend)
            .or_fault("opening the state")?;
        create_tables(&database, tables)?;
        Ok(Self {
            database,
            disk_error,
            damage,
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
    matches!(storage_error(fault), Some(StorageError::PreviousIo))
}

impl Deref for StateDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

fn create_tables(database: &Database, tables: Tables) -> Result<(), Fault> {
    let reading = database.begin_read().or_fault("opening the tables")?;
    if tables
        .iter()
        .all(|table| open_to_read(&reading, table).is_ok())
    {
        return Ok(());
    }
    drop(reading);
    let mut transaction = database.begin_write().or_fault("making the tables")?;
    // As every commit to the disk: what a power cut leaves of another kind is found by reading pages that
    // may not have been written.
    transaction.set_quick_repair(true);
    for table in tables {
        drop(open_to_write(&transaction, table)?);
    }
    transaction.commit().or_fault("making the tables")
}

/// redb takes a backend by value.
#[derive(Debug)]
struct Backend {
    file: CheckedFile,
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
    use crate::checked_file::tests::{FIRST_BLOCKS, Memory, damage_last_pair};

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
        let options = StoreOptions::default();
        let state = StateDatabase::open(file, &[], &options, Damage::default()).expect("opened");
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

    /// A power cut in a commit, and then damage of both copies that say what holds: the older copies lead to
    /// blocks that were written over, and whose checksums are right.
    #[test]
    fn a_state_with_only_older_first_blocks_is_refused_or_whole() {
        let open = |memory: Memory| {
            let options = StoreOptions::default();
            StateDatabase::open(Box::new(memory), &[], &options, Damage::default())
        };
        let memory = Memory::default();
        let state = open(memory.clone()).expect("opened");
        for value in 1..=12 {
            let mut transaction = state.begin_write().expect("begun");
            transaction.set_quick_repair(true);
            let mut table = transaction.open_table(TABLE).expect("a table");
            for key in 0..1000 {
                table.insert(key, value).expect("inserted");
            }
            drop(table);
            transaction.commit().expect("committed");
        }
        let (mut refused, mut whole) = (0, 0);
        for synced in memory.synced().windows(2) {
            // The power went when everything but the first block was written.
            let (before, mut image) = (&synced[0], synced[1].clone());
            if image.len() < before.len() {
                continue;
            }
            image[..FIRST_BLOCKS].copy_from_slice(&before[..FIRST_BLOCKS]);
            if !damage_last_pair(&mut image) {
                continue;
            }
            let opened = match open(Memory::of(image)) {
                Ok(opened) => opened,
                Err(fault) => {
                    assert!(fault.is_damage(), "{fault}");
                    refused += 1;
                    continue;
                }
            };
            let reading = opened.begin_read().expect("a view");
            match reading.open_table(TABLE) {
                Ok(table) => {
                    let rows = redb::ReadableTable::iter(&table)
                        .expect("rows")
                        .map(|row| row.expect("read"));
                    let values: Vec<u64> = rows.map(|(_, value)| value.value()).collect();
                    let first = values.first().copied();
                    assert!(values.len() == 1000 && values.iter().all(|it| Some(*it) == first));
                    whole += 1;
                }
                Err(none) => assert!(matches!(none, redb::TableError::TableDoesNotExist(_))),
            }
        }
        assert!(refused > 0 && whole > 0, "{refused} refused, {whole} whole");
    }
}
