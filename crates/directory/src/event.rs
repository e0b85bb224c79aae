//! What a command did: what is answered, and what is stored.

use crate::command::Fingerprint;
use crate::deleted::{Reserved, Tombstone};
use crate::id::{ObjectId, RequestId};
use crate::level::Level;
use crate::members::Membership;
use crate::model::{Revision, Time, Verifier};
use crate::object::{Kind, Object, UniqueKey};
use crate::recorded::Recorded;
use crate::rejection::Rejection;
use crate::schema::Attribute;
use crate::settings::SettingChange;

/// What was done for a command that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are objects, and one is moved a few times only"
)]
pub enum Accepted {
    /// An object was changed.
    Object(Change),
    /// The directory was changed as a whole, and no object: its schema, for instance.
    Directory,
}

/// What became of an object, as an outcome keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What was done to it.
    pub done: Done,
    /// Its kind.
    pub kind: Kind,
    /// The object.
    pub id: ObjectId,
    /// The version that it has now, or the last one that it had.
    pub version: Revision,
}

impl Change {
    /// What was done to an object, as it is now, or as it last was.
    pub(crate) fn of(done: Done, object: &Object) -> Self {
        Self {
            done,
            kind: object.kind,
            id: object.id,
            version: object.version,
        }
    }
}

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is new.
    Created,
    /// It was changed, or was as asked for already.
    Changed,
    /// It is gone.
    Deleted,
    /// It was deleted, and is there again.
    Restored,
    /// It was deleted, and nothing is left of it.
    Purged,
}

/// What a command comes to, and the object that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The outcome, which is kept for retries.
    pub outcome: Outcome,
    /// The object as it is now, or as it last was. Only the first execution knows it: for a retry,
    /// [`first_answer`](crate::first_answer) finds it.
    pub object: Option<Object>,
}

/// The answer to a command, the same for each of its retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Fingerprint of what the client asked for.
    pub fingerprint: Fingerprint,
    /// Revision of the first execution.
    pub revision: Revision,
    /// What was done, or why nothing was.
    pub result: Result<Accepted, Rejection>,
}

/// One change of the state: of one row, and of the rows that lead to it. Events are applied in their
/// order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new object, or an object as it is now.
    ObjectStored(Object),
    /// An object is gone.
    ObjectRemoved {
        /// Which.
        id: ObjectId,
    },
    /// What is left of an object that is gone.
    TombstoneStored(Box<Tombstone>),
    /// Nothing is left of an object that was gone, or it is there again.
    TombstoneRemoved {
        /// Which.
        id: ObjectId,
    },
    /// A membership that ended with an object.
    FormerAdded {
        /// The object that is gone: the group or the member.
        gone: ObjectId,
        /// The membership.
        membership: Membership,
    },
    /// A membership that ended with an object is there again, or is forgotten.
    FormerRemoved {
        /// The object that was gone.
        gone: ObjectId,
        /// The membership.
        membership: Membership,
    },
    /// A unique value stays its holder's, who has it no longer.
    NameReserved {
        /// Whose and which.
        reserved: Reserved,
        /// Until then.
        until: Time,
    },
    /// A reserved value is its holder's again, or nobody's.
    ReservationEnded {
        /// Whose and which.
        reserved: Reserved,
    },
    /// A unique value has a holder.
    UniqueTaken {
        /// The value.
        key: UniqueKey,
        /// Whose it is.
        holder: ObjectId,
    },
    /// A unique value has no holder any more.
    UniqueFreed {
        /// The value.
        key: UniqueKey,
    },
    /// The password of an account is checked against this verifier.
    VerifierStored {
        /// The account that is meant.
        id: ObjectId,
        /// The verifier.
        verifier: Verifier,
    },
    /// An account has no password any more.
    VerifierRemoved {
        /// The account that is meant.
        id: ObjectId,
    },
    /// A group has one more member.
    MemberAdded(Membership),
    /// A group has one member less.
    MemberRemoved(Membership),
    /// The schema has one more attribute.
    AttributeDefined(Attribute),
    /// What a command changed.
    ChangeRecorded {
        /// The revision of the command.
        revision: Revision,
        /// The change.
        record: Box<Recorded>,
    },
    /// Of a change is kept that it was, and no more what it was about.
    ChangeRedacted {
        /// Its revision.
        revision: Revision,
    },
    /// The oldest change is forgotten.
    ChangeForgotten {
        /// Its revision.
        revision: Revision,
    },
    /// The directory's counter gives numbers from here on.
    NumbersCounted {
        /// Higher than before.
        next: u64,
    },
    /// A setting has another value.
    SettingChanged(SettingChange),
    /// The directory is at this feature level.
    LevelRaised {
        /// Higher than before.
        to: Level,
    },
    /// The outcome to answer a retry with.
    OutcomeRecorded {
        /// The request that has this outcome.
        request: RequestId,
        /// The answer.
        outcome: Outcome,
    },
    /// A retry of the request is refused from now on.
    OutcomeForgotten {
        /// The request whose outcome is forgotten.
        request: RequestId,
    },
    /// The directory's time.
    ClockSet {
        /// Another one than before: later, or right again.
        now: Time,
    },
}
