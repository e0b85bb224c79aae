//! What a node does by itself while it runs.

use std::{sync::Arc, time::Duration};

use openraft::{async_runtime::watch::WatchReceiver as _, errors::Fatal};
use quorid_storage::{Disk, Fault, KnownMember, Scrub, Store};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, error};

use super::{checkpoints::Checkpoints, own_identity::OwnIdentity, types::Raft};
use crate::{seams::Threads, state::State};

/// How much of the state is read at once, bytes, and how long none of it is then. A state of a gigabyte is read
/// in less than an hour, for half a hundredth of a core.
const SCRUB_BYTES: usize = 512 << 10;
const SCRUB_PAUSE: Duration = Duration::from_secs(1);

/// Puts changes on the disk: at most `every` after they were made, or when they are many.
pub(super) async fn make_checkpoints(
    store: Arc<State>,
    checkpoints: Checkpoints,
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
        match checkpoints.write().await {
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

/// Notes in the identity that log and state were begun, once they are, and who the members are.
pub(super) async fn note_members(
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
    let mut metrics = raft.server_metrics();
    loop {
        let members = Arc::clone(&metrics.borrow_watched().membership_config);
        let members = members.membership().nodes().map(|(id, member)| {
            let server = member.server.clone();
            KnownMember {
                server_id: *id,
                name: server.name,
                peer_address: server.peer_address,
                client_address: server.client_address,
            }
        });
        if let Err(error) = own.note_members(members.collect()) {
            fault.send_replace(Some(Fault::new("writing the server's identity", error)));
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Reads the whole state again and again, a little at a time. [`watch_state`] is told of what is found.
pub(super) async fn scrub(store: Arc<State>, threads: Arc<dyn Threads>) {
    let mut timer = interval(SCRUB_PAUSE);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut scrub = Scrub::of(&store);
    loop {
        timer.tick().await;
        let state = Arc::clone(&store);
        let read = move || scrub.read_on(&state, SCRUB_BYTES).map(|done| (done, scrub));
        let Ok(Ok((done, rest))) = threads.elsewhere(read).await else {
            return;
        };
        scrub = match done {
            true => Scrub::of(&store),
            false => rest,
        };
    }
}

/// Ends the node when its state is damaged, and takes the state out of its place: the next start gets
/// another one.
pub(super) async fn watch_state(
    store: Arc<State>,
    disk: Arc<dyn Disk>,
    fault: watch::Sender<Option<Fault>>,
) {
    let damage = store.damaged().await;
    error!(
        event = "state_damaged",
        error = %damage,
        "the state of this server is damaged; it stops, and takes the state from another server at its next start"
    );
    if let Err(error) = Store::set_aside(&*disk) {
        error!(event = "fault", %error, "the damaged state stays in its place");
    }
    fault.send_replace(Some(damage));
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
