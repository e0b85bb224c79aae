//! What clients asked, and what they were answered.

use std::{collections::BTreeMap, fmt};

use quorid_api::Reason;
use quorid_directory::{GroupName, LoginName, RequestId};

/// One call of the client library, with all its retries.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The client that asked.
    pub client: String,
    /// The login that was given; none: an operator asked, by certificate.
    pub by: Option<By>,
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

/// A login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// The login name of the account that asks.
    pub login_name: &'static str,
    /// A password, which may be another account's.
    pub password: &'static str,
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
        /// Whether it gets a POSIX number.
        numbered: bool,
    },
    /// Give an account another login name.
    Rename {
        /// The same for each retry.
        request: RequestId,
        /// The account that is meant.
        account: Which,
        /// The new name.
        to: Name,
    },
    /// Delete an account.
    Delete {
        /// The same for each retry.
        request: RequestId,
        /// The account that is meant.
        account: Which,
    },
    /// Give an attribute of an account another value, or none.
    Edit {
        /// The same for each retry.
        request: RequestId,
        /// The account that is meant.
        account: Which,
        /// The attribute's name.
        attribute: &'static str,
        /// Its value afterwards.
        value: Option<String>,
    },
    /// Give an account another password.
    SetPassword {
        /// The same for each retry.
        request: RequestId,
        /// The account that is meant.
        account: Which,
        /// The new password.
        password: &'static str,
    },
    /// Make a group.
    CreateGroup {
        /// The same for each retry.
        request: RequestId,
        /// Its name.
        group: GroupName,
        /// Whether it gets a POSIX number.
        numbered: bool,
        /// What it gives to its members.
        role: Option<&'static str>,
    },
    /// Delete a group.
    DeleteGroup {
        /// The same for each retry.
        request: RequestId,
        /// The group that is meant.
        group: GroupName,
    },
    /// Make an account a member of a group, or no member of it.
    Member {
        /// The same for each retry.
        request: RequestId,
        /// The group that is meant.
        group: GroupName,
        /// The account that is meant.
        account: Which,
        /// Whether it is a member afterwards.
        joins: bool,
    },
    /// List the members of a group.
    Members {
        /// The group that is meant.
        group: GroupName,
        /// How old the answer may be.
        freshness: Freshness,
    },
    /// Add an attribute to the schema.
    Define {
        /// The same for each retry.
        request: RequestId,
        /// Its name.
        attribute: String,
    },
    /// Restore a deleted account.
    Restore {
        /// The same for each retry.
        request: RequestId,
        /// The account that is meant.
        account: Which,
    },
    /// Erase a deleted account.
    Purge {
        /// The same for each retry.
        request: RequestId,
        /// The account that is meant.
        account: Which,
    },
    /// Free a reserved login name.
    FreeName {
        /// The same for each retry.
        request: RequestId,
        /// The name.
        name: Name,
    },
    /// Keep deleted objects, and login names that nobody has, for other times.
    Keep {
        /// The same for each retry.
        request: RequestId,
        /// How long deleted objects can be restored, ms.
        tombstones_ms: u64,
        /// How long names stay reserved, ms.
        names_ms: u64,
    },
    /// Raise the feature level, as far as all servers support.
    RaiseLevel,
    /// Check the password of an account, which is right.
    LogIn {
        /// The account that is meant.
        account: Which,
        /// How old the answer may be.
        freshness: Freshness,
    },
    /// Look an account up.
    Look {
        /// The account that is meant.
        account: Which,
        /// How old the answer may be.
        freshness: Freshness,
    },
}

/// A login name, and how the client spells it: there are many ways to write the same one.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    /// The value as the directory has it.
    pub login_name: LoginName,
    /// The value as it is sent.
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
    /// The account with this UUID, as text.
    Id(String),
    /// The account with this login name.
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
    /// An account, or a group where a group was meant.
    Account {
        /// As it was at the revision.
        account: Shown,
        /// The revision of the answer.
        revision: u64,
    },
    /// The members of a group.
    Members {
        /// The UUIDs' texts, in their order.
        members: Vec<String>,
        /// The revision of the answer.
        revision: u64,
    },
    /// The account or group was deleted.
    Deleted {
        /// The revision of the change.
        revision: u64,
    },
    /// The directory was changed as a whole.
    Directory {
        /// The revision of the change.
        revision: u64,
    },
    /// The feature level that the directory is at.
    Level {
        /// The level.
        level: u32,
        /// The revision of the answer.
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

/// An account or a group as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shown {
    /// The UUID's text.
    pub id: String,
    /// Its login name, or the group's name.
    pub login_name: String,
    /// Its real name; empty for a group.
    pub real_name: String,
    /// The revision of its last change, from its etag.
    pub version: String,
    /// Its other attributes and their values, by name.
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// What a client sees of an account.
pub fn shown(account: quorid_api::Account) -> Shown {
    Shown {
        id: account.id,
        login_name: account.login_name,
        real_name: account.real_name,
        version: account.etag,
        attributes: values(account.attributes),
    }
}

/// What a client sees of a group.
pub(crate) fn shown_group(group: quorid_api::Group) -> Shown {
    Shown {
        id: group.id,
        login_name: group.group_name,
        real_name: String::new(),
        version: group.etag,
        attributes: values(group.attributes),
    }
}

fn values(attributes: Vec<quorid_api::Attribute>) -> BTreeMap<String, Vec<String>> {
    let pair = |attribute: quorid_api::Attribute| (attribute.name, attribute.values);
    attributes.into_iter().map(pair).collect()
}

impl Shown {
    /// Whether the account is kept out.
    pub(crate) fn is_disabled(&self) -> bool {
        self.attributes
            .get("disabled")
            .is_some_and(|values| values == &["true"])
    }
}

impl Asked {
    /// The name of this in the report.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Rename { .. } => "rename",
            Self::Delete { .. } => "delete",
            Self::Edit {
                attribute: "disabled",
                value: Some(_),
                ..
            } => "disable",
            Self::Edit {
                attribute: "disabled",
                ..
            } => "enable",
            Self::Edit { .. } => "edit",
            Self::SetPassword { .. } => "set a password",
            Self::CreateGroup { .. } => "create a group",
            Self::DeleteGroup { .. } => "delete a group",
            Self::Member { joins: true, .. } => "add a member",
            Self::Member { joins: false, .. } => "remove a member",
            Self::Members { .. } => "list members",
            Self::Define { .. } => "define an attribute",
            Self::Restore { .. } => "restore",
            Self::Purge { .. } => "purge",
            Self::FreeName { .. } => "free a name",
            Self::Keep { .. } => "change settings",
            Self::RaiseLevel => "raise the level",
            Self::LogIn { .. } => "log in",
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
            | Self::Edit { request, .. }
            | Self::SetPassword { request, .. }
            | Self::CreateGroup { request, .. }
            | Self::DeleteGroup { request, .. }
            | Self::Member { request, .. }
            | Self::Define { request, .. }
            | Self::Restore { request, .. }
            | Self::Purge { request, .. }
            | Self::FreeName { request, .. }
            | Self::Keep { request, .. }
            | Self::Delete { request, .. } => Some(*request),
            Self::RaiseLevel | Self::Look { .. } | Self::LogIn { .. } | Self::Members { .. } => {
                None
            }
        }
    }
}

impl Answer {
    /// The revision that the answer carries.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Self::Account { revision, .. }
            | Self::Deleted { revision }
            | Self::Members { revision, .. }
            | Self::Directory { revision }
            | Self::Level { revision, .. }
            | Self::Rejected { revision, .. } => Some(*revision),
            Self::Unavailable { .. } => None,
        }
    }

    /// The name of this in the report.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account { .. }
            | Self::Deleted { .. }
            | Self::Members { .. }
            | Self::Directory { .. }
            | Self::Level { .. } => "done",
            Self::Rejected { .. } => "rejected",
            Self::Unavailable { unknown: true } => "unknown",
            Self::Unavailable { unknown: false } => "unavailable",
        }
    }
}
