//! One run: three servers, their clients and the nemesis, in one process, by one seed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::anyhow;
use quorid::{
    access::Access,
    config::{Config, InitialServer, PasswordFlags, Settings as ServerSettings, TlsSettings},
    serve::{Outside, Server},
    tls::Identity,
};
use tokio::{sync::Semaphore, time::Instant};
use turmoil::{Builder, Sim};

use crate::{
    certificates::Certificates,
    chance::Chance,
    clients::{Worker, connect},
    disk::{SimDisk, USUAL_FLUSH_MS},
    judge::{self, Judge, Verdict},
    observer::Observer,
    oracle,
    plan::{Fault, Planned, all_but, others, plan},
    report::Report,
    seams::{SimClock, SimEntropy, SimNetwork},
    settings::{CLIENT_HOSTS, CLIENT_PORT, PEER_PORT, SERVERS, Settings, WORKERS},
    trace::{self, note},
};

/// By then the cluster has formed; the faults begin, ms.
const FORMED_MS: u64 = 2500;
/// Clients begin, ms.
const CLIENTS_MS: u64 = 1500;
/// A fuse that nothing burns down: the power goes anyway, ms.
const FUSE_MS: u64 = 1500;
/// A server that is told that a sync failed ends by then, ms.
const ENDING_MS: u64 = 300;

/// Runs a seed.
pub(crate) fn run(seed: u64, faults_ms: u64) -> anyhow::Result<Report> {
    let certificates = Certificates::make(&SERVERS)?;
    let settings = Settings::of(seed, faults_ms, certificates.folder().to_owned());
    note!("seed {seed}: {settings}");
    let plan = plan(&settings, FORMED_MS);
    for planned in &plan {
        note!("planned: {planned}");
    }
    let observer = Observer::default();
    let mut machines = Vec::new();
    let mut sim = Builder::new()
        .rng_seed(Chance::of(seed, "network messages").next())
        .simulation_duration(Duration::from_millis(FORMED_MS + faults_ms + 120_000))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::from_millis(settings.latency_max_ms))
        .tcp_capacity(4096)
        .enable_random_order()
        .build();
    for name in SERVERS {
        let machine = Machine::new(name, &settings, &observer)?;
        let host = machine.clone();
        sim.host(name, move || host.clone().live());
        machines.push(machine);
    }
    let done = Arc::new(Semaphore::new(0));
    for host in CLIENT_HOSTS {
        let (settings, observer, done) = (settings.clone(), observer.clone(), Arc::clone(&done));
        sim.client(host, async move {
            let begun = Instant::now();
            let until = begun + Duration::from_millis(FORMED_MS + settings.faults_ms);
            tokio::time::sleep_until(begun + Duration::from_millis(CLIENTS_MS)).await;
            let mut workers = tokio::task::JoinSet::new();
            for number in 1..=WORKERS {
                let name = format!("{host}.{number}");
                let worker = Worker {
                    client: connect(&settings, false)?,
                    chance: Chance::of(settings.seed, &name),
                    name,
                    observer: observer.clone(),
                    ids: Vec::new(),
                    revision: 0,
                };
                workers.spawn(worker.work(until));
            }
            while let Some(ended) = workers.join_next().await {
                ended?;
                done.add_permits(1);
            }
            Ok(())
        });
    }
    let verdict = Arc::new(Mutex::new(None));
    let judge = Judge {
        settings: settings.clone(),
        plan: plan.clone(),
        faults_end: Duration::from_millis(FORMED_MS + faults_ms),
        observer: observer.clone(),
        done,
    };
    let told = Arc::clone(&verdict);
    sim.client(judge::HOST, async move {
        let judged = judge.run().await;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        Ok(())
    });

    let mut nemesis = Nemesis {
        machines: &machines,
        planned: plan.iter().collect(),
        active: Vec::new(),
        fuses: Vec::new(),
        fired: BTreeMap::new(),
        settings: &settings,
    };
    let mut steps = 0_u64;
    loop {
        let now_ms = u64::try_from(sim.elapsed().as_millis()).unwrap_or(u64::MAX);
        nemesis.act(&mut sim, now_ms);
        steps += 1;
        match sim.step() {
            Ok(false) => {}
            Ok(true) => break,
            Err(error) => {
                observer.violated(format!("the simulation ended early: {error}"));
                break;
            }
        }
        let judged = verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if judged.is_some() {
            break;
        }
    }
    let fired = std::mem::take(&mut nemesis.fired);
    let judged = verdict
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let verdict: Option<Verdict> = match judged.unwrap_or_else(|| Err(anyhow!("no verdict"))) {
        Ok(verdict) => Some(verdict),
        Err(error) => {
            observer.violated(format!("{error:#}"));
            None
        }
    };
    let seen = observer.lock();
    let mut checked = oracle::check(&seen, verdict.as_ref());
    checked
        .violations
        .splice(0..0, seen.violations.iter().cloned());
    for violation in &checked.violations {
        note!("VIOLATION: {violation}");
    }
    let cuts: Vec<_> = machines.iter().map(|machine| machine.disk.cuts()).collect();
    let report = Report::of(steps, &seen, &checked, verdict.as_ref(), &fired, &cuts);
    drop(seen);
    // What the servers do when they are dropped is no part of the run.
    let (hash, lines) = trace::sum();
    for machine in &machines {
        machine.disk.power_off();
    }
    drop(sim);
    Ok(Report {
        hash: format!("{hash}, {lines} lines"),
        ..report
    })
}

/// A server's machine: what outlives the server.
#[derive(Clone)]
struct Machine {
    name: &'static str,
    config: Config,
    identity: Arc<Identity>,
    disk: SimDisk,
    clock: Arc<SimClock>,
    entropy: Arc<SimEntropy>,
    observer: Observer,
    /// Whether a server runs.
    lives: Arc<AtomicBool>,
}

impl Machine {
    fn new(name: &'static str, settings: &Settings, observer: &Observer) -> anyhow::Result<Self> {
        let file = |name: String| Some(settings.certificates.join(name));
        let initial_servers = SERVERS.map(|server| InitialServer {
            name: server.to_owned(),
            peer_address: format!("{server}:{PEER_PORT}"),
            client_address: format!("{server}:{CLIENT_PORT}"),
        });
        let config = Config::from_settings(ServerSettings {
            name: Some(name.to_owned()),
            data_dir: Some("/nowhere".into()),
            initial_servers: Some(initial_servers.to_vec()),
            client_listen: Some(format!("0.0.0.0:{CLIENT_PORT}")),
            peer_listen: Some(format!("0.0.0.0:{PEER_PORT}")),
            tls: TlsSettings {
                ca: file("ca.crt".to_owned()),
                cert: file(format!("{name}.crt")),
                key: file(format!("{name}.key")),
            },
            access: Some(Access::Open),
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
        let identity = Arc::new(Identity::load(&config.tls)?);
        let chance = |what: &str| Chance::of(settings.seed, &format!("{what} of {name}"));
        Ok(Self {
            name,
            config,
            identity,
            disk: SimDisk::new(name, chance("disk"), observer.clone()),
            clock: Arc::default(),
            entropy: SimEntropy::new(chance("entropy")),
            observer: observer.clone(),
            lives: Arc::default(),
        })
    }

    /// One life of the server, from power on.
    async fn live(self) -> turmoil::Result {
        self.observer.restarted(self.name);
        let disk = self.disk.power_on();
        note!("{} starts", self.name);
        self.lives.store(true, Ordering::Relaxed);
        let outside = Outside {
            disk: Arc::new(disk),
            network: Arc::new(SimNetwork),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        };
        let ended = match Server::start(self.config, &self.identity, outside, || {}).await {
            Ok(mut server) => server.failed().await,
            Err(error) => error,
        };
        note!("{} ends: {ended:#}", self.name);
        self.lives.store(false, Ordering::Relaxed);
        if self.disk.is_on() {
            let why = format!("{} can't go on, with nothing wrong: {ended:#}", self.name);
            self.observer.violated(why);
        }
        // The nemesis takes the machine down, and brings it back.
        std::future::pending().await
    }
}

/// Makes the plan come true.
struct Nemesis<'a> {
    machines: &'a [Machine],
    /// Not yet begun.
    planned: Vec<&'a Planned>,
    /// Begun and not yet ended.
    active: Vec<&'a Planned>,
    /// Servers whose power goes in an operation, by this time at the latest, and for how long.
    fuses: Vec<Fuse>,
    fired: BTreeMap<&'static str, u64>,
    settings: &'a Settings,
}

struct Fuse {
    server: usize,
    until_ms: u64,
    off_ms: u64,
    /// Since when there is no power.
    burnt_ms: Option<u64>,
}

impl<'a> Nemesis<'a> {
    fn act(&mut self, sim: &mut Sim<'_>, now_ms: u64) {
        self.burn(sim, now_ms);
        let (ended, active) = std::mem::take(&mut self.active)
            .into_iter()
            .partition(|planned| planned.to_ms <= now_ms);
        self.active = active;
        for planned in ended {
            self.end(sim, planned);
        }
        while let Some(planned) = self.planned.first().copied() {
            if planned.from_ms > now_ms {
                break;
            }
            self.planned.remove(0);
            self.begin(sim, planned, now_ms);
        }
    }

    fn begin(&mut self, sim: &mut Sim<'_>, planned: &'a Planned, now_ms: u64) {
        note!("{now_ms}: begins {:?}", planned.fault);
        *self.fired.entry(planned.fault.kind()).or_default() += 1;
        match &planned.fault {
            Fault::PowerCut { server } => self.power_off(sim, *server),
            Fault::PowerCutInOperation { server, after } => {
                self.machines[*server].disk.set_fuse(*after);
                self.fuses.push(Fuse {
                    server: *server,
                    until_ms: now_ms + FUSE_MS,
                    off_ms: planned.to_ms - planned.from_ms,
                    burnt_ms: None,
                });
                return;
            }
            Fault::SyncFails { server } => {
                self.machines[*server].disk.fail_next_sync();
                self.fuses.push(Fuse {
                    server: *server,
                    until_ms: now_ms + FUSE_MS,
                    off_ms: planned.to_ms - planned.from_ms,
                    burnt_ms: None,
                });
                return;
            }
            Fault::PowerCutOfAll => {
                for server in 0..SERVERS.len() {
                    self.power_off(sim, server);
                }
            }
            Fault::Isolated { server } => {
                for other in all_but(*server) {
                    sim.partition(SERVERS[*server], other);
                }
            }
            Fault::IsolatedFromServers { server } => {
                for other in others(*server) {
                    sim.partition(SERVERS[*server], other);
                }
            }
            Fault::OneWayCut { from, to } => {
                sim.partition_oneway(SERVERS[*from], SERVERS[*to]);
            }
            Fault::Muted { server } => {
                for other in others(*server) {
                    sim.partition_oneway(SERVERS[*server], other);
                }
            }
            Fault::Bridge { a, b } => sim.partition(SERVERS[*a], SERVERS[*b]),
            Fault::Delay { a, b, latency_ms } => sim.set_link_max_message_latency(
                SERVERS[*a],
                SERVERS[*b],
                Duration::from_millis(*latency_ms),
            ),
            Fault::Held { a, b } => sim.hold(SERVERS[*a], SERVERS[*b]),
            Fault::SlowDisk { server, flush_ms } => {
                let disk = &self.machines[*server].disk;
                disk.set_flush_ms((*flush_ms / 2, *flush_ms));
            }
            Fault::ClockError { server, error_ms } => {
                self.machines[*server].clock.set_error_ms(*error_ms);
            }
            // The judge does it, at the same time.
            Fault::Transfer { .. } => return,
        }
        self.active.push(planned);
    }

    fn end(&mut self, sim: &mut Sim<'_>, planned: &Planned) {
        note!("ends {:?}", planned.fault);
        match &planned.fault {
            Fault::PowerCut { server } => self.power_on(sim, *server),
            Fault::PowerCutOfAll => {
                for server in 0..SERVERS.len() {
                    self.power_on(sim, server);
                }
            }
            Fault::Isolated { server } => {
                for other in all_but(*server) {
                    sim.repair(SERVERS[*server], other);
                }
            }
            Fault::IsolatedFromServers { server } | Fault::Muted { server } => {
                for other in others(*server) {
                    sim.repair(SERVERS[*server], other);
                }
            }
            Fault::OneWayCut { from: a, to: b } | Fault::Bridge { a, b } => {
                sim.repair(SERVERS[*a], SERVERS[*b]);
            }
            Fault::Delay { a, b, .. } => sim.set_link_max_message_latency(
                SERVERS[*a],
                SERVERS[*b],
                Duration::from_millis(self.settings.latency_max_ms),
            ),
            Fault::Held { a, b } => sim.release(SERVERS[*a], SERVERS[*b]),
            Fault::SlowDisk { server, .. } => {
                self.machines[*server].disk.set_flush_ms(USUAL_FLUSH_MS);
            }
            Fault::ClockError { server, .. } => self.machines[*server].clock.set_error_ms(0),
            Fault::PowerCutInOperation { .. }
            | Fault::SyncFails { .. }
            | Fault::Transfer { .. } => {}
        }
    }

    /// Ends the servers whose disk lost its power, and brings them back later.
    fn burn(&mut self, sim: &mut Sim<'_>, now_ms: u64) {
        for mut fuse in std::mem::take(&mut self.fuses) {
            let machine = &self.machines[fuse.server];
            let ending = machine.disk.sync_failed() && machine.lives.load(Ordering::Relaxed);
            match fuse.burnt_ms {
                None if ending && now_ms < fuse.until_ms + ENDING_MS => self.fuses.push(fuse),
                None if !machine.disk.is_on() || now_ms >= fuse.until_ms => {
                    self.power_off(sim, fuse.server);
                    fuse.burnt_ms = Some(now_ms);
                    self.fuses.push(fuse);
                }
                Some(since) if now_ms >= since + fuse.off_ms => self.power_on(sim, fuse.server),
                None | Some(_) => self.fuses.push(fuse),
            }
        }
    }

    /// First the disk: what the server does while it is taken down isn't done any more.
    fn power_off(&self, sim: &mut Sim<'_>, server: usize) {
        let Machine {
            name,
            disk,
            lives,
            observer,
            ..
        } = &self.machines[server];
        if lives.swap(false, Ordering::Relaxed) && disk.sync_failed() {
            observer.violated(format!("{name} goes on after a sync failed"));
        }
        self.machines[server].disk.power_off();
        sim.crash(SERVERS[server]);
    }

    fn power_on(&self, sim: &mut Sim<'_>, server: usize) {
        if !self.machines[server].disk.is_on() {
            sim.bounce(SERVERS[server]);
        }
    }
}
