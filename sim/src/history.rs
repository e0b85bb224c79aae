//! What clients asked, and what they were told.

use quorid_directory::{LoginName, RequestId};

/// One call of the client library, with all its retries.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    #[expect(dead_code, reason = "people read it, where an operation is printed")]
    pub(crate) client: String,
    pub(crate) asked: Asked,
    /// Moments, ordered over all clients.
    pub(crate) invoked: u64,
    pub(crate) returned: u64,
    /// Last index that anybody took for committed when the answer came.
    pub(crate) committed: u64,
    pub(crate) answer: Answer,
}

#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Create {
        request: RequestId,
        login_name: LoginName,
        real_name: String,
    },
    Rename {
        request: RequestId,
        account: Which,
        to: LoginName,
    },
    Delete {
        request: RequestId,
        account: Which,
    },
    Look {
        account: Which,
        freshness: Freshness,
    },
}

/// How an operation names its account.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    Id(String),
    Name(LoginName),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Linearizable,
    AtLeast(u64),
    Stale,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An account, as of a revision.
    Account {
        account: Shown,
        revision: u64,
    },
    Deleted {
        revision: u64,
    },
    Rejected {
        reason: String,
        revision: u64,
    },
    /// No answer. `unknown`: a change may have been made.
    Unavailable {
        unknown: bool,
    },
}

/// An account as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) login_name: String,
    pub(crate) real_name: String,
    pub(crate) version: String,
}

impl Asked {
    /// For the report.
    pub(crate) fn kind(&self) -> &'static str {
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

    pub(crate) fn request(&self) -> Option<RequestId> {
        match self {
            Self::Create { request, .. }
            | Self::Rename { request, .. }
            | Self::Delete { request, .. } => Some(*request),
            Self::Look { .. } => None,
        }
    }
}

impl Answer {
    pub(crate) fn revision(&self) -> Option<u64> {
        match self {
            Self::Account { revision, .. }
            | Self::Deleted { revision }
            | Self::Rejected { revision, .. } => Some(*revision),
            Self::Unavailable { .. } => None,
        }
    }

    /// For the report.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Account { .. } | Self::Deleted { .. } => "done",
            Self::Rejected { .. } => "rejected",
            Self::Unavailable { unknown: true } => "unknown",
            Self::Unavailable { unknown: false } => "unavailable",
        }
    }
}
