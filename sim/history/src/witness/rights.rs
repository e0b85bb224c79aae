//! Who may do what, once more and apart from the rules that decided.

use quorid_api::Reason;
use quorid_directory::{
    Command, Kind, LoginName, Object, ObjectId, Operation as Asks, Outcome, Principal, Schema,
    UniqueKey, VerifierChange,
};

use super::{
    groups::has,
    reasons::reason,
    replay::{Replay, Told, as_of},
};
use crate::operation::{Asked, By, Operation};

const MANAGER: &[&str] = &["user_manager", "operator"];
const HELP_DESK: &[&str] = &["help_desk", "user_manager", "operator"];
const ANY: &[&str] = &["reader", "help_desk", "user_manager", "operator"];

impl Replay {
    /// Whether an account has one of these roles as of a revision. Groups in groups are not looked at: no
    /// client of the simulation makes any.
    fn has_role(&self, id: &ObjectId, roles: &[&str], revision: u64) -> bool {
        let row = Schema::builtin().by_name("role").expect("it is built in");
        self.members.iter().any(|(group, members)| {
            let is_member = as_of(Some(members), revision).is_some_and(|it| it.contains(id));
            let group = as_of(self.objects.get(group), revision);
            is_member && group.is_some_and(|group| roles.contains(&group.text(row.number)))
        })
    }

    /// A change by an account without the right, as the state is before the change: its role was taken
    /// away, its password replaced, or it was disabled.
    pub(super) fn acts_without_a_right(
        &self,
        command: &Command,
        outcome: &Outcome,
    ) -> Option<String> {
        let Principal::Account { id, password } = &command.principal else {
            return None;
        };
        let repeated = self.recorded.contains(&command.request);
        if outcome.result.is_err() || repeated {
            return None;
        }
        let now = u64::MAX;
        let lets_in = |it: &&Object| {
            it.kind == Kind::Person
                && it.password_version == Some(*password)
                && !has(it, "disabled", Some("true"))
        };
        if as_of(self.objects.get(id), now).filter(lets_in).is_none() {
            return Some(format!(
                "{id} acted, but was not let in any more: {command:?}"
            ));
        }
        let may = match &command.operation {
            Asks::Create { .. } => self.has_role(id, MANAGER, now),
            Asks::Change {
                target,
                edits,
                verifier,
                ..
            } => {
                let held = |key: &UniqueKey| as_of(self.unique.get(key), now).copied();
                let object = |id: &ObjectId| as_of(self.objects.get(id), now).cloned();
                let found = target.find(|key| Ok::<_, ()>(held(key)), |id| Ok(object(id)));
                let target = found.ok()?.ok()?.id;
                let resets = edits.is_empty() && matches!(verifier, VerifierChange::Set(_));
                let role = if resets { HELP_DESK } else { MANAGER };
                target == *id || (self.has_role(id, role, now) && !self.has_role(&target, ANY, now))
            }
            // No client of the simulation asks for that with a login.
            Asks::Delete { .. }
            | Asks::Members { .. }
            | Asks::Restore { .. }
            | Asks::Purge { .. }
            | Asks::FreeName { .. }
            | Asks::Configure(_)
            | Asks::DefineAttribute { .. }
            | Asks::Revert { .. }
            | Asks::RaiseLevel { .. } => false,
        };
        (!may).then(|| format!("{id} acted without a right: {command:?}"))
    }

    /// Whether a login was refused that had no right, or no longer, at some moment in between. A refusal
    /// by the log itself is found there.
    pub(super) fn denies(
        &self,
        operation: &Operation,
        told: &Reason,
        outcomes: &[Told],
        floor: u64,
    ) -> bool {
        let Some(by) = operation.by else {
            return false;
        };
        let of_rights = matches!(
            told,
            Reason::WrongPassword
                | Reason::PasswordNeeded
                | Reason::NotPermitted
                | Reason::OperatorNeeded
        );
        let in_log = outcomes.iter().any(|outcome| {
            let refused = outcome.result.as_ref().err().map(reason);
            refused.as_ref() == Some(told) && outcome.revision.0 > floor
        });
        let until = operation.committed.min(self.last);
        of_rights
            && (in_log || (floor..=until).any(|at| self.has_no_right(&by, &operation.asked, at)))
    }

    fn has_no_right(&self, by: &By, asked: &Asked, at: u64) -> bool {
        let name = LoginName::parse(by.login_name).expect("the names are valid");
        let id = as_of(self.unique.get(&UniqueKey::login_name(&name)), at);
        let account = id.and_then(|id| as_of(self.objects.get(id), at));
        let Some(account) = account.filter(|it| !has(it, "disabled", Some("true"))) else {
            return true;
        };
        let id = account.id;
        if as_of(self.passwords.get(&id), at) != Some(&by.password) {
            return true;
        }
        let (target, role, owners) = match asked {
            Asked::Create { .. } => return !self.has_role(&id, MANAGER, at),
            Asked::SetPassword { account, .. } => (account, HELP_DESK, true),
            Asked::Edit {
                account, attribute, ..
            } => (account, MANAGER, *attribute == "phone"),
            Asked::Rename { .. }
            | Asked::Delete { .. }
            | Asked::CreateGroup { .. }
            | Asked::DeleteGroup { .. }
            | Asked::Member { .. }
            | Asked::Members { .. }
            | Asked::Define { .. }
            | Asked::Restore { .. }
            | Asked::Purge { .. }
            | Asked::FreeName { .. }
            | Asked::Keep { .. }
            | Asked::RaiseLevel
            | Asked::LogIn { .. }
            | Asked::Look { .. } => return false, // Not asked with a login.
        };
        // Of an account that is missing, the log says that it is.
        let Some(target) = self.at(target, at) else {
            return false;
        };
        match target.id == id {
            true => !owners,
            false => !self.has_role(&id, role, at) || self.has_role(&target.id, ANY, at),
        }
    }
}
