//! One run: three servers, their clients and the nemesis, in one process, by one seed.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::anyhow;
use quorid_history::{chance::Chance, report::Report, witness};
use tokio::{sync::Semaphore, time::Instant};
use turmoil::Builder;

use crate::{
    certificates::Certificates,
    clients::worker,
    disk::Cuts,
    judge::{self, Judge, Verdict},
    machine::Machine,
    nemesis::Nemesis,
    observer::Observer,
    plan::{Planned, plan},
    settings::{CLIENT_HOSTS, Settings, WORKERS},
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
    let observer = Observer::default();
    let mut machines = Vec::new();
    let mut sim = Builder::new()
        .rng_seed(Chance::of(seed, "network messages").next())
        .simulation_duration(Duration::from_millis(settings.faults_end_ms() + AFTER_MS))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::from_millis(settings.latency_max_ms))
        .tcp_capacity(4096)
        .enable_random_order()
        .build();
    for name in settings.servers.iter().copied() {
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
    let verdict = Arc::new(Mutex::new(None));
    let judge = Judge {
        settings: settings.clone(),
        plan: plan.clone(),
        observer: observer.clone(),
        done,
    };
    let told = Arc::clone(&verdict);
    sim.client(judge::HOST, async move {
        let judged = judge.run().await;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        Ok(())
    });

    let mut nemesis = Nemesis::new(&machines, &plan, &settings);
    let mut steps = 0_u64;
    loop {
        let now_ms = u64::try_from(sim.elapsed().as_millis()).unwrap_or(u64::MAX);
        nemesis.act(&mut sim, now_ms);
        steps += 1;
        match sim.step() {
            Ok(false) => {}
            Ok(true) => break,
            Err(error) => {
                observer.saw_violation(format!("the simulation ended early: {error}"));
                break;
            }
        }
        let judged = verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if judged.is_some() {
            break;
        }
    }
    let fired = nemesis.fired();
    let judged = verdict
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let verdict: Option<Verdict> = match judged.unwrap_or_else(|| Err(anyhow!("no verdict"))) {
        Ok(verdict) => Some(verdict),
        Err(error) => {
            observer.saw_violation(format!("{error:#}"));
            None
        }
    };
    let seen = observer.lock();
    let listed = verdict.as_ref().map(|verdict| verdict.accounts.as_slice());
    // Time stands still here: who waits for this process gives up on it.
    let checked = witness::check(&seen.committed, &seen.operations, listed, None);
    let mut report = Report::default();
    report.add("runs", 1);
    report.add(&format!("runs with {} servers", settings.servers.len()), 1);
    report.add("simulated ms", steps);
    report.add("faults planned", plan.len() as u64);
    for (kind, times) in fired {
        report.add(&format!("fault: {kind}"), times);
    }
    for machine in &machines {
        add_cuts(&mut report, machine.disk.cuts());
    }
    let new_leaders: Vec<u64> = seen.leaders.values().skip(1).map(|(_, ms)| *ms).collect();
    report.add("failovers", new_leaders.len() as u64);
    report.count(&seen.operations, &new_leaders);
    report.count_changing(checked.mutating);
    report.add("commands committed", checked.commands);
    if let Some(verdict) = &verdict {
        report.add("transfers done", verdict.transfers_done);
        report.add("transfers refused", verdict.transfers_refused);
        report.add("sum: served again after ms", verdict.served_after_ms);
        report.add("sum: equal again after ms", verdict.equal_after_ms);
    }
    report.violations.clone_from(&seen.violations);
    report.violations.extend(checked.violations);
    drop(seen);
    for violation in &report.violations {
        note!("VIOLATION: {violation}");
    }
    // What the servers do when they are dropped is no part of the run.
    let (hash, lines) = trace::sum();
    for machine in &machines {
        machine.disk.power_off();
    }
    drop(sim);
    report.hash = format!("{hash}, {lines} lines");
    Ok(report)
}

fn add_cuts(report: &mut Report, cuts: Cuts) {
    report.add("power cuts in an operation", cuts.in_operation);
    report.add("syncs failed", cuts.syncs_failed);
    report.add("state writes lost", cuts.writes_lost);
    report.add("state writes torn", cuts.writes_torn);
    report.add("log records lost", cuts.log_lost);
    report.add("snapshots installed", cuts.renamed);
}
