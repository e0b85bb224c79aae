//! The use cases: authenticate, stamp, propose; or authenticate, wait, read.
//!
//! Speaks the directory's types only. Front ends parse what comes in and encode what goes out;
//! `node` replicates.

mod changes;
mod cluster;
mod deleted;
mod error;
mod groups;
mod hash_anew;
mod logins;
mod proof;
mod requests;
mod schema;
mod who;

use std::sync::{Arc, atomic::AtomicUsize};

use quorid_directory::{
    Accepted, Action, Command, Filter, Kind, LOGIN_NAME, Object, ObjectId, Objects as _, Operation,
    Password, PlantedBug, Principal, Rejection, Reply, RequestId, Retention, Selector,
    VerifierChange, is_planted,
};

pub use self::{
    changes::{ChangeWatch, ChangesPage, HistoryCursor, HistoryPage, ShownChange, Since},
    cluster::{Digests, Replacement, StatusReport},
    deleted::{DeletedObject, DeletedPage, ReservedName, ReservedPage},
    error::Error,
    groups::{GroupChange, GroupCreation, GroupEdit, Member, MembersPage},
    requests::{
        AccountChange, AccountCreation, AccountRemoval, AccountsPage, Answer, Caller, Consistency,
        Found, GroupsPage, Login, PasswordChange, Referenced, Shown,
    },
};
use self::{
    logins::Logins,
    proof::Claim,
    who::{Sight, Strangers},
};
/// What the use cases about the cluster take and give.
pub use crate::node::{
    ClusterMember, ClusterState, MembershipError, Role, ServerStatus, Unavailable,
};
use crate::{
    access::{Access, Denied},
    node::Node,
    passwords::Passwords,
    seams::{Clock, Entropy},
    state::{ReadView, Stretch},
};
/// What a use case ends with when a disk fails or a bug is met.
pub use quorid_storage::Fault;

/// What the accounts of a page may have as they are stored, bytes: half of what gRPC's libraries take
/// in one message, as names of attributes and the like come on top.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The accounts that are looked at for one page of a search: others wait for the thread meanwhile.
const LOOKED_AT_MAX: usize = 10_000;
/// The same in bytes, as they are stored.
const LOOKED_AT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What came of a command that was not refused.
struct Proposed {
    accepted: Accepted,
    /// The object that was changed; none: it is a retry, or no object was changed.
    object: Option<Object>,
}

/// What a server does for its clients.
pub struct Service {
    node: Node,
    access: Access,
    /// Whether accounts of a closed directory change their own login names.
    self_rename: bool,
    passwords: Passwords,
    logins: Logins,
    /// Clients that follow the changes.
    watchers: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Service {
    /// The service of this node.
    #[must_use]
    pub fn new(
        node: Node,
        access: Access,
        self_rename: bool,
        passwords: Passwords,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let logins = Logins::new(entropy.as_ref());
        Self {
            node,
            access,
            self_rename,
            passwords,
            logins,
            watchers: Arc::default(),
            clock,
            entropy,
        }
    }

    /// Makes an account.
    pub async fn create(
        &self,
        caller: &Caller,
        new: AccountCreation,
    ) -> Result<Answer<Shown>, Error> {
        let action = Action::Create(new.kind, &new.edits);
        let what = "creating an account";
        let strangers = match self.access.strangers_write() {
            true => Strangers::May,
            false => Strangers::MayNot,
        };
        let principal = self.principal(caller, strangers, action, what).await?;
        if new.verifier.is_some() {
            self.may_give_hashes(&principal)?;
        }
        self.take_in(new.request)?;
        let verifier = match new.password {
            Some(password) => Some(self.passwords.hash_new(password).await?),
            None => new.verifier,
        };
        let operation = Operation::Create {
            id: self.new_object_id(),
            kind: new.kind,
            edits: new.edits,
            verifier,
        };
        self.propose(caller, principal, new.request, operation)
            .await
    }

    /// Changes an account's attributes or password.
    pub async fn modify(
        &self,
        caller: &Caller,
        change: AccountChange,
    ) -> Result<Answer<Shown>, Error> {
        self.take_in(change.request)?;
        let claim = Claim {
            account: &change.account,
            current_password: change.current_password.as_ref(),
            edits: Some(&change.edits),
            change: &change.password,
            request: change.request,
        };
        let proven = self.prove(caller, &claim).await?;
        let renames = change.edits.iter().any(|it| it.attribute == LOGIN_NAME);
        let owners_rename = self.self_rename || self.access.owners_rename();
        if renames && proven.is_itself && !owners_rename {
            let what = "changing one's own login name";
            return Err(Denied::OperatorNeeded { what }.into());
        }
        if matches!(change.password, PasswordChange::SetVerifier(_)) {
            self.may_give_hashes(&proven.principal)?;
        }
        // Hashed only for those who may, or may be told that the account is missing.
        let verifier = match &change.password {
            PasswordChange::Keep => VerifierChange::Keep,
            PasswordChange::Remove => VerifierChange::Remove,
            PasswordChange::SetVerifier(verifier) => VerifierChange::Set(verifier.clone()),
            PasswordChange::Set(password) => {
                VerifierChange::Set(self.passwords.hash_new(password.clone()).await?)
            }
        };
        self.propose_proven(caller, &claim, proven.principal, || Operation::Change {
            target: change.account.clone(),
            expected_version: change.expected_version,
            edits: change.edits.clone(),
            verifier: verifier.clone(),
        })
        .await
    }

    /// Removes an account. The answer is the account as it last was.
    pub async fn delete(
        &self,
        caller: &Caller,
        removal: AccountRemoval,
    ) -> Result<Answer<Shown>, Error> {
        self.take_in(removal.request)?;
        let claim = Claim {
            account: &removal.account,
            current_password: removal.current_password.as_ref(),
            edits: None,
            change: &PasswordChange::Keep,
            request: removal.request,
        };
        let proven = self.prove(caller, &claim).await?;
        self.propose_proven(caller, &claim, proven.principal, || Operation::Delete {
            target: removal.account.clone(),
            expected_version: removal.expected_version,
        })
        .await
    }

    /// One account or group, with the names of the groups that it is a member of where asked for:
    /// by way of other groups too, nearer ones first.
    pub async fn get(
        &self,
        caller: &Caller,
        named: &Selector,
        with_groups: bool,
        consistency: Consistency,
    ) -> Result<Answer<Found>, Error> {
        let (view, sight) = self.reader(caller, consistency).await?;
        let revision = view.revision()?;
        let object = view
            .find(named)?
            .map_err(|rejection| Error::rejected(rejection, revision))?;
        let groups = match with_groups {
            true => view.all_group_names_of(&object.id)?,
            false => Vec::new(),
        };
        Ok(Answer {
            value: Found {
                shown: sight.show(object).named(&view)?,
                groups,
            },
            revision,
        })
    }

    /// Up to `limit` accounts after the one of id `after`, and no more than an answer should hold: those
    /// of these kinds that the filter is for, if there is one. There may be fewer, and more behind them.
    pub async fn list(
        &self,
        caller: &Caller,
        after: Option<ObjectId>,
        limit: usize,
        kinds: &[Kind],
        filter: Option<Filter>,
        consistency: Consistency,
    ) -> Result<Answer<AccountsPage>, Error> {
        let (view, sight) = self.reader(caller, consistency).await?;
        let revision = view.revision()?;
        let filter = match filter {
            Some(filter) => Some(filter.resolved(&view)?),
            None => None,
        };
        let filter = filter.as_ref();
        let show = |object| sight.show(object).named(&view);
        let fits = |object: &Object| {
            let found = |filter: &Filter| filter.fits(&sight.of(object));
            kinds.contains(&object.kind) && filter.is_none_or(found)
        };
        let value = match filter.and_then(|filter| filter.unique_key(view.schema())) {
            Some(_) if after.is_some() => AccountsPage::default(),
            Some(key) => {
                let found = match view.holder(&key)? {
                    Some(id) => view.object(&id)?,
                    None => None,
                };
                let found = found.filter(|it| it.kind.is_account() && fits(it));
                AccountsPage {
                    accounts: found.map(show).into_iter().collect::<Result<_, _>>()?,
                    next: None,
                }
            }
            None => {
                let stretch = Stretch {
                    objects: limit,
                    bytes: PAGE_BYTES_MAX,
                    looked_at: LOOKED_AT_MAX,
                    bytes_looked_at: LOOKED_AT_BYTES_MAX,
                };
                let indexed = filter.and_then(|filter| filter.index_key(view.schema()));
                let (accounts, next) = match indexed {
                    Some(key) => view.accounts_by_index(&key, after, stretch, fits)?,
                    None => view.accounts(after, stretch, fits)?,
                };
                let accounts = accounts.into_iter().map(show);
                AccountsPage {
                    accounts: accounts.collect::<Result<_, _>>()?,
                    next,
                }
            }
        };
        Ok(Answer { value, revision })
    }

    /// The account, if the password is its own and it may log in. Where names are not public, an account that
    /// doesn't exist gets the same answer, after the same time, as a wrong password.
    pub async fn check_password(
        &self,
        caller: &Caller,
        account: &Selector,
        password: Password,
        consistency: Consistency,
    ) -> Result<Answer<Shown>, Error> {
        self.settle(consistency).await?;
        let view = self.node.read()?;
        let revision = view.revision()?;
        let found = view.find(account)?;
        let verifier = match &found {
            Ok(account) => view.verifier(&account.id)?,
            Err(_) => None,
        };
        let sight = Sight::all(view.schema());
        drop(view);
        let fits = self
            .passwords
            .verify(password.clone(), verifier.clone())
            .await?;
        match found {
            Ok(account) if fits && self.lets_in(&account) => {
                match self.hash_anew(caller, &account, password, verifier).await {
                    Some(anew) => Ok(anew),
                    None => Ok(Answer {
                        value: self.named(sight.show(account))?,
                        revision,
                    }),
                }
            }
            Err(missing) if self.access.names_are_public() || caller.operator.is_some() => {
                Err(Error::rejected(missing, revision))
            }
            Ok(_) | Err(_) => Err(Denied::WrongPassword.into()),
        }
    }

    /// Whether an account may log in now.
    fn lets_in(&self, account: &Object) -> bool {
        account.may_log_in(self.clock.now()) || is_planted(PlantedBug::DisabledLogsIn)
    }

    /// Passwords that are being hashed or wait for it.
    #[must_use]
    pub fn passwords_in_flight(&self) -> usize {
        self.passwords.in_flight()
    }

    /// Lets a reader in, and gives it a view that is fresh enough and what it sees of that.
    async fn reader(
        &self,
        caller: &Caller,
        consistency: Consistency,
    ) -> Result<(ReadView, Sight), Error> {
        let login_needed = !self.access.names_are_public() && caller.operator.is_none();
        let login = caller.login.as_ref().filter(|_| login_needed);
        if login_needed && login.is_none() {
            return Err(Denied::LoginNeeded.into());
        }
        self.settle(consistency).await?;
        let Some(login) = login else {
            let view = self.node.read()?;
            let sight = Sight::all(view.schema());
            return Ok((view, sight));
        };
        let principal = self.authenticate(caller, login).await?;
        let view = self.node.read()?;
        let sight = self.sight(&view, &principal)?;
        Ok((view, sight))
    }

    /// Waits until this server's state is as fresh as asked for.
    async fn settle(&self, consistency: Consistency) -> Result<(), Unavailable> {
        match consistency {
            Consistency::Linearizable => self.node.read_barrier().await,
            Consistency::AtLeast(revision) => self.node.wait_applied(revision).await,
            Consistency::Stale => Ok(()),
        }
    }

    /// Proposes an operation. What comes back is what who asked may see of it.
    async fn propose(
        &self,
        caller: &Caller,
        principal: Principal,
        request: Option<RequestId>,
        operation: Operation,
    ) -> Result<Answer<Shown>, Error> {
        let proposed = self.propose_any(caller, principal.clone(), request, operation);
        let Answer { value, revision } = proposed.await?;
        let object = match (value.object, value.accepted) {
            (Some(object), _) => object,
            // A retry: the outcome says which object, and the changes since what it was then.
            (None, Accepted::Object(change)) => self.node.read()?.first_answer(&change)?,
            (None, Accepted::Directory) => {
                let why = "it was answered as a change of the directory";
                return Err(Fault::new("changing an object", why).into());
            }
        };
        let sight = match self.sees_all(&principal) {
            true => Sight::all(&self.schema()),
            false => self.sight(&self.node.read()?, &principal)?,
        };
        Ok(Answer {
            value: self.named(sight.show(object))?,
            revision,
        })
    }

    /// With the names of the accounts that it refers to, as they are now. Most objects refer to none.
    fn named(&self, shown: Shown) -> Result<Shown, Error> {
        if shown.object.references(&shown.schema).next().is_none() {
            return Ok(shown);
        }
        Ok(shown.named(&self.node.read()?)?)
    }

    /// Proposes an operation of any kind.
    async fn propose_any(
        &self,
        caller: &Caller,
        principal: Principal,
        request: Option<RequestId>,
        operation: Operation,
    ) -> Result<Answer<Proposed>, Error> {
        self.take_in(request)?;
        let command = Command {
            request: request.unwrap_or_else(|| self.new_request_id()),
            time: self.clock.now(),
            client: caller.address.clone(),
            principal,
            operation,
        };
        let Reply { outcome, object } = self.node.propose(command).await?;
        let revision = outcome.revision;
        match outcome.result {
            Ok(accepted) => Ok(Answer {
                value: Proposed { accepted, object },
                revision,
            }),
            Err(rejection) => Err(Error::rejected(rejection, revision)),
        }
    }

    /// Refuses, before any work is put into it, what this server does not lead for, and what the rules will refuse
    /// as expired.
    fn take_in(&self, request: Option<RequestId>) -> Result<(), Error> {
        self.node.leading()?;
        let applied = self.node.applied();
        let judged = request.map_or(Ok(()), |it| Retention::STANDARD.check(it, applied));
        match judged {
            Err(rejection @ Rejection::RequestExpired { .. }) => {
                Err(Error::rejected(rejection, applied))
            }
            // As the rules see it once it has a place in the log.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn new_object_id(&self) -> ObjectId {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let now = self.clock.now().0;
        ObjectId::new(uuid::Builder::from_unix_timestamp_millis(now, &random).into_uuid())
    }

    fn new_request_id(&self) -> RequestId {
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        RequestId::new(self.node.applied(), u64::from_be_bytes(random))
    }
}
