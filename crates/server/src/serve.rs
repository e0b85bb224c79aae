//! `quorid serve`: puts the parts together, runs them, and takes them down in order.

use std::{io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::{error, info, warn};

use crate::{
    config::{Config, ServeArgs},
    frontend::{Frontend, Phase, http::Door, listener, peer},
    logging,
    metrics::Metrics,
    node::{Node, NodeConfig, Starting, World},
    passwords::Passwords,
    seams::{Listener, Network, SystemClock, SystemEntropy, TcpNetwork},
    service::Service,
    storage::{DataDirectory, LogOptions, StoreOptions},
    tls::Identity,
};

/// A shutdown that takes longer is cut short.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// Of that, what open connections get to end by themselves.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(2);
/// After that the outcome of a write is unknown to its client, who may ask again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a server until it is told to end, or checks its configuration.
pub fn run(args: ServeArgs) -> anyhow::Result<()> {
    let config = Config::load(&args)?;
    let identity = Identity::load(&config.tls)?;
    identity.check(&config.name)?;
    if args.check_config {
        return tell_valid(&config);
    }
    logging::start(config.log_format, config.verbose)?;
    for warning in &config.warnings {
        warn!(event = "configuration", "{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    let ended = runtime.block_on(serve(config, identity, args.exit_on_stdin_close));
    // What still runs on blocking threads (a hash, a digest) is not waited for long.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended
}

fn tell_valid(config: &Config) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "# configuration is valid")?;
    for warning in &config.warnings {
        writeln!(out, "# warning: {warning}")?;
    }
    writeln!(out, "{config}")?;
    Ok(())
}

async fn serve(
    mut config: Config,
    identity: Identity,
    exit_on_stdin_close: bool,
) -> anyhow::Result<()> {
    let mut signals = Signals::new(exit_on_stdin_close)?;
    let network = Arc::new(TcpNetwork);
    let disk = DataDirectory::open(&config.data_dir)?;
    let (client_listener, client_port) = bind(&*network, "client", &config.client_listen).await?;
    let (peer_listener, peer_port) = bind(&*network, "peer", &config.peer_listen).await?;
    config.take_ports(client_port.port(), peer_port.port());

    let entropy = Arc::new(SystemEntropy);
    let world = World {
        disk: Arc::new(disk),
        network,
        entropy: entropy.clone(),
        peer_tls: identity.client_config_peers()?,
    };
    let starting = Starting::new(node_config(&config), world)?;

    let metrics = Arc::new(Metrics::new());
    let (phase, phases) = watch::channel(Phase::Serving);
    let door = Door::default();
    let mut ports = JoinSet::new();
    let peers = listener::Port {
        name: "peer",
        listener: peer_listener,
        tls: identity.server_config_peers()?,
        router: peer::router(&starting.gate()),
        connections: None,
        refused: None,
    };
    ports.spawn(listener::serve(peers, phases.clone()));
    let clients = listener::Port {
        name: "client",
        listener: client_listener,
        tls: identity.server_config_clients()?,
        router: door.router(),
        connections: Some(metrics.connections.clone()),
        refused: Some(metrics.connections_refused.clone()),
    };
    ports.spawn(listener::serve(clients, phases.clone()));
    info!(
        event = "listening",
        client = %client_port,
        peer = %peer_port,
        "{}: listening for clients on {client_port}, for servers on {peer_port}",
        config.name
    );

    let passwords = Passwords::new(config.password, entropy.clone())?;
    let started = Instant::now();
    let node = tokio::select! {
        node = starting.start() => node?,
        signal = signals.next() => {
            info!(event = "stopped", "{signal} while starting; stopped");
            return Ok(());
        }
    };
    let clock = Arc::new(SystemClock);
    let service = Service::new(node.clone(), config.access, passwords, clock, entropy);
    let frontend = Arc::new(Frontend {
        name: config.name.clone(),
        service: Arc::new(service),
        metrics: Arc::clone(&metrics),
        phase: phases,
        started,
    });
    door.open(frontend.router());
    tokio::spawn({
        let cluster = node.cluster();
        async move { metrics.follow(cluster).await }
    });
    tokio::spawn(tell_ready(config.clone(), node.clone()));

    tokio::select! {
        signal = signals.next() => info!(event = "stopping", "{signal}: shutting down"),
        fault = node.fatal() => {
            error!(event = "fault", "{fault}; stopping now, before anything wrong is answered");
            anyhow::bail!("{fault}");
        }
        Some(ended) = ports.join_next() => {
            anyhow::bail!("a port stopped to be served: {ended:?}");
        }
    }
    tokio::select! {
        done = timeout(SHUTDOWN_TIMEOUT, shut_down(&node, &phase, ports)) => {
            done.context("the shutdown took too long; acknowledged changes are safe in the log")?
        }
        signal = signals.next() => {
            anyhow::bail!("a second {signal}; stopped at once, acknowledged changes are safe in the log")
        }
    }
}

/// New connections first, then leadership and the node, then the connections there are: they
/// hear who leads next.
async fn shut_down(
    node: &Node,
    phase: &watch::Sender<Phase>,
    mut ports: JoinSet<()>,
) -> anyhow::Result<()> {
    phase.send_replace(Phase::Draining);
    let stopped = node.shutdown().await;
    phase.send_replace(Phase::Closing);
    let all_closed = async { while ports.join_next().await.is_some() {} };
    if timeout(CLOSING_TIMEOUT, all_closed).await.is_err() {
        info!(
            event = "stopping",
            "some connections didn't end by themselves; closing them"
        );
    }
    stopped?;
    info!(event = "stopped", "stopped");
    Ok(())
}

async fn bind(
    network: &dyn Network,
    what: &str,
    address: &str,
) -> anyhow::Result<(Box<dyn Listener>, SocketAddr)> {
    let bound = async {
        let listener = network.bind(address).await?;
        let local = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, local))
    };
    bound.await.with_context(|| {
        format!("cannot listen on {address}; is it free? the setting is {what}_listen")
    })
}

fn node_config(config: &Config) -> NodeConfig {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    NodeConfig {
        name: config.name.clone(),
        peer_address: config.peer_address.clone(),
        client_address: config.client_address.clone(),
        initial_servers: config.initial_servers.clone(),
        join: config.join,
        timing: config.timing,
        checkpoint_interval: Duration::from_millis(config.checkpoint_interval_ms),
        snapshot_after_entries: config.snapshot_after_entries,
        log_keep_entries: config.log_keep_entries,
        write_timeout: WRITE_TIMEOUT,
        store: StoreOptions {
            cache_bytes: bytes(config.cache_bytes),
            checkpoint_bytes: config.checkpoint_bytes,
        },
        log: LogOptions {
            cache_bytes: bytes(config.log_cache_bytes),
            ..LogOptions::default()
        },
    }
}

/// Says once, on standard output, that requests will be answered.
async fn tell_ready(config: Config, node: Node) {
    let mut cluster = node.cluster();
    let Ok(state) = cluster.wait_for(|state| state.leader.is_some()).await else {
        return;
    };
    let leader = state.leading().map_or("", |leader| leader.name.as_str());
    let line = format!(
        "ready: {} serves clients at {}, servers at {}; cluster {}, term {}, leader {leader}",
        config.name, config.client_address, config.peer_address, state.cluster_id, state.term,
    );
    drop(state);
    // Whoever started the server may have closed its output; that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What asks the server to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Once: it stays closed.
    stdin_closed: Option<oneshot::Receiver<()>>,
}

impl Signals {
    fn new(exit_on_stdin_close: bool) -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            stdin_closed: exit_on_stdin_close.then(watch_stdin),
        })
    }

    async fn next(&mut self) -> &'static str {
        let stdin_closed = async {
            match &mut self.stdin_closed {
                // An error is as good: the thread ends in no other way.
                Some(closed) => drop(closed.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => return "SIGTERM",
            _ = self.interrupt.recv() => return "SIGINT",
            () = stdin_closed => {}
        }
        self.stdin_closed = None;
        "end of standard input"
    }
}

/// On a thread of its own, which ends with the process: the runtime would wait for a read.
fn watch_stdin() -> oneshot::Receiver<()> {
    let (closed, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // However it ends, nobody is at the other end any more.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = closed.send(());
    });
    receiver
}
