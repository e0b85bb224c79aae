//! One run: three servers, their clients and the nemesis, in one process, by one seed.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::anyhow;
use quorid_history::{chance::Chance, report::Report, witness};
use tokio::{sync::Semaphore, time::Instant};
use turmoil::{Builder, Sim};

use crate::{
    certificates::Certificates,
    clients::{probe, worker},
    disk::Cuts,
    followers::follower,
    judge::{self, Judge, Verdict},
    machine::Machine,
    middlebox::Middlebox,
    nemesis::Nemesis,
    observer::Observer,
    plan::{Planned, plan},
    settings::{CLIENT_HOSTS, FOLLOWER_HOSTS, PROBER_HOST, Settings, WORKERS},
    trace::{self, note},
};

/// Clients begin, ms.
const CLIENTS_MS: u64 = 1500;
/// More than it ever takes from the last fault to the verdict, ms.
const AFTER_MS: u64 = 120_000;

/// Runs a seed, with all the faults that it plans or with some of them only, by their number.
pub(crate) fn run(seed: u64, faults_ms: u64, only: Option<&[usize]>) -> anyhow::Result<Report> {
    let mut settings = Settings::of(seed, faults_ms);
    let certificates = Certificates::make(settings.servers)?;
    settings.certificates = PathBuf::from(certificates.folder());
    note!("seed {seed}: {settings}");
    let plan: Vec<Planned> = (0..)
        .zip(plan(&settings))
        .filter(|(number, _)| only.is_none_or(|only| only.contains(number)))
        .map(|(_, planned)| planned)
        .collect();
    for planned in &plan {
        note!("planned: {planned}");
    }
    let mut run = Run::new(settings, plan)?;
    let mut sim = run.simulation(seed)?;
    run.add_clients(&mut sim);
    run.add_prober(&mut sim);
    run.add_followers(&mut sim);
    let judged = run.add_judge(&mut sim);
    run.steps(&mut sim, &judged);
    let report = run.report(&judged);
    for violation in &report.violations {
        note!("VIOLATION: {violation}");
    }
    // What the servers do when they are dropped is no part of the run.
    let (hash, lines) = trace::sum();
    for machine in &run.machines {
        machine.disk.power_off();
    }
    drop(sim);
    Ok(Report {
        hash: format!("{hash}, {lines} lines"),
        ..report
    })
}

/// The judge's verdict, once it is there.
type Judged = Arc<Mutex<Option<anyhow::Result<Verdict>>>>;

/// A run, from its plan to its report.
struct Run {
    settings: Settings,
    plan: Vec<Planned>,
    observer: Observer,
    middlebox: Middlebox,
    machines: Vec<Machine>,
    /// A permit for each worker that came to its end.
    done: Arc<Semaphore>,
    /// A permit for each follower that came to its end.
    followed: Arc<Semaphore>,
    /// Simulated milliseconds so far.
    steps: u64,
    /// How often each kind of fault struck.
    fired: BTreeMap<&'static str, u64>,
}

impl Run {
    fn new(settings: Settings, plan: Vec<Planned>) -> anyhow::Result<Self> {
        let observer = Observer::default();
        let middlebox = Middlebox::default();
        let names = settings.servers.iter().copied();
        let machines = names.map(|name| Machine::new(name, &settings, &observer, &middlebox));
        Ok(Self {
            machines: machines.collect::<Result<_, _>>()?,
            settings,
            plan,
            observer,
            middlebox,
            done: Arc::new(Semaphore::new(0)),
            followed: Arc::new(Semaphore::new(0)),
            steps: 0,
            fired: BTreeMap::new(),
        })
    }

    /// The network, with the servers in it.
    fn simulation(&self, seed: u64) -> anyhow::Result<Sim<'static>> {
        let settings = &self.settings;
        let mut sim = Builder::new()
            .rng_seed(Chance::of(seed, "network messages").next())
            .simulation_duration(Duration::from_millis(settings.faults_end_ms() + AFTER_MS))
            .tick_duration(Duration::from_millis(1))
            .min_message_latency(Duration::ZERO)
            .max_message_latency(Duration::from_millis(settings.latency_max_ms))
            .tcp_capacity(4096)
            .enable_random_order()
            .build();
        for (name, machine) in settings.servers.iter().copied().zip(&self.machines) {
            let host = machine.clone();
            sim.host(name, move || host.clone().live());
        }
        Ok(sim)
    }

    fn add_clients(&self, sim: &mut Sim<'_>) {
        for host in CLIENT_HOSTS {
            let (settings, observer) = (self.settings.clone(), self.observer.clone());
            let done = Arc::clone(&self.done);
            sim.client(host, async move {
                let begun = Instant::now();
                let until = begun + Duration::from_millis(settings.faults_end_ms());
                tokio::time::sleep_until(begun + Duration::from_millis(CLIENTS_MS)).await;
                let mut workers = tokio::task::JoinSet::new();
                for number in 1..=WORKERS {
                    let worker = worker(format!("{host}.{number}"), &settings, &observer)?;
                    workers.spawn(worker.work(move || Instant::now() < until));
                }
                while let Some(ended) = workers.join_next().await {
                    ended?;
                    done.add_permits(1);
                }
                Ok(())
            });
        }
    }

    fn add_prober(&self, sim: &mut Sim<'_>) {
        let (settings, observer) = (self.settings.clone(), self.observer.clone());
        let done = Arc::clone(&self.done);
        sim.client(PROBER_HOST, async move {
            let until = Instant::now() + Duration::from_millis(settings.faults_end_ms());
            tokio::time::sleep(Duration::from_millis(CLIENTS_MS)).await;
            probe(&settings, &observer, || Instant::now() < until).await?;
            done.add_permits(1);
            Ok(())
        });
    }

    fn add_followers(&self, sim: &mut Sim<'_>) {
        for host in FOLLOWER_HOSTS {
            let (settings, observer) = (self.settings.clone(), self.observer.clone());
            let followed = Arc::clone(&self.followed);
            sim.client(host, async move {
                tokio::time::sleep(Duration::from_millis(CLIENTS_MS)).await;
                follower(host, &settings, &observer).await?;
                followed.add_permits(1);
                Ok(())
            });
        }
    }

    fn add_judge(&self, sim: &mut Sim<'_>) -> Judged {
        let judged = Judged::default();
        let judge = Judge {
            settings: self.settings.clone(),
            plan: self.plan.clone(),
            observer: self.observer.clone(),
            middlebox: self.middlebox.clone(),
            done: Arc::clone(&self.done),
            followed: Arc::clone(&self.followed),
        };
        let told = Arc::clone(&judged);
        sim.client(judge::HOST, async move {
            let judged = judge.run().await;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
            Ok(())
        });
        judged
    }

    /// Goes on until the judge has judged, a millisecond a step.
    fn steps(&mut self, sim: &mut Sim<'_>, judged: &Judged) {
        let mut nemesis = Nemesis::new(&self.machines, &self.plan, &self.settings);
        loop {
            let now_ms = u64::try_from(sim.elapsed().as_millis()).unwrap_or(u64::MAX);
            nemesis.act(sim, now_ms);
            self.steps += 1;
            match sim.step() {
                Ok(false) => {}
                Ok(true) => break,
                Err(error) => {
                    let why = format!("the simulation ended early: {error}");
                    self.observer.saw_violation(why);
                    break;
                }
            }
            let judged = judged.lock().unwrap_or_else(PoisonError::into_inner);
            if judged.is_some() {
                break;
            }
        }
        self.fired = nemesis.fired();
    }

    fn report(&self, judged: &Judged) -> Report {
        let judged = judged.lock().unwrap_or_else(PoisonError::into_inner).take();
        let verdict = match judged.unwrap_or_else(|| Err(anyhow!("no verdict"))) {
            Ok(verdict) => Some(verdict),
            Err(error) => {
                self.observer.saw_violation(format!("{error:#}"));
                None
            }
        };
        let seen = self.observer.lock();
        let listed = verdict.as_ref().map(|verdict| verdict.accounts.as_slice());
        // Time stands still here: who waits for this process gives up on it.
        let checked = witness::check(
            &seen.committed,
            &seen.operations,
            &seen.followed,
            listed,
            None,
        );
        let mut report = Report::default();
        report.add("runs", 1);
        let servers = self.settings.servers.len();
        report.add(&format!("runs with {servers} servers"), 1);
        report.add("simulated ms", self.steps);
        report.add("faults planned", self.plan.len() as u64);
        for (kind, times) in &self.fired {
            report.add(&format!("fault: {kind}"), *times);
        }
        for machine in &self.machines {
            add_cuts(&mut report, machine.disk.cuts());
        }
        let new_leaders: Vec<u64> = seen.leaders.values().skip(1).map(|(_, ms)| *ms).collect();
        report.add("connections reset", self.middlebox.resets());
        report.add("failovers", new_leaders.len() as u64);
        report.count(&seen.operations, &new_leaders);
        report.count_changing(checked.mutating);
        report.add("commands committed", checked.commands);
        for followed in &seen.followed {
            report.add("changes followed", followed.changes().count() as u64);
        }
        if let Some(verdict) = &verdict {
            report.add("transfers done", verdict.transfers_done);
            report.add("transfers refused", verdict.transfers_refused);
            report.add("sum: served again after ms", verdict.served_after_ms);
            report.add("sum: equal again after ms", verdict.equal_after_ms);
        }
        report.violations.clone_from(&seen.violations);
        report.violations.extend(checked.violations);
        report
    }
}

fn add_cuts(report: &mut Report, cuts: Cuts) {
    report.add("power cuts in an operation", cuts.in_operation);
    report.add("syncs failed", cuts.syncs_failed);
    report.add("state writes lost", cuts.writes_lost);
    report.add("state writes torn", cuts.writes_torn);
    report.add("log records lost", cuts.log_lost);
    report.add("snapshots installed", cuts.renamed);
}
