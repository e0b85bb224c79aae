//! What a node does by itself while it runs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use openraft::{async_runtime::watch::WatchReceiver as _, errors::Fatal};
use quorid_storage::{Disk, Fault, KnownMember, OrFault as _, Scrub, Store};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, error, warn};

use super::{checkpoints::Checkpoints, network::Addresses, own_identity::OwnIdentity, types::Raft};
use crate::{named_server::NamedServer, seams::Threads, state::State};

/// How much of the state is read at once, bytes, and how long none of it is then. A state of a gigabyte is read
/// in less than an hour, for half a hundredth of a core.
const SCRUB_BYTES: usize = 512 << 10;
const SCRUB_PAUSE: Duration = Duration::from_secs(1);

/// How often a server looks whether its data directory is in its place.
const PLACE_CHECK: Duration = Duration::from_secs(1);

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

/// Notes in the identity that log and state were begun, once they are, and who the members are; and for the
/// connections to them, where they are.
pub(super) async fn note_members(
    raft: Raft,
    own: Arc<OwnIdentity>,
    (configured, addresses): (NamedServer, Addresses),
    fault: watch::Sender<Option<Fault>>,
) {
    let mut metrics = raft.metrics();
    while metrics.borrow_watched().last_log_index.is_none() {
        if metrics.changed().await.is_err() {
            return;
        }
    }
    let mut metrics = raft.server_metrics();
    let mut known: BTreeMap<u64, NamedServer> = BTreeMap::new();
    loop {
        let members = Arc::clone(&metrics.borrow_watched().membership_config);
        let nodes = members.membership().nodes();
        let now: BTreeMap<u64, NamedServer> =
            nodes.map(|(id, it)| (*id, it.server.clone())).collect();
        if now != known {
            let here = now.iter().map(|(id, it)| (*id, it.peer_address.clone()));
            addresses.note(here);
            tell_of_own(&now, &configured);
            let members = now.iter().map(|(id, server)| KnownMember {
                server_id: *id,
                name: server.name.clone(),
                peer_address: server.peer_address.clone(),
                client_address: server.client_address.clone(),
            });
            if let Err(error) = own.note_members(members.collect()) {
                fault.send_replace(Some(Fault::new("writing the server's identity", error)));
            }
            known = now;
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the operator of this server if the cluster knows it elsewhere.
fn tell_of_own(members: &BTreeMap<u64, NamedServer>, configured: &NamedServer) {
    let own = members.values().find(|it| it.name == configured.name);
    if let Some(known) = own.filter(|known| *known != configured) {
        let NamedServer {
            name,
            client_address,
            peer_address,
        } = configured;
        warn!(
            event = "address_differs",
            "this server is known to the cluster as {known}, and its configuration says {configured}: the others and \
             clients look for it there; set its configuration right, or try: quorid cluster move {name} \
             --client-address {client_address} --peer-address {peer_address}"
        );
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

/// Ends the node when its data directory is removed or replaced while it runs: what it goes on writing is gone
/// with its process.
pub(super) async fn watch_place(
    disk: Arc<dyn Disk>,
    threads: Arc<dyn Threads>,
    fault: watch::Sender<Option<Fault>>,
) {
    let mut timer = interval(PLACE_CHECK);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        let checked = Arc::clone(&disk);
        let checked = threads.elsewhere(move || {
            checked
                .check_in_place()
                .or_fault("looking for the data directory")
        });
        match checked.await {
            Ok(Ok(())) => {}
            Ok(Err(gone)) => {
                error!(
                    event = "data_directory_gone",
                    error = %gone,
                    "the data directory of this server was removed or replaced while it ran; it stops"
                );
                fault.send_replace(Some(gone));
                return;
            }
            Err(_) => return,
        }
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
