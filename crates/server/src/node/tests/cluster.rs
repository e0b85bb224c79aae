//! Three nodes in one process, over loopback and TLS.

use std::{collections::BTreeMap, future::Future, io::ErrorKind, sync::Arc, time::Duration};

use quorid_directory::{
    AccountId, Change, ClientAddress, Command, LoginName, Operation, Outcome, RealName, RequestId,
    Revision, Time,
};
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

use crate::{
    frontend::{
        Phase,
        listener::{self, Port},
        peer,
    },
    node::{
        InitialServer, MembershipError, NewServer, Node, NodeConfig, StartError, Starting, Timing,
        Unavailable, World,
    },
    seams::{Network as _, SystemEntropy, TcpNetwork},
    storage::{DataDirectory, LogOptions, StoreOptions},
    tls::{Identity, TlsFiles, peer_server_name},
};

const DEADLINE: Duration = Duration::from_secs(90);

struct Cluster {
    folder: TempDir,
    servers: Vec<InitialServer>,
    running: BTreeMap<usize, Running>,
    keep: u64,
}

/// A server with a runtime of its own, so that it can be killed with all it has open.
struct Running {
    node: Node,
    _runtime: Killable,
}

struct Killable(Option<Runtime>);

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
    async fn new(size: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut servers = Vec::new();
        let mut held = Vec::new();
        for number in 1..=size {
            // Ports that the system has free; released together, right before they are used.
            let listener = TcpNetwork.bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("its address").to_string();
            held.push(listener);
            servers.push(InitialServer {
                name: format!("s{number}"),
                peer_address: address,
                client_address: format!("127.0.0.1:{number}"),
            });
        }
        let names: Vec<_> = servers.iter().map(|server| server.name.clone()).collect();
        certificates(&folder, &names);
        Self {
            folder,
            servers,
            running: BTreeMap::new(),
            keep: 100_000,
        }
    }

    fn config(&self, number: usize) -> NodeConfig {
        let server = &self.servers[number];
        NodeConfig {
            name: server.name.clone(),
            peer_address: server.peer_address.clone(),
            client_address: server.client_address.clone(),
            initial_servers: self.servers.clone(),
            join: false,
            form_alone: self.servers.len() == 1,
            timing: Timing {
                heartbeat_ms: 60,
                election_min_ms: 250,
                election_max_ms: 500,
            },
            checkpoint_interval: Duration::from_millis(200),
            snapshot_after_entries: self.keep,
            log_keep_entries: self.keep,
            write_timeout: Duration::from_secs(5),
            store: StoreOptions::default(),
            log: LogOptions::default(),
        }
    }

    /// Starts a server. The result is there when the server has found its cluster, or won't.
    async fn starting(
        &self,
        config: NodeConfig,
    ) -> (Killable, JoinHandle<Result<Node, StartError>>) {
        let path = |file: String| self.folder.path().join(file);
        let identity = Identity::load(&TlsFiles {
            ca: path("ca.crt".to_owned()),
            cert: path(format!("{}.crt", config.name)),
            key: path(format!("{}.key", config.name)),
        })
        .expect("certificates");
        // A server that was just killed may take a moment to let go.
        let disk = wait("the data directory to be free", || {
            DataDirectory::open(&path(config.name.clone())).ok()
        })
        .await;
        let world = World {
            disk: Arc::new(disk),
            network: Arc::new(TcpNetwork),
            entropy: Arc::new(SystemEntropy),
            peer_tls: identity.client_config_peers().expect("TLS"),
        };
        let tls = identity.server_config_peers().expect("TLS");
        let runtime = Killable::new();
        let node = runtime.get().spawn(async move {
            // A server that was just killed may take a moment to let go.
            let listener = loop {
                match TcpNetwork.bind(&config.peer_address).await {
                    Ok(listener) => break listener,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
                }
                sleep(Duration::from_millis(5)).await;
            };
            let starting = Starting::new(config, world).expect("a start");
            let gate = starting.gate();
            let port = Port {
                name: "peer",
                listener,
                tls,
                router: peer::router(&gate),
                until: Phase::Closing,
                connections: None,
                refused: None,
            };
            let (phase, phases) = watch::channel(Phase::Serving);
            tokio::spawn(async move {
                listener::serve(port, phases).await;
                drop(phase);
            });
            starting.start().await
        });
        (runtime, node)
    }

    async fn start(&mut self, numbers: &[usize]) {
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

    /// As kill -9 does: nothing is flushed or handed over.
    fn kill(&mut self, number: usize) {
        drop(self.running.remove(&number).expect("it runs"));
    }

    async fn leader(&self) -> (usize, Node) {
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

    async fn all_at(&self, revision: Revision) {
        for running in self.running.values() {
            running.node.wait_applied(revision).await.expect("applied");
        }
    }

    fn digests(&self) -> Vec<[u8; 32]> {
        let digest = |running: &Running| running.node.read().and_then(|view| view.digest());
        self.running
            .values()
            .map(|running| digest(running).expect("a digest"))
            .collect()
    }
}

async fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not come");
        sleep(Duration::from_millis(5)).await;
    }
}

fn create(number: u64) -> Command {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock");
    let now = u64::try_from(now.as_millis()).expect("this century");
    Command {
        request: RequestId::from_uuid(Uuid::now_v7()).expect("version 7"),
        time: Time(now),
        client: ClientAddress::parse("192.0.2.1:4000").expect("valid"),
        operation: Operation::Create {
            id: AccountId::new(Uuid::now_v7()),
            login_name: LoginName::parse(&format!("name{number}")).expect("valid"),
            real_name: RealName::parse("Some One").expect("valid"),
            verifier: None,
        },
    }
}

/// As a client does it: a leader that has just been elected, or that hasn't heard of the
/// majority for a moment, is asked again.
async fn propose(node: &Node, command: Command) -> Outcome {
    let until = Instant::now() + DEADLINE;
    loop {
        match node.propose(command.clone()).await {
            Ok(outcome) => return outcome,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn write(node: &Node, numbers: std::ops::Range<u64>) -> Revision {
    let writes: Vec<_> = numbers
        .map(|number| {
            let node = node.clone();
            tokio::spawn(async move { propose(&node, create(number)).await })
        })
        .collect();
    let mut last = Revision(0);
    for write in writes {
        let outcome = write.await.expect("no panic");
        assert!(matches!(outcome.result, Ok(Change::Created(_))));
        last = last.max(outcome.revision);
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_servers_elect_replicate_and_survive_the_loss_of_the_leader() {
    let mut cluster = Cluster::new(3).await;
    cluster.start(&[0, 1, 2]).await;
    let (first, leader) = cluster.leader().await;
    let revision = write(&leader, 0..200).await;
    cluster.all_at(revision).await;
    let digests = cluster.digests();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));

    let again = create(1000);
    let outcome = propose(&leader, again.clone()).await;
    drop(leader);
    cluster.kill(first);
    let (second, leader) = cluster.leader().await;
    assert_ne!(first, second);
    // The first outcome, by another leader, and no second account.
    assert_eq!(propose(&leader, again).await, outcome);
    let revision = write(&leader, 200..300).await;

    cluster.start(&[first]).await;
    cluster.all_at(revision).await;
    let digests = cluster.digests();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    let view = cluster.running[&first].node.read().expect("a view");
    assert_eq!(view.count().expect("a count"), 301);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_that_was_away_for_longer_than_the_log_comes_back_by_snapshot() {
    let mut cluster = Cluster::new(3).await;
    cluster.keep = 50;
    cluster.start(&[0, 1, 2]).await;
    let (number, leader) = cluster.leader().await;
    write(&leader, 0..20).await;
    let away = (number + 1) % 3;
    cluster.kill(away);
    let mut revision = Revision(0);
    for round in 1..20 {
        revision = write(&leader, round * 100..round * 100 + 50).await;
    }
    let purged = || leader.status().ok().filter(|status| status.purged > 200);
    wait("the log to be cut", purged).await;
    cluster.start(&[away]).await;
    cluster.all_at(revision).await;
    let digests = cluster.digests();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_whose_data_directory_was_emptied_is_refused() {
    let mut cluster = Cluster::new(3).await;
    cluster.start(&[0, 1, 2]).await;
    let (number, leader) = cluster.leader().await;
    write(&leader, 0..5).await;
    let wiped = (number + 1) % 3;
    cluster.kill(wiped);
    let name = cluster.servers[wiped].name.clone();
    std::fs::remove_dir_all(cluster.folder.path().join(&name)).expect("removed");
    let (_runtime, start) = cluster.starting(cluster.config(wiped)).await;
    let started = timeout(DEADLINE, start)
        .await
        .expect("in time")
        .expect("no panic");
    let error = started.err().expect("refused");
    let text = error.to_string();
    assert!(
        text.contains(&format!("quorid cluster replace {name}")),
        "{text}"
    );
    assert!(write(&leader, 5..10).await > Revision(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_were_given_different_lists_are_refused() {
    let cluster = Cluster::new(3).await;
    let (_runtime, start) = cluster.starting(cluster.config(0)).await;
    let mut other = cluster.config(1);
    other.initial_servers.swap(0, 2);
    let (_other_runtime, other) = cluster.starting(other).await;
    let (first, second) = tokio::join!(timeout(DEADLINE, start), timeout(DEADLINE, other));
    for result in [first, second] {
        let text = result
            .expect("in time")
            .expect("no panic")
            .err()
            .expect("refused")
            .to_string();
        assert!(text.contains("given other initial servers"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clusters_of_one_and_five_and_seven_form() {
    for size in [1, 5, 7] {
        let mut cluster = Cluster::new(size).await;
        cluster.start(&(0..size).collect::<Vec<_>>()).await;
        let (_, leader) = cluster.leader().await;
        let revision = write(&leader, 0..10).await;
        cluster.all_at(revision).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shutdown_hands_leadership_over_and_a_follower_says_who_leads() {
    let mut cluster = Cluster::new(3).await;
    cluster.start(&[0, 1, 2]).await;
    let (first, leader) = cluster.leader().await;
    let follower = cluster.running[&((first + 1) % 3)].node.clone();
    let mut known = follower.cluster();
    let told = known.wait_for(|state| state.leading().is_some());
    let told = timeout(Duration::from_secs(30), told).await;
    drop(told.expect("in time").expect("it runs"));
    match follower.propose(create(1)).await {
        Err(Unavailable::NotLeader {
            leader: Some(told), ..
        }) => {
            assert_eq!(told.name, cluster.servers[first].name);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        follower.read_barrier().await,
        Err(Unavailable::NotLeader { .. })
    ));
    leader.read_barrier().await.expect("the leader may tell");
    leader.shutdown().await.expect("stopped");
    cluster.kill(first);
    let (second, _) = cluster.leader().await;
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_is_added_removed_and_replaced_while_the_cluster_runs() {
    let mut cluster = Cluster::new(4).await;
    let fourth = cluster.servers.pop().expect("four servers");
    cluster.start(&[0, 1, 2]).await;
    let (number, leader) = cluster.leader().await;
    write(&leader, 0..20).await;
    let joining = |server: &InitialServer, cluster: &Cluster| NodeConfig {
        name: server.name.clone(),
        peer_address: server.peer_address.clone(),
        client_address: server.client_address.clone(),
        join: true,
        ..cluster.config(0)
    };
    let new = |server: &InitialServer| NewServer {
        name: server.name.clone(),
        client_address: server.client_address.clone(),
        peer_address: server.peer_address.clone(),
        learner: false,
    };

    let (_runtime, start) = cluster.starting(joining(&fourth, &cluster)).await;
    eventually(|| leader.add_server(new(&fourth))).await;
    let node = timeout(DEADLINE, start)
        .await
        .expect("in time")
        .expect("no panic");
    let node = node.expect("started");
    let revision = write(&leader, 20..40).await;
    node.wait_applied(revision).await.expect("applied");
    assert!(
        leader
            .state()
            .named("s4")
            .is_some_and(|member| member.voter)
    );
    let again = leader
        .add_server(new(&fourth))
        .await
        .expect_err("there already");
    assert!(matches!(again, MembershipError::Exists(_)), "{again}");
    let alive = leader
        .replace_server("s4", new(&fourth))
        .await
        .expect_err("it is alive");
    assert!(matches!(alive, MembershipError::NotReady { .. }), "{alive}");
    eventually(|| leader.remove_server("s4")).await;
    assert_eq!(leader.state().named("s4"), None);

    // A member loses its disk, and comes back empty under its old name and a new id.
    let lost = (number + 1) % 3;
    let old = cluster.servers[lost].clone();
    cluster.kill(lost);
    std::fs::remove_dir_all(cluster.folder.path().join(&old.name)).expect("removed");
    let (_again, start) = cluster.starting(joining(&old, &cluster)).await;
    eventually(|| leader.replace_server(&old.name, new(&old))).await;
    let node = timeout(DEADLINE, start)
        .await
        .expect("in time")
        .expect("no panic");
    let node = node.expect("started");
    let revision = write(&leader, 40..60).await;
    node.wait_applied(revision).await.expect("applied");
    let state = leader.state();
    let ids: Vec<u64> = state.servers.iter().map(|member| member.id).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.contains(&5), "{ids:?}");
    let digest = |node: &Node| {
        node.read()
            .and_then(|view| view.digest())
            .expect("a digest")
    };
    assert_eq!(digest(&node), digest(&leader));
}

/// As an operator does it: asked again while the server starts, or the leader is busy.
async fn eventually<F: Future<Output = Result<(), MembershipError>>>(change: impl Fn() -> F) {
    let until = Instant::now() + DEADLINE;
    while let Err(error) = change().await {
        assert!(Instant::now() < until, "{error}");
        sleep(Duration::from_millis(50)).await;
    }
}
