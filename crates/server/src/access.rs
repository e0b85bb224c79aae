//! How open the directory is: what the configuration adds to the rights that the directory's rules
//! give (`authorize` in the crate of the rules). docs/reference/configuration.md has the table.

use serde::Deserialize;

/// How open the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Reading needs an account or an operator, creating needs an operator.
    #[default]
    Closed,
    /// Anyone creates and looks up; an account's password guards its change and removal.
    Open,
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
        })
    }
}

impl Access {
    /// Whether strangers read the directory, and so may learn if an account exists.
    #[must_use]
    pub fn names_are_public(self) -> bool {
        self == Self::Open
    }

    /// Whether strangers make accounts, and change those that have no password.
    #[must_use]
    pub fn strangers_write(self) -> bool {
        self == Self::Open
    }

    /// Whether an account without a role may change its own login name, where no setting says so.
    #[must_use]
    pub fn owners_rename(self) -> bool {
        self == Self::Open
    }
}

/// Why somebody may not do what they asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Reading in closed mode, without a login.
    #[error(
        "this directory is closed: reading it needs the login of an account or an operator's \
         certificate"
    )]
    LoginNeeded,
    /// An `authorization` header that cannot be read.
    #[error("the authorization header must be `Basic` and the base64 of `login name:password`")]
    MalformedLogin,
    /// Only operators may.
    #[error("{what} needs an operator's certificate")]
    OperatorNeeded {
        /// What was asked for.
        what: &'static str,
    },
    /// The account's password was not given.
    #[error("changing or removing this account needs its password")]
    PasswordNeeded,
    /// The password isn't the account's, or, where names are not public, no such account exists.
    #[error("the password does not fit, or there is no such account")]
    WrongPassword,
    /// The account's password was replaced between the check and the change.
    #[error(
        "the account's password was changed while this request was under way; give the new one"
    )]
    PasswordChanged,
}
