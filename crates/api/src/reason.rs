//! Why a server refused, for programs to match on.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])+ $reason:ident = $text:literal,)+) => {
        /// Why a server refused. docs/reference/api.md says for each which gRPC code it comes
        /// with, and which metadata.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])+ $reason,)+
            /// The answer gives no reason: it is not from a Quorid server.
            Unstated,
            /// A reason that this version of the library does not know.
            Other(String),
        }

        impl Reason {
            /// All reasons that this version knows.
            pub const KNOWN: &[Self] = &[$(Self::$reason,)+];

            /// As on the wire: `LOGIN_NAME_TAKEN`. Empty if the answer gave none.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$reason => $text,)+
                    Self::Unstated => "",
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for Reason {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$reason,)+
                    "" => Self::Unstated,
                    text => Self::Other(text.to_owned()),
                }
            }
        }
    };
}

reasons! {
    /// Another account has the login name.
    LoginNameTaken = "LOGIN_NAME_TAKEN",
    /// Another account or group has a value that no two may have.
    ValueTaken = "VALUE_TAKEN",
    /// No account has that id or login name.
    AccountNotFound = "ACCOUNT_NOT_FOUND",
    /// No group has that id or name.
    GroupNotFound = "GROUP_NOT_FOUND",
    /// No deleted account or group has that id or name, or it cannot be restored any more.
    DeletedNotFound = "DELETED_NOT_FOUND",
    /// The login name is not reserved.
    NotReserved = "NOT_RESERVED",
    /// No change has that revision.
    ChangeNotFound = "CHANGE_NOT_FOUND",
    /// The changes that were asked for are not kept any more.
    ChangesGone = "CHANGES_GONE",
    /// What a change left is another one by now, so it is not undone.
    ChangedSince = "CHANGED_SINCE",
    /// A change that cannot be undone, such as one of a password.
    NotReversible = "NOT_REVERSIBLE",
    /// The id is that of a group where an account is meant, or the other way round.
    WrongKind = "WRONG_KIND",
    /// A group would be a member of itself, by way of other groups.
    GroupCycle = "GROUP_CYCLE",
    /// There would be more of something than is allowed.
    LimitExceeded = "LIMIT_EXCEEDED",
    /// The directory is not at the feature level that this needs.
    FeatureLevel = "FEATURE_LEVEL",
    /// The feature level is never lowered.
    LevelTooLow = "LEVEL_TOO_LOW",
    /// The account or group was changed since it was read.
    EtagMismatch = "ETAG_MISMATCH",
    /// Reading needs a login or an operator's certificate.
    LoginNeeded = "LOGIN_NEEDED",
    /// The account's password is missing.
    PasswordNeeded = "PASSWORD_NEEDED",
    /// The password is wrong; or, where names are not public, the account does not exist.
    WrongPassword = "WRONG_PASSWORD",
    /// Only operators may do this.
    OperatorNeeded = "OPERATOR_NEEDED",
    /// Who asks has no role that may do this.
    NotPermitted = "NOT_PERMITTED",
    /// The request is too old; it may have been executed before.
    RequestExpired = "REQUEST_EXPIRED",
    /// The request id was used for a different change.
    RequestReused = "REQUEST_REUSED",
    /// The client's clock is ahead.
    RequestFromFuture = "REQUEST_FROM_FUTURE",
    /// No login name can be like that.
    InvalidLoginName = "INVALID_LOGIN_NAME",
    /// No real name can be like that.
    InvalidRealName = "INVALID_REAL_NAME",
    /// No attribute has that name.
    UnknownAttribute = "UNKNOWN_ATTRIBUTE",
    /// No value of the attribute can be like that.
    InvalidValue = "INVALID_VALUE",
    /// There is an attribute of that name already.
    AttributeExists = "ATTRIBUTE_EXISTS",
    /// No site can add an attribute like that.
    InvalidAttribute = "INVALID_ATTRIBUTE",
    /// The attribute cannot be changed like that: it must have a value, or may not have so many.
    SchemaViolation = "SCHEMA_VIOLATION",
    /// An attribute would refer to an account that is not there.
    ReferenceInvalid = "REFERENCE_INVALID",
    /// Not a condition that accounts could be searched by.
    InvalidFilter = "INVALID_FILTER",
    /// No password can be like that.
    InvalidPassword = "INVALID_PASSWORD",
    /// Too short, or one of the most common ones.
    WeakPassword = "WEAK_PASSWORD",
    /// Not a hash of a password that could be checked.
    InvalidPasswordHash = "INVALID_PASSWORD_HASH",
    /// Not `accounts/...`, or not a UUID.
    InvalidAccountName = "INVALID_ACCOUNT_NAME",
    /// Not `groups/...`, or not a UUID, or no group can have that name.
    InvalidGroupName = "INVALID_GROUP_NAME",
    /// Not a UUID of version 8.
    InvalidRequestId = "INVALID_REQUEST_ID",
    /// Not a page token of this directory.
    InvalidPageToken = "INVALID_PAGE_TOKEN",
    /// A negative page size.
    InvalidPageSize = "INVALID_PAGE_SIZE",
    /// A field that does not exist, or nothing to change.
    InvalidFieldMask = "INVALID_FIELD_MASK",
    /// Not an etag of this directory.
    InvalidEtag = "INVALID_ETAG",
    /// A consistency that does not exist.
    InvalidReadOptions = "INVALID_READ_OPTIONS",
    /// No setting has that name, or it does not take that value.
    InvalidSetting = "INVALID_SETTING",
    /// A server's name or address is missing or malformed.
    InvalidServer = "INVALID_SERVER",
    /// A message that cannot be decoded, or is too long.
    InvalidMessage = "INVALID_MESSAGE",
    /// Too many passwords wait to be hashed.
    Busy = "BUSY",
    /// Another server leads, or none.
    NotLeader = "NOT_LEADER",
    /// The leader reaches no majority, or the server is still starting.
    NoQuorum = "NO_QUORUM",
    /// The change may have been made or not: the same request id gets the outcome.
    OutcomeUnknown = "OUTCOME_UNKNOWN",
    /// The server has not applied the wanted revision yet.
    Behind = "BEHIND",
    /// The server is being stopped.
    ShuttingDown = "SHUTTING_DOWN",
    /// The time for the call is over; a change may have been made or not.
    DeadlineExceeded = "DEADLINE_EXCEEDED",
    /// Another change of the cluster's members is under way.
    ChangeInProgress = "CHANGE_IN_PROGRESS",
    /// No member has that name.
    ServerNotFound = "SERVER_NOT_FOUND",
    /// A member already has that name.
    ServerExists = "SERVER_EXISTS",
    /// The new server cannot be added; the message says why.
    ServerNotReady = "SERVER_NOT_READY",
    /// A server does not support the feature level, or does not answer.
    LevelNotSupported = "LEVEL_NOT_SUPPORTED",
    /// The server's disk failed, or the server has a bug.
    Fault = "FAULT",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../docs/reference/api.md");

    #[test]
    fn the_reference_lists_every_reason_and_no_other() {
        let (_, table) = PAGE.split_once("| reason |").expect("the table of reasons");
        let listed: Vec<_> = table
            .lines()
            .skip(2)
            .map_while(|row| row.strip_prefix("| `")?.split_once('`'))
            .map(|(reason, _)| Reason::from(reason))
            .collect();
        assert_eq!(listed, Reason::KNOWN);
    }

    #[test]
    fn a_reason_is_read_as_it_is_written_even_if_it_is_unknown() {
        let newer = [Reason::Other("NEWER".to_owned()), Reason::Unstated];
        for reason in Reason::KNOWN.iter().chain(&newer) {
            assert_eq!(Reason::from(reason.as_str()), *reason);
        }
    }
}
