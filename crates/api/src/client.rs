//! A client, and its calls about accounts.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{Stream, stream};
use http::HeaderValue;
use prost_types::FieldMask;
use tokio::{task::AbortHandle, time::Instant};
use uuid::Uuid;

use crate::{
    AccountName, ClientConfig, Credentials, DeleteAccount, Endpoint, Error, InvalidServer,
    NewAccount, Password, PasswordChange, Read, TcpConnector, UpdateAccount,
    attempt::{Caller, Plan, Target, Trail},
    connection::Dialer,
    leader::LeaderFinder,
    proto::{
        Account, AccountKinds, CheckPasswordRequest, CreateAccountRequest, DeleteAccountRequest,
        GetAccountRequest, ListAccountsRequest, ListAccountsResponse, UpdateAccountRequest,
    },
    rpc::{Change, Rpc},
    session::Session,
    watch::watch_elections,
};

/// A client of one cluster. Clones are cheap and share connections, what is known of the
/// cluster, and the session.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    pub(crate) deadline: Duration,
    session: Arc<Session>,
}

pub(crate) struct Inner {
    pub(crate) caller: Caller,
    pub(crate) attempt_timeout: Duration,
    watch: OnceLock<AbortHandle>,
}

impl Client {
    /// A client. Connects at the first call, which must be made in a tokio runtime.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        if config.servers.is_empty() {
            return Err(Error::InvalidServer(InvalidServer {
                address: String::new(),
                reason: "no server is given",
            }));
        }
        let seeds = config.servers.iter().map(|text| text.parse());
        let seeds = seeds.collect::<Result<Vec<Endpoint>, InvalidServer>>()?;
        let dialer = Arc::new(Dialer {
            connector: config.connector.unwrap_or_else(|| Arc::new(TcpConnector)),
            tls: config.tls,
            authorization: config.credentials.as_ref().map(authorization),
            connect_timeout: config.connect_timeout,
            keep_alive_interval: config.keep_alive_interval,
            keep_alive_timeout: config.keep_alive_timeout,
            connections_per_server: config.connections_per_server,
        });
        Ok(Self {
            inner: Arc::new(Inner {
                caller: Caller {
                    finder: Arc::new(LeaderFinder::new(seeds, dialer)),
                },
                attempt_timeout: config.attempt_timeout,
                watch: OnceLock::new(),
            }),
            deadline: config.deadline,
            session: Arc::default(),
        })
    }

    /// The same client with another deadline for each call and all its retries.
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// The same client, over the same connections, with a session of its own that has seen
    /// nothing yet.
    pub fn with_new_session(&self) -> Self {
        Self {
            session: Arc::default(),
            ..self.clone()
        }
    }

    /// One account, without its groups.
    pub async fn get_account(&self, name: &AccountName, read: Read) -> Result<Account, Error> {
        self.account(name, false, read).await
    }

    /// One account, with the groups that it is a member of.
    pub async fn get_account_with_groups(
        &self,
        name: &AccountName,
        read: Read,
    ) -> Result<Account, Error> {
        self.account(name, true, read).await
    }

    async fn account(
        &self,
        name: &AccountName,
        with_groups: bool,
        read: Read,
    ) -> Result<Account, Error> {
        let request = GetAccountRequest {
            name: name.to_string(),
            read: Some(read.options(self.session_revision())),
            with_groups,
        };
        self.read(read, request).await
    }

    /// One page of accounts in the order of their ids: at most `page_size`, 0 for the
    /// server's usual number; after the page that gave `page_token`, or the first if empty.
    pub async fn list_accounts(
        &self,
        page_size: u32,
        page_token: &str,
        read: Read,
    ) -> Result<ListAccountsResponse, Error> {
        let kinds = AccountKinds::Unspecified;
        self.page_of_accounts(page_size, page_token, kinds, "", read)
            .await
    }

    async fn page_of_accounts(
        &self,
        page_size: u32,
        page_token: &str,
        kinds: AccountKinds,
        filter: &str,
        read: Read,
    ) -> Result<ListAccountsResponse, Error> {
        let request = ListAccountsRequest {
            filter: filter.to_owned(),
            kinds: kinds.into(),
            page_size: page_size.try_into().unwrap_or(i32::MAX),
            page_token: page_token.to_owned(),
            read: Some(read.options(self.session_revision())),
        };
        self.read(read, request).await
    }

    /// All accounts in the order of their ids, read page by page, each within the deadline.
    /// Ends at the first error.
    pub fn accounts(
        &self,
        read: Read,
    ) -> impl Stream<Item = Result<Account, Error>> + Send + use<> {
        self.accounts_where("", read)
    }

    /// All accounts for which a condition holds, such as `department=Sales and not title=*`, as
    /// [`accounts`](Self::accounts) gives all; docs/reference/attributes.md describes the language.
    pub fn accounts_where(
        &self,
        filter: &str,
        read: Read,
    ) -> impl Stream<Item = Result<Account, Error>> + Send + use<> {
        self.accounts_of(AccountKinds::Unspecified, filter, read)
    }

    /// All accounts of these kinds for which a condition holds, as
    /// [`accounts_where`](Self::accounts_where) gives those of all kinds.
    pub fn accounts_of(
        &self,
        kinds: AccountKinds,
        filter: &str,
        read: Read,
    ) -> impl Stream<Item = Result<Account, Error>> + Send + use<> {
        let filter = filter.to_owned();
        let client = self.clone();
        pages(move |token| {
            let (client, filter) = (client.clone(), filter.clone());
            async move {
                let page = client
                    .page_of_accounts(0, &token, kinds, &filter, read)
                    .await?;
                Ok((page.accounts, page.next_page_token))
            }
        })
    }

    /// Creates an account and returns it with its id.
    pub async fn create_account(&self, account: NewAccount) -> Result<Account, Error> {
        let request = CreateAccountRequest {
            account: Some(Account {
                login_name: account.login_name,
                real_name: account.real_name,
                kind: if account.service { "service" } else { "" }.to_owned(),
                attributes: account.attributes,
                ..Account::default()
            }),
            password: in_clear(account.password),
            password_hash: in_clear(account.password_hash),
            assign_posix_number: account.assign_posix_number,
            request_id: request_id(account.request_id),
        };
        self.write(request).await
    }

    /// Changes an account and returns it as it is then.
    pub async fn update_account(&self, change: UpdateAccount) -> Result<Account, Error> {
        let password_changes = change.password != PasswordChange::Keep;
        let (new_password, new_password_hash) = match change.password {
            PasswordChange::Set(password) => (Some(password), None),
            PasswordChange::SetHash(hash) => (None, Some(hash)),
            PasswordChange::Keep | PasswordChange::Remove => (None, None),
        };
        let paths = [
            ("login_name", change.login_name.is_some()),
            ("real_name", change.real_name.is_some()),
            ("password", password_changes),
        ];
        let paths = paths.into_iter().filter(|(_, changes)| *changes);
        let request = UpdateAccountRequest {
            account: Some(Account {
                name: change.account.to_string(),
                etag: change.etag.unwrap_or_default(),
                login_name: change.login_name.unwrap_or_default(),
                real_name: change.real_name.unwrap_or_default(),
                ..Account::default()
            }),
            update_mask: Some(FieldMask {
                paths: paths.map(|(path, _)| path.to_owned()).collect(),
            }),
            current_password: in_clear(change.current_password),
            new_password: in_clear(new_password),
            new_password_hash: in_clear(new_password_hash),
            request_id: request_id(change.request_id),
            edits: change.edits,
        };
        self.write(request).await
    }

    /// Removes an account.
    pub async fn delete_account(&self, removal: DeleteAccount) -> Result<(), Error> {
        let request = DeleteAccountRequest {
            name: removal.account.to_string(),
            etag: removal.etag.unwrap_or_default(),
            current_password: in_clear(removal.current_password),
            request_id: request_id(removal.request_id),
        };
        self.write(request).await
    }

    /// The account, if the password is its own; a [`Rejected`](crate::Rejected) with reason
    /// `WRONG_PASSWORD`, if not.
    pub async fn check_password(
        &self,
        name: &AccountName,
        password: &Password,
        read: Read,
    ) -> Result<Account, Error> {
        let request = CheckPasswordRequest {
            name: name.to_string(),
            password: password.reveal().to_owned(),
            read: Some(read.options(self.session_revision())),
        };
        self.read(read, request).await
    }

    /// The highest revision in any answer so far; 0 before the first. What was read or made
    /// by this client and its clones is in every directory of at least this revision.
    pub fn session_revision(&self) -> u64 {
        self.session.revision()
    }

    /// The revision in the session's last answer; 0 before the first. A stale read may have
    /// answered with less than [`session_revision`](Self::session_revision).
    pub fn last_revision(&self) -> u64 {
        self.session.last()
    }

    /// Lets the session begin at a revision that was seen elsewhere, say by another process.
    pub fn raise_session_revision(&self, revision: u64) {
        self.session.raise(revision);
    }

    /// A new id for a change that is asked for next, for who wants to keep it before, so as to ask again
    /// after a crash. It begins with what this session has seen: in a session that has seen nothing, read
    /// something first, or a large directory takes the change for an old one.
    pub fn new_request_id(&self) -> Uuid {
        new_request_id(self.session_revision())
    }

    /// Addresses of the cluster's members as far as they are known, else those that the
    /// client was configured with.
    pub fn known_servers(&self) -> Vec<String> {
        self.inner.caller.finder.addresses()
    }

    pub(crate) async fn read<R: Rpc>(&self, read: Read, request: R) -> Result<R::Answer, Error> {
        let target = match read {
            Read::Linearizable => Target::Leader,
            Read::AtLeast(_) | Read::Session | Read::Stale => Target::Any,
        };
        let plan = self.plan(target, false);
        self.call(&plan, request, &mut Trail::default()).await
    }

    pub(crate) async fn write<R: Change>(&self, mut request: R) -> Result<R::Answer, Error> {
        let mut plan = self.plan(Target::Leader, true);
        let mut trail = Trail::default();
        if !request.request_id().is_empty() {
            return self.call(&plan, request, &mut trail).await;
        }
        *request.request_id() = self.new_request_id().to_string();
        let begun = Instant::now();
        match self.call(&plan, request.clone(), &mut trail).await {
            // This session has seen nothing for long, or ever, or more than is there since the directory was
            // restored: the refusal says where that is.
            Err(Error::Rejected(refused))
                if refused.is_of_another_revision() && !trail.outcome_unknown =>
            {
                let seen = refused.revision_here().unwrap_or(self.session_revision());
                *request.request_id() = new_request_id(seen).to_string();
                plan.deadline = plan.deadline.saturating_sub(begun.elapsed());
                self.call(&plan, request, &mut trail).await
            }
            answered => answered,
        }
    }

    pub(crate) fn plan(&self, target: Target, write: bool) -> Plan {
        Plan {
            target,
            write,
            repeatable: true,
            attempt_timeout: self.inner.attempt_timeout,
            deadline: self.deadline,
            session: self.session.clone(),
        }
    }

    pub(crate) async fn call<R: Rpc>(
        &self,
        plan: &Plan,
        request: R,
        trail: &mut Trail,
    ) -> Result<R::Answer, Error> {
        self.inner.watch();
        self.inner.caller.call(plan, request, trail).await
    }
}

/// All of what `fetch` gives page by page, each with the token of the next one or with none.
pub(crate) fn pages<T, F>(
    fetch: impl FnMut(String) -> F + Send,
) -> impl Stream<Item = Result<T, Error>> + Send
where
    T: Send,
    F: Future<Output = Result<(Vec<T>, String), Error>> + Send,
{
    let first = (fetch, VecDeque::new(), Some(String::new()));
    stream::try_unfold(first, |(mut fetch, mut page, mut token)| async move {
        loop {
            if let Some(item) = page.pop_front() {
                return Ok(Some((item, (fetch, page, token))));
            }
            let Some(next) = token.take() else {
                return Ok(None);
            };
            let (items, next) = fetch(next).await?;
            page = items.into();
            token = Some(next).filter(|token| !token.is_empty());
        }
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("caller", &self.inner.caller)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Hears of elections from now on, until the last clone of the client is gone.
    pub(crate) fn watch(&self) {
        self.watch.get_or_init(|| {
            let watch = watch_elections(self.caller.finder.clone(), self.attempt_timeout);
            tokio::spawn(watch).abort_handle()
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.get() {
            watch.abort();
        }
    }
}

/// The header value, which no log shows.
fn authorization(credentials: &Credentials) -> HeaderValue {
    let pair = format!(
        "{}:{}",
        credentials.login_name,
        credentials.password.reveal()
    );
    let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
    let mut value = HeaderValue::from_str(&value).expect("base64 is fit for a header");
    value.set_sensitive(true);
    value
}

fn in_clear(password: Option<Password>) -> String {
    password
        .map(|password| password.reveal().to_owned())
        .unwrap_or_default()
}

/// Empty where [`Client::write`] is to make one.
pub(crate) fn request_id(given: Option<Uuid>) -> String {
    given.map(|id| id.to_string()).unwrap_or_default()
}

/// A new request id of who has seen this revision: 60 bits of it around the version, then random ones.
fn new_request_id(seen: u64) -> Uuid {
    let first = ((seen >> 12) << 16) | (seen & 0xfff);
    let whole = (u128::from(first) << 64) | u128::from(rand::random::<u64>());
    uuid::Builder::from_custom_bytes(whole.to_be_bytes()).into_uuid()
}
