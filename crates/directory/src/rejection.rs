//! Why a command was refused.

use crate::command::Selector;
use crate::deleted::Held;
use crate::id::{ObjectId, RequestId};
use crate::level::Level;
use crate::members::Limit;
use crate::model::Revision;
use crate::name::LoginName;
use crate::object::{Kind, Violation};
use crate::revert::Irreversible;
use crate::rights::Role;
use crate::schema::AttributeName;
use crate::value::Value;

/// The command is valid, but not in the state that the directory is in. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Another object has a value that no two may have.
    #[error(
        "{attribute} `{value}` {} {kind} {holder}{}; choose another one",
        match held {
            Held::Now => "already belongs to",
            Held::Deleted => "belongs to",
            Held::Reserved(_) => "is reserved for",
        },
        match held {
            Held::Now => "",
            Held::Deleted => ", which is deleted and can be restored",
            Held::Reserved(_) => ", which had it last",
        }
    )]
    ValueTaken {
        /// The attribute that has the value.
        attribute: AttributeName,
        /// The value that was asked for.
        value: Value,
        /// What has it.
        kind: Kind,
        /// Whose it is.
        holder: ObjectId,
        /// How it is theirs.
        held: Held,
    },
    /// The schema does not allow it.
    #[error("{attribute} cannot be changed like that: {violation}")]
    SchemaViolation {
        /// The attribute that is meant.
        attribute: AttributeName,
        /// What is wrong.
        violation: Violation,
    },
    /// An account is named that is not there, or something that is no account.
    #[error(
        "{attribute} cannot be `{value}`: no account has that login name or id; give those of one that is \
         there"
    )]
    ReferenceInvalid {
        /// The attribute that refers to accounts.
        attribute: AttributeName,
        /// The login name or id.
        value: Value,
    },
    /// The schema has an attribute of that name already.
    #[error("there is an attribute `{}` already; choose another name", attribute.name)]
    AttributeExists {
        /// The attribute.
        attribute: AttributeName,
    },
    /// Who asks may not do it.
    #[error(
        "{} {role} only",
        match attribute {
            Some(attribute) => format!("{attribute} is changed by"),
            None => "this is for".to_owned(),
        }
    )]
    NotPermitted {
        /// The attribute that was to be changed; none: it is not about one attribute.
        attribute: Option<AttributeName>,
        /// The least role that may.
        role: Role,
    },
    /// No object has the id or name.
    #[error("no {object}; it may have been renamed or deleted")]
    NotFound {
        /// The object as the request named it.
        object: Selector,
    },
    /// No deleted object has the id or name, or it cannot be restored any more.
    #[error("no deleted {object} that can be restored; it may be there, or its time is over")]
    NotDeleted {
        /// The object as the request named it.
        object: Selector,
    },
    /// The login name is not one that nobody has and that is reserved.
    #[error(
        "login name `{name}` is not reserved: it is free, or an account has it, be that a deleted one that can \
         be restored"
    )]
    NotReserved {
        /// The name.
        name: LoginName,
    },
    /// The id is that of another kind of object.
    #[error("{id} is the id of {}, and {} is meant", indefinite(*actual), indefinite(*expected))]
    WrongKind {
        /// The id that the request gave.
        id: ObjectId,
        /// The kind that is meant.
        expected: Kind,
        /// The kind that has the id.
        actual: Kind,
    },
    /// The group would be a member of itself, by way of other groups.
    #[error("group {member} cannot be a member of group {group}, which is a member of it")]
    GroupCycle {
        /// The group that was to get a member.
        group: ObjectId,
        /// The group that was to become one.
        member: ObjectId,
    },
    /// No change is kept of that revision.
    #[error(
        "no change of revision {revision} is kept: nothing was changed then, or it is forgotten"
    )]
    NoChange {
        /// The revision that the request named.
        revision: Revision,
    },
    /// What a change left is another one by now, so that the change is not undone.
    #[error(
        "the change of revision {revision} is not undone: {}{kind} {id} was changed since{}; look at \
         its history, and change what is to be another way",
        match attribute {
            Some(attribute) => format!("{attribute} of "),
            None => String::new(),
        },
        match later {
            Some(later) => format!(", at revision {later}"),
            None => String::new(),
        }
    )]
    ChangedSince {
        /// The change that was to be undone.
        revision: Revision,
        /// The object.
        id: ObjectId,
        /// Its kind.
        kind: Kind,
        /// The attribute that is another one; none: it is not about one.
        attribute: Option<AttributeName>,
        /// The last change of it, where that is known.
        later: Option<Revision>,
    },
    /// A change that cannot be undone.
    #[error("the change of revision {revision} cannot be undone: {why}")]
    NotReversible {
        /// The change that was to be undone.
        revision: Revision,
        /// Why not.
        why: Irreversible,
    },
    /// There would be more of something than is allowed.
    #[error("{limit}")]
    LimitExceeded {
        /// The limit that was reached.
        limit: Limit,
    },
    /// The account was changed since the client read it.
    #[error(
        "{account} is at version {actual}, not {expected}: it was changed meanwhile; \
         read it again and decide again"
    )]
    VersionMismatch {
        /// The account that is meant.
        account: ObjectId,
        /// The version that the client knows.
        expected: Revision,
        /// The version that it has.
        actual: Revision,
    },
    /// The account has a password, and none was given.
    #[error("account {account} is protected by a password; give its password")]
    PasswordNeeded {
        /// The account that is meant.
        account: ObjectId,
    },
    /// The password was right when it was checked, but has been changed or removed since, or the account
    /// may log in no longer.
    #[error(
        "the password of account {account} was changed meanwhile, or the account was disabled; \
         give the new one"
    )]
    PasswordChanged {
        /// The account that is meant.
        account: ObjectId,
    },
    /// It asks for something of a feature level that the directory is not at.
    #[error(
        "this needs feature level {needed}, and the directory is at level {is}; an operator raises the \
         level once all servers support it"
    )]
    FeatureLevel {
        /// The level that is needed.
        needed: Level,
        /// The level that the directory is at.
        is: Level,
    },
    /// The feature level would be lower than it is.
    #[error("the directory is at feature level {is}; it is never lowered, not to {to} either")]
    LevelTooLow {
        /// The level that was asked for.
        to: Level,
        /// The level that the directory is at.
        is: Level,
    },
    /// Too old to tell whether it was executed before.
    #[error(
        "the request's id says that it was made at revision {seen}, and outcomes of requests made before \
         revision {oldest} are not kept any more: it may or may not have been executed; look at the \
         account, then send a new request if need be"
    )]
    RequestExpired {
        /// The last revision that had been seen when the request was made.
        seen: Revision,
        /// Outcomes of requests made before it may have been forgotten.
        oldest: Revision,
    },
    /// The request id was given to something else before.
    #[error(
        "request id {request} was used before, for something else; \
         nothing was done: send this with a new request id"
    )]
    RequestReused {
        /// The id.
        request: RequestId,
    },
    /// The client has seen what isn't there: another directory, or this one before it was restored.
    #[error(
        "the request's id says that it was made at revision {seen}, and this directory is at revision \
         {revision}: it was made for another directory; nothing was done: send a new request"
    )]
    RequestFromFuture {
        /// The last revision that had been seen when the request was made.
        seen: Revision,
        /// The revision that the request would have had.
        revision: Revision,
    },
}

impl Rejection {
    /// Whether nothing that was asked for was wrong, but who asks, or the level that the directory is
    /// at. Such an outcome is not kept: the same request may come again, and be done.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::PasswordNeeded { .. }
            | Self::PasswordChanged { .. }
            | Self::NotPermitted { .. }
            | Self::FeatureLevel { .. } => true,
            Self::ValueTaken { .. }
            | Self::SchemaViolation { .. }
            | Self::ReferenceInvalid { .. }
            | Self::AttributeExists { .. }
            | Self::NotFound { .. }
            | Self::NotDeleted { .. }
            | Self::NotReserved { .. }
            | Self::WrongKind { .. }
            | Self::GroupCycle { .. }
            | Self::NoChange { .. }
            | Self::ChangedSince { .. }
            | Self::NotReversible { .. }
            | Self::LimitExceeded { .. }
            | Self::LevelTooLow { .. }
            | Self::VersionMismatch { .. }
            | Self::RequestExpired { .. }
            | Self::RequestReused { .. }
            | Self::RequestFromFuture { .. } => false,
        }
    }
}

/// With its article.
fn indefinite(kind: Kind) -> &'static str {
    match kind {
        Kind::Person => "an account",
        Kind::Group => "a group",
        Kind::Service => "a service account",
    }
}
