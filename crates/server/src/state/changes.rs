//! Changes to the directory: all of a batch, or none.

use std::collections::VecDeque;

use quorid_directory::{
    Due, Ends, Event, History, IndexKey, KeptChange, Kind, Level, Membership, Object, ObjectId,
    Objects, Outcome, Recorded, Reply, RequestId, Reserved, Revision, Schema, Setting, Time,
    Tombstone, UniqueKey, Verifier, View, decide, decide_beyond,
};
use quorid_storage::{Batch, Fault, LogPos, OrFault as _, Rows as _};

use super::{
    change,
    command::StoredCommand,
    due, index, member,
    numbers::{self, CHANGES_BYTES, CHANGES_FLOOR, CLOCK, LEVEL, NEXT_NUMBER, SERVER_ID_MAX},
    object, outcome, schema, tombstone, unique, verifier,
};

/// A batch of changes that is being made.
pub struct Changes<'b, 't> {
    batch: &'b mut Batch<'t>,
    schema: Schema,
    /// Whether the batch has changed it.
    defined: bool,
    clock: Time,
    next_number: u64,
    /// Whether the batch has moved it: few do.
    counted: bool,
    level: Level,
    /// Whether the batch has set it.
    raised: bool,
    /// The first of the recorded requests, read ahead; complete only up to its last.
    oldest: VecDeque<RequestId>,
    outcome_count: u64,
    recorded: KeptChanges,
    /// What ends first by itself, if anything; unknown after a change of it.
    first_due: Option<Option<Due>>,
}

/// The changes that are kept.
struct KeptChanges {
    bytes: u64,
    floor: Revision,
    /// Whether the batch has changed it.
    moved: bool,
    /// Whether the batch has made one forgotten.
    forgets: bool,
    /// The oldest ones, read ahead.
    oldest: VecDeque<KeptChange>,
}

/// How many of the oldest requests, and of the oldest changes, a batch reads ahead.
const OLDEST_AHEAD: usize = 64;

impl<'b, 't> Changes<'b, 't> {
    pub(super) fn to(batch: &'b mut Batch<'t>, schema: Schema) -> Result<Self, Fault> {
        Ok(Self {
            schema,
            defined: false,
            clock: Time(batch.number(CLOCK)?),
            next_number: batch.number(NEXT_NUMBER)?,
            counted: false,
            level: numbers::level(batch)?,
            raised: false,
            oldest: VecDeque::new(),
            first_due: None,
            outcome_count: batch.count(&outcome::TABLE)?,
            recorded: KeptChanges {
                bytes: batch.number(CHANGES_BYTES)?,
                floor: Revision(batch.number(CHANGES_FLOOR)?),
                moved: false,
                forgets: false,
                oldest: VecDeque::new(),
            },
            batch,
        })
    }

    /// Executes an encoded command at its place in the log. The outcome is the command's
    /// first one, also when it is executed again.
    pub fn command(&mut self, at: LogPos, command: &[u8]) -> Result<Reply, Fault> {
        self.batch.command_bytes(command.len() as u64);
        self.read_ahead()?;
        let command = StoredCommand::read(command)?;
        let revision = Revision(at.index);
        // Such a command may ask for what this server does not know: the rest of it is not read.
        let decision = match command.needed() > self.level {
            true => decide_beyond(&*self, revision, command.time(), command.needed())?,
            false => decide(&*self, revision, &command.decode()?)?,
        };
        for event in &decision.events {
            self.record(event)?;
        }
        self.applied(at);
        Ok(decision.reply())
    }

    /// Keeps the outcome of a command for a request that nobody made, too: what a planted bug does.
    pub fn invent_outcome(&mut self, command: &[u8]) -> Result<(), Fault> {
        let request = StoredCommand::read(command)?.decode()?.request;
        let other = uuid::Uuid::from_u128(request.uuid().as_u128() ^ 1);
        let other = RequestId::from_uuid(other).or_fault("planting a bug")?;
        match outcome::find(self.batch, &request)? {
            Some(outcome) => outcome::put(self.batch, &other, &outcome),
            None => Ok(()),
        }
    }

    /// Keeps an encoded membership that names no server above `server_id_max`. The first one makes the
    /// feature level `level`.
    pub fn membership(
        &mut self,
        at: LogPos,
        membership: &[u8],
        server_id_max: u64,
        level: Level,
    ) -> Result<(), Fault> {
        self.batch.membership(membership)?;
        if self.batch.number(LEVEL)? == 0 && !self.raised {
            self.level = level;
            self.raised = true;
        }
        let max = self.batch.number(SERVER_ID_MAX)?.max(server_id_max);
        self.batch.set_value(SERVER_ID_MAX, &max.to_be_bytes())?;
        self.applied(at);
        Ok(())
    }

    /// Notes that the batch holds the effect of everything up to here.
    pub fn applied(&mut self, at: LogPos) {
        self.batch.applied(at);
    }

    fn record(&mut self, event: &Event) -> Result<(), Fault> {
        match event {
            Event::ObjectStored(object) => object::put(self.batch, &self.schema, object),
            Event::ObjectRemoved { id } => object::remove(self.batch, &self.schema, id),
            Event::UniqueTaken { key, holder } => unique::put(self.batch, key, *holder),
            Event::UniqueFreed { key } => unique::remove(self.batch, key),
            Event::VerifierStored { id, verifier } => verifier::put(self.batch, id, verifier),
            Event::VerifierRemoved { id } => verifier::remove(self.batch, id),
            Event::MemberAdded(membership) => member::put(self.batch, membership),
            Event::MemberRemoved(membership) => member::remove(self.batch, membership),
            Event::TombstoneStored(tombstone) => {
                self.first_due = None;
                let ends = Ends::Tombstone(tombstone.object.id);
                due::put(self.batch, tombstone.until, &ends)?;
                tombstone::put(self.batch, tombstone)
            }
            Event::TombstoneRemoved { id } => {
                self.first_due = None;
                let removed = tombstone::remove(self.batch, id)?;
                due::remove(self.batch, removed.until, &Ends::Tombstone(*id))
            }
            Event::FormerAdded { gone, membership } => {
                tombstone::put_former(self.batch, gone, membership)
            }
            Event::FormerRemoved { gone, membership } => {
                tombstone::remove_former(self.batch, gone, membership)
            }
            Event::NameReserved { reserved, until } => {
                self.first_due = None;
                due::reserve(self.batch, reserved, *until)
            }
            Event::ReservationEnded { reserved } => {
                self.first_due = None;
                due::end_reservation(self.batch, reserved)
            }
            Event::AttributeDefined(row) => {
                self.schema = self.schema.with(row.clone());
                self.defined = true;
                schema::put(self.batch, row)
            }
            Event::ChangeRecorded { revision, record } => self.remember(*revision, record),
            Event::ChangeRedacted { revision } => {
                self.recorded.bytes -= change::redact(self.batch, *revision)?;
                self.recorded.moved = true;
                // How much room they take is read ahead.
                self.recorded.oldest.clear();
                Ok(())
            }
            Event::ChangeForgotten { revision } => self.forget(*revision),
            Event::NumbersCounted { next } => {
                self.next_number = *next;
                self.counted = true;
                Ok(())
            }
            Event::SettingChanged(change) => numbers::put_setting(self.batch, change),
            Event::LevelRaised { to } => {
                self.level = *to;
                self.raised = true;
                Ok(())
            }
            Event::OutcomeRecorded { request, outcome } => {
                outcome::put(self.batch, request, outcome)?;
                self.outcome_count += 1;
                // Requests that come late stand among the oldest: read those anew.
                if self.oldest.back().is_some_and(|last| request < last) {
                    self.oldest.clear();
                }
                Ok(())
            }
            Event::OutcomeForgotten { request } => {
                outcome::remove(self.batch, request)?;
                self.outcome_count -= 1;
                match self.oldest.front() {
                    Some(first) if first == request => drop(self.oldest.pop_front()),
                    Some(_) | None => self.oldest.clear(),
                }
                Ok(())
            }
            Event::ClockSet { now } => {
                self.clock = *now;
                Ok(())
            }
        }
    }

    /// Reads the oldest requests ahead, so that to forget one needs no search.
    fn read_ahead(&mut self) -> Result<(), Fault> {
        if self.oldest.len() < 8 && self.oldest.len() as u64 != self.outcome_count {
            self.oldest = outcome::oldest(self.batch, OLDEST_AHEAD)?;
        }
        if self.first_due.is_none() {
            self.first_due = Some(due::first(self.batch, 1)?.pop());
        }
        if self.recorded.oldest.is_empty() {
            // One is enough to see that none is due; where one was, more follow.
            let ahead = if self.recorded.forgets {
                OLDEST_AHEAD
            } else {
                1
            };
            self.recorded.oldest = change::oldest(self.batch, ahead)?;
        }
        Ok(())
    }

    fn remember(&mut self, revision: Revision, record: &Recorded) -> Result<(), Fault> {
        change::put(self.batch, revision, record)?;
        self.recorded.bytes += record.bytes();
        self.recorded.moved = true;
        Ok(())
    }

    fn forget(&mut self, revision: Revision) -> Result<(), Fault> {
        self.recorded.bytes -= change::remove(self.batch, revision)?;
        self.recorded.floor = revision;
        self.recorded.moved = true;
        self.recorded.forgets = true;
        let first = self.recorded.oldest.pop_front();
        assert!(first.is_none_or(|first| first.revision == revision));
        Ok(())
    }

    /// The schema as it is then, if it is another one than before.
    pub(super) fn finish(self) -> Result<Option<Schema>, Fault> {
        self.batch.set_value(CLOCK, &self.clock.0.to_be_bytes())?;
        if self.counted {
            let next = self.next_number.to_be_bytes();
            self.batch.set_value(NEXT_NUMBER, &next)?;
        }
        if self.raised {
            let level = u64::from(self.level.0).to_be_bytes();
            self.batch.set_value(LEVEL, &level)?;
        }
        if self.recorded.moved {
            let KeptChanges { bytes, floor, .. } = self.recorded;
            self.batch.set_value(CHANGES_BYTES, &bytes.to_be_bytes())?;
            self.batch
                .set_value(CHANGES_FLOOR, &floor.0.to_be_bytes())?;
        }
        Ok(self.defined.then_some(self.schema))
    }
}

impl Objects for Changes<'_, '_> {
    type Error = Fault;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn object(&self, id: &ObjectId) -> Result<Option<Object>, Fault> {
        object::find(self.batch, id)
    }

    fn holder(&self, key: &UniqueKey) -> Result<Option<ObjectId>, Fault> {
        unique::find(self.batch, key)
    }

    fn groups_of(&self, member: &ObjectId) -> Result<Vec<ObjectId>, Fault> {
        member::groups_of(self.batch, member)
    }

    fn tombstone(&self, id: &ObjectId) -> Result<Option<Tombstone>, Fault> {
        tombstone::find(self.batch, id)
    }

    fn former(&self, gone: &ObjectId) -> Result<Vec<Membership>, Fault> {
        tombstone::former(self.batch, gone)
    }

    fn groups_within(&self, group: &ObjectId) -> Result<Vec<ObjectId>, Fault> {
        member::of_kind(self.batch, group, Kind::Group, usize::MAX)
    }

    fn indexed(&self, key: &IndexKey) -> Result<Vec<ObjectId>, Fault> {
        index::all(self.batch, key)
    }
}

impl History for Changes<'_, '_> {
    fn recorded(&self, revision: Revision) -> Result<Option<Recorded>, Fault> {
        change::find(self.batch, revision)
    }

    fn mentions(
        &self,
        id: &ObjectId,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<Revision>, Fault> {
        change::mentions(self.batch, id, before, limit)
    }
}

impl View for Changes<'_, '_> {
    fn is_member(&self, membership: &Membership) -> Result<bool, Fault> {
        member::is_member(self.batch, membership)
    }

    fn members(&self, group: &ObjectId, kind: Kind, limit: usize) -> Result<Vec<ObjectId>, Fault> {
        member::of_kind(self.batch, group, kind, limit)
    }

    fn verifier(&self, id: &ObjectId) -> Result<Option<Verifier>, Fault> {
        verifier::find(self.batch, id)
    }

    fn next_number(&self) -> Result<u64, Fault> {
        Ok(self.next_number)
    }

    fn reserved_until(&self, reserved: &Reserved) -> Result<Option<Time>, Fault> {
        due::reserved_until(self.batch, reserved)
    }

    fn reserved_of(&self, owner: &ObjectId) -> Result<Vec<(UniqueKey, Time)>, Fault> {
        due::reserved_of(self.batch, owner)
    }

    fn due(&self, limit: usize) -> Result<Vec<Due>, Fault> {
        match &self.first_due {
            Some(None) => Ok(Vec::new()),
            Some(Some(first)) if limit == 1 => Ok(vec![first.clone()]),
            Some(Some(_)) | None => due::first(self.batch, limit),
        }
    }

    fn setting(&self, setting: Setting) -> Result<u64, Fault> {
        numbers::setting(self.batch, setting)
    }

    fn level(&self) -> Result<Level, Fault> {
        Ok(self.level)
    }

    fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Fault> {
        outcome::find(self.batch, request)
    }

    fn oldest_outcomes(&self, limit: usize) -> Result<Vec<RequestId>, Fault> {
        if self.oldest.len() >= limit || self.oldest.len() as u64 == self.outcome_count {
            return Ok(self.oldest.iter().copied().take(limit).collect());
        }
        Ok(outcome::oldest(self.batch, limit)?.into())
    }

    fn changes_bytes(&self) -> Result<u64, Fault> {
        Ok(self.recorded.bytes)
    }

    fn oldest_changes(&self, limit: usize) -> Result<Vec<KeptChange>, Fault> {
        let ahead = &self.recorded.oldest;
        if ahead.len() >= limit {
            return Ok(ahead.iter().copied().take(limit).collect());
        }
        Ok(change::oldest(self.batch, limit)?.into())
    }

    fn clock(&self) -> Result<Time, Fault> {
        Ok(self.clock)
    }
}
