//! The directory as readers see it.

use std::sync::Arc;

use quorid_directory::{Account, AccountId, LoginName, Outcome, RequestId, Revision};
use quorid_storage::{Durable, Fault, Rows as _, StoreView};

use super::{account, login_name, numbers::SERVER_ID_MAX, outcome};

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

    /// The account of an id.
    pub fn account(&self, id: &AccountId) -> Result<Option<Account>, Fault> {
        account::find(&*self.0, id)
    }

    /// The id of the account that has a login name.
    pub fn account_id(&self, name: &LoginName) -> Result<Option<AccountId>, Fault> {
        login_name::find(&*self.0, name)
    }

    /// What became of a request, where it is still known.
    pub fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Fault> {
        outcome::find(&*self.0, request)
    }

    /// At most `limit` accounts in the order of their ids, from the first one after `after`.
    pub fn list(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>, Fault> {
        account::list(&*self.0, after, limit)
    }

    /// Number of accounts.
    pub fn count(&self) -> Result<u64, Fault> {
        self.0.count(&account::TABLE)
    }

    /// The highest server id that any membership named.
    pub fn server_id_max(&self) -> Result<u64, Fault> {
        self.0.number(SERVER_ID_MAX)
    }

    /// SHA-256 of everything that is replicated: accounts, login names, outcomes, clock and
    /// floor. Two servers at the same revision have the same. Reads the whole state.
    pub fn digest(&self) -> Result<[u8; 32], Fault> {
        self.0.digest()
    }

    /// Position and membership of the view.
    pub fn durable(&self) -> Result<Durable, Fault> {
        self.0.durable()
    }
}
