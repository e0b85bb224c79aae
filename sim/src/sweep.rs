//! Many seeds, a process for each: what the libraries keep in statics would leak from one run
//! into the next.

use std::{
    fs,
    io::Write as _,
    process::{Command, ExitCode},
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context as _, anyhow};
use clap::ValueEnum as _;

use crate::{mutant::Mutant, report::Report};

/// First and last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeds {
    first: u64,
    last: u64,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
        let (first, last) = text.split_once("..").ok_or("write first..last")?;
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("{first} is more than {last}"));
        }
        Ok(Self { first, last })
    }
}

/// What repeats a run.
pub(crate) fn command_line(seed: u64, seconds: u64) -> String {
    format!("cargo run -- run --seed {seed} --seconds {seconds} --trace")
}

/// Runs all seeds and sums up.
pub(crate) fn sweep(seeds: Seeds, seconds: u64, jobs: usize) -> anyhow::Result<ExitCode> {
    let begun = uptime_s()?;
    let all = Mutex::new((Report::default(), Vec::new()));
    for_each(seeds, jobs, |seed| {
        let report = child(seed, seconds, None)?;
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.0.sum(&report);
        if !report.violations.is_empty() {
            println!(
                "seed {seed} fails; to repeat it: {}",
                command_line(seed, seconds)
            );
            for violation in &report.violations {
                println!("  {}", shortened(violation));
            }
            all.1.push(seed);
        }
        Ok(())
    })?;
    let (sum, failed) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    print!("{sum}");
    println!("{:>10.1}  seconds in all", uptime_s()? - begun);
    println!("{:>10}  seeds failed {failed:?}", failed.len());
    Ok(match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Runs each seed twice.
pub(crate) fn check_determinism(
    seeds: Seeds,
    seconds: u64,
    jobs: usize,
) -> anyhow::Result<ExitCode> {
    let (same, differ) = (AtomicU64::new(0), AtomicU64::new(0));
    for_each(seeds, jobs, |seed| {
        let (first, second) = (child(seed, seconds, None)?, child(seed, seconds, None)?);
        if first.hash == second.hash && !first.hash.is_empty() {
            same.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        differ.fetch_add(1, Ordering::Relaxed);
        println!("seed {seed}: {} and {}", first.hash, second.hash);
        Ok(())
    })?;
    let differ = differ.into_inner();
    println!("{:>10}  seeds with the same trace twice", same.into_inner());
    println!("{differ:>10}  seeds with two traces");
    Ok(match differ {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Plants one bug after the other, each until a seed finds it.
pub(crate) fn mutants(seeds: Seeds, seconds: u64) -> anyhow::Result<ExitCode> {
    let mut missed = 0;
    for mutant in Mutant::value_variants() {
        let mut found = None;
        for seed in seeds.first..=seeds.last {
            let report = child(seed, seconds, Some(*mutant))?;
            if let Some(violation) = report.violations.into_iter().next() {
                found = Some((seed, violation));
                break;
            }
        }
        match found {
            Some((seed, why)) => println!("{mutant:?}: found by seed {seed}: {}", shortened(&why)),
            None => {
                println!(
                    "{mutant:?}: NOT FOUND by seeds {}..{}",
                    seeds.first, seeds.last
                );
                missed += 1;
            }
        }
    }
    Ok(match missed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn for_each(
    seeds: Seeds,
    jobs: usize,
    work: impl Fn(u64) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let next = AtomicU64::new(seeds.first);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1))
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed > seeds.last {
                            return Ok(());
                        }
                        work(seed)?;
                        // A pipe that is closed shows at the next line.
                        let _ = std::io::stdout().flush();
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            let ended: anyhow::Result<()> =
                worker.join().map_err(|_| anyhow!("a thread panicked"))?;
            ended
        })
    })
}

/// Runs a seed in another process. One that dies has violated something too.
fn child(seed: u64, seconds: u64, mutant: Option<Mutant>) -> anyhow::Result<Report> {
    let program = std::env::current_exe().context("finding this program")?;
    let (seed, seconds) = (seed.to_string(), seconds.to_string());
    let mut command = Command::new(program);
    command.args(["run", "--seed", &seed, "--seconds", &seconds]);
    if let Some(mutant) = mutant.and_then(|mutant| mutant.to_possible_value()) {
        command.args(["--mutant", mutant.get_name()]);
    }
    let output = command.output().context("running this program")?;
    let mut report = Report::parse(&String::from_utf8_lossy(&output.stdout));
    if !output.status.success() && report.violations.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        let why = format!("the process ended with {}: {said}", output.status);
        report.violations.push(why);
        report.add("violations", 1);
    }
    Ok(report)
}

fn shortened(text: &str) -> String {
    text.chars().take(600).collect()
}

/// Seconds since the machine started: in this program the C library's clocks are simulated.
fn uptime_s() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/uptime").context("reading /proc/uptime")?;
    let first = text
        .split_whitespace()
        .next()
        .context("/proc/uptime is empty")?;
    first.parse().context("reading /proc/uptime")
}
