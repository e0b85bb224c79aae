//! How a server becomes a running member: opens what it has, finds its cluster, starts the engine.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use openraft::{
    async_runtime::watch::WatchReceiver as _,
    errors::{InitializeError, RaftError},
};
use quorid_directory::Level;
use quorid_storage::{Disk, Fault, LogEngine, OrFault as _};
use tokio::{sync::watch, task::JoinSet};
use tracing::info;

use super::{
    ClusterState, Inner, Node, NodeConfig, bootstrap,
    checkpoints::Checkpoints,
    cluster::{LeaseWatch, watch_cluster},
    compare_clocks::{self, OwnClock},
    compare_sums,
    dialer::PeerDialer,
    fetch_state,
    gate::Gate,
    leader_death, leader_silence,
    log_store::LogStore,
    network::PeerNetwork,
    read_barrier::ReadBarrier,
    refused::Refused,
    state_machine::StateMachine,
    tasks,
    types::{Enlisted, Raft},
};
use crate::{
    seams::{Clock, Outside},
    state::State,
};

/// Why a node didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It may not.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Its disk failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The directory uses what this version of the program does not know.
    #[error(
        "the directory is at feature level {level}, and this version of quorid supports {supports} at most"
    )]
    Level {
        /// Of the directory.
        level: Level,
        /// The highest one that the server supports.
        supports: Level,
    },
    /// Its state is gone, the log has no longer what led to it, and there is nobody to ask.
    #[error(
        "the state of this server is damaged or gone, its log begins behind entry {purged}, and it knows no other \
         server that could have it"
    )]
    StateGone {
        /// The last entry that the log no longer has.
        purged: u64,
    },
    /// Its log is damaged, or the system does not let the server read it.
    #[error("cannot open the log: {0}")]
    Log(std::io::Error),
}

impl StartError {
    /// What the operator of this server can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(refused) => refused.hint(),
            Self::Fault(_) => None,
            Self::Level { .. } => Some("install the version that the other servers run".to_owned()),
            Self::StateGone { .. } => Some(
                "put a copy of the whole data directory in its place that was made while this server was stopped"
                    .to_owned(),
            ),
            Self::Log(error) => Some(quorid_storage::remedy(error).to_owned()),
        }
    }
}

/// The part of a node that answers other servers from the beginning. The peer port must be
/// open before [`start`](Starting::start) is awaited: the servers have to find each other.
pub struct Starting {
    config: NodeConfig,
    outside: Outside,
    /// For connections to other servers.
    peer_tls: Arc<rustls::ClientConfig>,
    gate: Gate,
}

impl Starting {
    /// Reads who this server is, if it is anybody yet.
    pub fn new(
        config: NodeConfig,
        outside: Outside,
        peer_tls: Arc<rustls::ClientConfig>,
    ) -> Result<Self, Fault> {
        let identity = outside
            .disk
            .identity()
            .or_fault("reading the server's identity")?;
        let gate = Gate::new(&config, &outside, identity);
        Ok(Self {
            config,
            outside,
            peer_tls,
            gate,
        })
    }

    /// What other servers are answered by.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Finds the cluster or forms it, and becomes a running member. Waits for the other
    /// servers for as long as it takes.
    pub async fn start(self) -> Result<Node, StartError> {
        let Self {
            config,
            outside,
            peer_tls,
            gate,
        } = self;
        let dialer = PeerDialer::new(
            Arc::clone(&outside.network),
            peer_tls,
            Duration::from_millis(config.timing.election_max_ms),
        );
        let log = outside
            .disk
            .open_log(&config.log)
            .map_err(StartError::Log)?;
        let state = log.state();
        let empty = state.last.is_none() && state.vote.is_none();
        let start =
            bootstrap::find_cluster(gate.identity(), &config, &dialer, &*outside.entropy, empty)
                .await?;
        let identity = start.identity;
        let store = Arc::new(fetch_state::open(&outside.disk, &config)?);
        let (level, supports) = (store.level()?, config.supports);
        if store.durable().applied.is_some() && level > supports {
            return Err(StartError::Level { level, supports });
        }
        if let Some(last) = state.last {
            let checkpoint = store.durable().applied.map_or(0, |at| at.index);
            let last_log = last.index;
            info!(
                event = "opened",
                checkpoint,
                last_log,
                "opened: checkpoint at revision {checkpoint}, log up to entry {last_log}"
            );
        }
        if identity.formed && empty {
            let (cluster_id, name) = (identity.cluster_id, identity.name);
            let server_id = identity.server_id;
            return Err(Refused::LogGone {
                cluster_id,
                name,
                server_id,
            }
            .into());
        }
        fetch_state::check_log(&identity, &state, &store)?;
        let network = PeerNetwork::new(
            dialer,
            Arc::clone(&outside.threads),
            &identity.cluster_id,
            identity.server_id,
            Duration::from_millis(config.timing.election_max_ms),
        )
        .ok_or_else(|| Fault::new("reading the cluster's id", "it is no UUID"))?;
        let engine = config
            .engine(&identity.cluster_id)
            .validate()
            .or_fault("configuring the engine")?;
        let peers = network.clone();
        fetch_state::complete(&config, &identity, &state, &store, &peers).await?;
        fetch_state::cut_off_replaced(&*log, &store)
            .await
            .or_fault("cutting the log off")?;
        let log_store = LogStore::new(Arc::clone(&log), Arc::clone(gate.given()));
        let flushed = log_store.flushed().clone();
        let (state, threads) = (Arc::clone(&store), Arc::clone(&outside.threads));
        let state_machine = StateMachine::new(state, threads, flushed, supports);
        let checkpoints = state_machine.checkpoints().clone();
        let raft = Raft::new(
            identity.server_id,
            Arc::new(engine),
            network,
            log_store,
            state_machine,
        )
        .await
        .or_fault("starting the engine")?;
        gate.open(
            raft.clone(),
            Arc::clone(&store),
            Arc::clone(&outside.threads),
        );

        if let Some(members) = start.form.filter(|_| empty) {
            form(&raft, &identity.cluster_id, members).await?;
        }
        let engine = Engine {
            raft,
            store,
            log,
            checkpoints,
            disk: outside.disk,
            clock: outside.clock,
        };
        Ok(Node::run(
            config,
            engine,
            peers,
            &identity.cluster_id,
            &gate,
        ))
    }
}

/// The engine, and what it works on.
struct Engine {
    raft: Raft,
    store: Arc<State>,
    log: Arc<dyn LogEngine>,
    checkpoints: Checkpoints,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
}

/// Begins the log of a new cluster.
async fn form(
    raft: &Raft,
    cluster_id: &str,
    members: BTreeMap<u64, Enlisted>,
) -> Result<(), StartError> {
    info!(
        event = "forming",
        cluster_id,
        "forming the cluster with {} servers",
        members.len()
    );
    match raft.initialize(members).await {
        // Another server became the leader of a log that this one began before it crashed: it is
        // formed.
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(Fault::new("beginning the log", error).into()),
    }
}

impl Node {
    fn run(
        config: NodeConfig,
        engine: Engine,
        peers: PeerNetwork,
        cluster_id: &str,
        gate: &Gate,
    ) -> Self {
        let Engine {
            raft,
            store,
            log,
            checkpoints,
            disk,
            clock,
        } = engine;
        let state = ClusterState::of(cluster_id, &raft.server_metrics().borrow_watched());
        let (state, cluster) = watch::channel(Arc::new(state));
        let (fault, faults) = watch::channel(None);
        let (votes, threads) = (peers.votes().clone(), Arc::clone(peers.threads()));
        let lease = LeaseWatch {
            lease: Duration::from_millis(config.timing.election_max_ms),
            silence: Duration::from_millis(2 * config.timing.election_max_ms),
            every: Duration::from_millis(config.timing.heartbeat_ms),
        };
        let own_clock = Arc::<OwnClock>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_cluster(
            raft.clone(),
            Arc::clone(gate.leader()),
            cluster_id.to_owned(),
            lease,
            state,
        ));
        tasks.spawn(leader_silence::watch_for_silence(
            raft.clone(),
            Arc::clone(gate.leader()),
            (lease.lease, lease.every),
            Arc::clone(&own_clock),
        ));
        tasks.spawn(leader_death::watch_for_deaths(
            raft.clone(),
            Arc::clone(gate.deaths()),
            Arc::clone(votes.dialer().network()),
            lease.lease,
            Arc::clone(&own_clock),
        ));
        let dialer = votes.dialer().clone();
        tasks.spawn(votes.keep_open(raft.clone(), config.clone()));
        tasks.spawn(tasks::note_members(
            raft.clone(),
            Arc::clone(gate.identity()),
            (config.own.clone(), peers.addresses().clone()),
            fault.clone(),
        ));
        tasks.spawn(tasks::watch_engine(raft.clone(), fault.clone()));
        tasks.spawn(tasks::make_checkpoints(
            Arc::clone(&store),
            checkpoints.clone(),
            raft.clone(),
            config.checkpoint_interval,
            fault.clone(),
        ));
        tasks.spawn(tasks::scrub(Arc::clone(&store), Arc::clone(&threads)));
        tasks.spawn(tasks::watch_place(
            Arc::clone(&disk),
            Arc::clone(&threads),
            fault.clone(),
        ));
        tasks.spawn(tasks::watch_state(
            Arc::clone(&store),
            Arc::clone(&disk),
            fault.clone(),
        ));
        tasks.spawn(compare_clocks::compare(
            config.compare_interval,
            raft.clone(),
            clock,
            peers.clone(),
            Arc::clone(&own_clock),
        ));
        let compared = Arc::default();
        tasks.spawn(compare_sums::compare(
            config.compare_interval,
            raft.clone(),
            Arc::clone(&store),
            peers.clone(),
            Arc::clone(&compared),
            (disk, fault.clone()),
        ));
        let (barrier, rounds) =
            ReadBarrier::new(raft.clone(), Arc::clone(gate.given()), peers, config.timing);
        // Where clients are served: those of this one thread then wait for no other one.
        tasks.spawn_on(rounds, &threads.serving());
        let supervisor = tokio::spawn(tasks::supervise(tasks, fault)).abort_handle();
        let inner = Inner {
            config,
            raft,
            store,
            log,
            checkpoints,
            threads,
            dialer,
            compared,
            own_clock,
            deaths: Arc::clone(gate.deaths()),
            barrier,
            cluster,
            changing: tokio::sync::Mutex::new(()),
            fault: faults,
            supervisor,
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}
