//! Torture of real servers: three processes on real disks, struck again and again while clients
//! work, and every answer that clients got is checked by what the servers committed.

#![allow(
    clippy::print_stdout,
    reason = "a program of the command line: what it finds is its output"
)]

mod calm;
mod campaign;
mod changes;
mod committed;
mod elections;
mod gaps;
mod injection;
mod kind;
mod namespace;
mod numbers;
mod plan;
mod record;
mod small_disk;
mod strike;
mod timing;
mod under_load;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail};
use clap::{Args, Parser, ValueEnum};
use quorid_history::{
    Habits,
    report::{Report, shortened},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use self::{
    calm::Condition,
    campaign::{Servers, SetUp},
    gaps::Loss,
    kind::Kind,
    plan::{Plan, Wanted},
    strike::PROBES_ANSWERED,
    timing::Measuring,
};

/// Strikes three real servers again and again, and checks every answer that clients got
#[derive(Debug, Parser)]
struct Options {
    /// The servers' program [default: target/debug/quorid, in this directory or one above]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Decides what is struck when, and what clients do [default: random]
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    counts: Counts,
    /// Strike in any way that can be done here, for so long
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "counts",
        required_unless_present = "counts"
    )]
    minutes: Option<u64>,
    /// kill -9 of the leader, while accounts with numbers are made
    #[arg(long, value_name = "N", default_value_t = 20, requires = "numbers")]
    numbers_kills: u64,
    /// kill -9 of the leader, while the changes are followed
    #[arg(long, value_name = "N", default_value_t = 20, requires = "changes")]
    changes_kills: u64,
    /// Measure these ways of losing the leader only [default: all that can be done here]
    #[arg(
        long,
        value_name = "WAY",
        value_enum,
        value_delimiter = ',',
        requires = "gaps"
    )]
    gaps_of: Vec<Loss>,
    /// Count elections under these conditions only [default: all]
    #[arg(
        long,
        value_name = "CONDITION",
        value_enum,
        value_delimiter = ',',
        requires = "calm"
    )]
    calm_under: Vec<Condition>,
    #[command(flatten)]
    measuring: Measuring,
    /// Clients at work between strikes
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=16))]
    workers: u64,
    /// What cannot be done here is a failure
    #[arg(long)]
    require_all: bool,
    /// Write the table there too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Plant a bug in the clients, to see that the checks find it
    #[arg(long, value_enum)]
    flaw: Option<Flaw>,
    /// This process has namespaces of its own
    #[arg(long, hide = true)]
    inside: bool,
}

/// How often each kind of strike.
#[derive(Debug, Args)]
#[group(id = "counts", multiple = true)]
struct Counts {
    /// kill -9 of the leader
    #[arg(long, value_name = "N")]
    kills: Option<u64>,
    /// kill -9 of all servers at once
    #[arg(long, value_name = "N")]
    all_killed: Option<u64>,
    /// SIGSTOP of the leader, for 0.1 to 10 s
    #[arg(long, value_name = "N")]
    stops: Option<u64>,
    /// A server's fsync and fdatasync fail (needs strace)
    #[arg(long, value_name = "N")]
    sync_errors: Option<u64>,
    /// A server's fsync and fdatasync take 50 ms to 2 s longer (needs strace)
    #[arg(long, value_name = "N")]
    slow_syncs: Option<u64>,
    /// A server's disk is full (needs root and loop devices)
    #[arg(long, value_name = "N")]
    full_disks: Option<u64>,
    /// The leader's network is cut (needs a stage in QUORID_STAGE)
    #[arg(long, value_name = "N")]
    cuts: Option<u64>,
    /// Clients make so many accounts with POSIX numbers, while the leader is killed
    #[arg(long, value_name = "N")]
    numbers: Option<u64>,
    /// Clients make so many changes that others follow, while the leader is killed
    #[arg(long, value_name = "N")]
    changes: Option<u64>,
    /// Measure how long writes stand still when the leader is lost, so often for each way of losing it
    #[arg(long, value_name = "N")]
    gaps: Option<u64>,
    /// Count elections that nobody needs, for so many minutes under each condition
    #[arg(long, value_name = "MINUTES")]
    calm: Option<u64>,
}

impl Counts {
    fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Kill => self.kills,
            Kind::AllKilled => self.all_killed,
            Kind::Stop => self.stops,
            Kind::SyncError => self.sync_errors,
            Kind::SlowSync => self.slow_syncs,
            Kind::FullDisk => self.full_disks,
            Kind::Cut => self.cuts,
        }
        .unwrap_or(0)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Flaw {
    /// Clients take stale answers for linearizable ones
    StaleReads,
    /// A retry has another request id than the first try
    NewRequestIds,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let stage = env::var_os("QUORID_STAGE").map(PathBuf::from);
    // A stage's driver needs the processes of the stage, and has namespaces anyway.
    if !options.inside && stage.is_none() {
        println!("without namespaces: {}", namespace::enter());
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting threads")?
        .block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            // Whatever was begun ends as it is dropped.
            tokio::select! {
                done = torture(&options, stage) => done,
                _ = interrupt.recv() => bail!("interrupted"),
                _ = terminate.recv() => bail!("terminated"),
            }
        })
}

async fn torture(options: &Options, stage: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = options
        .seed
        .unwrap_or(u64::from(clock.unwrap_or_default().subsec_nanos()));
    println!("seed {seed}");
    let mut sum = Report::default();
    let possible = possible(options, stage.is_some(), &mut sum).await?;
    let wanted = match options.minutes {
        Some(minutes) => Wanted::Until(begun + Duration::from_secs(60 * minutes), possible.clone()),
        None => Wanted::Counts(
            possible
                .iter()
                .map(|kind| (*kind, options.counts.of(*kind)))
                .collect(),
        ),
    };
    let servers = match stage {
        Some(file) => Servers::Stage(file),
        None => Servers::Here {
            program: program(options.program.as_deref())?,
            small_disks: possible.contains(&Kind::FullDisk),
        },
    };
    let set_up = SetUp {
        servers,
        workers: options.workers,
        habits: Habits {
            all_of_it: false,
            stale_reads: matches!(options.flaw, Some(Flaw::StaleReads)),
            new_request_ids: matches!(options.flaw, Some(Flaw::NewRequestIds)),
        },
    };
    let mut plan = Plan::new(seed, wanted);
    let mut campaigns = 0;
    while !plan.is_over() {
        campaigns += 1;
        let report = campaign::run(&set_up, seed + campaigns, &mut plan).await?;
        take(&mut sum, report);
    }
    if let Some(accounts) = options.counts.numbers {
        let report = numbers::run(&set_up.servers, accounts, options.numbers_kills).await?;
        take(&mut sum, report);
    }
    if let Some(changes) = options.counts.changes {
        let report = changes::run(&set_up.servers, changes, options.changes_kills).await?;
        take(&mut sum, report);
    }
    let measuring = &options.measuring;
    if let Some(times) = options.counts.gaps {
        let report = gaps::run(&set_up.servers, times, &options.gaps_of, measuring).await?;
        take(&mut sum, report);
    }
    if let Some(minutes) = options.counts.calm {
        let conditions = &options.calm_under;
        let report = calm::run(&set_up.servers, minutes, conditions, measuring, seed).await?;
        take(&mut sum, report);
    }
    let told = sum.violations.len();
    let probed = [Kind::Stop, Kind::Cut].map(|kind| sum.figure(&kind.figure()));
    if probed.iter().sum::<u64>() > 0 && sum.figure(PROBES_ANSWERED) == 0 {
        let why = "no leader answered a prober even before it was struck";
        sum.violations.push(why.to_owned());
    }
    sum.demand_changes();
    for violation in &sum.violations[told..] {
        println!("VIOLATION {violation}");
    }
    println!("\n{}\nin {:.0?}, seed {seed}", sum.table(), begun.elapsed());
    sum.save(options.report.as_deref())?;
    Ok(match sum.violations.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Adds what a cluster showed, and prints its violations.
fn take(sum: &mut Report, report: Report) {
    sum.sum(&report);
    for violation in report.violations {
        println!("VIOLATION {}", shortened(&violation));
        sum.violations.push(violation);
    }
}

/// The kinds that are wanted and can be done here. The others go to the report.
async fn possible(
    options: &Options,
    on_stage: bool,
    report: &mut Report,
) -> anyhow::Result<Vec<Kind>> {
    let directory = tempfile::Builder::new().prefix("quorid-").tempdir();
    let directory = directory.context("making a directory")?;
    let mut possible = Vec::new();
    for kind in Kind::ALL {
        let count = options.counts.of(kind);
        if count == 0 && options.minutes.is_none() {
            continue;
        }
        match kind.obstacle(on_stage, directory.path()).await {
            None => possible.push(kind),
            Some(why) => {
                let skipped = format!("skipped: {kind} ({why})");
                println!("{skipped}");
                report.add(&skipped, count);
                if options.require_all {
                    report.violations.push(skipped);
                }
            }
        }
    }
    Ok(possible)
}

/// The program that was named, or the one that `make build` makes.
fn program(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    const BUILT: &str = "target/debug/quorid";
    let found = match named {
        Some(named) => Some(named.to_owned()).filter(|named| named.exists()),
        None => {
            let here = env::current_dir().context("finding this directory")?;
            let mut above = here.ancestors().map(|directory| directory.join(BUILT));
            above.find(|built| built.exists())
        }
    };
    let named = named.unwrap_or(Path::new(BUILT));
    let found = found.with_context(|| {
        format!(
            "there is no program {}\ntry: make build, or --program FILE",
            named.display()
        )
    })?;
    fs::canonicalize(&found).with_context(|| format!("finding {}", found.display()))
}
