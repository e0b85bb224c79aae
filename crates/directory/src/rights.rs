//! Who may do what. Rights come from roles, roles from groups; both are looked up in the state that
//! the change is made to, so that a right that was taken away holds no longer for what comes after.
//!
//! An object is privileged if it is a group with a role, or a member of one, by way of other groups
//! too. Everything else is ordinary.
//!
//! | | operator | user manager | help desk | the account itself | anyone |
//! | --- | --- | --- | --- | --- | --- |
//! | create an account | yes | yes | | | in an open directory |
//! | create a group | yes | yes | | | |
//! | attributes that the owner changes | yes | of ordinary accounts | | yes | of ordinary accounts without a password |
//! | attributes that managers change | yes | of ordinary objects | | | |
//! | attributes that operators change | yes | | | | |
//! | a password: set | yes | of ordinary accounts | of ordinary accounts | yes | of ordinary accounts without one |
//! | a password: remove | yes | of ordinary accounts | | yes | |
//! | delete | yes | ordinary objects | | yes | ordinary accounts without a password |
//! | restore what was deleted | yes | what was ordinary | | | what was an ordinary account without a password |
//! | erase what was deleted, free a name | yes | | | | |
//! | members of a group | yes | of ordinary groups | | | |
//! | read changes | yes | yes | | of itself | |
//! | change the cluster | yes | | | | |
//!
//! In the first and the last columns, an account is a person: services are made by user managers, and
//! strangers do not change them.
//!
//! The login name of a privileged account is changed by operators only, although it is an attribute of
//! the owner. What strangers may do in an open directory, the server's configuration adds: it is not in
//! the state.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;

use crate::command::{Principal, VerifierChange};
use crate::edit::Edit;
use crate::execute::Refused;
use crate::id::ObjectId;
use crate::members::{Limit, all_groups_of};
use crate::model::Time;
use crate::object::{IndexKey, Kind, Object};
use crate::rejection::Rejection;
use crate::schema::{AttributeName, ChangedBy, LOGIN_NAME, ROLE, Schema};
use crate::value::Value;
use crate::view::Objects;

/// What a group gives to its members, those of groups within it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees also what is for staff.
    Reader,
    /// Gives ordinary accounts new passwords.
    HelpDesk,
    /// Makes, changes and deletes ordinary accounts and groups.
    UserManager,
    /// May do everything.
    Operator,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [
        Self::Reader,
        Self::HelpDesk,
        Self::UserManager,
        Self::Operator,
    ];

    /// Its value of the attribute `role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::HelpDesk => "help_desk",
            Self::UserManager => "user_manager",
            Self::Operator => "operator",
        }
    }

    /// The role that a value of the attribute `role` stands for.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Those who have at least this role, such as `user managers and operators`.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reader => "those who have a role",
            Self::HelpDesk => "the help desk, user managers and operators",
            Self::UserManager => "user managers and operators",
            Self::Operator => "operators",
        })
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// Make an object of this kind with these attributes.
    Create(Kind, &'a [Edit]),
    /// Change attributes or the password of an object.
    Change(&'a Object, &'a [Edit], PasswordAction),
    /// Delete an object.
    Delete(&'a Object),
    /// Restore a deleted object, which last was like this.
    Restore(&'a Object),
    /// Change the members of this group.
    Members(&'a Object),
    /// Read changes: those of this object, or of all.
    History(Option<ObjectId>),
    /// Change the cluster, or look into its state as a whole.
    Operate,
}

/// What becomes of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordAction {
    /// It stays.
    Keep,
    /// It becomes another one.
    Set,
    /// There is none any more.
    Remove,
}

impl From<&VerifierChange> for PasswordAction {
    fn from(change: &VerifierChange) -> Self {
        match change {
            VerifierChange::Keep => Self::Keep,
            VerifierChange::Set(_) => Self::Set,
            VerifierChange::Remove => Self::Remove,
        }
    }
}

/// Whether who asks may do it, as of this state and time.
pub fn authorize<O: Objects>(
    objects: &O,
    now: Time,
    principal: &Principal,
    action: Action<'_>,
) -> Result<Result<(), Rejection>, O::Error> {
    match permitted(objects, now, principal, action) {
        Ok(()) => Ok(Ok(())),
        Err(Refused::Rejected(rejection)) => Ok(Err(rejection)),
        Err(Refused::Unreadable(error)) => Err(error),
    }
}

/// The roles that an object has by the groups that it is a member of, by way of other groups too, and
/// those that a group gives itself.
///
/// User managers can have somebody be in as many groups as they make, and must not make each request of
/// theirs slow by that. So where there are many, the roles are looked for from the other end: in the groups that
/// have roles and those within them, which operators alone make.
pub fn roles_of<O: Objects>(objects: &O, id: &ObjectId) -> Result<BTreeSet<Role>, O::Error> {
    let groups = match few_groups_of(objects, id) {
        Ok(groups) => groups,
        Err(Stopped::Many) => return roles_from_above(objects, id),
        Err(Stopped::Unreadable(error)) => return Err(error),
    };
    let mut roles = BTreeSet::new();
    for id in std::iter::once(*id).chain(groups) {
        let object = objects.object(&id)?;
        roles.extend(object.iter().flat_map(own_roles));
    }
    Ok(roles)
}

/// Why groups were not read to the end.
enum Stopped<E> {
    Unreadable(E),
    Many,
}

/// All groups of an object, if there are not more memberships to look at than one object may have when it
/// joins a group.
fn few_groups_of<O: Objects>(
    objects: &O,
    id: &ObjectId,
) -> Result<Vec<ObjectId>, Stopped<O::Error>> {
    let mut looked_at = 0;
    all_groups_of(id, |id| {
        let groups = objects.groups_of(id).map_err(Stopped::Unreadable)?;
        looked_at += groups.len();
        match looked_at <= Limit::GroupsOfOne.most() {
            true => Ok(groups),
            false => Err(Stopped::Many),
        }
    })
}

fn roles_from_above<O: Objects>(objects: &O, id: &ObjectId) -> Result<BTreeSet<Role>, O::Error> {
    let near: BTreeSet<_> = objects.groups_of(id)?.into_iter().chain([*id]).collect();
    let mut roles = BTreeSet::new();
    for role in Role::ALL {
        let value = Value::Text(role.as_str().to_owned());
        let mut next = objects.indexed(&IndexKey::of(ROLE, &value))?;
        let mut known: BTreeSet<_> = next.iter().copied().collect();
        while let Some(group) = next.pop() {
            if near.contains(&group) {
                roles.insert(role);
                break;
            }
            let within = objects.groups_within(&group)?.into_iter();
            next.extend(within.filter(|group| known.insert(*group)));
        }
    }
    Ok(roles)
}

fn own_roles(group: &Object) -> impl Iterator<Item = Role> {
    let values = group.values(ROLE).iter();
    values.filter_map(|value| Role::parse(value.as_text()?))
}

/// As [`authorize`], for where `?` passes rejections on.
pub(crate) fn permitted<O: Objects>(
    objects: &O,
    now: Time,
    principal: &Principal,
    action: Action<'_>,
) -> Result<(), Refused<O::Error>> {
    let asking = Asking::of(objects, now, principal)?;
    let level = |target| asking.level(objects, target);
    let schema = objects.schema();
    match action {
        Action::Create(_, edits) if asking.has(Role::UserManager) => {
            check_edits(schema, asking.most(), edits)
        }
        // In an open directory: in others, nobody proposes it.
        Action::Create(Kind::Person, edits) if asking == Asking::Anyone => {
            check_edits(schema, Level::Owner, edits)
        }
        Action::Create(..) => Err(needed(Role::UserManager)),
        Action::Change(target, edits, password) => {
            let level = level(target)?;
            let least = match password {
                PasswordAction::Set => Level::Password,
                PasswordAction::Keep if !edits.is_empty() => Level::Password, // They have levels of their own.
                PasswordAction::Keep | PasswordAction::Remove => Level::Owner,
            };
            if level < least {
                return Err(refused(objects, &asking, target, Role::UserManager)?);
            }
            let renames = edits.iter().any(|edit| edit.attribute == LOGIN_NAME);
            if level == Level::Owner && renames && is_privileged(objects, target)? {
                return Err(needed_for(schema.name(LOGIN_NAME), Role::Operator));
            }
            check_edits(schema, level, edits)
        }
        Action::Delete(target) | Action::Members(target) => match level(target)? {
            Level::Nothing | Level::Password => {
                Err(refused(objects, &asking, target, Role::UserManager)?)
            }
            Level::Owner | Level::Manager | Level::Operator => Ok(()),
        },
        Action::Restore(gone) => {
            let privileged = was_privileged(objects, gone)?;
            let Ok(level) = asking.level_of(gone, || Ok::<_, Infallible>(privileged));
            match level {
                Level::Nothing | Level::Password => Err(needed(match privileged {
                    true => Role::Operator,
                    false => Role::UserManager,
                })),
                Level::Owner | Level::Manager | Level::Operator => Ok(()),
            }
        }
        Action::History(_) if asking.has(Role::UserManager) => Ok(()),
        Action::History(Some(of)) if asking.is(&of) => Ok(()),
        Action::History(_) => Err(needed(Role::UserManager)),
        Action::Operate if asking.has(Role::Operator) => Ok(()),
        Action::Operate => Err(needed(Role::Operator)),
    }
}

/// Who asks, as the state knows them.
#[derive(Debug, PartialEq, Eq)]
enum Asking {
    Anyone,
    /// By certificate, or by role.
    Operator,
    Account(ObjectId, BTreeSet<Role>),
}

/// What somebody may do with one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Nothing,
    /// Give it a new password.
    Password,
    /// Attributes that the owner changes, password, deletion.
    Owner,
    /// Also those that managers change.
    Manager,
    /// Everything.
    Operator,
}

impl Asking {
    /// An account has to be as it was when its password was checked, and may log in still.
    fn of<O: Objects>(
        objects: &O,
        now: Time,
        principal: &Principal,
    ) -> Result<Self, Refused<O::Error>> {
        let (account, password) = match principal {
            Principal::Anyone => return Ok(Self::Anyone),
            Principal::Operator(_) => return Ok(Self::Operator),
            Principal::Account { id, password } => (*id, *password),
        };
        let object = objects.object(&account)?;
        let is_as_checked = |object: &Object| {
            object.kind.is_account()
                && object.password_version == Some(password)
                && object.may_log_in(now)
        };
        if !object.as_ref().is_some_and(is_as_checked) {
            return Err(Refused::Rejected(Rejection::PasswordChanged { account }));
        }
        let roles = roles_of(objects, &account)?;
        Ok(match roles.contains(&Role::Operator) {
            true => Self::Operator,
            false => Self::Account(account, roles),
        })
    }

    fn has(&self, role: Role) -> bool {
        match self {
            Self::Anyone => false,
            Self::Operator => true,
            Self::Account(_, roles) => roles.contains(&role),
        }
    }

    fn is(&self, id: &ObjectId) -> bool {
        match self {
            Self::Anyone | Self::Operator => false,
            Self::Account(own, _) => own == id,
        }
    }

    /// What it may do with what it makes.
    fn most(&self) -> Level {
        match self {
            Self::Operator => Level::Operator,
            Self::Anyone | Self::Account(..) => Level::Manager,
        }
    }

    fn level<O: Objects>(&self, objects: &O, target: &Object) -> Result<Level, O::Error> {
        self.level_of(target, || is_privileged(objects, target))
    }

    fn level_of<E>(
        &self,
        target: &Object,
        is_privileged: impl FnOnce() -> Result<bool, E>,
    ) -> Result<Level, E> {
        let person = target.kind == Kind::Person;
        let account = target.kind.is_account();
        let by_role = match self {
            Self::Operator => return Ok(Level::Operator),
            Self::Account(id, _) if *id == target.id => return Ok(Level::Owner),
            Self::Anyone if person && target.password_version.is_none() => Level::Owner,
            Self::Account(..) if self.has(Role::UserManager) => Level::Manager,
            Self::Account(..) if account && self.has(Role::HelpDesk) => Level::Password,
            Self::Anyone | Self::Account(..) => Level::Nothing,
        };
        if by_role > Level::Nothing && is_privileged()? {
            return Ok(Level::Nothing);
        }
        Ok(by_role)
    }
}

fn is_privileged<O: Objects>(objects: &O, object: &Object) -> Result<bool, O::Error> {
    Ok(!roles_of(objects, &object.id)?.is_empty())
}

/// Whether a deleted object would be privileged if it were restored, and with it whatever is deleted of the
/// groups that it was in. Where these are more than one object may be in, it is taken for privileged.
fn was_privileged<O: Objects>(objects: &O, gone: &Object) -> Result<bool, O::Error> {
    let mut next = vec![gone.clone()];
    let mut known = BTreeSet::from([gone.id]);
    while let Some(gone) = next.pop() {
        if own_roles(&gone).next().is_some() || known.len() > Limit::GroupsOfOne.most() {
            return Ok(true);
        }
        for former in objects.former(&gone.id)? {
            let group = former.group;
            if former.member != gone.id || !known.insert(group) {
                continue;
            }
            if !roles_of(objects, &group)?.is_empty() {
                return Ok(true);
            }
            next.extend(objects.tombstone(&group)?.map(|tombstone| tombstone.object));
        }
    }
    Ok(false)
}

fn check_edits<E>(schema: &Schema, level: Level, edits: &[Edit]) -> Result<(), Refused<E>> {
    for edit in edits {
        // What no row is there for, the schema refuses.
        let row = schema.by_number(edit.attribute);
        let (least, role) = match row.map(|row| row.changed_by) {
            None | Some(ChangedBy::Owner) => (Level::Owner, Role::UserManager),
            Some(ChangedBy::Manager) => (Level::Manager, Role::UserManager),
            Some(ChangedBy::Operator) => (Level::Operator, Role::Operator),
        };
        if level < least {
            return Err(needed_for(schema.name(edit.attribute), role));
        }
    }
    Ok(())
}

/// Why nothing at all may be done with an object: strangers give its password, all others need a role.
fn refused<O: Objects>(
    objects: &O,
    asking: &Asking,
    target: &Object,
    role: Role,
) -> Result<Refused<O::Error>, O::Error> {
    let guarded = target.kind.is_account() && target.password_version.is_some();
    if *asking == Asking::Anyone && guarded {
        let account = target.id;
        return Ok(Refused::Rejected(Rejection::PasswordNeeded { account }));
    }
    Ok(match is_privileged(objects, target)? {
        true => needed(Role::Operator),
        false => needed(role),
    })
}

fn needed<E>(role: Role) -> Refused<E> {
    let attribute = None;
    Refused::Rejected(Rejection::NotPermitted { attribute, role })
}

fn needed_for<E>(attribute: AttributeName, role: Role) -> Refused<E> {
    let attribute = Some(attribute);
    Refused::Rejected(Rejection::NotPermitted { attribute, role })
}
