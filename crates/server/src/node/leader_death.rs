//! Seeing that the leader's process has ended, without waiting until its lease has run out.
//!
//! When a process ends, its connections are closed and its port refuses new ones. So a follower
//! whose connection from the leader has ended tries to connect to the leader's peer port, and only
//! a refusal counts as death. Whoever resets the connections of a leader that lives (a proxy, NAT)
//! leaves its port open. A cut network answers nothing, and is left to the time-outs.
//!
//! A follower that has seen the death drops its own lease, and in its turn stands for election by
//! the usual pre-vote. A voter that has not seen it keeps its lease, and refuses. `succession` has the
//! turns.
//!
//! This is about how soon there is another leader. Safety does not rest on it: a follower that is
//! mistaken causes an election at worst.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use openraft::{async_runtime::watch::WatchReceiver as _, raft::TransferLeaderRequest};
use quorid_directory::{PlantedBug, is_planted};
use tokio::{
    sync::Notify,
    time::{error::Elapsed, sleep, timeout},
};
use tracing::{debug, info};

use super::{
    compare_clocks::OwnClock,
    succession::{Leader, TURN_MIN, stand},
    types::Raft,
};
use crate::seams::{BoxedIo, Network};

/// Pause before each probe of the leader's port. A process that ends may close its connections
/// before its port, so one probe is not enough.
const PAUSES_MS: [u64; 7] = [0, 1, 2, 4, 8, 16, 32];

/// A machine whose process is gone refuses within a round trip.
const PROBE_TIMEOUT: Duration = Duration::from_millis(100);

/// What a server has seen of the ends of its leaders.
#[derive(Default)]
pub(super) struct LeaderDeaths {
    ended: EndedConnections,
    probed: AtomicU64,
    seen: AtomicU64,
}

impl LeaderDeaths {
    /// Notes that a connection from another server ended.
    pub(super) fn connection_ended(&self, name: &str) {
        self.ended.note(name);
    }

    /// How often a connection from the leader ended, and its port was probed.
    pub(super) fn probed(&self) -> u64 {
        self.probed.load(Ordering::Relaxed)
    }

    /// How often the port refused, so that the leader was taken for dead.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

/// Names of servers whose connections ended. A name is there once, until it was looked at.
#[derive(Default)]
struct EndedConnections {
    names: Mutex<BTreeSet<String>>,
    more: Notify,
}

impl EndedConnections {
    fn note(&self, name: &str) {
        self.names().insert(name.to_owned());
        self.more.notify_one();
    }

    async fn next(&self) -> String {
        loop {
            let name = self.names().pop_first();
            match name {
                Some(name) => return name,
                None => self.more.notified().await,
            }
        }
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for election whenever the leader's process has ended. `lease` is the leader's: once it
/// has run out, the engine's own time-outs take over.
pub(super) async fn watch_for_deaths(
    raft: Raft,
    deaths: Arc<LeaderDeaths>,
    network: Arc<dyn Network>,
    lease: Duration,
    own_clock: Arc<OwnClock>,
) {
    loop {
        let name = deaths.ended.next().await;
        let leader = Leader::followed(&raft.server_metrics().borrow_watched());
        let Some(leader) = leader.filter(|leader| leader.name == name) else {
            continue;
        };
        let gone = is_gone(&*network, &leader.address).await;
        deaths.probed.fetch_add(1, Ordering::Relaxed);
        if !gone {
            debug!("a connection from the leader {name} ended, but its port does not refuse");
            continue;
        }
        deaths.seen.fetch_add(1, Ordering::Relaxed);
        info!(
            event = "leader_gone",
            term = leader.vote.leader_id.term,
            leader = name,
            "the leader {name} is gone: its connections ended, and its port refuses new ones"
        );
        // As if the leader had handed over to itself: the engine ends the lease of this very vote,
        // and does nothing else.
        let hand_over = TransferLeaderRequest::new(leader.vote, leader.id, None);
        // It refuses nothing of the kind.
        if raft.handle_transfer_leader(hand_over).await.is_err() {
            return;
        }
        // What the leader is heard to say meanwhile may be what it sent before it died.
        if stand(&raft, &leader, &own_clock, (TURN_MIN, lease))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// What a probe of a port has shown.
#[derive(Debug, PartialEq, Eq)]
enum Probe {
    /// Nobody listens there any more.
    Refused,
    /// Somebody still listens there.
    Accepted,
    /// Nothing that says whether somebody listens.
    Unclear,
}

impl From<Result<io::Result<BoxedIo>, Elapsed>> for Probe {
    fn from(connected: Result<io::Result<BoxedIo>, Elapsed>) -> Self {
        match connected {
            Ok(Ok(_)) => Self::Accepted,
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
            Ok(Err(_)) | Err(_) => Self::Unclear,
        }
    }
}

/// Whether the process that listened at this address is gone.
async fn is_gone(network: &dyn Network, address: &str) -> bool {
    if is_planted(PlantedBug::LeaseEndsWithoutDeath) {
        return true;
    }
    for pause_ms in PAUSES_MS {
        sleep(Duration::from_millis(pause_ms)).await;
        match timeout(PROBE_TIMEOUT, network.connect(address))
            .await
            .into()
        {
            Probe::Refused => return true,
            Probe::Accepted => {}
            Probe::Unclear => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests;
