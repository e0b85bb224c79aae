//! The reading side of the state.

use crate::deleted::{Due, Reserved, Tombstone};
use crate::event::Outcome;
use crate::history::History;
use crate::id::{ObjectId, RequestId};
use crate::level::Level;
use crate::members::Membership;
use crate::model::{Revision, Time, Verifier};
use crate::object::{IndexKey, Kind, Object, UniqueKey};
use crate::schema::Schema;
use crate::settings::Setting;

/// The objects of a state, and how they are found.
pub trait Objects {
    /// Why the state couldn't be read.
    type Error;

    /// The attributes that objects of this state have.
    fn schema(&self) -> &Schema;

    /// The object of this id.
    fn object(&self, id: &ObjectId) -> Result<Option<Object>, Self::Error>;

    /// The id of the object that has this value.
    fn holder(&self, key: &UniqueKey) -> Result<Option<ObjectId>, Self::Error>;

    /// The groups that have this object as a member themselves, by id.
    fn groups_of(&self, member: &ObjectId) -> Result<Vec<ObjectId>, Self::Error>;

    /// What is left of the object of this id, if it is deleted and can be restored.
    fn tombstone(&self, id: &ObjectId) -> Result<Option<Tombstone>, Self::Error>;

    /// The memberships that ended with the deletion of this object, which can be restored: in their order.
    fn former(&self, gone: &ObjectId) -> Result<Vec<Membership>, Self::Error>;

    /// The groups that this group has as members itself, by id.
    fn groups_within(&self, group: &ObjectId) -> Result<Vec<ObjectId>, Self::Error>;

    /// The objects that have a value of an indexed attribute, by id.
    fn indexed(&self, key: &IndexKey) -> Result<Vec<ObjectId>, Self::Error>;
}

/// What [`decide`](crate::decide) needs to know of the state, with all earlier commands applied.
pub trait View: History {
    /// Whether it holds.
    fn is_member(&self, membership: &Membership) -> Result<bool, Self::Error>;

    /// The members of a group that are of this kind, by id, `limit` at most: those that it has itself.
    fn members(
        &self,
        group: &ObjectId,
        kind: Kind,
        limit: usize,
    ) -> Result<Vec<ObjectId>, Self::Error>;

    /// What the password of this account is checked against.
    fn verifier(&self, id: &ObjectId) -> Result<Option<Verifier>, Self::Error>;

    /// The lowest number that the directory's counter may give next.
    fn next_number(&self) -> Result<u64, Self::Error>;

    /// How long a value is reserved; none: it is not.
    fn reserved_until(&self, reserved: &Reserved) -> Result<Option<Time>, Self::Error>;

    /// What is reserved for an object that has it no longer, and until when: in their order.
    fn reserved_of(&self, owner: &ObjectId) -> Result<Vec<(UniqueKey, Time)>, Self::Error>;

    /// The first tombstones and reservations that end, in the order of their times, at most `limit`.
    fn due(&self, limit: usize) -> Result<Vec<Due>, Self::Error>;

    /// The value of a setting: its default, where nobody has set it.
    fn setting(&self, setting: Setting) -> Result<u64, Self::Error>;

    /// The feature level that the directory is at.
    fn level(&self) -> Result<Level, Self::Error>;

    /// What was answered to this request.
    fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Self::Error>;

    /// The smallest request ids whose outcomes are kept, in ascending order, at most `limit`.
    fn oldest_outcomes(&self, limit: usize) -> Result<Vec<RequestId>, Self::Error>;

    /// The room that the changes take that are kept, as [`ChangeRecord::bytes`](crate::ChangeRecord::bytes)
    /// counts it.
    fn changes_bytes(&self) -> Result<u64, Self::Error>;

    /// The oldest changes that are kept, in ascending order, at most `limit`.
    fn oldest_changes(&self, limit: usize) -> Result<Vec<KeptChange>, Self::Error>;

    /// The directory's time: about that of the last command, or 0.
    fn clock(&self) -> Result<Time, Self::Error>;
}

/// What is to be known of a change to forget it in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptChange {
    /// Its revision.
    pub revision: Revision,
    /// When it was made.
    pub time: Time,
    /// The room that it takes.
    pub bytes: u64,
}
