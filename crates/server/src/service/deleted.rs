//! Use cases of what was deleted: it is listed, restored or erased; and of login names that stay reserved.

use quorid_directory::{
    Accepted, Action, Kind, LoginName, ObjectId, Objects as _, Operation, Principal, RequestId,
    Reserved, Revision, Selector, Stamp, Time,
};
use tracing::info;

use super::{Answer, Caller, Consistency, Error, PAGE_BYTES_MAX, Service, Shown, who::Strangers};

const READING: &str = "reading what was deleted";

/// A deleted object, with what who asks may see of it.
#[derive(Debug)]
pub struct DeletedObject {
    /// As it last was.
    pub shown: Shown,
    /// Its deletion.
    pub deleted: Stamp,
    /// The revision of that.
    pub revision: Revision,
    /// It can be restored until then.
    pub until: Time,
}

/// A stretch of the deleted objects, in the order of their ids.
#[derive(Debug)]
pub struct DeletedPage {
    /// The objects.
    pub objects: Vec<DeletedObject>,
    /// There are more after the last one.
    pub more: bool,
}

/// A login name that nobody has.
#[derive(Debug)]
pub struct ReservedName {
    /// Whose it was, and which.
    pub reserved: Reserved,
    /// The last owner's login name now; empty: it is gone.
    pub owner: String,
    /// It is reserved until then.
    pub until: Time,
}

/// A stretch of the reserved names, in the order of their owners' ids.
#[derive(Debug)]
pub struct ReservedPage {
    /// The names.
    pub names: Vec<ReservedName>,
    /// There are more after the last one.
    pub more: bool,
}

impl Service {
    /// Up to `limit` deleted objects after the one of this id.
    pub async fn deleted(
        &self,
        caller: &Caller,
        after: Option<ObjectId>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Answer<DeletedPage>, Error> {
        let principal = self.who_reads_deleted(caller, consistency).await?;
        let view = self.node.read()?;
        let sight = self.sight(&view, &principal)?;
        let (tombstones, more) = view.deleted(after.as_ref(), limit, PAGE_BYTES_MAX)?;
        let objects = tombstones.into_iter().map(|tombstone| DeletedObject {
            shown: sight.show(tombstone.object),
            deleted: tombstone.deleted,
            revision: tombstone.revision,
            until: tombstone.until,
        });
        Ok(Answer {
            value: DeletedPage {
                objects: objects.collect(),
                more,
            },
            revision: view.revision()?,
        })
    }

    /// Restores a deleted object: the answer.
    pub async fn restore(
        &self,
        caller: &Caller,
        target: Selector,
        request: Option<RequestId>,
    ) -> Result<Answer<Shown>, Error> {
        if caller.operator.is_none() && caller.login.is_some() {
            self.node.read_barrier().await?;
        }
        self.node.leading()?;
        let found = self.node.read()?.find_deleted(&target)?;
        let action = match &found {
            Ok(tombstone) => Action::Restore(&tombstone.object),
            // Whether there is one is told to those who might restore it.
            Err(_) => Action::History(None),
        };
        let strangers = match self.access.strangers_write() {
            true => Strangers::May,
            false => Strangers::MayNot,
        };
        let what = "restoring what was deleted";
        let principal = self
            .principal_by_own_state(caller, strangers, action, what)
            .await?;
        let by = principal.actor();
        let operation = Operation::Restore { target };
        let restored = self.propose(caller, principal, request, operation).await?;
        let id = restored.value.object.id;
        info!(event = "restored", %id, %by, revision = restored.revision.0, "restored");
        Ok(restored)
    }

    /// Erases a deleted object. The answer says of which kind it was.
    pub async fn purge(
        &self,
        caller: &Caller,
        target: Selector,
        request: Option<RequestId>,
    ) -> Result<Answer<Option<Kind>>, Error> {
        let what = "erasing what was deleted";
        let principal = self.operator(caller, what).await?;
        let by = principal.actor();
        let operation = Operation::Purge { target };
        let proposed = self.propose_any(caller, principal, request, operation);
        let Answer { value, revision } = proposed.await?;
        let erased = match value.accepted {
            Accepted::Object(change) => {
                info!(event = "purged", id = %change.id, %by, revision = revision.0, "erased");
                Some(change.kind)
            }
            Accepted::Directory => None,
        };
        Ok(Answer {
            value: erased,
            revision,
        })
    }

    /// Up to `limit` reserved names after this one.
    pub async fn reserved_names(
        &self,
        caller: &Caller,
        after: Option<Reserved>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Answer<ReservedPage>, Error> {
        self.who_reads_deleted(caller, consistency).await?;
        let view = self.node.read()?;
        let (reserved, more) = view.reserved(after.as_ref(), limit)?;
        let mut names = Vec::with_capacity(reserved.len());
        for (reserved, until) in reserved {
            let owner = view.object(&reserved.owner)?;
            names.push(ReservedName {
                owner: owner.map_or_else(String::new, |it| it.login_name().to_owned()),
                reserved,
                until,
            });
        }
        Ok(Answer {
            value: ReservedPage { names, more },
            revision: view.revision()?,
        })
    }

    /// Frees a reserved login name before its time.
    pub async fn free_name(
        &self,
        caller: &Caller,
        name: LoginName,
        request: Option<RequestId>,
    ) -> Result<Answer<()>, Error> {
        let principal = self.operator(caller, "freeing a reserved name").await?;
        let by = principal.actor();
        let operation = Operation::FreeName { name: name.clone() };
        let proposed = self.propose_any(caller, principal, request, operation);
        let Answer { revision, .. } = proposed.await?;
        info!(event = "name_freed", login_name = %name, %by, revision = revision.0, "login name freed");
        Ok(Answer {
            value: (),
            revision,
        })
    }

    async fn who_reads_deleted(
        &self,
        caller: &Caller,
        consistency: Consistency,
    ) -> Result<Principal, Error> {
        self.settle(consistency).await?;
        let action = Action::History(None);
        self.principal_by_own_state(caller, Strangers::MayNot, action, READING)
            .await
    }

    async fn operator(&self, caller: &Caller, what: &'static str) -> Result<Principal, Error> {
        let principal = self.principal(caller, Strangers::MayNot, Action::Operate, what);
        let principal = principal.await?;
        self.node.leading()?;
        Ok(principal)
    }
}
