//! A disk that is forgotten, and fast enough for thousands of states a second.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::{StorageBackend as _, backends::InMemoryBackend};

use crate::{Disk, Identity, LogEngine, LogOptions, StateFile};

/// Knows the names of its files; their content is with who opened them.
#[derive(Debug, Default)]
pub struct MemoryDisk(Mutex<BTreeSet<String>>);

impl MemoryDisk {
    /// The names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemoryDisk {
    fn open_log(&self, _: &LogOptions) -> io::Result<Arc<dyn LogEngine>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open_state(&self, name: &str, _empty: bool) -> io::Result<Box<dyn StateFile>> {
        assert!(self.lock().insert(name.to_owned()), "{name} is opened once");
        Ok(Box::new(MemoryFile(InMemoryBackend::new())))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.lock();
        assert!(names.remove(from), "{from} is there");
        names.insert(to.to_owned());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.lock().remove(name);
        Ok(())
    }

    fn remove_all(&self, beginning: &str) -> io::Result<()> {
        self.lock().retain(|name| !name.starts_with(beginning));
        Ok(())
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(None)
    }

    fn save_identity(&self, _: &Identity) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn state_bytes(&self) -> u64 {
        0
    }

    fn check_in_place(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryFile(InMemoryBackend);

impl StateFile for MemoryFile {
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
        self.0.write(offset, data)
    }
}
