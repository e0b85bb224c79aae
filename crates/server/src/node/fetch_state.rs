//! Opening the state. One that is damaged is set aside; what neither the state nor the log has any longer
//! is fetched from another member.

use std::{io, sync::Arc, time::Duration};

use quorid_directory::Level;
use quorid_storage::{Disk, Fault, Fit, Identity, LogEngine, LogState, Store};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};
use tonic::Status;
use tracing::{error, info, warn};

use super::{
    NodeConfig,
    bootstrap::{self, status_text},
    network::PeerNetwork,
    receive_snapshot,
    refused::Refused,
    snapshot::StateSnapshot,
    start::StartError,
    wire::proto,
};
use crate::{named_server::NamedServer, state::State};

/// Pause between two rounds in which all others are asked.
const ROUND: Duration = Duration::from_millis(500);
/// How often a server that waits for a state says so.
const REPORT: Duration = Duration::from_secs(5);

/// Opens the state, or an empty one where it is damaged. The damaged one is kept beside it until there is
/// another.
pub(super) fn open(disk: &Arc<dyn Disk>, config: &NodeConfig) -> Result<State, Fault> {
    let open = || State::open(Arc::clone(disk), config.store.clone());
    match open() {
        Err(damage) if damage.is_damage() => {
            error!(
                event = "state_damaged",
                error = %damage,
                "the state of this server is damaged, and set aside"
            );
            Store::set_aside(&**disk)?;
            open()
        }
        opened => opened,
    }
}

/// Refuses a log that ends before the state does: it lost what this server acknowledged.
pub(super) fn check_log(identity: &Identity, log: &LogState, store: &State) -> Result<(), Refused> {
    let durable = store.durable();
    match durable.fit(log.last, log.purged) {
        Fit::LogBehind => Err(Refused::LogBehind {
            cluster_id: identity.cluster_id.clone(),
            name: identity.name.clone(),
            server_id: identity.server_id,
            last_log: log.last.map_or(0, |at| at.index),
            checkpoint: durable.applied.map_or(0, |at| at.index),
        }),
        Fit::Whole | Fit::StateBehind => Ok(()),
    }
}

/// Gets the state from another member, if the log doesn't begin where this server's own ends. Waits for the
/// others for as long as it takes.
pub(super) async fn complete(
    config: &NodeConfig,
    identity: &Identity,
    log: &LogState,
    store: &State,
    peers: &PeerNetwork,
) -> Result<(), StartError> {
    match store.durable().fit(log.last, log.purged) {
        Fit::StateBehind => {}
        Fit::Whole | Fit::LogBehind => return Ok(()),
    }
    let purged = log.purged.map_or(0, |at| at.index);
    let others = others(config, identity);
    if others.is_empty() {
        return Err(StartError::StateGone { purged });
    }
    let mut reported = None::<Instant>;
    loop {
        let mut answers = Vec::new();
        for other in &others {
            match fetch(config, identity, (other, purged), store, peers).await {
                Ok(()) => {
                    info!(
                        event = "state_fetched",
                        revision = store.durable().applied.map_or(0, |at| at.index),
                        "the state of this server was taken from {}",
                        other.name
                    );
                    return Ok(());
                }
                Err(status) => answers.push(format!(
                    "{} at {}: {}",
                    other.name,
                    other.peer_address,
                    status_text(&status)
                )),
            }
        }
        if reported.is_none_or(|at| at.elapsed() >= REPORT) {
            warn!(
                event = "state_missing",
                "this server has no state, and its log begins later; it waits for that of another \
                 server: {}",
                answers.join("; ")
            );
            reported = Some(Instant::now());
        }
        sleep(ROUND).await;
    }
}

/// Cuts off what the log has beyond a state that was received, if that is of an older term: other entries were
/// committed in its place, whose effect the state has. The engine takes such a log for corrupted.
pub(super) async fn cut_off_replaced(log: &dyn LogEngine, store: &State) -> io::Result<()> {
    let (last, applied) = (log.state().last, store.durable().applied);
    let Some((last, applied)) = last.zip(applied) else {
        return Ok(());
    };
    if last >= applied || last.index < applied.index {
        return Ok(());
    }
    let (tell, told) = oneshot::channel();
    log.truncate(
        applied.index,
        Box::new(move |result| drop(tell.send(result))),
    )?;
    told.await
        .map_err(|_| io::Error::other("the log was closed"))?
}

/// Those who may have it.
fn others(config: &NodeConfig, identity: &Identity) -> Vec<NamedServer> {
    let known = identity.members.iter().map(|member| NamedServer {
        name: member.name.clone(),
        peer_address: member.peer_address.clone(),
        client_address: member.client_address.clone(),
    });
    let mut others: Vec<NamedServer> = known
        .filter(|member| member.name != config.own.name)
        .collect();
    for initial in config.others() {
        if !others.contains(initial) {
            others.push(initial.clone());
        }
    }
    others
}

async fn fetch(
    config: &NodeConfig,
    identity: &Identity,
    (from, revision): (&NamedServer, u64),
    store: &State,
    peers: &PeerNetwork,
) -> Result<(), Status> {
    let hello = bootstrap::hello(config, peers.votes().dialer(), from).await?;
    if hello.cluster_id != identity.cluster_id {
        return Err(Status::failed_precondition("it is in another cluster"));
    }
    let mut client = peers.client(hello.server_id, from);
    let request = proto::FetchSnapshotRequest {};
    let parts = client.fetch_snapshot(request).await?.into_inner();
    let (threads, supports): (_, Level) = (peers.threads(), config.supports);
    let why = "this server's own state was damaged or is gone";
    let (_, snapshot) =
        receive_snapshot::load(store, &**threads, supports, parts, (revision, why)).await?;
    match snapshot.snapshot {
        StateSnapshot::Incoming(loaded) => {
            let installed = store.install(*loaded);
            installed
                .map(drop)
                .map_err(|fault| Status::internal(fault.to_string()))
        }
        StateSnapshot::Checkpoint | StateSnapshot::Outgoing(_) => {
            Err(Status::internal("what was received is no snapshot"))
        }
    }
}
