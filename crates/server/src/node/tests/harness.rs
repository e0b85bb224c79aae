//! Nodes of a cluster in one process, over loopback and TLS.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use quorid_directory::{
    Accepted, ClientAddress, Command, Done, Edit, Kind, Level, LoginName, ObjectId, Operation,
    Outcome, Principal, RealName, RequestId, Revision, Time,
};
use quorid_storage::{DataDirectory, Disk as _, LogOptions, StoreOptions};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::flaky_network::FlakyNetwork;
use crate::{
    named_server::NamedServer,
    node::{
        Node, NodeConfig, StartError, Starting, Timing, dialer::PeerDialer, network::PeerNetwork,
    },
    ports::{self, Phase, Port},
    seams::{
        Clock, InPlace, Network as _, Outside, SystemClock, SystemEntropy, SystemThreads,
        TcpNetwork,
    },
    serve::peer,
    tls::{ServerTls, TlsFiles, peer_server_name},
};

pub(super) const DEADLINE: Duration = Duration::from_secs(90);

pub(super) struct Cluster {
    pub(super) folder: TempDir,
    pub(super) servers: Vec<NamedServer>,
    pub(super) running: BTreeMap<usize, Running>,
    /// The feature level that servers support, for those of an older version.
    supports: BTreeMap<usize, Level>,
    /// Log entries that are kept behind the last checkpoint.
    pub(super) keep: u64,
    /// How states are kept.
    pub(super) store: StoreOptions,
    /// When a server takes another for dead, from its next start on.
    pub(super) timing: Timing,
    /// Of each server, by its name.
    pub(super) networks: BTreeMap<String, FlakyNetwork>,
    /// The same.
    pub(super) clocks: BTreeMap<String, Arc<ErrantClock>>,
}

/// The system's clock, and an error, ms.
#[derive(Debug, Default)]
pub(super) struct ErrantClock(AtomicI64);

impl ErrantClock {
    pub(super) fn set_error_ms(&self, error_ms: i64) {
        self.0.store(error_ms, Ordering::Relaxed);
    }
}

impl Clock for ErrantClock {
    fn now(&self) -> Time {
        let error = self.0.load(Ordering::Relaxed);
        Time(SystemClock.now().0.saturating_add_signed(error))
    }
}

/// A server with a runtime of its own, so that it can be killed with all it has open.
pub(super) struct Running {
    pub(super) node: Node,
    _runtime: Killable,
}

pub(super) struct Killable(Option<Runtime>);

impl Killable {
    fn new() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        Self(Some(runtime))
    }

    fn get(&self) -> &Runtime {
        self.0.as_ref().expect("not dropped")
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A certificate authority and a certificate for each server.
fn certificates(folder: &TempDir, names: &[String]) {
    let key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "test CA");
    let pem = ca.self_signed(&key).expect("signed").pem();
    std::fs::write(folder.path().join("ca.crt"), pem).expect("written");
    let issuer = Issuer::new(ca, key);
    for name in names {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![peer_server_name(name)]).expect("names");
        params
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, "quorid-server");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &issuer).expect("signed");
        let path = |ending| folder.path().join(format!("{name}.{ending}"));
        std::fs::write(path("crt"), certificate.pem()).expect("written");
        std::fs::write(path("key"), key.serialize_pem()).expect("written");
    }
}

impl Cluster {
    pub(super) async fn new(size: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut servers = Vec::new();
        let mut held = Vec::new();
        for number in 1..=size {
            // Ports that the system has free; released together, right before they are used.
            let listener = TcpNetwork.bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("its address").to_string();
            held.push(listener);
            servers.push(NamedServer {
                name: format!("s{number}"),
                peer_address: address,
                client_address: format!("127.0.0.1:{number}"),
            });
        }
        let names: Vec<_> = servers.iter().map(|server| server.name.clone()).collect();
        certificates(&folder, &names);
        let clocks = names.iter().map(|name| (name.clone(), Arc::default()));
        let clocks = clocks.collect();
        let networks = names
            .into_iter()
            .map(|name| (name, FlakyNetwork::default()));
        let networks = networks.collect();
        Self {
            folder,
            servers,
            running: BTreeMap::new(),
            supports: BTreeMap::new(),
            keep: 100_000,
            store: StoreOptions::default(),
            timing: Timing {
                heartbeat_ms: 60,
                election_min_ms: 250,
                election_max_ms: 500,
            },
            networks,
            clocks,
        }
    }

    /// A server supports this feature level from its next start on.
    pub(super) fn supports_of(&mut self, number: usize, level: Level) {
        self.supports.insert(number, level);
    }

    pub(super) fn config(&self, number: usize) -> NodeConfig {
        NodeConfig {
            own: self.servers[number].clone(),
            initial_servers: self.servers.clone(),
            join: false,
            form_alone: self.servers.len() == 1,
            supports: self.supports.get(&number).copied().unwrap_or_default(),
            timing: self.timing,
            checkpoint_interval: Duration::from_millis(200),
            compare_interval: Duration::from_millis(500),
            snapshot_after_entries: self.keep,
            log_keep_entries: self.keep,
            write_timeout: Duration::from_secs(5),
            store: self.store.clone(),
            log: LogOptions::default(),
        }
    }

    /// The certificates of a server.
    pub(super) fn tls(&self, name: &str) -> ServerTls {
        let path = |file: String| self.folder.path().join(file);
        ServerTls::load(&TlsFiles {
            ca: path("ca.crt".to_owned()),
            cert: path(format!("{name}.crt")),
            key: path(format!("{name}.key")),
        })
        .expect("certificates")
    }

    /// What another server, the second of a cluster, would reach the others of it with.
    pub(super) fn peer_network(&self, cluster_id: &str, patience: Duration) -> PeerNetwork {
        let tls = self.tls("s1").client_config_peers().expect("TLS");
        let dialer = PeerDialer::new(Arc::new(TcpNetwork), tls, patience);
        let network = PeerNetwork::new(dialer, Arc::new(InPlace), cluster_id, 2, patience);
        network.expect("a UUID")
    }

    /// Starts a server. The result is there when the server has found its cluster, or won't.
    pub(super) async fn starting(
        &self,
        config: NodeConfig,
    ) -> (Killable, JoinHandle<Result<Node, StartError>>) {
        let tls = self.tls(&config.own.name);
        // A server that was just killed may take a moment to let go.
        let disk = wait("the data directory to be free", || {
            let disk = DataDirectory::open(&self.folder.path().join(&config.own.name)).ok()?;
            // Its log has a lock of its own.
            disk.open_log(&config.log).is_ok().then_some(disk)
        })
        .await;
        let network = self.networks[&config.own.name].clone();
        let outside = Outside {
            disk: Arc::new(disk),
            network: Arc::new(network.clone()),
            clock: Arc::clone(&self.clocks[&config.own.name]) as Arc<dyn Clock>,
            entropy: Arc::new(SystemEntropy),
            threads: Arc::new(SystemThreads::default()),
        };
        let peer_tls = tls.client_config_peers().expect("TLS");
        let tls = tls.server_config_peers().expect("TLS");
        self.set_refusing(&config.own.peer_address, false);
        let runtime = Killable::new();
        let node = runtime.get().spawn(async move {
            // A server that was just killed may take a moment to let go.
            let listener = loop {
                match network.bind(&config.own.peer_address).await {
                    Ok(listener) => break listener,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
                }
                sleep(Duration::from_millis(5)).await;
            };
            let starting = Starting::new(config, outside, peer_tls).expect("a start");
            let gate = starting.gate();
            let port = Port {
                name: "peer",
                listener,
                tls,
                protocol: peer::protocol(&gate),
                threads: Arc::new(InPlace),
                until: Phase::Closing,
                connections: None,
                refused: None,
            };
            let (phase, phases) = watch::channel(Phase::Serving);
            tokio::spawn(async move {
                ports::serve(port, phases).await;
                drop(phase);
            });
            starting.start().await
        });
        (runtime, node)
    }

    /// A cluster of `size` servers with these time-outs, all of them started.
    pub(super) async fn started(size: usize, timing: Timing) -> Self {
        let mut cluster = Self::new(size).await;
        cluster.timing = timing;
        let all: Vec<usize> = (0..size).collect();
        cluster.start(&all).await;
        cluster
    }

    pub(super) async fn start(&mut self, numbers: &[usize]) {
        let mut starts = Vec::new();
        for number in numbers {
            starts.push((*number, self.starting(self.config(*number)).await));
        }
        for (number, (runtime, node)) in starts {
            let node = timeout(DEADLINE, node)
                .await
                .expect("in time")
                .expect("no panic");
            let node = node.expect("started");
            self.running.insert(
                number,
                Running {
                    node,
                    _runtime: runtime,
                },
            );
        }
    }

    /// As kill -9 does: nothing is flushed or handed over. The port refuses before the connections
    /// end, as the kernel closes what was opened first; a runtime ends its tasks in any order.
    pub(super) fn kill(&mut self, number: usize) {
        self.set_refusing(&self.servers[number].peer_address, true);
        drop(self.running.remove(&number).expect("it runs"));
    }

    /// Whether a peer port refuses all servers from now on.
    fn set_refusing(&self, peer_address: &str, refusing: bool) {
        for network in self.networks.values() {
            network.set_refusing(peer_address, refusing);
        }
    }

    pub(super) async fn leader(&self) -> (usize, Node) {
        wait("a leader that all follow", || {
            let states: Vec<_> = self
                .running
                .values()
                .map(|running| running.node.state())
                .collect();
            let leader = states.first()?.leader?;
            let agreed = states.iter().all(|state| state.leader == Some(leader));
            let number = usize::try_from(leader).ok()? - 1;
            let running = self.running.get(&number)?;
            agreed.then(|| (number, running.node.clone()))
        })
        .await
    }

    pub(super) async fn all_at(&self, revision: Revision) {
        for running in self.running.values() {
            running.node.wait_applied(revision).await.expect("applied");
        }
    }

    pub(super) fn digests(&self) -> Vec<[u8; 32]> {
        let digest = |running: &Running| running.node.read().and_then(|view| view.digest());
        self.running
            .values()
            .map(|running| digest(running).expect("a digest"))
            .collect()
    }
}

pub(super) async fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not come");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(super) fn new_request() -> RequestId {
    let (_, random) = Uuid::now_v7().as_u64_pair();
    RequestId::new(Revision(0), random)
}

pub(super) fn create(number: u64) -> Command {
    let now = SystemClock.now().0;
    Command {
        request: new_request(),
        time: Time(now),
        client: ClientAddress::parse("192.0.2.1:4000").expect("valid"),
        principal: Principal::Anyone,
        operation: Operation::Create {
            id: ObjectId::new(Uuid::now_v7()),
            kind: Kind::Person,
            edits: vec![
                Edit::login_name(&LoginName::parse(&format!("name{number}")).expect("valid")),
                Edit::real_name(&RealName::parse("Some One").expect("valid")),
            ],
            verifier: None,
        },
    }
}

/// As a client does it: a leader that has just been elected, or that hasn't heard of the
/// majority for a moment, is asked again.
pub(super) async fn propose(node: &Node, command: Command) -> Outcome {
    propose_to(|| std::future::ready(node.clone()), command).await
}

/// The same, of whoever leads each time.
pub(super) async fn propose_to<L>(leader: impl Fn() -> L, command: Command) -> Outcome
where
    L: Future<Output = Node>,
{
    let until = Instant::now() + DEADLINE;
    loop {
        match leader().await.propose(command.clone()).await {
            Ok(reply) => return reply.outcome,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn write(node: &Node, numbers: std::ops::Range<u64>) -> Revision {
    let writes: Vec<_> = numbers
        .map(|number| {
            let node = node.clone();
            tokio::spawn(async move { propose(&node, create(number)).await })
        })
        .collect();
    let mut last = Revision(0);
    for write in writes {
        let outcome = write.await.expect("no panic");
        let done = match outcome.result {
            Ok(Accepted::Object(change)) => Some(change.done),
            Ok(Accepted::Directory) | Err(_) => None,
        };
        assert_eq!(done, Some(Done::Created));
        last = last.max(outcome.revision);
    }
    last
}
