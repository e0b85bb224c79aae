//! The state beside its model, for tests and simulations.

use quorid_directory::{History as _, Kind, MemoryDirectory, Objects as _, Setting, View as _};
use quorid_storage::Fault;

use super::ReadView;

impl ReadView {
    /// What of the records is not as in the model, if anything.
    pub fn difference(&self, model: &MemoryDirectory) -> Result<Option<&'static str>, Fault> {
        let (accounts, groups) = self.count_accounts_and_groups()?;
        if accounts + groups != model.objects().len() as u64 {
            return Ok(Some("there are more or fewer objects"));
        }
        if self.count_memberships()? != [model.memberships().len() as u64; 2] {
            return Ok(Some("there are more or fewer memberships"));
        }
        if self.schema() != model.schema() {
            return Ok(Some("the schema is another one"));
        }
        let Ok(next) = model.next_number();
        if self.next_number()? != next {
            return Ok(Some("the counter of numbers is elsewhere"));
        }
        for setting in Setting::ALL {
            let Ok(value) = model.setting(setting);
            if self.setting(setting)? != value {
                return Ok(Some("a setting has another value"));
            }
        }
        let Ok(level) = model.level();
        if self.level()? != level {
            return Ok(Some("the feature level is another one"));
        }
        for (id, object) in model.objects() {
            if self.object(id)?.as_ref() != Some(object) {
                return Ok(Some("an object is another one"));
            }
            let Ok(groups) = model.groups_of(id);
            if self.groups_of(id)? != groups {
                return Ok(Some("an object is a member of other groups"));
            }
            let mut members = Vec::new();
            for &kind in Kind::ALL {
                let Ok(of_kind) = model.members(id, kind, usize::MAX);
                members.extend(of_kind.into_iter().map(|member| (kind, member)));
            }
            let (kept, _) = self.members(id, None, usize::MAX)?;
            let kept = kept
                .iter()
                .map(|membership| (membership.kind, membership.member));
            if !kept.eq(members) {
                return Ok(Some("a group has other members"));
            }
            if self.verifier(id)?.as_ref() != model.verifiers().get(id) {
                return Ok(Some("a verifier is another one"));
            }
        }
        let mut indexed = 0;
        for (id, object) in model.objects() {
            for key in object.index_keys(model.schema()) {
                indexed += 1;
                if !self.indexed(&key)?.contains(id) {
                    return Ok(Some("the index lacks an object"));
                }
            }
        }
        if self.count_index()? != indexed {
            return Ok(Some("the index has other rows"));
        }
        for (key, id) in model.unique() {
            if self.holder(key)? != Some(*id) {
                return Ok(Some("a unique value has another holder"));
            }
        }
        if let Some(difference) = self.difference_of_deleted(model)? {
            return Ok(Some(difference));
        }
        for (request, outcome) in model.outcomes() {
            if self.outcome(request)?.as_ref() != Some(outcome) {
                return Ok(Some("an outcome is another one"));
            }
        }
        self.difference_of_history(model)
    }

    fn difference_of_deleted(
        &self,
        model: &MemoryDirectory,
    ) -> Result<Option<&'static str>, Fault> {
        let counts = [
            model.tombstones().len(),
            model.all_former().len(),
            model.reserved().len(),
            model.all_due().len(),
        ];
        if self.count_held()? != counts.map(|count| count as u64) {
            return Ok(Some(
                "more or fewer deleted objects or reserved names are kept",
            ));
        }
        for (id, tombstone) in model.tombstones() {
            if self.tombstone(id)?.as_ref() != Some(tombstone) {
                return Ok(Some("a deleted object is another one"));
            }
            let Ok(former) = model.former(id);
            if self.former(id)? != former {
                return Ok(Some("a deleted object was a member of other groups"));
            }
        }
        for (reserved, until) in model.reserved() {
            if self.reserved_until(reserved)? != Some(*until) {
                return Ok(Some("a name is reserved for another time"));
            }
        }
        if !self.due()?.iter().eq(model.all_due()) {
            return Ok(Some("other things end, or at other times"));
        }
        Ok(None)
    }

    fn difference_of_history(
        &self,
        model: &MemoryDirectory,
    ) -> Result<Option<&'static str>, Fault> {
        let Ok(bytes) = model.changes_bytes();
        if self.count_changes()? != (model.changes().len() as u64, bytes) {
            return Ok(Some("there are more or fewer changes, or longer ones"));
        }
        if self.changes_floor()? != model.changes_floor() {
            return Ok(Some("other changes are forgotten"));
        }
        for (revision, record) in model.changes() {
            if self.recorded(*revision)?.as_ref() != Some(record) {
                return Ok(Some("a change is another one"));
            }
        }
        if self.count_mentions()? != model.all_mentions().len() as u64 {
            return Ok(Some("changes concern more or fewer objects"));
        }
        for (id, revision) in model.all_mentions() {
            let before = Some(quorid_directory::Revision(revision.0 + 1));
            if self.mentions(id, before, 1)? != [*revision] {
                return Ok(Some("a change does not concern an object"));
            }
        }
        Ok(None)
    }
}
