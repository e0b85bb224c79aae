//! The directory as readers see it.

use std::sync::Arc;

use quorid_directory::{
    Change, ChangeRecord, Due, GROUP_NAME, History, IndexKey, Kind, Level, Membership, Object,
    ObjectId, Objects, Outcome, Recorded, Rejection, RequestId, Reserved, Revision, Schema,
    Selector, Setting, Time, Tombstone, UniqueKey, Verifier, all_groups_of, deleted, first_answer,
};
use quorid_storage::{Fault, Position, Rows as _, StoreView};

use super::{
    change, due, index, member,
    numbers::{self, CHANGES_BYTES, CHANGES_FLOOR, NEXT_NUMBER, SERVER_ID_MAX},
    object::{self, Stretch},
    outcome, tombstone, unique, verifier,
};

/// The directory as it was at one revision.
#[derive(Clone)]
pub struct ReadView {
    rows: Arc<StoreView>,
    schema: Schema,
}

/// Where the history of an object goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryCursor {
    /// The next change of its own.
    pub own: Option<Revision>,
    /// The next change that concerns it besides.
    pub mention: Option<Revision>,
}

/// A stretch of the history of an object.
#[derive(Debug)]
pub struct HistoryStretch {
    /// With their revisions, the newest first.
    pub changes: Vec<(Revision, ChangeRecord)>,
    /// Where it goes on, if it does.
    pub next: Option<HistoryCursor>,
    /// There were older changes, which are forgotten.
    pub older_are_gone: bool,
}

impl Objects for ReadView {
    type Error = Fault;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn object(&self, id: &ObjectId) -> Result<Option<Object>, Fault> {
        object::find(&*self.rows, id)
    }

    fn holder(&self, key: &UniqueKey) -> Result<Option<ObjectId>, Fault> {
        unique::find(&*self.rows, key)
    }

    fn groups_of(&self, member: &ObjectId) -> Result<Vec<ObjectId>, Fault> {
        member::groups_of(&*self.rows, member)
    }

    fn tombstone(&self, id: &ObjectId) -> Result<Option<Tombstone>, Fault> {
        tombstone::find(&*self.rows, id)
    }

    fn former(&self, gone: &ObjectId) -> Result<Vec<Membership>, Fault> {
        tombstone::former(&*self.rows, gone)
    }

    fn groups_within(&self, group: &ObjectId) -> Result<Vec<ObjectId>, Fault> {
        member::of_kind(&*self.rows, group, Kind::Group, usize::MAX)
    }

    fn indexed(&self, key: &IndexKey) -> Result<Vec<ObjectId>, Fault> {
        index::all(&*self.rows, key)
    }
}

impl History for ReadView {
    fn recorded(&self, revision: Revision) -> Result<Option<Recorded>, Fault> {
        change::find(&*self.rows, revision)
    }

    fn mentions(
        &self,
        id: &ObjectId,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<Revision>, Fault> {
        change::mentions(&*self.rows, id, before, limit)
    }
}

impl ReadView {
    pub(super) fn of(rows: Arc<StoreView>, schema: Schema) -> Self {
        Self { rows, schema }
    }

    /// Log index of the last entry whose effect the view shows.
    pub fn revision(&self) -> Result<Revision, Fault> {
        Ok(Revision(self.rows.applied()?.map_or(0, |at| at.index)))
    }

    /// What the password of an account is checked against.
    pub fn verifier(&self, id: &ObjectId) -> Result<Option<Verifier>, Fault> {
        verifier::find(&*self.rows, id)
    }

    /// What became of a request, where it is still known.
    pub fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Fault> {
        outcome::find(&*self.rows, request)
    }

    /// The object of a known outcome, as the first answer had it, where the changes since are known.
    pub fn first_answer(&self, change: &Change) -> Result<Object, Fault> {
        first_answer(self, change)
    }

    /// Changes in their order, from the first one after `after`, for as long as `row` returns true.
    pub fn changes(
        &self,
        after: Revision,
        row: impl FnMut(Revision, Recorded) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        change::scan(&*self.rows, after, row)
    }

    /// Up to `limit` changes of an object, the newest first, from where a stretch before ended; None: from
    /// the newest. An object that is not there any more is known by its last change.
    pub fn history(
        &self,
        id: &ObjectId,
        from: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryStretch, Fault> {
        let mut at = match from {
            Some(from) => from,
            None => HistoryCursor {
                own: match self.object(id)? {
                    Some(object) => Some(object.version),
                    None => deleted(self, id)?.map(|(revision, _)| revision),
                },
                mention: self.mentions(id, None, 1)?.pop(),
            },
        };
        let (mut changes, mut older_are_gone) = (Vec::new(), false);
        while changes.len() < limit
            && let Some(revision) = at.own.max(at.mention)
        {
            let record = self.change(revision)?;
            if at.own == Some(revision) {
                older_are_gone = record.is_none();
                at.own = record.as_ref().and_then(|record| record.previous_of(id));
            }
            if at.mention == Some(revision) {
                at.mention = self.mentions(id, Some(revision), 1)?.pop();
            }
            changes.extend(record.map(|record| (revision, record)));
        }
        let more = at.own.is_some() || at.mention.is_some();
        Ok(HistoryStretch {
            changes,
            next: more.then_some(at),
            older_are_gone,
        })
    }

    /// Changes up to this revision are forgotten; 0: none.
    pub fn changes_floor(&self) -> Result<Revision, Fault> {
        Ok(Revision(self.rows.number(CHANGES_FLOOR)?))
    }

    /// How many changes are kept, and the room that they take, bytes.
    pub fn count_changes(&self) -> Result<(u64, u64), Fault> {
        let changes = self.rows.count(&change::TABLE)?;
        Ok((changes, self.rows.number(CHANGES_BYTES)?))
    }

    /// Number of those whom changes concern besides.
    pub(super) fn count_mentions(&self) -> Result<u64, Fault> {
        self.rows.count(&change::MENTIONS)
    }

    /// The object that a request names, if it is there and of the kind that is meant.
    pub fn find(&self, named: &Selector) -> Result<Result<Object, Rejection>, Fault> {
        named.find(|key| self.holder(key), |id| self.object(id))
    }

    /// The deleted object that a request names, if it can be restored and is of the kind that is meant.
    pub fn find_deleted(&self, named: &Selector) -> Result<Result<Tombstone, Rejection>, Fault> {
        named.find_deleted(|key| self.holder(key), |id| self.tombstone(id))
    }

    /// Deleted objects that can be restored, in the order of their ids, from the first one after `after`; and
    /// whether there are more: at most `limit`, and one at least but otherwise no more than `bytes_max` as they
    /// are stored.
    pub fn deleted(
        &self,
        after: Option<&ObjectId>,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Tombstone>, bool), Fault> {
        let (mut found, mut bytes, mut more) = (Vec::new(), 0, false);
        tombstone::scan(&*self.rows, after, |tombstone, size| {
            more = found.len() == limit || (bytes > bytes_max && !found.is_empty());
            if !more {
                bytes += size;
                found.push(tombstone);
            }
            Ok(!more)
        })?;
        Ok((found, more))
    }

    /// Number of deleted objects that can be restored.
    pub fn count_deleted(&self) -> Result<u64, Fault> {
        self.rows.count(&tombstone::TABLE)
    }

    /// Login names that nobody has and that are reserved, and until when, from the first one after `after`; and
    /// whether there are more: at most `limit`.
    pub fn reserved(
        &self,
        after: Option<&Reserved>,
        limit: usize,
    ) -> Result<(Vec<(Reserved, Time)>, bool), Fault> {
        let (mut found, mut more) = (Vec::new(), false);
        due::scan_reserved(&*self.rows, after, |reserved, until| {
            more = found.len() == limit;
            if !more {
                found.push((reserved, until));
            }
            Ok(!more)
        })?;
        Ok((found, more))
    }

    /// Numbers of tombstones, of memberships that ended, of reserved values, and of what ends.
    pub(super) fn count_held(&self) -> Result<[u64; 4], Fault> {
        Ok([
            self.rows.count(&tombstone::TABLE)?,
            self.rows.count(&tombstone::FORMER)?,
            self.rows.count(&due::RESERVED)?,
            self.rows.count(&due::TABLE)?,
        ])
    }

    /// How long a value is reserved; none: it is not.
    pub(super) fn reserved_until(&self, reserved: &Reserved) -> Result<Option<Time>, Fault> {
        due::reserved_until(&*self.rows, reserved)
    }

    /// All that ends by itself, in its order.
    pub(super) fn due(&self) -> Result<Vec<Due>, Fault> {
        due::first(&*self.rows, usize::MAX)
    }

    /// Accounts that fit, in the order of their ids, from the first one after `after`; and where to go
    /// on, if there may be more.
    pub fn accounts(
        &self,
        after: Option<ObjectId>,
        stretch: Stretch,
        fits: impl Fn(&Object) -> bool,
    ) -> Result<(Vec<Object>, Option<ObjectId>), Fault> {
        let is_account = |object: &Object| object.kind.is_account();
        object::list(&*self.rows, after, stretch, |object| {
            is_account(object) && fits(object)
        })
    }

    /// As [`accounts`](Self::accounts), of those that have this value: no others are looked at.
    pub fn accounts_by_index(
        &self,
        key: &IndexKey,
        after: Option<ObjectId>,
        stretch: Stretch,
        fits: impl Fn(&Object) -> bool,
    ) -> Result<(Vec<Object>, Option<ObjectId>), Fault> {
        object::list_by_index(&*self.rows, key, after, stretch, |object| {
            object.kind.is_account() && fits(object)
        })
    }

    /// Groups in the order of their names, from the first one after `after`, and whether there are
    /// more: at most `limit`, and one at least but otherwise no more than `bytes_max` as they are
    /// stored.
    pub fn groups(
        &self,
        after: Option<&UniqueKey>,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Object>, bool), Fault> {
        let (mut groups, mut bytes, mut more) = (Vec::new(), 0, false);
        unique::scan(&*self.rows, GROUP_NAME, after, |id| {
            more = groups.len() == limit || (bytes > bytes_max && !groups.is_empty());
            if !more && let Some(group) = self.object(&id)? {
                bytes += object::encode(&group).len();
                groups.push(group);
            }
            Ok(!more)
        })?;
        Ok((groups, more))
    }

    /// The groups that have the object as a member, by way of other groups too: nearer ones first.
    pub fn all_groups_of(&self, member: &ObjectId) -> Result<Vec<ObjectId>, Fault> {
        all_groups_of(member, |id| self.groups_of(id))
    }

    /// The names of these groups, in the same order.
    pub fn all_group_names_of(&self, member: &ObjectId) -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        for group in self.all_groups_of(member)? {
            names.extend(object::group_name(&*self.rows, &group)?);
        }
        Ok(names)
    }

    /// Members of a group by kind and id, from the first one after `after`, and whether there are
    /// more: at most `limit`.
    pub fn members(
        &self,
        group: &ObjectId,
        after: Option<&Membership>,
        limit: usize,
    ) -> Result<(Vec<Membership>, bool), Fault> {
        member::list(&*self.rows, group, after, limit)
    }

    /// Number of accounts.
    pub fn count_accounts(&self) -> Result<u64, Fault> {
        Ok(self.count_accounts_and_groups()?.0)
    }

    /// Numbers of accounts and of groups. Counts the groups one by one.
    pub fn count_accounts_and_groups(&self) -> Result<(u64, u64), Fault> {
        let mut groups = 0;
        unique::scan(&*self.rows, GROUP_NAME, None, |id| {
            groups += u64::from(object::is_there(&*self.rows, &id)?);
            Ok(true)
        })?;
        let objects = self.rows.count(&object::TABLE)?;
        Ok((objects.saturating_sub(groups), groups))
    }

    /// The lowest number that the directory's counter may give next.
    pub fn next_number(&self) -> Result<u64, Fault> {
        self.rows.number(NEXT_NUMBER)
    }

    /// The value of a setting: its default, where nobody has set it.
    pub fn setting(&self, setting: Setting) -> Result<u64, Fault> {
        numbers::setting(&*self.rows, setting)
    }

    /// Number of rows of the index.
    pub(super) fn count_index(&self) -> Result<u64, Fault> {
        self.rows.count(&index::TABLE)
    }

    /// The feature level that the directory is at.
    pub fn level(&self) -> Result<Level, Fault> {
        numbers::level(&*self.rows)
    }

    /// Number of memberships, as groups have them and as members have them.
    pub(super) fn count_memberships(&self) -> Result<[u64; 2], Fault> {
        Ok([
            self.rows.count(&member::TABLE)?,
            self.rows.count(&member::GROUPS_OF)?,
        ])
    }

    /// The highest server id that any membership named.
    pub fn server_id_max(&self) -> Result<u64, Fault> {
        self.rows.number(SERVER_ID_MAX)
    }

    /// SHA-256 of everything that is replicated: schema, objects, unique values, the index, verifiers,
    /// memberships, what is left of deleted objects, reserved names, outcomes, changes, settings, clock, the counter of numbers and the feature level.
    /// Two servers at the same revision have the same. Reads the whole state.
    pub fn digest(&self) -> Result<[u8; 32], Fault> {
        self.rows.digest()
    }

    /// The digest in hexadecimal.
    pub fn digest_text(&self) -> Result<String, Fault> {
        let digest = self.digest()?;
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether the tables fit together. Reads the whole state.
    pub fn check(&self) -> Result<(), Fault> {
        self.rows.check()
    }

    /// Position and membership of the view.
    pub fn position(&self) -> Result<Position, Fault> {
        self.rows.position()
    }
}
