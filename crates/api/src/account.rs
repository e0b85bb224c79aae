//! What the calls about accounts ask for.

use std::fmt;

use uuid::Uuid;

use crate::proto::{self, Attribute, AttributeEdit, attribute_edit::Action};

/// Which account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountName {
    /// The account with this id, which never changes.
    Id(Uuid),
    /// The account with this login name, in upper or lower case.
    Login(String),
}

impl fmt::Display for AccountName {
    /// As the API writes it: `accounts/{id}` or `accounts/login:{login_name}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "accounts/{id}"),
            Self::Login(name) => write!(f, "accounts/login:{name}"),
        }
    }
}

impl AccountName {
    /// The account that somebody means by this text: of this id, if it is a UUID, which no login name is; else
    /// of this login name.
    #[must_use]
    pub fn meant_by(text: &str) -> Self {
        match Uuid::try_parse(text) {
            Ok(id) => Self::Id(id),
            Err(_) => Self::Login(text.to_owned()),
        }
    }
}

impl From<Uuid> for AccountName {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

/// How fresh an answer must be, and so which server may give it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Read {
    /// Sees every change that was acknowledged before the call. The leader answers.
    #[default]
    Linearizable,
    /// Sees every change up to this revision. Any server answers, once it got that far.
    AtLeast(u64),
    /// Sees every change that this client and its clones have seen or made: at least
    /// [`Client::session_revision`](crate::Client::session_revision). Any server answers.
    Session,
    /// Whatever the asked server has. Any server answers, at once.
    Stale,
}

impl Read {
    pub(crate) fn options(self, session_revision: u64) -> proto::ReadOptions {
        let (consistency, min_revision) = match self {
            Self::Linearizable => (proto::Consistency::Linearizable, 0),
            Self::AtLeast(revision) => (proto::Consistency::AtLeastRevision, revision),
            Self::Session => (proto::Consistency::AtLeastRevision, session_revision),
            Self::Stale => (proto::Consistency::Stale, 0),
        };
        proto::ReadOptions {
            consistency: consistency.into(),
            min_revision,
        }
    }
}

/// A password. Shows itself in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password in clear.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(password: String) -> Self {
        Self(password)
    }
}

impl From<&str> for Password {
    fn from(password: &str) -> Self {
        Self(password.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The login name and password of an account, to act as that account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Whose.
    pub login_name: String,
    /// The account's password.
    pub password: Password,
}

/// An account to be created. The server gives it its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAccount {
    /// Unique in the directory.
    pub login_name: String,
    /// What people call the account's owner; empty for a service.
    pub real_name: String,
    /// Whether it is the account of a program.
    pub service: bool,
    /// What else is known of it; docs/reference/attributes.md lists the attributes.
    pub attributes: Vec<Attribute>,
    /// Whether it gets the directory's next POSIX number. Only operators may ask for it.
    pub assign_posix_number: bool,
    /// None: anyone who may change accounts at all may change this one.
    pub password: Option<Password>,
    /// In place of the password, a hash that another program made of it. Only operators may give one.
    pub password_hash: Option<Password>,
    /// As [`Client::new_request_id`](crate::Client::new_request_id) makes it. None: the library makes one, the same
    /// for every retry.
    pub request_id: Option<Uuid>,
}

/// What is to become of an account's password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PasswordChange {
    /// Stays as it is.
    #[default]
    Keep,
    /// Becomes this one.
    Set(Password),
    /// Becomes the one that another program made this hash of. Only operators may give one.
    SetHash(Password),
    /// The account has none afterwards.
    Remove,
}

/// A change of an account. What is None stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateAccount {
    /// The account that is changed or deleted.
    pub account: AccountName,
    /// Change nothing unless the account still has this `etag`.
    pub etag: Option<String>,
    /// The new login name.
    pub login_name: Option<String>,
    /// The new real name.
    pub real_name: Option<String>,
    /// Changes of attributes, made in their order.
    pub edits: Vec<AttributeEdit>,
    /// What is to become of the password.
    pub password: PasswordChange,
    /// The password as it is now. An operator doesn't need it.
    pub current_password: Option<Password>,
    /// As [`Client::new_request_id`](crate::Client::new_request_id) makes it. None: the library makes one, the same
    /// for every retry.
    pub request_id: Option<Uuid>,
}

impl UpdateAccount {
    /// A change of `account` that changes nothing yet.
    pub fn of(account: AccountName) -> Self {
        Self {
            account,
            etag: None,
            login_name: None,
            real_name: None,
            edits: Vec::new(),
            password: PasswordChange::Keep,
            current_password: None,
            request_id: None,
        }
    }
}

impl AttributeEdit {
    /// The attribute of this name has these values as well.
    pub fn add(attribute: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::of(attribute, Action::Add, values)
    }

    /// The attribute has none of these values.
    pub fn remove(attribute: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::of(attribute, Action::Remove, values)
    }

    /// The attribute has these values and no others.
    pub fn replace(attribute: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::of(attribute, Action::Replace, values)
    }

    /// The attribute has no value.
    pub fn clear(attribute: &str) -> Self {
        Self::of(attribute, Action::Clear, [])
    }

    /// The attribute, `posix_number`, has the directory's next number, unless it has a value.
    pub fn assign(attribute: &str) -> Self {
        Self::of(attribute, Action::Assign, [])
    }

    fn of(attribute: &str, action: Action, values: impl IntoIterator<Item = String>) -> Self {
        Self {
            attribute: attribute.to_owned(),
            action: action.into(),
            values: values.into_iter().collect(),
        }
    }
}

/// An account to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteAccount {
    /// The account that is changed or deleted.
    pub account: AccountName,
    /// Remove nothing unless the account still has this `etag`.
    pub etag: Option<String>,
    /// The account's password. An operator doesn't need it.
    pub current_password: Option<Password>,
    /// As [`Client::new_request_id`](crate::Client::new_request_id) makes it. None: the library makes one, the same
    /// for every retry.
    pub request_id: Option<Uuid>,
}

impl DeleteAccount {
    /// The removal of `account`.
    pub fn of(account: AccountName) -> Self {
        Self {
            account,
            etag: None,
            current_password: None,
            request_id: None,
        }
    }
}
