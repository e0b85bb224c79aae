//! The calls about accounts.

use std::time::Duration;

use futures_util::{Stream, stream};

use crate::{
    AccountName, ClientConfig, DeleteAccount, Error, NewAccount, Password, Read, UpdateAccount,
    proto::{Account, ListAccountsResponse},
};

/// A client of one cluster. Clones are cheap and share connections, what is known of the
/// cluster, and the session.
#[derive(Clone, Debug)]
pub struct Client {}

impl Client {
    /// A client. Connects at the first call, which must be made in a tokio runtime.
    pub fn new(_config: ClientConfig) -> Result<Self, Error> {
        todo!()
    }

    /// The same client with another deadline for each call and all its retries.
    pub fn with_deadline(&self, _deadline: Duration) -> Self {
        todo!()
    }

    /// One account.
    pub async fn get_account(&self, _name: &AccountName, _read: Read) -> Result<Account, Error> {
        todo!()
    }

    /// One page of accounts in the order of their ids: at most `page_size`, 0 for the
    /// server's usual number; after the page that gave `page_token`, or the first if empty.
    pub async fn list_accounts(
        &self,
        _page_size: u32,
        _page_token: &str,
        _read: Read,
    ) -> Result<ListAccountsResponse, Error> {
        todo!()
    }

    /// All accounts in the order of their ids, read page by page. Ends at the first error.
    pub fn accounts(
        &self,
        _read: Read,
    ) -> impl Stream<Item = Result<Account, Error>> + Send + use<> {
        stream::empty()
    }

    /// Creates an account and returns it with its id.
    pub async fn create_account(&self, _account: NewAccount) -> Result<Account, Error> {
        todo!()
    }

    /// Changes an account and returns it as it is then.
    pub async fn update_account(&self, _change: UpdateAccount) -> Result<Account, Error> {
        todo!()
    }

    /// Removes an account.
    pub async fn delete_account(&self, _removal: DeleteAccount) -> Result<(), Error> {
        todo!()
    }

    /// The account, if the password is its own; a [`Rejected`](crate::Rejected) with reason
    /// `WRONG_PASSWORD`, if not.
    pub async fn check_password(
        &self,
        _name: &AccountName,
        _password: &Password,
        _read: Read,
    ) -> Result<Account, Error> {
        todo!()
    }

    /// The highest revision in any answer so far; 0 before the first. What was read or made
    /// by this client and its clones is in every directory of at least this revision.
    pub fn session_revision(&self) -> u64 {
        todo!()
    }

    /// Lets the session begin at a revision that was seen elsewhere, say by another process.
    pub fn raise_session_revision(&self, _revision: u64) {
        todo!()
    }

    /// Addresses of the cluster's members as far as they are known, else those that the
    /// client was configured with.
    pub fn known_servers(&self) -> Vec<String> {
        todo!()
    }
}
