//! The directory as readers see it.

use std::sync::Arc;

use quorid_directory::{Object, ObjectId, Outcome, RequestId, Revision, UniqueKey, Verifier};
use quorid_storage::{Fault, Position, Rows as _, StoreView};

use super::{numbers::SERVER_ID_MAX, object, outcome, unique, verifier};

/// The directory as it was at one revision.
#[derive(Clone)]
pub struct ReadView(Arc<StoreView>);

impl ReadView {
    pub(super) fn of(view: Arc<StoreView>) -> Self {
        Self(view)
    }

    /// Log index of the last entry whose effect the view shows.
    pub fn revision(&self) -> Result<Revision, Fault> {
        Ok(Revision(self.0.applied()?.map_or(0, |at| at.index)))
    }

    /// The object of an id.
    pub fn object(&self, id: &ObjectId) -> Result<Option<Object>, Fault> {
        object::find(&*self.0, id)
    }

    /// The id of the object that has a value.
    pub fn holder(&self, key: &UniqueKey) -> Result<Option<ObjectId>, Fault> {
        unique::find(&*self.0, key)
    }

    /// What the password of an account is checked against.
    pub fn verifier(&self, id: &ObjectId) -> Result<Option<Verifier>, Fault> {
        verifier::find(&*self.0, id)
    }

    /// What became of a request, where it is still known.
    pub fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Fault> {
        outcome::find(&*self.0, request)
    }

    /// Objects in the order of their ids, from the first one after `after`, and whether there are
    /// more: at most `limit`, and one at least but otherwise no more than `bytes_max` as they are
    /// stored.
    pub fn list(
        &self,
        after: Option<ObjectId>,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Object>, bool), Fault> {
        object::list(&*self.0, after, limit, bytes_max)
    }

    /// Number of objects.
    pub fn count(&self) -> Result<u64, Fault> {
        self.0.count(&object::TABLE)
    }

    /// The highest server id that any membership named.
    pub fn server_id_max(&self) -> Result<u64, Fault> {
        self.0.number(SERVER_ID_MAX)
    }

    /// SHA-256 of everything that is replicated: objects, unique values, verifiers, outcomes,
    /// clock and floor. Two servers at the same revision have the same. Reads the whole state.
    pub fn digest(&self) -> Result<[u8; 32], Fault> {
        self.0.digest()
    }

    /// Position and membership of the view.
    pub fn position(&self) -> Result<Position, Fault> {
        self.0.position()
    }
}
