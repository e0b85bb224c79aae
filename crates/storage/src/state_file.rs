//! A file of the state, as the store uses it: the seam behind which a simulation puts another.

use std::{fmt, fs::File, io};

use redb::{StorageBackend as _, backends::FileBackend};

/// Bytes that can be read, written and synced.
pub trait StateFile: fmt::Debug + Send + Sync + 'static {
    /// Its size, bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills `out` with what stands from `offset` on. All of it must be there.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Cuts the file off, or lengthens it by zeros.
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Whatever was written before is on the disk when it returns.
    fn sync_data(&self) -> io::Result<()>;
    /// Writes bytes from `offset` on.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Called once, when nothing more is asked of the file.
    fn close(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of a data directory.
#[derive(Debug)]
pub(crate) struct DiskFile(FileBackend);

impl DiskFile {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        FileBackend::new(file).map(Self).map_err(io::Error::other)
    }
}

impl StateFile for DiskFile {
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

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}
