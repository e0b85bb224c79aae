//! A server's machine in the simulation.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quorid_directory::Level;
use quorid_history::chance::Chance;
use quorid_server::{
    access::Access,
    config::{Config, PasswordFlags, ServerSettings, TlsFlags},
    named_server::NamedServer,
    seams::{InPlace, Outside},
    serve::Server,
    tls::ServerTls,
};

use crate::{
    disk::SimDisk,
    middlebox::Middlebox,
    observer::Observer,
    seams::{SimClock, SimEntropy, SimNetwork},
    settings::{CLIENT_PORT, PEER_PORT, Settings},
    trace::note,
};

/// A server's machine: what outlives the server.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    config: Config,
    tls: Arc<ServerTls>,
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<SimClock>,
    entropy: Arc<SimEntropy>,
    pub(crate) observer: Observer,
    pub(crate) middlebox: Middlebox,
    /// Whether it is a server of an older version.
    older: Arc<AtomicBool>,
    /// Whether a server runs.
    pub(crate) lives: Arc<AtomicBool>,
}

impl Machine {
    pub(crate) fn new(
        name: &'static str,
        settings: &Settings,
        observer: &Observer,
        middlebox: &Middlebox,
    ) -> anyhow::Result<Self> {
        let file = |name: String| Some(settings.certificates.join(name));
        let initial_servers = settings.servers.iter().map(|server| NamedServer {
            name: (*server).to_owned(),
            peer_address: format!("{server}:{PEER_PORT}"),
            client_address: format!("{server}:{CLIENT_PORT}"),
        });
        let config = Config::from_settings(ServerSettings {
            name: Some(name.to_owned()),
            data_dir: Some("/nowhere".into()),
            initial_servers: Some(initial_servers.collect()),
            client_listen: Some(format!("0.0.0.0:{CLIENT_PORT}")),
            peer_listen: Some(format!("0.0.0.0:{PEER_PORT}")),
            tls: TlsFlags {
                ca: file("ca.crt".to_owned()),
                cert: file(format!("{name}.crt")),
                key: file(format!("{name}.key")),
            },
            access: Some(match settings.closed {
                true => Access::Closed,
                false => Access::Open,
            }),
            log_keep_entries: Some(settings.log_keep_entries),
            snapshot_after_entries: Some(settings.snapshot_after_entries),
            checkpoint_interval_ms: Some(settings.checkpoint_interval_ms),
            cache_bytes: Some(1 << 20),
            password: PasswordFlags {
                memory_kib: Some(8),
                iterations: Some(1),
                threads: Some(1),
                ..PasswordFlags::default()
            },
            ..ServerSettings::default()
        })?;
        let tls = Arc::new(ServerTls::load(&config.tls)?);
        let place = settings.servers.iter().position(|server| *server == name);
        let older = place.is_some_and(|place| settings.older.contains(&place));
        let chance = |what: &str| Chance::of(settings.seed, &format!("{what} of {name}"));
        Ok(Self {
            name,
            config,
            tls,
            disk: SimDisk::new(name, chance("disk"), observer.clone()),
            clock: Arc::default(),
            entropy: SimEntropy::new(chance("entropy")),
            observer: observer.clone(),
            middlebox: middlebox.clone(),
            older: Arc::new(AtomicBool::new(older)),
            lives: Arc::default(),
        })
    }

    /// Its server is of the newest version from its next start on.
    pub(crate) fn upgrade(&self) {
        self.older.store(false, Ordering::Relaxed);
    }

    /// One life of the server, from power on.
    pub(crate) async fn live(mut self) -> turmoil::Result {
        self.observer.restarted(self.name);
        let disk = self.disk.power_on();
        self.config.supports = match self.older.load(Ordering::Relaxed) {
            true => Level::BASE,
            false => Level::SUPPORTED,
        };
        note!("{} starts, level {}", self.name, self.config.supports);
        self.lives.store(true, Ordering::Relaxed);
        let outside = Outside {
            disk: Arc::new(disk),
            network: Arc::new(SimNetwork {
                own: self.name,
                middlebox: self.middlebox.clone(),
            }),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            threads: Arc::new(InPlace),
        };
        let ended = match Server::start(self.config, &self.tls, outside, || {}).await {
            Ok(mut server) => server.failed().await,
            Err(error) => error,
        };
        note!("{} ends: {ended:#}", self.name);
        self.lives.store(false, Ordering::Relaxed);
        if !self.disk.gave_reason_to_end() {
            let why = format!("{} cannot go on, with nothing wrong: {ended:#}", self.name);
            self.observer.saw_violation(why);
        }
        // The nemesis takes the machine down, and brings it back.
        std::future::pending().await
    }
}
