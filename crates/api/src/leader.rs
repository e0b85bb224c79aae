//! Which servers there are and which of them leads, from all that the client hears: views
//! of the cluster, hints in refusals, and who answers.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, watch};

use crate::{Endpoint, connection::Dialer, proto::ClusterView, server::KnownServer};

/// Who leads, as far as the client knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leadership {
    /// The highest term heard of.
    pub(crate) term: u64,
    pub(crate) leader: Option<Arc<KnownServer>>,
}

impl Leadership {
    /// Whether this is news for who has waited for, or on, `server` since `term`.
    pub(crate) fn supersedes(&self, server: &KnownServer, term: u64) -> bool {
        self.term > term
            && self
                .leader
                .as_ref()
                .is_some_and(|leader| !leader.is(server))
    }
}

/// Finds the leader, and servers for calls that any server answers.
pub(crate) struct LeaderFinder {
    dialer: Arc<Dialer>,
    seeds: Vec<Arc<KnownServer>>,
    /// The members, then the seeds that aren't among them: a member's address may be one
    /// that cannot be reached from here, as with forwarded ports.
    servers: RwLock<Arc<[Arc<KnownServer>]>>,
    /// Serialises changes of what is below.
    changes: Mutex<()>,
    leadership: watch::Sender<Leadership>,
    view: watch::Sender<Option<Arc<ClusterView>>>,
    /// Id of the cluster, from the first accepted view that had one.
    cluster_id: OnceLock<String>,
    turn: AtomicUsize,
    /// Somebody waits for the leader, and has for long.
    suspicion: Notify,
}

impl LeaderFinder {
    pub(crate) fn new(seeds: Vec<Endpoint>, dialer: Arc<Dialer>) -> Self {
        let mut distinct: Vec<Arc<KnownServer>> = Vec::with_capacity(seeds.len());
        for endpoint in seeds {
            if !distinct.iter().any(|known| known.endpoint == endpoint) {
                distinct.push(KnownServer::new(endpoint, dialer.clone()));
            }
        }
        Self {
            dialer,
            servers: RwLock::new(distinct.as_slice().into()),
            turn: AtomicUsize::new(rand::random_range(0..distinct.len().max(1))),
            seeds: distinct,
            changes: Mutex::new(()),
            leadership: watch::Sender::default(),
            view: watch::Sender::default(),
            cluster_id: OnceLock::new(),
            suspicion: Notify::new(),
        }
    }

    /// One that connects to nobody.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn unconnected(seeds: &[&str]) -> Self {
        use std::time::Duration;

        let dialer = Dialer {
            connector: Arc::new(crate::TcpConnector),
            tls: None,
            authorization: None,
            connect_timeout: Duration::from_secs(1),
            keep_alive_interval: Duration::from_secs(1),
            keep_alive_timeout: Duration::from_secs(1),
            connections_per_server: 1,
        };
        let seeds = seeds.iter().map(|seed| seed.parse().expect("an address"));
        Self::new(seeds.collect(), Arc::new(dialer))
    }

    /// The leader lets a call wait: it may be gone, and who watches elections on it would be
    /// the last to hear of another.
    pub(crate) fn suspect_leader(&self) {
        // Of use only to a watch that is there: one that comes later begins where it should.
        self.suspicion.notify_waiters();
    }

    /// Returns once the leader is suspected.
    pub(crate) async fn suspected(&self) {
        self.suspicion.notified().await;
    }

    /// Who leads now, and what is heard of it later.
    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// The newest view of the cluster; None before the first.
    pub(crate) fn views(&self) -> watch::Receiver<Option<Arc<ClusterView>>> {
        self.view.subscribe()
    }

    /// Every server worth asking.
    pub(crate) fn servers(&self) -> Arc<[Arc<KnownServer>]> {
        self.servers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Addresses of the members; of the seeds while the members aren't known.
    pub(crate) fn addresses(&self) -> Vec<String> {
        match &*self.view.borrow() {
            Some(view) => client_addresses(view).map(|at| at.to_string()).collect(),
            None => self.seeds.iter().map(|s| s.endpoint.to_string()).collect(),
        }
    }

    /// The server at an address, known or not.
    pub(crate) fn server_at(&self, endpoint: &Endpoint) -> Arc<KnownServer> {
        let servers = self.servers();
        if let Some(known) = servers.iter().find(|known| known.endpoint == *endpoint) {
            return known.clone();
        }
        match &self.leadership.borrow().leader {
            Some(leader) if leader.endpoint == *endpoint => leader.clone(),
            _ => KnownServer::new(endpoint.clone(), self.dialer.clone()),
        }
    }

    /// The server to ask next for what only the leader does: the leader where known, else
    /// one that can tell. None once all were tried.
    pub(crate) fn for_leader(
        &self,
        known: &Leadership,
        tried: &[Arc<KnownServer>],
    ) -> Option<Arc<KnownServer>> {
        let untried = |server: &KnownServer| !tried.iter().any(|other| other.is(server));
        let leader = known.leader.as_ref().filter(|leader| untried(leader));
        if let Some(leader) = leader
            && !leader.failed_lately()
        {
            return Some(leader.clone());
        }
        let servers = self.servers();
        let others = servers.iter().filter(|server| untried(server));
        let best = others.min_by_key(|server| (server.failed_lately(), !server.is_connected()));
        best.or(leader).cloned()
    }

    /// The server to ask next for what any server does: a connected one, another one every
    /// time. Connects to further ones in the background, so that all get their share.
    pub(crate) fn for_any(&self, tried: &[Arc<KnownServer>]) -> Option<Arc<KnownServer>> {
        let servers = self.servers();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % servers.len().max(1);
        let (before, from) = servers.split_at(turn.min(servers.len()));
        let mut next = from
            .iter()
            .chain(before)
            .filter(|server| !tried.iter().any(|other| other.is(server)));
        let ideal = next.clone().find(|server| !server.failed_lately());
        match ideal {
            None => next.next().cloned(),
            Some(ideal) if ideal.is_connected() => Some(ideal.clone()),
            Some(ideal) => match next.find(|server| server.is_connected()) {
                None => Some(ideal.clone()),
                Some(connected) => {
                    ideal.connect_ahead();
                    Some(connected.clone())
                }
            },
        }
    }

    /// The server to hear of elections from: a connected one, and not the leader, whose end
    /// the others notice first.
    pub(crate) fn for_watch(&self, tried: &[Arc<KnownServer>]) -> Option<Arc<KnownServer>> {
        let leader = self.leadership.borrow().leader.clone();
        let servers = self.servers();
        servers
            .iter()
            .filter(|server| !tried.iter().any(|other| other.is(server)))
            .min_by_key(|server| {
                let leads = leader.as_ref().is_some_and(|leader| leader.is(server));
                (server.failed_lately(), leads, !server.is_connected())
            })
            .cloned()
    }

    /// Whether a server is the leader and others could be watched instead.
    pub(crate) fn leads_others(&self, server: &KnownServer) -> bool {
        let known = self.leadership.borrow();
        known
            .leader
            .as_ref()
            .is_some_and(|leader| leader.is(server))
            && self.servers().len() > 1
    }

    /// A server's view of the cluster. One from before the newest known election is ignored.
    /// One of another cluster is too, and returns false: a server that lost its disk may have
    /// formed a cluster of its own, whose terms say nothing about this one's.
    pub(crate) fn accept(&self, view: ClusterView) -> bool {
        let _changing = self.changing();
        if !view.cluster_id.is_empty() {
            let ours = self.cluster_id.get_or_init(|| view.cluster_id.clone());
            if *ours != view.cluster_id {
                tracing::warn!(
                    ours,
                    theirs = view.cluster_id,
                    view.answered_by,
                    "a server of another cluster is not followed"
                );
                return false;
            }
        }
        self.learn(view);
        true
    }

    /// From a view of this cluster.
    fn learn(&self, mut view: ClusterView) {
        let newest = self.view.borrow().clone();
        let known_term = self.leadership.borrow().term;
        if view.term < known_term {
            tracing::debug!(
                view.term,
                known_term,
                "an old view of the cluster is ignored"
            );
            return;
        }
        if let Some(newest) = &newest
            && newest.term == view.term
            && view.leader_id == 0
        {
            if view.answered_by == newest.leader_id {
                self.leadership.send_modify(|known| known.leader = None); // It stepped down.
            } else {
                // This server hasn't heard of it yet, or hears it no more; the leader knows best.
                view.leader_id = newest.leader_id;
            }
        }
        self.learn_members(&view);
        let leader = view
            .servers
            .iter()
            .find(|server| server.id == view.leader_id)
            .and_then(|server| server.client_address.parse().ok())
            .map(|endpoint| self.server_at(&endpoint));
        self.learn_leader(view.term, leader);
        let told = newest.is_some_and(|newest| {
            (newest.term, newest.leader_id) == (view.term, view.leader_id)
                && newest.servers == view.servers
                && newest.cluster_id == view.cluster_id
        });
        if !told {
            for server in &view.servers {
                if let Err(error) = server.client_address.parse::<Endpoint>() {
                    let server = &server.name;
                    tracing::warn!(server, %error, "a member of the cluster cannot be asked");
                }
            }
            self.view.send_replace(Some(Arc::new(view)));
        }
    }

    /// A server's refusal to lead, with what it said of who does.
    pub(crate) fn refused(&self, by: &KnownServer, term: u64, hint: Option<&Arc<KnownServer>>) {
        let _changing = self.changing();
        let known = self.leadership.borrow().clone();
        let refuted = known.leader.as_ref().is_some_and(|leader| leader.is(by));
        if term > known.term {
            self.learn_leader(term, hint.cloned());
        } else if refuted || known.leader.is_none() {
            let hint = hint.filter(|hint| term == known.term && !hint.is(by));
            if refuted || hint.is_some() {
                self.leadership
                    .send_modify(|known| known.leader = hint.cloned());
            }
        }
    }

    /// A server did what only the leader does, asked when `then` was known.
    pub(crate) fn led(&self, server: &Arc<KnownServer>, then: &Leadership) {
        if then.leader.as_ref().is_some_and(|leader| leader.is(server)) {
            return;
        }
        let _changing = self.changing();
        self.leadership.send_if_modified(|known| {
            let news = known.term == then.term || known.leader.is_none();
            if news {
                known.leader = Some(server.clone());
            }
            news
        });
    }

    /// A term has one leader, so one that is known stays.
    fn learn_leader(&self, term: u64, leader: Option<Arc<KnownServer>>) {
        self.leadership.send_if_modified(|known| {
            let news = term > known.term
                || (term == known.term && known.leader.is_none() && leader.is_some());
            if news {
                tracing::debug!(term, leader = ?leader, "leadership changed");
                *known = Leadership { term, leader };
            }
            news
        });
    }

    fn learn_members(&self, view: &ClusterView) {
        let mut servers: Vec<Arc<KnownServer>> = Vec::new();
        let members = client_addresses(view).map(|endpoint| self.server_at(&endpoint));
        for server in members.chain(self.seeds.iter().cloned()) {
            if !servers.iter().any(|known| known.is(&server)) {
                servers.push(server);
            }
        }
        let known = self.servers();
        let same = known.len() == servers.len()
            && known.iter().zip(&servers).all(|(old, new)| old.is(new));
        if !same {
            tracing::debug!(?servers, "servers learned");
            *self.servers.write().unwrap_or_else(PoisonError::into_inner) = servers.into();
        }
    }

    fn changing(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LeaderFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaderFinder")
            .field("servers", &self.servers())
            .field("leadership", &*self.leadership.borrow())
            .finish_non_exhaustive()
    }
}

/// Where the members are reached. What isn't an address is left out; [`LeaderFinder::learn`] logs it.
fn client_addresses(view: &ClusterView) -> impl Iterator<Item = Endpoint> + '_ {
    view.servers
        .iter()
        .filter_map(|server| server.client_address.parse().ok())
}

#[cfg(test)]
mod tests;
