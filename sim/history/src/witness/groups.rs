//! The witness of groups, numbers, attributes and logins.

use std::collections::BTreeMap;

use quorid_api::Reason;
use quorid_directory::{
    Done, GROUP_NAME, GroupName, LOGIN_NAME, Membership, Object, POSIX_NUMBER, REAL_NAME, Schema,
    UniqueKey, Value,
};

use super::{
    answers::is_fresh,
    replay::{Made, Replay, as_of},
    shown,
};
use crate::operation::{Answer, Asked, Freshness, Operation, Which};

impl Replay {
    /// A number is given once, also where the account or group that had it is gone.
    pub(super) fn gives_a_number_again(&self, object: &Object) -> Option<String> {
        numbers(object).find_map(|number| {
            let holder = self.numbers.get(&number)?;
            let again = *holder != object.id;
            again.then(|| format!("number {number} of {} was given to {holder}", object.id))
        })
    }

    pub(super) fn note_numbers(&mut self, object: &Object) {
        self.numbers
            .extend(numbers(object).map(|number| (number, object.id)));
    }

    pub(super) fn note_member(&mut self, index: u64, membership: Membership, joins: bool) {
        let timeline = self.members.entry(membership.group).or_default();
        let last = timeline.last().and_then(|(_, members)| members.clone());
        let mut members = last.unwrap_or_default();
        if joins {
            self.memberships.insert(membership);
            members.insert(membership.member);
        } else {
            self.memberships.remove(&membership);
            members.remove(&membership.member);
        }
        timeline.push((index, Some(members)));
    }

    fn group_at(&self, group: &GroupName, revision: u64) -> Option<&Object> {
        let id = as_of(self.unique.get(&UniqueKey::group_name(group)), revision)?;
        as_of(self.objects.get(id), revision)
    }

    /// The members of a group as of a revision; None if there is no such group.
    fn members_at(&self, group: &GroupName, revision: u64) -> Option<Vec<String>> {
        let group = self.group_at(group, revision)?;
        let members = as_of(self.members.get(&group.id), revision);
        let ids = members.into_iter().flatten();
        Some(ids.map(ToString::to_string).collect())
    }

    pub(super) fn explains_members(
        &self,
        group: &GroupName,
        freshness: Freshness,
        answer: &Answer,
        floor: u64,
    ) -> Result<(), String> {
        let (listed, revision) = match answer {
            Answer::Members { members, revision } => (Some(members.clone()), *revision),
            Answer::Rejected {
                reason: Reason::GroupNotFound,
                revision,
            } => (None, *revision),
            Answer::Unavailable { .. } => return Ok(()),
            Answer::Account { .. }
            | Answer::Deleted { .. }
            | Answer::Directory { .. }
            | Answer::Level { .. }
            | Answer::Rejected { .. } => {
                return Err("a list of members got another answer".to_owned());
            }
        };
        is_fresh(freshness, revision, floor)?;
        let expected = self.members_at(group, revision);
        if listed != expected {
            return Err(format!(
                "at revision {revision} the members were {expected:?}"
            ));
        }
        Ok(())
    }

    /// A login with the right password is let in, unless the account was disabled.
    pub(super) fn explains_login(
        &self,
        account: &Which,
        freshness: Freshness,
        operation: &Operation,
        floor: u64,
    ) -> Result<(), String> {
        let answer = &operation.answer;
        let kept_out =
            |account: Option<&Object>| account.map(shown).is_some_and(|it| it.is_disabled());
        match answer {
            Answer::Account { revision, .. } if kept_out(self.at(account, *revision)) => {
                Err("an account that was disabled logged in".to_owned())
            }
            // This one says of which revision it is by no revision of its own.
            Answer::Rejected {
                reason: Reason::WrongPassword,
                ..
            } => {
                let from = match freshness {
                    Freshness::Linearizable => floor,
                    Freshness::AtLeast(revision) => revision,
                    Freshness::Stale => 0,
                };
                let was = (from..=operation.committed.min(self.last))
                    .any(|at| kept_out(self.at(account, at)));
                let why = || "an account that was not disabled was kept out".to_owned();
                was.then_some(()).ok_or_else(why)
            }
            Answer::Account { .. }
            | Answer::Members { .. }
            | Answer::Deleted { .. }
            | Answer::Directory { .. }
            | Answer::Level { .. }
            | Answer::Rejected { .. }
            | Answer::Unavailable { .. } => self.explains_look(account, freshness, answer, floor),
        }
    }

    /// Whether a change of a group, made at this revision, is the one that was asked for.
    pub(super) fn is_group_as_asked(&self, asked: &Asked, change: &Made, revision: u64) -> bool {
        let object = &change.object;
        let is = |group: &GroupName| {
            let before = self.group_at(group, revision.saturating_sub(1));
            before.map(|before| before.id) == Some(object.id)
        };
        match (asked, change.done) {
            (
                Asked::CreateGroup {
                    group,
                    numbered,
                    role,
                    ..
                },
                Done::Created,
            ) => {
                let named = object.group_name() == group.as_str();
                named
                    && object.values(POSIX_NUMBER).is_empty() != *numbered
                    && has(object, "role", *role)
            }
            (Asked::DeleteGroup { group, .. }, Done::Deleted) => is(group),
            (
                Asked::Member {
                    group,
                    account,
                    joins,
                    ..
                },
                Done::Changed,
            ) => {
                let members = self.members_at(group, revision).unwrap_or_default();
                let member = self.at(account, revision).map(|it| it.id.to_string());
                is(group) && member.is_some_and(|id| members.contains(&id) == *joins)
            }
            _ => false,
        }
    }
}

fn numbers(object: &Object) -> impl Iterator<Item = u64> {
    object
        .values(POSIX_NUMBER)
        .iter()
        .filter_map(|value| match value {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
        })
}

/// Whether an object has this value of an attribute and no other, or none.
pub(super) fn has(object: &Object, name: &str, value: Option<&str>) -> bool {
    let row = Schema::builtin().by_name(name);
    row.is_ok_and(|attribute| object.text(attribute.number) == value.unwrap_or(""))
}

/// All attributes of an object that are not shown in fields of their own.
pub(super) fn others(object: &Object) -> BTreeMap<String, Vec<String>> {
    let shown_apart = [LOGIN_NAME, REAL_NAME, GROUP_NAME];
    let rest = object.attributes.iter();
    rest.filter(|(number, _)| !shown_apart.contains(number))
        .filter_map(|(number, values)| {
            let text = |value: &Value| match value {
                Value::Text(text) => text.clone(),
                Value::Number(number) => number.to_string(),
            };
            let name = Schema::builtin().by_number(*number)?.name.to_string();
            Some((name, values.iter().map(text).collect()))
        })
        .collect()
}
