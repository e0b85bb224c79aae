//! What clients asked, and what they were told.

use std::fmt;

use quorid_api::Reason;
use quorid_directory::{LoginName, RequestId};

/// One call of the client library, with all its retries.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Who asked.
    pub client: String,
    /// What was asked.
    pub asked: Asked,
    /// Names of other cells have nothing to do with this operation.
    pub cell: u64,
    /// When it was asked: a moment, ordered over all clients.
    pub invoked: u64,
    /// When the answer came.
    pub returned: u64,
    /// When the answer came, ms on the world's clock.
    pub returned_ms: u64,
    /// Last index that anybody took for committed when the answer came.
    pub committed: u64,
    /// What was answered.
    pub answer: Answer,
}

/// A question.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Make an account.
    Create {
        /// The same for each retry.
        request: RequestId,
        /// Its login name.
        login_name: Name,
        /// Its real name.
        real_name: String,
    },
    /// Give an account another login name.
    Rename {
        /// The same for each retry.
        request: RequestId,
        /// Which account.
        account: Which,
        /// The new name.
        to: Name,
    },
    /// Delete an account.
    Delete {
        /// The same for each retry.
        request: RequestId,
        /// Which account.
        account: Which,
    },
    /// Look an account up.
    Look {
        /// Which account.
        account: Which,
        /// How old the answer may be.
        freshness: Freshness,
    },
}

/// A login name, and how the client spells it: there are many ways to write the same one.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    /// As the directory has it.
    pub login_name: LoginName,
    /// As it is sent.
    pub spelled: String,
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.spelled)
    }
}

/// How an operation names its account.
#[derive(Debug, Clone)]
pub enum Which {
    /// By the text of its UUID.
    Id(String),
    /// By its login name.
    Name(Name),
}

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Not older than anything that was answered before the question.
    Linearizable,
    /// Not older than this revision.
    AtLeast(u64),
    /// As old as the server is behind.
    Stale,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An account.
    Account {
        /// As it was at the revision.
        account: Shown,
        /// The revision of the answer.
        revision: u64,
    },
    /// The account was deleted.
    Deleted {
        /// By this revision.
        revision: u64,
    },
    /// The rules of the directory speak against it.
    Rejected {
        /// Why.
        reason: Reason,
        /// The revision of the answer.
        revision: u64,
    },
    /// No answer.
    Unavailable {
        /// Whether a change may have been made all the same.
        unknown: bool,
    },
}

/// An account as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shown {
    /// The UUID's text.
    pub id: String,
    /// Its login name.
    pub login_name: String,
    /// Its real name.
    pub real_name: String,
    /// The revision of its last change, as its etag tells it.
    pub version: String,
}

/// What a client sees of an account.
pub fn shown(account: quorid_api::Account) -> Shown {
    Shown {
        id: account.id,
        login_name: account.login_name,
        real_name: account.real_name,
        version: account.etag,
    }
}

impl Asked {
    /// For the report.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Rename { .. } => "rename",
            Self::Delete { .. } => "delete",
            Self::Look { freshness, .. } => match freshness {
                Freshness::Linearizable => "look up, linearizable",
                Freshness::AtLeast(_) => "look up, at least a revision",
                Freshness::Stale => "look up, stale",
            },
        }
    }

    /// The request id of a change.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::Create { request, .. }
            | Self::Rename { request, .. }
            | Self::Delete { request, .. } => Some(*request),
            Self::Look { .. } => None,
        }
    }
}

impl Answer {
    /// The revision that the answer tells.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Self::Account { revision, .. }
            | Self::Deleted { revision }
            | Self::Rejected { revision, .. } => Some(*revision),
            Self::Unavailable { .. } => None,
        }
    }

    /// For the report.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account { .. } | Self::Deleted { .. } => "done",
            Self::Rejected { .. } => "rejected",
            Self::Unavailable { unknown: true } => "unknown",
            Self::Unavailable { unknown: false } => "unavailable",
        }
    }
}
