//! Use cases of changes: what was changed in the directory, as far as it is kept. Any server answers.
//!
//! Operators and user managers read the changes of everything, accounts those of themselves: closed or
//! open, nobody else does. A change tells more than the object that it is about, as it tells what was there before.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use quorid_directory::{
    Action, Actor, ChangeRecord, History as _, LOGIN_NAME, ObjectId, Objects as _, Operation,
    PlantedBug, Principal, Recorded, Rejection, RequestId, Revision, Role, Schema, Selector,
    deleted, is_planted, roles_of,
};
use quorid_storage::Fault;

use super::{Answer, Caller, Consistency, Error, Service, who::Strangers};
/// Where the history of an object goes on.
pub use crate::state::HistoryCursor;
use crate::{access::Denied, state::ReadView};

/// The room that the changes of one page or message take, bytes: as with accounts, names come on top. One
/// change at least.
const PAGE_BYTES_MAX: u64 = 512 * 1024;

/// The most clients that follow the changes at one server at a time: each of them reads every change.
const WATCHERS_MAX: usize = 256;

const WHAT: &str = "reading changes";

/// A change, with what who asks may see of it.
#[derive(Debug)]
pub struct ShownChange {
    /// Its revision.
    pub revision: Revision,
    /// The change, without what is not for them.
    pub record: Recorded,
    /// Whether the address of the client is for them.
    pub address: bool,
    /// Login name or group name of those who are named by id, in the order of `record.members`; empty: gone.
    pub members: Vec<String>,
    /// Login name of the account that made it, where there is one.
    pub actor: String,
    /// The attributes by their numbers.
    pub schema: Schema,
}

/// A stretch of the changes.
#[derive(Debug)]
pub struct ChangesPage {
    /// In the order of their revisions.
    pub changes: Vec<ShownChange>,
    /// Every change up to here is in this page, or one before.
    pub revision: Revision,
    /// There are more behind it.
    pub more: bool,
}

/// A stretch of the changes of one object.
#[derive(Debug)]
pub struct HistoryPage {
    /// The newest first.
    pub changes: Vec<ShownChange>,
    /// Where it goes on.
    pub next: Option<HistoryCursor>,
    /// There were older ones, which are forgotten.
    pub older_are_gone: bool,
}

/// Since when changes are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Those after this revision.
    Revision(Revision),
    /// All that are kept.
    Oldest,
    /// Those that are made from now on.
    Now,
}

/// What somebody sees of changes.
#[derive(Debug, Clone, Copy)]
struct ChangeSight {
    /// The addresses of clients.
    addresses: bool,
    /// Of other objects nothing: this is whose history it is.
    own: Option<ObjectId>,
}

/// Who follows changes, and how far they have got.
pub struct ChangeWatch {
    principal: Principal,
    last: Revision,
    /// Nothing was sent yet: the first message says where the watch begins.
    is_new: bool,
    _counted: Watching,
}

/// One of those who follow changes, for as long as it lives.
struct Watching(Arc<AtomicUsize>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Service {
    /// Up to `limit` changes after a revision, in their order.
    pub async fn changes(
        &self,
        caller: &Caller,
        since: Revision,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Answer<ChangesPage>, Error> {
        self.settle(consistency).await?;
        self.node.wait_applied(since).await?;
        let action = Action::History(None);
        let principal = self
            .principal_by_own_state(caller, Strangers::MayNot, action, WHAT)
            .await?;
        let view = self.node.read()?;
        let since = match since {
            Revision(0) => view.changes_floor()?,
            since => since,
        };
        Ok(Answer {
            value: self.page(&view, &principal, since, limit)?,
            revision: view.revision()?,
        })
    }

    /// The change of one revision.
    pub async fn change(
        &self,
        caller: &Caller,
        revision: Revision,
        consistency: Consistency,
    ) -> Result<Answer<ShownChange>, Error> {
        self.settle(consistency).await?;
        let (record, principal) = self.readable(caller, revision).await?;
        let view = self.node.read()?;
        let sight = self.change_sight(&view, &principal)?;
        let floor = view.changes_floor()?;
        let record = match record {
            Some(record) => record,
            None if revision <= floor => {
                let since = Revision(revision.0.saturating_sub(1));
                return Err(Error::ChangesGone { since, floor });
            }
            None => return Err(Error::NoChange { revision }),
        };
        Ok(Answer {
            value: shown(&view, sight, revision, record)?,
            revision: view.revision()?,
        })
    }

    /// The change of a revision, if there is one, for who may read it.
    async fn readable(
        &self,
        caller: &Caller,
        revision: Revision,
    ) -> Result<(Option<Recorded>, Principal), Error> {
        let view = self.node.read()?;
        let record = view.recorded(revision)?;
        // Who may read the history of themselves only is told no more than that it is not theirs.
        let own = match &caller.login {
            Some(login) if caller.operator.is_none() => view
                .find(&Selector::LoginName(login.login_name.clone()))?
                .ok()
                .map(|account| account.id)
                .filter(|id| {
                    let of_object = record.as_ref().and_then(Recorded::object);
                    of_object.is_some_and(|it| concerns(it, id))
                }),
            Some(_) | None => None,
        };
        drop(view);
        let action = Action::History(own);
        let principal = self
            .principal_by_own_state(caller, Strangers::MayNot, action, WHAT)
            .await?;
        Ok((record, principal))
    }

    /// Undoes a change, for who may read it and make the opposite one. The answer is the change that
    /// does so.
    pub async fn revert(
        &self,
        caller: &Caller,
        revision: Revision,
        request: Option<RequestId>,
    ) -> Result<Answer<ShownChange>, Error> {
        if caller.operator.is_none() && caller.login.is_some() {
            self.node.read_barrier().await?;
        }
        self.node.leading()?;
        let (record, principal) = self.readable(caller, revision).await?;
        let renames = record
            .as_ref()
            .and_then(Recorded::object)
            .is_some_and(|record| {
                let is_itself = principal.actor() == Actor::Account(record.id);
                is_itself && record.attributes.contains_key(&LOGIN_NAME)
            });
        if renames && !(self.self_rename || self.access.owners_rename()) {
            let what = "changing one's own login name";
            return Err(Denied::OperatorNeeded { what }.into());
        }
        let operation = Operation::Revert { revision };
        let proposed = self
            .propose_any(caller, principal.clone(), request, operation)
            .await?;
        let view = self.node.read()?;
        let made = proposed.revision;
        let Some(record) = view.recorded(made)? else {
            let floor = view.changes_floor()?;
            return Err(Error::ChangesGone { since: made, floor });
        };
        let sight = self.change_sight(&view, &principal)?;
        Ok(Answer {
            value: shown(&view, sight, made, record)?,
            revision: made,
        })
    }

    /// Up to `limit` changes of an account or group, the newest first, from where a page before ended.
    pub async fn history(
        &self,
        caller: &Caller,
        named: &Selector,
        from: Option<HistoryCursor>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Answer<HistoryPage>, Error> {
        self.settle(consistency).await?;
        let id = self.known(named)?;
        let action = Action::History(id.as_ref().ok().copied());
        let principal = self
            .principal_by_own_state(caller, Strangers::MayNot, action, WHAT)
            .await?;
        let view = self.node.read()?;
        let revision = view.revision()?;
        let id = id.map_err(|missing| Error::rejected(missing, revision))?;
        let stretch = view.history(&id, from, limit)?;
        let sight = self.change_sight(&view, &principal)?;
        let shown = stretch
            .changes
            .into_iter()
            .map(|(revision, record)| shown(&view, sight, revision, Recorded::Object(record)));
        Ok(Answer {
            value: HistoryPage {
                changes: shown.collect::<Result<_, _>>()?,
                next: stretch.next,
                older_are_gone: stretch.older_are_gone,
            },
            revision,
        })
    }

    /// Lets somebody follow the changes.
    pub async fn watch_changes(&self, caller: &Caller, since: Since) -> Result<ChangeWatch, Error> {
        let counted = self.watching()?;
        if let Since::Revision(since) = since {
            self.node.wait_applied(since).await?;
        }
        let action = Action::History(None);
        let principal = self
            .principal_by_own_state(caller, Strangers::MayNot, action, WHAT)
            .await?;
        let view = self.node.read()?;
        let floor = view.changes_floor()?;
        let last = match since {
            Since::Revision(since) if is_planted(PlantedBug::ChangeTwice) => {
                Revision(since.0.saturating_sub(1))
            }
            Since::Revision(since) => since,
            Since::Oldest => floor,
            Since::Now => view.revision()?,
        };
        if last < floor {
            return Err(Error::ChangesGone { since: last, floor });
        }
        Ok(ChangeWatch {
            principal,
            last,
            is_new: true,
            _counted: counted,
        })
    }

    /// The next changes for who follows them, once there are any; the first time at once. What was
    /// not asked for is not read: who is slow is not sent more than it takes.
    pub async fn next_changes(&self, watch: &mut ChangeWatch) -> Result<ChangesPage, Error> {
        if !watch.is_new {
            self.node.wait_beyond(watch.last).await?;
        }
        let view = self.node.read()?;
        if !watch.is_new && view.revision()? <= watch.last {
            // To wait again would be to wait for what is there already, without end.
            let why = "the state does not show what was applied";
            return Err(Fault::new("reading the changes", why).into());
        }
        // A right that was taken away holds no longer.
        self.may(&view, &watch.principal, Action::History(None))?;
        let page = self.page(&view, &watch.principal, watch.last, usize::MAX)?;
        watch.is_new = false;
        watch.last = page.revision;
        Ok(page)
    }

    /// How many clients follow the changes.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    fn watching(&self) -> Result<Watching, Error> {
        let before = self.watchers.fetch_add(1, Ordering::Relaxed);
        let counted = Watching(Arc::clone(&self.watchers));
        match before < WATCHERS_MAX {
            true => Ok(counted),
            false => Err(Error::TooManyWatchers { most: WATCHERS_MAX }),
        }
    }

    /// Changes after a revision: at most `limit`, and no more than a message should hold.
    fn page(
        &self,
        view: &ReadView,
        principal: &Principal,
        since: Revision,
        limit: usize,
    ) -> Result<ChangesPage, Error> {
        let floor = view.changes_floor()?;
        if since < floor {
            return Err(Error::ChangesGone { since, floor });
        }
        let sight = self.change_sight(view, principal)?;
        let (mut records, mut bytes, mut more) = (Vec::new(), 0, false);
        view.changes(since, |revision, record| {
            if is_planted(PlantedBug::ChangeMissing) && revision.0.is_multiple_of(16) {
                return Ok(true);
            }
            more = records.len() >= limit || bytes > PAGE_BYTES_MAX;
            if !more {
                bytes += record.bytes();
                records.push((revision, record));
            }
            Ok(!more)
        })?;
        let revision = match records.last() {
            Some((last, _)) if more => *last,
            Some(_) | None => view.revision()?.max(since),
        };
        let changes = records
            .into_iter()
            .map(|(revision, record)| shown(view, sight, revision, record));
        Ok(ChangesPage {
            changes: changes.collect::<Result<_, _>>()?,
            revision,
            more,
        })
    }

    /// The object of a name, or of an id that some object had.
    fn known(&self, named: &Selector) -> Result<Result<ObjectId, Rejection>, Error> {
        let view = self.node.read()?;
        let missing = match view.find(named)? {
            Ok(object) => return Ok(Ok(object.id)),
            Err(missing) => missing,
        };
        if let Ok(tombstone) = view.find_deleted(named)? {
            return Ok(Ok(tombstone.object.id));
        }
        let (Selector::Id(id) | Selector::GroupId(id)) = named else {
            return Ok(Err(missing));
        };
        let last = deleted(&view, id)?;
        let was_there = last.is_some_and(|(_, record)| record.kind == named.kind());
        Ok(was_there.then_some(*id).ok_or(missing))
    }

    fn change_sight(&self, view: &ReadView, principal: &Principal) -> Result<ChangeSight, Error> {
        let roles = match principal {
            Principal::Operator(_) => {
                return Ok(ChangeSight {
                    addresses: true,
                    own: None,
                });
            }
            Principal::Anyone => Default::default(),
            Principal::Account { id, .. } => roles_of(view, id)?,
        };
        let reads_all = roles.contains(&Role::Operator) || roles.contains(&Role::UserManager);
        let own = match principal {
            Principal::Account { id, .. } if !reads_all => Some(*id),
            Principal::Account { .. } | Principal::Anyone | Principal::Operator(_) => None,
        };
        Ok(ChangeSight {
            addresses: roles.contains(&Role::Operator) || own.is_some(),
            own,
        })
    }
}

/// Whether a change is in the history of an object.
fn concerns(record: &ChangeRecord, id: &ObjectId) -> bool {
    record.changed(id) || record.mentions().any(|it| it == *id)
}

fn shown(
    view: &ReadView,
    sight: ChangeSight,
    revision: Revision,
    mut record: Recorded,
) -> Result<ShownChange, Fault> {
    if let (Some(own), Recorded::Object(record)) = (sight.own, &mut record) {
        // A group's change is in the history of an account that it made a member, and of it no more.
        record.members.retain(|change| change.member == own);
        if record.id != own {
            record.attributes.clear();
        }
    }
    let name = |id: &ObjectId| -> Result<String, Fault> {
        let object = view.object(id)?;
        Ok(object.map_or_else(String::new, |object| object.name().to_owned()))
    };
    let of_object = record.object();
    let members = of_object.iter().flat_map(|record| &record.members);
    let members = members.map(|change| name(&change.member));
    let members = members.collect::<Result<_, _>>()?;
    let actor = match &record.stamp().actor {
        Actor::Account(id) => name(id)?,
        Actor::Anyone | Actor::Operator(_) => String::new(),
    };
    let of = of_object.map(|record| record.id);
    let address = sight.addresses && sight.own.is_none_or(|own| Some(own) == of);
    Ok(ShownChange {
        revision,
        record,
        address,
        members,
        actor,
        schema: view.schema().clone(),
    })
}
