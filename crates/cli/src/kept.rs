//! What is kept between runs, per cluster: its servers, and the highest revision seen.
//!
//! A cache: it may be deleted at any time, and failing to read or write it is only logged.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use quorid_api::Endpoint;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// More than a cluster has, few enough to try them all.
const SERVERS_MAX: usize = 64;
/// A file of this many bytes isn't ours.
const BYTES_MAX: u64 = 64 * 1024;

/// One cluster's file, and what it says.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    path: Option<PathBuf>,
    content: Content,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Content {
    servers: Vec<String>,
    revision: u64,
}

impl Kept {
    /// What an earlier run kept for the cluster that these servers and this authority stand
    /// for: another authority means another cluster, be it at the same addresses.
    pub(crate) fn load(cache_dir: Option<PathBuf>, servers: &[String], ca: &[u8]) -> Self {
        let Some(dir) = cache_dir else {
            return Self::default();
        };
        let path = dir
            .join("quorid")
            .join(format!("{}.json", key(servers, ca)));
        let content = read(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::info!(path = %path.display(), %error, "the kept list of servers is of no use");
            }
            Content::default()
        });
        Self {
            path: Some(path),
            content,
        }
    }

    /// The servers that were given, then those that earlier runs learned.
    pub(crate) fn merged_with(&self, given: &[String]) -> Vec<String> {
        let mut servers = given.to_vec();
        for server in &self.content.servers {
            if !servers.contains(server) && server.parse::<Endpoint>().is_ok() {
                servers.push(server.clone());
            }
        }
        servers.truncate(SERVERS_MAX.max(given.len()));
        servers
    }

    /// The highest revision that earlier runs saw; 0 if none.
    pub(crate) fn revision(&self) -> u64 {
        self.content.revision
    }

    /// Keeps what this run learned.
    pub(crate) fn store(self, mut servers: Vec<String>, revision: u64) {
        servers.truncate(SERVERS_MAX);
        let content = Content { servers, revision };
        let Some(path) = self.path else { return };
        if content == self.content {
            return;
        }
        match write(&path, &content) {
            Ok(()) => tracing::debug!(path = %path.display(), "kept the list of servers"),
            Err(error) => {
                tracing::info!(path = %path.display(), %error, "cannot keep the list of servers");
            }
        }
    }
}

/// The user's cache directory: XDG_CACHE_HOME, else ~/.cache.
pub(crate) fn cache_dir(environment: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let dir = |name: &str| {
        environment(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    dir("XDG_CACHE_HOME").or_else(|| Some(dir("HOME")?.join(".cache")))
}

fn key(servers: &[String], ca: &[u8]) -> String {
    let mut sorted: Vec<_> = servers.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(sorted.join(","));
    hash.update([0]);
    hash.update(ca);
    hash.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn read(path: &Path) -> io::Result<Content> {
    if fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::other("the file is too big"));
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Two runs at once both leave a whole file; the last one counts.
fn write(path: &Path, content: &Content) -> io::Result<()> {
    let dir = path.parent().expect("the file is in a directory");
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer(&mut file, content)?;
    file.flush()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn servers(list: &[&str]) -> Vec<String> {
        list.iter().map(|server| (*server).to_owned()).collect()
    }

    fn load(dir: &Path, ca: &[u8]) -> Kept {
        Kept::load(Some(dir.to_owned()), &servers(&["one:1", "two:2"]), ca)
    }

    #[test]
    fn servers_and_revision_are_found_again_behind_the_given_ones() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path(), b"ca").store(servers(&["two:2", "three:3"]), 42);
        let kept = load(dir.path(), b"ca");
        assert_eq!(
            kept.merged_with(&servers(&["one:1", "two:2"])),
            ["one:1", "two:2", "three:3"]
        );
        assert_eq!(kept.revision(), 42);
    }

    #[test]
    fn another_authority_is_another_cluster() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path(), b"ca").store(servers(&["three:3"]), 42);
        let kept = load(dir.path(), b"other");
        assert_eq!(kept.merged_with(&servers(&["one:1"])), ["one:1"]);
        assert_eq!(kept.revision(), 0);
    }

    #[test]
    fn damaged_file_and_bad_addresses_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path(), b"ca").store(servers(&["three:3", "nonsense"]), 1);
        let kept = load(dir.path(), b"ca");
        assert_eq!(kept.merged_with(&servers(&["one:1"])), ["one:1", "three:3"]);
        fs::write(kept.path.unwrap(), b"{\"serv").unwrap();
        let kept = load(dir.path(), b"ca");
        assert_eq!(kept.merged_with(&servers(&["one:1"])), ["one:1"]);
    }

    #[test]
    fn directory_that_cannot_be_written_is_no_failure() {
        let file = tempfile::NamedTempFile::new().unwrap();
        load(file.path(), b"ca").store(servers(&["three:3"]), 1);
        Kept::load(None, &[], b"").store(servers(&["three:3"]), 1);
    }
}
