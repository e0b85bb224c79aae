//! A disk that is forgotten, and fast enough for thousands of states a second.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::backends::InMemoryBackend;

use crate::storage::{Disk, Identity, LogEngine, LogOptions, StateFile};

/// Knows the names of its files; their content is with who opened them.
#[derive(Debug, Default)]
pub(crate) struct MemoryDisk(Mutex<BTreeSet<String>>);

impl MemoryDisk {
    /// Of all files, in order.
    pub(crate) fn names(&self) -> Vec<String> {
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

    fn open_state(&self, name: &str, _empty: bool) -> io::Result<StateFile> {
        assert!(self.lock().insert(name.to_owned()), "{name} is opened once");
        Ok(Box::new(InMemoryBackend::new()))
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
}
