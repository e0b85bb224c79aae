//! What a snapshot is while the engine holds it.

use crate::storage::{Loaded, SnapshotReader};

/// A snapshot's content.
#[derive(Debug)]
pub(crate) enum StateSnapshot {
    /// The state itself, made durable by a checkpoint: nothing to carry around.
    Checkpoint,
    /// A view of the state, to be sent.
    Outgoing(Box<SnapshotReader>),
    /// Received in full, to be put in the state's place.
    Incoming(Box<Loaded>),
}
