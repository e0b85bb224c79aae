//! What clients were answered, against the log.

use quorid_api::Reason;
use quorid_directory::{Done, Level, POSIX_NUMBER, REAL_NAME, RequestId, Revision};

use super::{
    groups::has,
    reasons::reason,
    replay::{Made, Replay, Told, as_of},
    shown,
};
use crate::operation::{Answer, Asked, Freshness, Operation, Which};

impl Replay {
    /// Whether the log explains what a client was answered. `floor` is the highest revision that
    /// anybody had heard of when it was asked.
    pub(super) fn explains(&self, operation: &Operation, floor: u64) -> Result<(), String> {
        if let Some(revision) = operation.answer.revision()
            && revision > operation.committed
        {
            return Err("it was answered from what was not committed".to_owned());
        }
        match &operation.asked {
            Asked::Look { account, freshness } => {
                self.explains_look(account, *freshness, &operation.answer, floor)
            }
            Asked::LogIn { account, freshness } => {
                self.explains_login(account, *freshness, operation, floor)
            }
            Asked::Members { group, freshness } => {
                self.explains_members(group, *freshness, &operation.answer, floor)
            }
            Asked::RaiseLevel => self.explains_level(&operation.answer, floor),
            Asked::Create { request, .. }
            | Asked::Define { request, .. }
            | Asked::Restore { request, .. }
            | Asked::Purge { request, .. }
            | Asked::FreeName { request, .. }
            | Asked::Keep { request, .. }
            | Asked::Rename { request, .. }
            | Asked::Edit { request, .. }
            | Asked::SetPassword { request, .. }
            | Asked::CreateGroup { request, .. }
            | Asked::DeleteGroup { request, .. }
            | Asked::Member { request, .. }
            | Asked::Delete { request, .. } => self.explains_change(*request, operation, floor),
        }
    }

    pub(super) fn explains_look(
        &self,
        which: &Which,
        freshness: Freshness,
        answer: &Answer,
        floor: u64,
    ) -> Result<(), String> {
        let (found, revision) = match answer {
            Answer::Account { account, revision } => (Some(account), *revision),
            Answer::Rejected { reason, revision } if *reason == Reason::AccountNotFound => {
                (None, *revision)
            }
            Answer::Rejected { reason, .. } => return Err(format!("unexpected reason {reason}")),
            Answer::Deleted { .. }
            | Answer::Members { .. }
            | Answer::Directory { .. }
            | Answer::Level { .. } => {
                return Err("a look-up got another answer".to_owned());
            }
            Answer::Unavailable { .. } => return Ok(()),
        };
        is_fresh(freshness, revision, floor)?;
        let expected = self.at(which, revision).map(shown);
        if found != expected.as_ref() {
            return Err(format!("at revision {revision} it was {expected:?}"));
        }
        Ok(())
    }

    fn explains_change(
        &self,
        request: RequestId,
        operation: &Operation,
        floor: u64,
    ) -> Result<(), String> {
        let outcomes = self.outcomes.get(&request).map_or(&[][..], Vec::as_slice);
        let acted = self.effects.contains_key(&request);
        let answered = match &operation.answer {
            Answer::Rejected { reason, .. } if self.denies(operation, reason, outcomes, floor) => {
                return Ok(());
            }
            Answer::Unavailable { unknown: false } if acted => {
                return Err("it was said not to be done, but it was".to_owned());
            }
            Answer::Unavailable { .. } => return Ok(()),
            Answer::Rejected { .. } if outcomes.is_empty() => {
                return Err("the rejection is not in the log".to_owned());
            }
            answered @ (Answer::Account { .. }
            | Answer::Deleted { .. }
            | Answer::Members { .. }
            | Answer::Directory { .. }
            | Answer::Level { .. }
            | Answer::Rejected { .. }) => answered,
        };
        if outcomes.is_empty() {
            return Err("an acknowledged change is lost".to_owned());
        }
        // All settings are answered, as they are after the change.
        let reads_after = matches!(operation.asked, Asked::Keep { .. })
            && matches!(answered, Answer::Directory { .. });
        let is_told = |it: &&Told| match reads_after {
            true => Some(it.revision.0) <= answered.revision(),
            false => Some(it.revision.0) == answered.revision(),
        };
        let Some(outcome) = outcomes.iter().find(is_told) else {
            return Err(format!("the log says {outcomes:?}"));
        };
        let Revision(revision) = outcome.revision;
        let as_answered = match (answered, &outcome.result) {
            (Answer::Account { account, .. }, Ok(Some(made))) => {
                let there = !matches!(made.done, Done::Deleted | Done::Purged);
                there && *account == shown(&made.object)
            }
            (Answer::Deleted { .. }, Ok(Some(change))) => {
                matches!(change.done, Done::Deleted | Done::Purged)
            }
            (Answer::Directory { .. }, Ok(None)) => true,
            (Answer::Rejected { reason, .. }, Err(rejection)) => *reason == self::reason(rejection),
            _ => false,
        };
        if !as_answered {
            return Err(format!("the log says {outcome:?}"));
        }
        if let Ok(Some(change)) = &outcome.result {
            self.is_what_was_asked(&operation.asked, change, revision)?;
        }
        if revision <= floor {
            return Err(format!(
                "it took effect at revision {revision}, but {floor} was seen before it was asked"
            ));
        }
        Ok(())
    }
}

impl Replay {
    /// The level was raised as far as all servers support, or was so high already.
    fn explains_level(&self, answer: &Answer, floor: u64) -> Result<(), String> {
        match answer {
            Answer::Level { level, revision } => {
                is_fresh(Freshness::Linearizable, *revision, floor)?;
                let was = as_of(Some(&self.levels), *revision);
                let why = || format!("at revision {revision} the level was {was:?}");
                (was == Some(&Level(*level))).then_some(()).ok_or_else(why)
            }
            // A server was older, or away; or the members or the level were being changed.
            Answer::Rejected {
                reason: Reason::LevelNotSupported | Reason::ChangeInProgress,
                ..
            }
            | Answer::Unavailable { .. } => Ok(()),
            Answer::Account { .. }
            | Answer::Members { .. }
            | Answer::Deleted { .. }
            | Answer::Directory { .. }
            | Answer::Rejected { .. } => Err("raising the level got another answer".to_owned()),
        }
    }

    /// Whether a change, made at this revision, is the one that was asked for.
    fn is_what_was_asked(&self, asked: &Asked, change: &Made, revision: u64) -> Result<(), String> {
        let object = &change.object;
        let (which, made) = match (asked, change.done) {
            (
                Asked::Create {
                    login_name,
                    real_name,
                    numbered,
                    ..
                },
                Done::Created,
            ) => {
                let named = object.login_name() == login_name.login_name.as_str();
                let numbered = object.values(POSIX_NUMBER).is_empty() != *numbered;
                (
                    None,
                    named && numbered && object.text(REAL_NAME) == real_name,
                )
            }
            (Asked::Rename { account, to, .. }, Done::Changed) => {
                (Some(account), object.login_name() == to.login_name.as_str())
            }
            (Asked::SetPassword { account, .. }, Done::Changed) => {
                (Some(account), object.password_version.is_some())
            }
            (Asked::Delete { account, .. }, Done::Deleted) => (Some(account), true),
            // It was not there before, under whatever name.
            (Asked::Restore { account, .. }, Done::Restored) => (
                None,
                match account {
                    Which::Id(id) => object.id.to_string() == *id,
                    Which::Name(name) => object.login_name() == name.login_name.as_str(),
                },
            ),
            (Asked::Purge { account, .. }, Done::Purged) => (
                None,
                match account {
                    Which::Id(id) => object.id.to_string() == *id,
                    Which::Name(_) => object.attributes.is_empty(),
                },
            ),
            (
                Asked::Edit {
                    account,
                    attribute,
                    value,
                    ..
                },
                Done::Changed,
            ) => (Some(account), has(object, attribute, value.as_deref())),
            (asked, _) => (None, self.is_group_as_asked(asked, change, revision)),
        };
        let named = which.is_none_or(|which| {
            let before = self.at(which, revision.saturating_sub(1));
            before.map(|before| before.id) == Some(object.id)
        });
        if made && named {
            Ok(())
        } else {
            Err(format!("it is not what was done: {change:?}"))
        }
    }
}

/// Whether an answer of this revision is as fresh as was asked for.
pub(super) fn is_fresh(freshness: Freshness, revision: u64, floor: u64) -> Result<(), String> {
    let needed = match freshness {
        Freshness::Linearizable => floor,
        Freshness::AtLeast(revision) => revision,
        Freshness::Stale => 0,
    };
    if revision < needed {
        return Err(format!("stale: it had to see revision {needed}"));
    }
    Ok(())
}
