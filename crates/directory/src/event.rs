//! What a command did: what is answered, and what is stored.

use crate::command::Fingerprint;
use crate::id::{AccountId, RequestId};
use crate::model::{Account, Revision, Time};
use crate::name::LoginName;
use crate::rejection::Rejection;

/// What became of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The new account.
    Created(Account),
    /// The account as it is now.
    Modified(Account),
    /// The account as it last was.
    Deleted(Account),
}

impl Change {
    /// The account in question.
    pub fn account(&self) -> &Account {
        match self {
            Self::Created(account) | Self::Modified(account) | Self::Deleted(account) => account,
        }
    }
}

/// The answer to a command, the same for each of its retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Of what was asked.
    pub fingerprint: Fingerprint,
    /// Of the first execution.
    pub revision: Revision,
    /// What was done, or why nothing was.
    pub result: Result<Change, Rejection>,
}

/// One change of the state. Events are applied in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new account, and its login name.
    AccountCreated(Account),
    /// An account changed, its login name perhaps too.
    AccountModified {
        /// The login name it had; not its own any more if `after` has another.
        before_login: LoginName,
        /// As it is now.
        after: Account,
    },
    /// An account is gone, and its login name is free.
    AccountDeleted {
        /// Which.
        id: AccountId,
        /// The login name it had.
        login_name: LoginName,
    },
    /// The outcome to answer a retry with.
    OutcomeRecorded {
        /// Of which request.
        request: RequestId,
        /// The answer.
        outcome: Outcome,
    },
    /// A retry of the request can't be answered any more; see [`Event::FloorRaised`].
    OutcomeForgotten {
        /// Which request.
        request: RequestId,
    },
    /// Unknown requests made at this time or before are refused: they may have been executed.
    FloorRaised {
        /// Never lower than before.
        floor: Time,
    },
    /// The directory's time.
    ClockAdvanced {
        /// Later than before.
        now: Time,
    },
}
