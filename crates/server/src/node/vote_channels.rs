//! Connections for votes: open before an election needs them, so that it waits for no handshake.

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

/// A connection to each of the other voters. Clones share them.
#[derive(Clone)]
pub(super) struct VoteChannels {
    dialer: PeerDialer,
    /// By name and peer address.
    open: Arc<Mutex<BTreeMap<(String, String), Channel>>>,
}

impl VoteChannels {
    pub(super) fn new(dialer: PeerDialer) -> Self {
        Self {
            dialer,
            open: Arc::default(),
        }
    }

    /// Opens other connections to the same servers.
    pub(super) fn dialer(&self) -> &PeerDialer {
        &self.dialer
    }

    /// The connection to a server.
    pub(super) fn to(&self, server: &NamedServer) -> Channel {
        let mut open = self.open();
        let channel = open
            .entry(key(server))
            .or_insert_with(|| self.dialer.channel(server));
        channel.clone()
    }

    /// Makes a new connection at the next use: over a link that was cut, the old one may stay
    /// silent for long after the link is back.
    pub(super) fn give_up(&self, server: &NamedServer) {
        self.open().remove(&key(server));
    }

    /// Keeps the connections of a voter open, for as long as the engine runs.
    pub(super) async fn keep_open(self, raft: Raft, config: NodeConfig) {
        let mut timer = interval(ROUND);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let voters = other_voters(&raft);
            let keys: Vec<_> = voters.iter().map(key).collect();
            self.open().retain(|key, _| keys.contains(key));
            join_all(voters.iter().map(|voter| self.greet(&config, voter))).await;
        }
    }

    /// Says hello, which opens a connection that is not open.
    async fn greet(&self, config: &NodeConfig, voter: &NamedServer) {
        let hello = bootstrap::hello_over(self.to(voter), config, voter);
        match timeout(ROUND, hello).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => {
                let why = bootstrap::status_text(&status);
                debug!("no connection for votes to {}: {why}", voter.name);
            }
            Err(_) => self.give_up(voter),
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<(String, String), Channel>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(server: &NamedServer) -> (String, String) {
    (server.name.clone(), server.peer_address.clone())
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
