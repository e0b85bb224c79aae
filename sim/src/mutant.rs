//! Bugs on purpose, to see that the checks see them: the test of the tests.

use std::sync::OnceLock;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mutant {
    /// The log says that entries are on the disk before they are.
    AckBeforeSync,
    /// The log forgets votes at a power cut.
    VoteNotSaved,
    /// A sync of the state syncs nothing.
    StateNotSynced,
    /// Linearizable look-ups ask any server, and take what it has.
    StaleRead,
    /// A retry has another request id than the first try.
    RequestIdForgotten,
    /// The log loses an entry that was flushed, now and then, at a power cut.
    FlushedEntryLost,
}

static MUTANT: OnceLock<Option<Mutant>> = OnceLock::new();

/// Decides for this process which bug there is.
pub(crate) fn plant(mutant: Option<Mutant>) {
    MUTANT.get_or_init(|| mutant);
}

impl Mutant {
    /// Whether this bug is there.
    pub(crate) fn is_planted(self) -> bool {
        MUTANT.get() == Some(&Some(self))
    }
}
