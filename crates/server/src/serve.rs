//! `quorid serve`: puts the parts together, runs them, and takes them down in order.

pub(crate) mod peer;
mod service_manager;

use std::{io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use quorid_storage::{DataDirectory, LogOptions, OpenError, StoreOptions};
use rustix::{
    fs::Mode,
    process::{Resource, getrlimit, setrlimit},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tracing::{error, info, warn};

use crate::{
    config::{Config, ServeArgs},
    frontend::{Frontend, http::Door},
    logging,
    metrics::Metrics,
    node::{ClusterState, Node, NodeConfig, StartError, Starting},
    passwords::Passwords,
    ports::{self, Phase, Port, Protocol},
    seams::{
        InPlace, Listener, Network, Outside, SystemClock, SystemEntropy, SystemThreads, TcpNetwork,
    },
    service::Service,
    tls::ServerTls,
};

/// A shutdown that takes longer is cut short.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// Of that, what open connections get to end by themselves.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);
/// After that the outcome of a write is unknown to its client, who may ask again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// So often servers compare their states: it costs them a message each.
const COMPARE_INTERVAL: Duration = Duration::from_secs(10);

/// Runs a server until it is asked to end, or checks its configuration.
pub fn run(args: ServeArgs) -> anyhow::Result<()> {
    let config = Config::load(&args)?;
    let tls = ServerTls::load(&config.tls)?;
    tls.check(&config.own.name)?;
    if args.check_config {
        return tell_valid(&config);
    }
    // What the engines make in the data directory is nobody else's either.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    logging::start(config.log_format, config.verbose)?;
    allow_open_files();
    for warning in &config.warnings {
        warn!(event = "configuration", "{warning}");
    }
    // What a server does is many small things: each thread does its own. See `SystemThreads`.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    let ended = runtime.block_on(serve(config, tls, args.exit_on_stdin_close));
    if ended.is_err() {
        // The process ends here, and its threads with it. To end them one by one would take the
        // timers from a task that is just writing to the disk, and make it panic.
        std::mem::forget(runtime);
    } else {
        // What still runs on blocking threads (a hash, a digest) is not waited for long.
        runtime.shutdown_timeout(Duration::from_millis(200));
    }
    ended
}

/// Takes as many open files as the system's administrator allows: a shell's usual 1024 are fewer than there may
/// be connections, and each 4 MiB of the log take one.
pub fn allow_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        // There are as many as before.
        warn!(
            event = "configuration",
            "cannot raise the limit of open files: {error}"
        );
    }
}

/// What the operator can do about a server that did not start, where something is known.
#[must_use]
pub fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(error) = error.downcast_ref::<OpenError>() {
        return Some(error.hint().to_owned());
    }
    error.downcast_ref::<StartError>()?.hint()
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

async fn serve(config: Config, tls: ServerTls, exit_on_stdin_close: bool) -> anyhow::Result<()> {
    let mut signals = Signals::new(exit_on_stdin_close)?;
    let threads = SystemThreads::start(config.server_threads - 1)
        .context("cannot start the threads of the server")?;
    let outside = Outside {
        disk: Arc::new(DataDirectory::open(&config.data_dir)?),
        network: Arc::new(TcpNetwork),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        threads: Arc::new(threads),
    };
    let mut server = tokio::select! {
        started = Server::start(config, &tls, outside, service_manager::listening) => started?,
        signal = signals.next() => {
            info!(event = "stopped", "{signal} while starting; stopped");
            return Ok(());
        }
    };
    tokio::spawn(tell_ready(server.config.clone(), server.cluster()));
    tokio::spawn(service_manager::follow(server.cluster()));
    tokio::select! {
        signal = signals.next() => {
            info!(event = "stopping", "{signal}: shutting down");
            service_manager::stopping();
        }
        error = server.failed() => {
            error!(event = "fault", "{error}; stopping now, before anything wrong is answered");
            return Err(error);
        }
    }
    tokio::select! {
        done = timeout(SHUTDOWN_TIMEOUT, server.stop()) => {
            done.context("the shutdown took too long; acknowledged changes are safe in the log")?
        }
        signal = signals.next() => {
            anyhow::bail!("a second {signal}; stopped at once, acknowledged changes are safe in the log")
        }
    }
}

/// A running server: a member of its cluster, with both ports open.
pub struct Server {
    config: Config,
    node: Node,
    phase: watch::Sender<Phase>,
    clients: JoinHandle<()>,
    peers: JoinHandle<()>,
}

impl Server {
    /// Opens the ports and says so by `opened`, finds the cluster or forms it, and serves.
    /// Waits for the other servers for as long as it takes.
    pub async fn start(
        config: Config,
        tls: &ServerTls,
        outside: Outside,
        opened: impl FnOnce(),
    ) -> anyhow::Result<Self> {
        let (client_listener, client_port) =
            bind(&*outside.network, "client", &config.client_listen).await?;
        let (peer_listener, peer_port) =
            bind(&*outside.network, "peer", &config.peer_listen).await?;

        let starting = Starting::new(
            node_config(&config),
            outside.clone(),
            tls.client_config_peers()?,
        )?;
        let Outside {
            clock,
            entropy,
            threads,
            ..
        } = outside;

        let metrics = Arc::new(Metrics::new());
        let (phase, phases) = watch::channel(Phase::Serving);
        let door = Door::default();
        let peers = Port {
            name: "peer",
            listener: peer_listener,
            tls: tls.server_config_peers()?,
            protocol: peer::protocol(&starting.gate()),
            threads: Arc::new(InPlace),
            // To hand leadership over, the next leader has to get through to this server.
            until: Phase::Closing,
            connections: None,
            refused: None,
        };
        let peers = tokio::spawn(ports::serve(peers, phases.clone()));
        let clients = Port {
            name: "client",
            listener: client_listener,
            tls: tls.server_config_clients()?,
            protocol: Protocol::http(door.router()),
            threads: Arc::clone(&threads),
            until: Phase::Draining,
            connections: Some(metrics.connections.clone()),
            refused: Some(metrics.connections_refused.clone()),
        };
        let clients = tokio::spawn(ports::serve(clients, phases.clone()));
        info!(
            event = "listening",
            client = %client_port,
            peer = %peer_port,
            "{}: listening for clients on {client_port}, for servers on {peer_port}",
            config.own.name
        );
        opened();

        let passwords = Passwords::new(config.password, Arc::clone(&entropy), threads)?;
        let started = Instant::now();
        let node = starting.start().await?;
        let service = Service::new(
            node.clone(),
            config.access,
            config.self_rename,
            passwords,
            clock,
            entropy,
        );
        let frontend = Arc::new(Frontend {
            name: config.own.name.clone(),
            service: Arc::new(service),
            metrics: Arc::clone(&metrics),
            phase: phases,
            started,
        });
        door.open(frontend.router());
        let cluster = node.cluster();
        tokio::spawn(async move { metrics.follow(cluster).await });
        Ok(Self {
            config,
            node,
            phase,
            clients,
            peers,
        })
    }

    /// Where clients reach it, `host:port`.
    #[must_use]
    pub fn client_address(&self) -> &str {
        &self.config.own.client_address
    }

    /// Who leads and who is a member, and every change of it.
    #[must_use]
    pub fn cluster(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.node.cluster()
    }

    /// Returns if the server cannot go on.
    pub async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            fault = self.node.fatal() => fault.into(),
            ended = &mut self.clients => {
                anyhow::anyhow!("the client port is no longer served: {ended:?}")
            }
            ended = &mut self.peers => {
                anyhow::anyhow!("the peer port is no longer served: {ended:?}")
            }
        }
    }

    /// Takes no new connections, hands leadership over, makes a last checkpoint, and only
    /// then ends the connections there are: they hear who leads next.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.phase.send_replace(Phase::Draining);
        let stopped = self.node.shutdown().await;
        self.phase.send_replace(Phase::Closing);
        // The other servers' connections serve nothing any more.
        self.peers.abort();
        if timeout(CLOSING_TIMEOUT, &mut self.clients).await.is_err() {
            info!(
                event = "stopping",
                "some connections did not end by themselves; closing them"
            );
        }
        stopped?;
        info!(event = "stopped", "stopped");
        Ok(())
    }
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
        own: config.own.clone(),
        initial_servers: config.initial_servers.clone(),
        join: config.join,
        form_alone: config.form_alone,
        supports: config.supports,
        timing: config.timing,
        checkpoint_interval: Duration::from_millis(config.checkpoint_interval_ms),
        compare_interval: COMPARE_INTERVAL,
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
async fn tell_ready(config: Config, mut cluster: watch::Receiver<Arc<ClusterState>>) {
    let Ok(state) = cluster.wait_for(|state| state.leading().is_some()).await else {
        return;
    };
    let leader = state
        .leading()
        .map_or("", |leader| leader.server.name.as_str());
    let line = format!(
        "ready: {} serves clients at {}, servers at {}; cluster {}, term {}, leader {leader}",
        config.own.name,
        config.own.client_address,
        config.own.peer_address,
        state.cluster_id,
        state.term,
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
