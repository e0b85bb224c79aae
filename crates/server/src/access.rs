//! Who may do what: the rules of the two access modes, without I/O.
//!
//! | | closed (default) | open |
//! | --- | --- | --- |
//! | look up, list | an account or an operator | anyone |
//! | create | an operator | anyone |
//! | change, remove an account with a password | an operator, or its password | an operator, or its password |
//! | change, remove an account without one | an operator | anyone |
//! | change a login name | an operator; with `self_rename` as any change | as any change |
//! | create, change, remove a group; attributes that operators change | an operator | an operator |
//! | check a password | anyone | anyone |
//! | see the cluster and a server's status | anyone | anyone |
//! | digest of the state, change the cluster | an operator | an operator |

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

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look up an account, or list them.
    Read,
    /// Make an account.
    Create,
    /// Change or remove an account that has a password.
    ChangeGuarded,
    /// Change or remove an account that has none.
    ChangeUnguarded,
    /// Change a login name, where the configuration does not leave that to its owner.
    Rename,
    /// Change the cluster, or compute the digest of its state.
    Operate,
}

/// What has to be shown for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: anyone may.
    Nothing,
    /// A login, of any account, or an operator's certificate.
    Login,
    /// The account's own password, or an operator's certificate.
    AccountPassword,
    /// An operator's certificate.
    Operator,
}

impl Access {
    /// What an action needs in this mode. An operator's certificate is always enough.
    #[must_use]
    pub fn need(self, action: Action) -> Need {
        match (self, action) {
            (Self::Closed, Action::Read) => Need::Login,
            (Self::Open, Action::Read | Action::Create | Action::ChangeUnguarded) => Need::Nothing,
            (Self::Closed, Action::Create | Action::ChangeUnguarded | Action::Rename)
            | (Self::Closed | Self::Open, Action::Operate) => Need::Operator,
            (Self::Open, Action::Rename) | (Self::Closed | Self::Open, Action::ChangeGuarded) => {
                Need::AccountPassword
            }
        }
    }

    /// Whether strangers may learn if an account exists.
    #[must_use]
    pub fn names_are_public(self) -> bool {
        self.need(Action::Read) == Need::Nothing
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_needs_what_its_table_says() {
        let table = [
            (Access::Closed, Action::Read, Need::Login),
            (Access::Closed, Action::Create, Need::Operator),
            (Access::Closed, Action::ChangeGuarded, Need::AccountPassword),
            (Access::Closed, Action::ChangeUnguarded, Need::Operator),
            (Access::Closed, Action::Rename, Need::Operator),
            (Access::Closed, Action::Operate, Need::Operator),
            (Access::Open, Action::Read, Need::Nothing),
            (Access::Open, Action::Create, Need::Nothing),
            (Access::Open, Action::ChangeGuarded, Need::AccountPassword),
            (Access::Open, Action::ChangeUnguarded, Need::Nothing),
            (Access::Open, Action::Rename, Need::AccountPassword),
            (Access::Open, Action::Operate, Need::Operator),
        ];
        for (access, action, need) in table {
            assert_eq!(access.need(action), need, "{access} {action:?}");
        }
    }

    #[test]
    fn names_are_public_in_open_mode_only() {
        assert!(Access::Open.names_are_public());
        assert!(!Access::Closed.names_are_public());
    }
}
