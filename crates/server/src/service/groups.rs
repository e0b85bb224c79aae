//! Use cases of groups: everybody who reads the directory reads them, operators and managers change them.

use quorid_directory::{
    Action, Edit, Kind, Membership, ObjectId, Objects as _, Operation, PasswordAction, Principal,
    RequestId, Revision, Selector, UniqueKey, VerifierChange,
};

use super::{
    Answer, Caller, Consistency, Error, GroupsPage, PAGE_BYTES_MAX, Service, Shown, who::Strangers,
};

/// A group to be made.
#[derive(Debug)]
pub struct GroupCreation {
    /// Its attributes.
    pub edits: Vec<Edit>,
    /// Made by the client; None: made here, and a retry is another request.
    pub request: Option<RequestId>,
}

/// A change of a group: all of it is made, or nothing.
#[derive(Debug)]
pub struct GroupChange {
    /// The group that is meant.
    pub group: Selector,
    /// Only if it is still at this version.
    pub expected_version: Option<Revision>,
    /// The change that is asked for.
    pub asked: GroupEdit,
    /// The same as in [`GroupCreation`].
    pub request: Option<RequestId>,
}

/// What of a group is to be another one.
#[derive(Debug)]
pub enum GroupEdit {
    /// Its attributes.
    Attributes(Vec<Edit>),
    /// Its members.
    Members {
        /// These are members afterwards.
        add: Vec<Selector>,
        /// These are not.
        remove: Vec<Selector>,
    },
    /// It is gone.
    Deleted,
}

/// A member of a group.
#[derive(Debug)]
pub struct Member {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: ObjectId,
    /// Its login name, or its name as a group.
    pub name: String,
}

/// A stretch of a group's members, by kind and id.
#[derive(Debug)]
pub struct MembersPage {
    /// The members.
    pub members: Vec<Member>,
    /// There are more after the last one.
    pub more: bool,
}

impl Service {
    /// Makes a group without members.
    pub async fn create_group(
        &self,
        caller: &Caller,
        new: GroupCreation,
    ) -> Result<Answer<Shown>, Error> {
        let action = Action::Create(Kind::Group, &new.edits);
        let what = "creating a group";
        let principal = self
            .principal(caller, Strangers::MayNot, action, what)
            .await?;
        let operation = Operation::Create {
            id: self.new_object_id(),
            kind: Kind::Group,
            edits: new.edits,
            verifier: None,
        };
        self.propose(caller, principal, new.request, operation)
            .await
    }

    /// Changes a group, or removes it. The answer is the group as it is then, or as it last was.
    pub async fn change_group(
        &self,
        caller: &Caller,
        change: GroupChange,
    ) -> Result<Answer<Shown>, Error> {
        let principal = self.who_changes(caller, &change).await?;
        let GroupChange {
            group: target,
            expected_version,
            asked,
            request,
        } = change;
        let operation = match asked {
            GroupEdit::Attributes(edits) => Operation::Change {
                target,
                expected_version,
                edits,
                verifier: VerifierChange::Keep,
            },
            GroupEdit::Members { add, remove } => Operation::Members {
                group: target,
                expected_version,
                add,
                remove,
            },
            GroupEdit::Deleted => Operation::Delete {
                target,
                expected_version,
            },
        };
        self.propose(caller, principal, request, operation).await
    }

    /// Who asks for a change of a group. That the group is missing is for the log to say, to those
    /// who might change it if it were there.
    async fn who_changes(&self, caller: &Caller, change: &GroupChange) -> Result<Principal, Error> {
        const WHAT: &str = "changing a group";
        if let (None, Some(login)) = (&caller.operator, &caller.login) {
            self.node.read_barrier().await?;
            let principal = self.authenticate(caller, login).await?;
            let view = self.node.read()?;
            let found = view.find(&change.group)?;
            let action = match (&found, &change.asked) {
                (Err(_), _) => Action::Create(Kind::Group, &[]),
                (Ok(group), GroupEdit::Attributes(edits)) => {
                    Action::Change(group, edits, PasswordAction::Keep)
                }
                (Ok(group), GroupEdit::Members { .. }) => Action::Members(group),
                (Ok(group), GroupEdit::Deleted) => Action::Delete(group),
            };
            self.may(&view, &principal, action)?;
            return Ok(principal);
        }
        self.principal(caller, Strangers::MayNot, Action::Operate, WHAT)
            .await
    }

    /// Up to `limit` groups by name, after the one of this name.
    pub async fn groups(
        &self,
        caller: &Caller,
        after: Option<UniqueKey>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Answer<GroupsPage>, Error> {
        let (view, sight) = self.reader(caller, consistency).await?;
        let (groups, more) = view.groups(after.as_ref(), limit, PAGE_BYTES_MAX)?;
        let groups = groups.into_iter();
        let groups = groups.map(|group| sight.show(group).named(&view));
        let groups = groups.collect::<Result<_, _>>()?;
        Ok(Answer {
            value: GroupsPage { groups, more },
            revision: view.revision()?,
        })
    }

    /// Up to `limit` members that a group has itself, after the one of this kind and id.
    pub async fn members(
        &self,
        caller: &Caller,
        group: &Selector,
        after: Option<(Kind, ObjectId)>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Answer<MembersPage>, Error> {
        let (view, _) = self.reader(caller, consistency).await?;
        let revision = view.revision()?;
        let group = view
            .find(group)?
            .map_err(|rejection| Error::rejected(rejection, revision))?;
        let after = after.map(|(kind, member)| Membership {
            group: group.id,
            kind,
            member,
        });
        let (memberships, more) = view.members(&group.id, after.as_ref(), limit)?;
        let mut members = Vec::with_capacity(memberships.len());
        for membership in memberships {
            let object = view.object(&membership.member)?;
            members.extend(object.map(|object| {
                Member {
                    kind: object.kind,
                    id: object.id,
                    name: match object.kind {
                        Kind::Person | Kind::Service => object.login_name(),
                        Kind::Group => object.group_name(),
                    }
                    .to_owned(),
                }
            }));
        }
        Ok(Answer {
            value: MembersPage { members, more },
            revision,
        })
    }
}
