//! What a node does by itself while it runs.

use std::{sync::Arc, time::Duration};

use openraft::{async_runtime::watch::WatchReceiver as _, errors::Fatal};
use quorid_storage::Fault;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, error};

use super::{own_identity::OwnIdentity, types::Raft};
use crate::{seams::Threads, state::State};

/// Puts changes on the disk: at most `every` after they were made, or when they are many.
pub(super) async fn make_checkpoints(
    store: Arc<State>,
    threads: Arc<dyn Threads>,
    raft: Raft,
    every: Duration,
    fault: watch::Sender<Option<Fault>>,
) {
    let mut timer = interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            () = store.checkpoint_due() => timer.reset(),
        }
        let applied = raft
            .metrics()
            .borrow_watched()
            .last_applied
            .map(|last| last.index);
        if applied <= store.durable().applied.map(|at| at.index) {
            continue;
        }
        match store.checkpoint_elsewhere(&*threads).await {
            Ok(durable) => {
                let revision = durable.applied.map_or(0, |at| at.index);
                debug!(
                    event = "checkpoint",
                    revision, "checkpoint at revision {revision}"
                );
            }
            Err(error) => {
                error!(event = "fault", %error, "a checkpoint failed");
                fault.send_replace(Some(error));
                return;
            }
        }
    }
}

/// Notes in the identity that log and state were begun, once they are.
pub(super) async fn note_formed(
    raft: Raft,
    own: Arc<OwnIdentity>,
    fault: watch::Sender<Option<Fault>>,
) {
    let mut metrics = raft.metrics();
    while metrics.borrow_watched().last_log_index.is_none() {
        if metrics.changed().await.is_err() {
            return;
        }
    }
    if let Err(error) = own.mark_formed() {
        fault.send_replace(Some(Fault::new("writing the server's identity", error)));
    }
}

/// Ends the node when the engine does: it stops at the first error of its disk.
pub(super) async fn watch_engine(raft: Raft, fault: watch::Sender<Option<Fault>>) {
    let mut server = raft.server_metrics();
    while server.changed().await.is_ok() {}
    let state = raft.metrics().borrow_watched().running_state.clone();
    match state {
        Err(Fatal::Stopped) => {}
        Err(fatal) => {
            error!(event = "fault", error = %fatal, "the engine stopped");
            fault.send_replace(Some(Fault::new("running the engine", fatal)));
        }
        Ok(()) => {
            fault.send_replace(Some(Fault::new("running the engine", "it ended")));
        }
    }
}

/// Ends the node when one of its tasks panics: a server that goes on without it would look
/// well and do half its work.
pub(super) async fn supervise(mut tasks: JoinSet<()>, fault: watch::Sender<Option<Fault>>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            error!(event = "fault", %error, "a task of this server panicked");
            fault.send_replace(Some(Fault::new("running the server", error)));
        }
    }
}
