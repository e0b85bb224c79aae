//! What a client has seen of the directory, for reading its own writes on any server.

use std::sync::atomic::{AtomicU64, Ordering};

use tonic::metadata::MetadataMap;

/// ASCII metadata of every answer and error: the revision it was made from.
const REVISION_KEY: &str = "quorid-revision";

/// The highest revision in any answer so far, and the last one.
#[derive(Debug, Default)]
pub(crate) struct Session {
    revision: AtomicU64,
    last: AtomicU64,
}

impl Session {
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    pub(crate) fn raise(&self, revision: u64) {
        self.revision.fetch_max(revision, Ordering::AcqRel);
    }

    /// Notes the revision of an answer, if it has one.
    pub(crate) fn note(&self, revision: Option<u64>) {
        if let Some(revision) = revision {
            self.raise(revision);
            self.last.store(revision, Ordering::Release);
        }
    }
}

/// The revision that an answer, or an error, was made from.
pub(crate) fn revision_in(metadata: &MetadataMap) -> Option<u64> {
    let text = metadata.get(REVISION_KEY)?.to_str().ok()?;
    text.parse().ok()
}
