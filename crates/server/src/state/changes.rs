//! Changes to the directory: all of a batch, or none.

use std::collections::VecDeque;

use quorid_directory::{
    Event, Kind, Level, Membership, Object, ObjectId, Objects, Outcome, RequestId, Revision,
    Schema, Setting, Time, UniqueKey, Verifier, View, decide, decide_beyond,
};
use quorid_storage::{Batch, Fault, LogPos, Rows as _};

use super::{
    command::StoredCommand,
    member,
    numbers::{self, CLOCK, FLOOR, LEVEL, NEXT_NUMBER, SERVER_ID_MAX},
    object, outcome, schema, unique, verifier,
};

/// A batch of changes that is being made.
pub struct Changes<'b, 't> {
    batch: &'b mut Batch<'t>,
    schema: Schema,
    /// Whether the batch has changed it.
    defined: bool,
    clock: Time,
    floor: Time,
    next_number: u64,
    /// Whether the batch has moved it: few do.
    counted: bool,
    level: Level,
    /// Whether the batch has set it.
    raised: bool,
    /// The first of the recorded requests, read ahead; complete only up to its last.
    oldest: VecDeque<RequestId>,
    outcome_count: u64,
}

/// How many of the oldest requests a batch reads ahead.
const OLDEST_AHEAD: usize = 64;

impl<'b, 't> Changes<'b, 't> {
    pub(super) fn to(batch: &'b mut Batch<'t>, schema: Schema) -> Result<Self, Fault> {
        Ok(Self {
            schema,
            defined: false,
            clock: Time(batch.number(CLOCK)?),
            floor: Time(batch.number(FLOOR)?),
            next_number: batch.number(NEXT_NUMBER)?,
            counted: false,
            level: numbers::level(batch)?,
            raised: false,
            oldest: VecDeque::new(),
            outcome_count: batch.count(&outcome::TABLE)?,
            batch,
        })
    }

    /// Executes an encoded command at its place in the log. The outcome is the command's
    /// first one, also when it is executed again.
    pub fn command(&mut self, at: LogPos, command: &[u8]) -> Result<Outcome, Fault> {
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
        Ok(decision.outcome)
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
            Event::AttributeDefined(row) => {
                self.schema = self.schema.with(row.clone());
                self.defined = true;
                schema::put(self.batch, row)
            }
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
            Event::FloorRaised { floor } => {
                self.floor = *floor;
                Ok(())
            }
            Event::ClockAdvanced { now } => {
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
        Ok(())
    }

    /// The schema as it is then, if it is another one than before.
    pub(super) fn finish(self) -> Result<Option<Schema>, Fault> {
        self.batch.set_value(CLOCK, &self.clock.0.to_be_bytes())?;
        self.batch.set_value(FLOOR, &self.floor.0.to_be_bytes())?;
        if self.counted {
            let next = self.next_number.to_be_bytes();
            self.batch.set_value(NEXT_NUMBER, &next)?;
        }
        if self.raised {
            let level = u64::from(self.level.0).to_be_bytes();
            self.batch.set_value(LEVEL, &level)?;
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

    fn setting(&self, setting: Setting) -> Result<u64, Fault> {
        numbers::setting(self.batch, setting)
    }

    fn level(&self) -> Result<Level, Fault> {
        Ok(self.level)
    }

    fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Fault> {
        outcome::find(self.batch, request)
    }

    fn outcome_count(&self) -> Result<u64, Fault> {
        Ok(self.outcome_count)
    }

    fn oldest_outcomes(&self, limit: usize) -> Result<Vec<RequestId>, Fault> {
        if self.oldest.len() >= limit || self.oldest.len() as u64 == self.outcome_count {
            return Ok(self.oldest.iter().copied().take(limit).collect());
        }
        Ok(outcome::oldest(self.batch, limit)?.into())
    }

    fn clock(&self) -> Result<Time, Fault> {
        Ok(self.clock)
    }

    fn floor(&self) -> Result<Time, Fault> {
        Ok(self.floor)
    }
}
