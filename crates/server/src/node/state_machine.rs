//! The engine's state machine: the directory's state.

use std::{io, sync::Arc};

use futures_util::{Stream, TryStreamExt as _};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
};
use quorid_directory::{
    LOGIN_NAME, Level, Operation, PlantedBug, RequestId, View as _, is_planted,
};
use quorid_storage::{Fault, OrFault as _, Position};
use tracing::info;

use super::{
    checkpoints::{Checkpoints, Flushed},
    log_store::tell_entries,
    snapshot::StateSnapshot,
    types::{Applied, LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig},
    wire,
};
use crate::{
    seams::Threads,
    state::{State, StoredCommand, decode_command, encode_command},
};

/// How many entries one transaction takes at most: some milliseconds of work.
const BATCH_ENTRIES_MAX: usize = 256;

/// Applies what is committed, in batches of whatever is there.
pub(crate) struct StateMachine {
    store: Arc<State>,
    threads: Arc<dyn Threads>,
    checkpoints: Checkpoints,
    /// The highest feature level that this server supports.
    supports: Level,
}

impl StateMachine {
    /// `flushed` is how far the log is on the disk that belongs to the state.
    pub(crate) fn new(
        store: Arc<State>,
        threads: Arc<dyn Threads>,
        flushed: Flushed,
        supports: Level,
    ) -> Self {
        let checkpoints = Checkpoints::new(Arc::clone(&store), Arc::clone(&threads), flushed);
        Self {
            store,
            threads,
            checkpoints,
            supports,
        }
    }

    /// Makes the checkpoints of the state.
    pub(super) fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// One transaction for the whole batch; the callers are answered once it is visible.
    async fn apply_batch(&self, batch: Vec<EntryResponder<TypeConfig>>) -> Result<(), Fault> {
        let _turn = self.store.turn().await;
        let mut answers = Vec::with_capacity(batch.len());
        let index = |entry: Option<&EntryResponder<TypeConfig>>| {
            entry.map_or(0, |(entry, _)| entry.log_id.index)
        };
        let (first, last) = (index(batch.first()), index(batch.last()));
        let again = is_planted(PlantedBug::CommandAppliedTwice)
            && self.store.durable().applied == self.store.read()?.position()?.applied;
        let (level, raised) = self.store.write(|state| {
            let level = state.level()?;
            for (entry, responder) in batch {
                let at = wire::log_pos(&entry.log_id);
                let outcome = match entry.payload {
                    EntryPayload::Blank => {
                        state.applied(at);
                        None
                    }
                    EntryPayload::Normal(proposal)
                        if (responder.is_none() && is_left_out(&proposal.0)?)
                            || self.is_ignored(&proposal.0)? =>
                    {
                        state.applied(at);
                        None
                    }
                    EntryPayload::Normal(proposal) => {
                        let outcome = state.command(at, &proposal.0)?;
                        if responder.is_none() && is_planted(PlantedBug::SumNotCompared) {
                            state.invent_outcome(&proposal.0)?;
                        }
                        if again {
                            state.command(at, &as_another_request(&proposal.0)?)?;
                        }
                        Some(outcome)
                    }
                    EntryPayload::Membership(membership) => {
                        let highest = membership.nodes().map(|(id, _)| *id).max();
                        let stored = StoredMembership::new(Some(entry.log_id), membership);
                        let bytes = wire::encode_stored_membership(&stored);
                        let level = wire::level_of(stored.membership());
                        state.membership(at, &bytes, highest.unwrap_or(0), level)?;
                        None
                    }
                };
                answers.push((responder, outcome));
            }
            Ok((level, self.check_level(state.level()?)?))
        })?;
        if raised != level {
            info!(
                event = "level_raised",
                level = raised.0,
                "the directory is at feature level {raised}"
            );
        }
        tell_entries("applied", first, last);
        for (responder, outcome) in answers {
            if let Some(responder) = responder {
                responder.send(Applied(outcome));
            }
        }
        Ok(())
    }
}

impl StateMachine {
    /// Refuses to go on at a level at which this server would not understand what it applies.
    fn check_level(&self, level: Level) -> Result<Level, Fault> {
        let supports = self.supports;
        if level > supports && !is_planted(PlantedBug::FieldIgnored) {
            let why = format!(
                "the directory was raised to feature level {level}, and this version of quorid supports \
                 {supports} at most; install the version that the other servers run"
            );
            return Err(Fault::new("applying the log", why));
        }
        Ok(level)
    }

    /// Whether a planted bug makes an older server pass over what it does not know.
    fn is_ignored(&self, command: &[u8]) -> Result<bool, Fault> {
        if !is_planted(PlantedBug::FieldIgnored) {
            return Ok(false);
        }
        Ok(StoredCommand::read(command)?.needed() > self.supports)
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = StateSnapshot;
    type SnapshotBuilder = Checkpointer;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let durable = self.store.read()?.position()?;
        Ok(position(&durable)?)
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batch = Vec::new();
        while let Some(entry) = entries.try_next().await? {
            batch.push(entry);
            if batch.len() == BATCH_ENTRIES_MAX {
                self.apply_batch(std::mem::take(&mut batch)).await?;
            }
        }
        if !batch.is_empty() {
            self.apply_batch(batch).await?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        Checkpointer(self.checkpoints.clone())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: StateSnapshot,
    ) -> Result<(), io::Error> {
        let loaded = match snapshot {
            StateSnapshot::Incoming(loaded) => *loaded,
            StateSnapshot::Outgoing(mut reader) => {
                // A view of another state on this machine.
                let mut loader = self.store.loader()?;
                while let Some(chunk) = reader.next_chunk()? {
                    loader.add(&chunk)?;
                }
                loader.finish(reader.totals())?
            }
            // The engine restores a state that forgets at a restart this way. Ours doesn't:
            // it holds what its checkpoint does.
            StateSnapshot::Checkpoint => {
                let (applied, _) = self.applied_state().await?;
                if applied >= meta.last_log_id {
                    return Ok(());
                }
                return Err(io::Error::other(
                    "a checkpoint of this state is newer than the state",
                ));
            }
        };
        let turn = self.store.turn().await;
        let store = Arc::clone(&self.store);
        let install = move || {
            let _turn = turn;
            store.install(loaded)
        };
        let durable = self.threads.elsewhere(install).await??;
        let revision = durable.applied.map_or(0, |at| at.index);
        info!(
            event = "snapshot_installed",
            revision, "snapshot installed at revision {revision}"
        );
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let reader = self.store.snapshot()?;
        let (last_log_id, last_membership) = position(reader.position())?;
        if last_log_id.is_none() {
            return Ok(None);
        }
        Ok(Some(Snapshot {
            meta: SnapshotMeta {
                last_log_id,
                last_membership,
            },
            snapshot: StateSnapshot::Outgoing(Box::new(reader)),
        }))
    }
}

/// Makes the state durable, so that the log behind it can go.
pub(crate) struct Checkpointer(Checkpoints);

impl RaftSnapshotBuilder<TypeConfig> for Checkpointer {
    type SnapshotData = StateSnapshot;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let durable = self.0.write().await?;
        let (last_log_id, last_membership) = position(&durable)?;
        Ok(Snapshot {
            meta: SnapshotMeta {
                last_log_id,
                last_membership,
            },
            snapshot: StateSnapshot::Checkpoint,
        })
    }
}

pub(super) fn position(durable: &Position) -> Result<(Option<LogId>, StoredMembership), Fault> {
    let membership = wire::decode_stored_membership(&durable.membership)?;
    Ok((durable.applied.map(wire::log_id), membership))
}

/// Whether a planted bug leaves a command out where nobody waits for its answer: an edit of other
/// attributes than names.
fn is_left_out(command: &[u8]) -> Result<bool, Fault> {
    if !is_planted(PlantedBug::EditSkippedByFollower) {
        return Ok(false);
    }
    Ok(match decode_command(command)?.operation {
        Operation::Change { edits, .. } => edits.iter().all(|edit| edit.attribute != LOGIN_NAME),
        Operation::Create { .. }
        | Operation::Delete { .. }
        | Operation::Members { .. }
        | Operation::Restore { .. }
        | Operation::Purge { .. }
        | Operation::FreeName { .. }
        | Operation::Configure(_)
        | Operation::Revert { .. }
        | Operation::DefineAttribute { .. } => false,
        Operation::RaiseLevel { .. } => false,
    })
}

/// The same command, so that nothing shows that it was executed before: what a planted bug does.
fn as_another_request(command: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut command = decode_command(command)?;
    let other = command.request.uuid().as_u128() ^ 1;
    let other = RequestId::from_uuid(uuid::Uuid::from_u128(other));
    command.request = other.or_fault("planting a bug")?;
    Ok(encode_command(&command))
}
