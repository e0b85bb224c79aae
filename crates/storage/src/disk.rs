//! The data directory, and the seam behind which a simulation puts another disk.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    io::Errno,
    process::{Resource, geteuid, getrlimit},
};
use serde::{Deserialize, Serialize};

use super::{
    log::{LogEngine, LogOptions},
    state_file::{DiskFile, StateFile},
    store::{SET_ASIDE, STATE},
    wal::Wal,
};

/// Version of everything in a data directory. A server refuses a directory of a version
/// that it doesn't know.
pub const FORMAT_VERSION: u32 = 8;

/// Who this server is, for good. Written when the cluster takes the server in; only
/// [`formed`](Identity::formed) changes later, once, and who the members are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Format version of the data directory.
    pub format_version: u32,
    /// UUID of the cluster.
    pub cluster_id: String,
    /// Given by the cluster, never used twice.
    pub server_id: u64,
    /// Chosen by the operator, the name in the certificate.
    pub name: String,
    /// Whether log or state were ever written. If so and both are gone, somebody removed
    /// them, and the server must not go on under its old id.
    pub formed: bool,
    /// The members of the cluster as the server knew them last, itself among them: whom it asks where its
    /// state doesn't say.
    #[serde(default)]
    pub members: Vec<KnownMember>,
}

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMember {
    /// Its id.
    pub server_id: u64,
    /// Its name.
    pub name: String,
    /// `host:port` for the other servers.
    pub peer_address: String,
    /// `host:port` for clients.
    pub client_address: String,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server uses it.
    #[error("data directory {path} is in use by another server")]
    Locked {
        /// The data directory.
        path: String,
    },
    /// Made by another version of the program.
    #[error("data directory {path} has format version {found}; this program knows version {known}")]
    Format {
        /// The data directory.
        path: String,
        /// Its version.
        found: u32,
        /// The version that the program knows.
        known: u32,
    },
    /// Something in it cannot be read or written.
    #[error("data directory {path}: cannot {action}: {error}")]
    Io {
        /// The data directory.
        path: String,
        /// The operation that was tried.
        action: &'static str,
        /// The system's error.
        error: io::Error,
        /// What usually helps.
        remedy: &'static str,
    },
}

impl OpenError {
    /// What the operator of the server can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Locked { .. } => {
                "stop that server, or give this one a directory of its own with --data-dir"
            }
            Self::Format { .. } => "run the version of quorid that wrote it, or a newer one",
            Self::Io { remedy, .. } => remedy,
        }
    }
}

/// What the operator can do about an error of reading what a server keeps. Only where the error says that something
/// is damaged is that to empty the directory: what the system refuses may be whole.
#[must_use]
pub fn remedy(error: &io::Error) -> &'static str {
    use io::ErrorKind::{InvalidData, InvalidInput, PermissionDenied, UnexpectedEof};
    let kind = error.kind();
    // The log says "invalid input" of records that contradict each other.
    if matches!(kind, InvalidData | InvalidInput | UnexpectedEof) {
        "empty the data directory, start this server with --join, and then run: quorid cluster replace"
    } else if kind == PermissionDenied {
        "give the data directory, and all that is in it, to the user who runs the server, and start it again; \
         nothing says that its content is damaged"
    } else {
        "mend what the system complains of, and start the server again; nothing says that the content of the data \
         directory is damaged"
    }
}

/// The same error, with the path and what else an operator has to know of it.
fn explained(path: &Path, error: &io::Error) -> io::Error {
    let shown = path.display();
    let facts = if error.kind() == io::ErrorKind::PermissionDenied {
        let this = geteuid().as_raw();
        foreign(path, this).map(|(path, owner)| {
            let path = path.display();
            format!("{path} belongs to user {owner}, and the server runs as user {this}")
        })
    } else {
        // Not every error that passes through the log keeps the system's number.
        let again = File::open(path)
            .err()
            .and_then(|again| again.raw_os_error());
        (again == Some(Errno::MFILE.raw_os_error())).then(|| {
            let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
            format!(
                "this process may have {limit} files open; LimitNOFILE= of its unit, or ulimit -n, sets how many"
            )
        })
    };
    let facts = facts.map_or(String::new(), |facts| format!(" ({facts})"));
    io::Error::new(error.kind(), format!("{shown}: {error}{facts}"))
}

/// The first path below this one, or itself, that belongs to another user, as far as it can be looked at.
fn foreign(path: &Path, user: u32) -> Option<(PathBuf, u32)> {
    // Links are not followed: they may lead back here.
    let metadata = fs::symlink_metadata(path).ok()?;
    if metadata.uid() != user {
        return Some((path.to_owned(), metadata.uid()));
    }
    let folder = metadata.is_dir().then(|| fs::read_dir(path).ok())??;
    let mut below = folder.filter_map(Result::ok);
    below.find_map(|entry| foreign(&entry.path(), user))
}

/// Where log, state and identity are kept. Names are single file names.
pub trait Disk: Send + Sync + 'static {
    /// Opens or makes the log.
    fn open_log(&self, options: &LogOptions) -> io::Result<Arc<dyn LogEngine>>;
    /// Opens or makes a file of the state; with `empty`, without what it held.
    fn open_state(&self, name: &str, empty: bool) -> io::Result<Box<dyn StateFile>>;
    /// Gives a file another name, in place of the file that has it; on disk when it returns.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Removes every file whose name begins so.
    fn remove_all(&self, beginning: &str) -> io::Result<()>;
    /// The identity that the server was given, if it was given one.
    fn identity(&self) -> io::Result<Option<Identity>>;
    /// Notes it; on disk when it returns.
    fn save_identity(&self, identity: &Identity) -> io::Result<()>;
    /// Bytes of all files of the state.
    fn state_bytes(&self) -> u64;
    /// Fails if log and state are no longer where the next start would look for them: somebody removed or replaced
    /// them. What is open goes on being written, and is gone when it is closed.
    fn check_in_place(&self) -> io::Result<()>;
}

/// A data directory on a real disk, locked for as long as this value lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// Holds the lock.
    lock: File,
}

const IDENTITY: &str = "identity.json";
/// Name of the checksum in it.
const CHECKSUM: &str = "checksum";
const LOCK: &str = "lock";
/// What usually helps where the directory itself can't be used.
const ACCESS: &str = "check that the directory belongs to the user who runs the server \
                      and that its disk has room";
pub(super) const LOG: &str = "log";

impl DataDirectory {
    /// Opens a data directory, or makes it, for this process alone. The directory gets mode
    /// 0700.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let shown = path.display().to_string();
        let failed = |action, remedy| {
            let path = shown.clone();
            move |error| OpenError::Io {
                path,
                action,
                error,
                remedy,
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("make it", ACCESS))?;
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(failed("set its mode to 0700", ACCESS))?;
        let lock = private().create(true).truncate(false).open(path.join(LOCK));
        let lock = lock.map_err(failed("open its lock file", ACCESS))?;
        take(path, &lock)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path.join(LOG))
            .map_err(failed("make the folder of the log", ACCESS))?;
        let directory = Self {
            path: path.to_owned(),
            lock,
        };
        directory
            .check_room()
            .map_err(failed("write to it", "make room on its disk"))?;
        check_identity(path)?;
        Ok(directory)
    }

    /// A full disk is reported at the start, and not by the first write of a client.
    fn check_room(&self) -> io::Result<()> {
        let name = "room-check";
        let mut file = private()
            .create(true)
            .truncate(true)
            .open(self.path.join(name))?;
        let written = file
            .write_all(&[0x51; 1 << 20])
            .and_then(|()| file.sync_data());
        drop(file);
        self.remove(name)?;
        written
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Takes a data directory that is there for this process alone.
pub(super) fn lock_existing(path: &Path) -> Result<File, OpenError> {
    let lock = OpenOptions::new().read(true).open(path.join(LOCK));
    let lock = lock.map_err(|error| OpenError::Io {
        path: path.display().to_string(),
        action: "open its lock file",
        error,
        remedy: "check that it is the data directory of a server, and that it belongs to this user",
    })?;
    take(path, &lock)?;
    check_identity(path)?;
    Ok(lock)
}

fn take(path: &Path, lock: &File) -> Result<(), OpenError> {
    let path = path.display().to_string();
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path }),
        Err(TryLockError::Error(error)) => Err(OpenError::Io {
            path,
            action: "lock it",
            error,
            remedy: ACCESS,
        }),
    }
}

/// Refuses an identity that cannot be read, or is of another version.
fn check_identity(directory: &Path) -> Result<(), OpenError> {
    let shown = directory.display().to_string();
    match read_identity(directory) {
        Ok(Some(identity)) if identity.format_version != FORMAT_VERSION => Err(OpenError::Format {
            path: shown,
            found: identity.format_version,
            known: FORMAT_VERSION,
        }),
        Ok(Some(_) | None) => Ok(()),
        Err(error) => Err(OpenError::Io {
            path: shown,
            action: "read its identity",
            remedy: remedy(&error),
            error: explained(&directory.join(IDENTITY), &error),
        }),
    }
}

/// The identity in a data directory, if there is one.
pub(super) fn read_identity(directory: &Path) -> io::Result<Option<Identity>> {
    let text = match fs::read(directory.join(IDENTITY)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut value: serde_json::Value = serde_json::from_slice(&text)?;
    let noted = value.as_object_mut().and_then(|map| map.remove(CHECKSUM));
    let checksum = checksum(&value);
    let identity: Identity = serde_json::from_value(value)?;
    // Those of other versions are refused, whatever else they are.
    if identity.format_version == FORMAT_VERSION && noted != Some(checksum.as_str().into()) {
        let why = format!("it is not what was written: its checksum is {checksum}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Some(identity))
}

/// 8 hexadecimal digits, of an identity without its checksum.
fn checksum(identity: &serde_json::Value) -> String {
    format!("{:08x}", crc32fast::hash(identity.to_string().as_bytes()))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

impl Disk for DataDirectory {
    fn open_log(&self, options: &LogOptions) -> io::Result<Arc<dyn LogEngine>> {
        let folder = self.path.join(LOG);
        let log = Wal::open(&folder, options).map_err(|error| explained(&folder, &error))?;
        Ok(Arc::new(log))
    }

    fn open_state(&self, name: &str, empty: bool) -> io::Result<Box<dyn StateFile>> {
        let file = private()
            .create(true)
            .truncate(empty)
            .open(self.path.join(name))?;
        self.sync()?;
        Ok(Box::new(DiskFile::new(file)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))?;
        self.sync()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn remove_all(&self, beginning: &str) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().filter(|name| name.starts_with(beginning)) {
                self.remove(name)?;
            }
        }
        Ok(())
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        read_identity(&self.path)
    }

    fn save_identity(&self, identity: &Identity) -> io::Result<()> {
        let new = format!("{IDENTITY}.new");
        let mut file = private()
            .create(true)
            .truncate(true)
            .open(self.path.join(&new))?;
        let mut value = serde_json::to_value(identity)?;
        let checksum = checksum(&value);
        if let Some(map) = value.as_object_mut() {
            map.insert(CHECKSUM.to_owned(), checksum.into());
        }
        file.write_all(&serde_json::to_vec_pretty(&value)?)?;
        file.sync_all()?;
        self.rename(&new, IDENTITY)
    }

    fn state_bytes(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return 0;
        };
        entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().as_encoded_bytes().ends_with(b".redb"))
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }

    fn check_in_place(&self) -> io::Result<()> {
        let gone = |what: &str, why: io::Error| {
            let path = self.path.join(what);
            io::Error::new(why.kind(), format!("{}: {why}", path.display()))
        };
        let metadata =
            |name: &str| fs::metadata(self.path.join(name)).map_err(|why| gone(name, why));
        let (held, found) = (self.lock.metadata()?, metadata(LOCK)?);
        if (held.dev(), held.ino()) != (found.dev(), found.ino()) {
            return Err(gone(
                "",
                io::Error::other("another directory is in its place"),
            ));
        }
        metadata(LOG)?;
        // One that was found damaged is under its other name.
        metadata(STATE).or_else(|why| metadata(SET_ASIDE).map_err(|_| why))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
