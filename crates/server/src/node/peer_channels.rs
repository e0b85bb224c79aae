//! Connections to the other voters: open before an election needs them, so that neither it nor what the
//! new leader sends first waits for a handshake.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use openraft::async_runtime::watch::WatchReceiver as _;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::transport::Channel;
use tracing::debug;

use super::{NodeConfig, bootstrap, dialer::PeerDialer, types::Raft};
use crate::named_server::NamedServer;

/// How often it is seen to that the connections are open. One over which nothing comes back for
/// as long is given up.
const ROUND: Duration = Duration::from_secs(1);

/// What a connection is for: nothing waits behind something that takes longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    Votes,
    Heartbeats,
    Entries,
}

impl Use {
    const ALL: [Self; 3] = [Self::Votes, Self::Heartbeats, Self::Entries];
}

/// A server's name and peer address, and what the connection to it is for.
type Key = (String, String, Use);

/// A connection to each of the other voters for each use. Clones share them.
#[derive(Clone)]
pub(super) struct PeerChannels {
    dialer: PeerDialer,
    open: Arc<Mutex<BTreeMap<Key, Channel>>>,
}

impl PeerChannels {
    pub(super) fn new(dialer: PeerDialer) -> Self {
        Self {
            dialer,
            open: Arc::default(),
        }
    }

    /// Opens other connections to servers.
    pub(super) fn dialer(&self) -> &PeerDialer {
        &self.dialer
    }

    /// The connection to a server.
    pub(super) fn to(&self, server: &NamedServer, purpose: Use) -> Channel {
        let mut open = self.open();
        let channel = open
            .entry(key(server, purpose))
            .or_insert_with(|| self.dialer.channel(server));
        channel.clone()
    }

    /// Makes new connections to a server at the next use: over a link that was cut, the old ones may
    /// stay silent for long after the link is back.
    pub(super) fn give_up(&self, server: &NamedServer) {
        let mut open = self.open();
        for purpose in Use::ALL {
            open.remove(&key(server, purpose));
        }
    }

    /// Keeps the connections of a voter open, for as long as the engine runs.
    pub(super) async fn keep_open(self, raft: Raft, config: NodeConfig) {
        let mut timer = interval(ROUND);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let voters = other_voters(&raft);
            let wanted = || {
                voters
                    .iter()
                    .flat_map(|voter| Use::ALL.map(|purpose| (voter, purpose)))
            };
            let keys: Vec<_> = wanted()
                .map(|(voter, purpose)| key(voter, purpose))
                .collect();
            self.open().retain(|key, _| keys.contains(key));
            join_all(wanted().map(|(voter, purpose)| self.greet(&config, voter, purpose))).await;
        }
    }

    /// Says hello, which opens a connection that is not open.
    async fn greet(&self, config: &NodeConfig, voter: &NamedServer, purpose: Use) {
        let hello = bootstrap::hello_over(self.to(voter, purpose), config, voter);
        match timeout(ROUND, hello).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => {
                let why = bootstrap::status_text(&status);
                debug!("no connection to {} for {purpose:?}: {why}", voter.name);
            }
            Err(_) => self.give_up(voter),
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Key, Channel>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(server: &NamedServer, purpose: Use) -> Key {
    (server.name.clone(), server.peer_address.clone(), purpose)
}

/// The voters whose votes this server may ask for: none, if it is no voter.
fn other_voters(raft: &Raft) -> Vec<NamedServer> {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    let members = metrics.membership_config.membership();
    let voters: Vec<u64> = members.voter_ids().collect();
    if !voters.contains(&metrics.id) {
        return Vec::new();
    }
    members
        .nodes()
        .filter(|(id, _)| **id != metrics.id && voters.contains(id))
        .map(|(_, member)| member.server.clone())
        .collect()
}
