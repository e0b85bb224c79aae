//! Many seeds, a process for each: what the libraries keep in statics would leak from one run
//! into the next.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, ExitCode, Stdio},
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use clap::ValueEnum as _;
use quorid_history::report::{Report, shortened};

use crate::{mutant::Mutant, plan::KINDS};

/// A run takes some seconds. One that has no verdict by then, in real seconds, has failed.
const VERDICT_MAX_S: f64 = 300.0;
/// How often it is looked whether a run has ended.
const LOOK: Duration = Duration::from_millis(10);

/// First and last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeds {
    first: u64,
    last: u64,
}

impl Seeds {
    pub(crate) fn new(first: u64, last: u64) -> Self {
        Self { first, last }
    }
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

/// One run: a seed, for how long there are faults, and which of them.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    /// Numbers of the planned faults; all of them unless given.
    pub(crate) only: Option<Vec<usize>>,
    pub(crate) mutant: Option<Mutant>,
}

impl Case {
    /// A seed with all the faults that it plans.
    pub(crate) fn of(seed: u64, seconds: u64, mutant: Option<Mutant>) -> Self {
        Self {
            seed,
            seconds,
            only: None,
            mutant,
        }
    }

    /// What repeats the run.
    pub(crate) fn command_line(&self) -> String {
        format!("cargo run -- {} --trace", self.arguments().join(" "))
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["run", "--seed"].map(str::to_owned).into();
        arguments.extend([self.seed.to_string(), "--seconds".to_owned()]);
        arguments.push(self.seconds.to_string());
        if let Some(only) = &self.only {
            let only: Vec<String> = only.iter().map(usize::to_string).collect();
            arguments.extend(["--only".to_owned(), only.join(",")]);
        }
        arguments.extend(self.mutant.into_iter().flat_map(planted));
        arguments
    }

    /// Runs it in another process.
    fn run(&self) -> anyhow::Result<Report> {
        this_program(&self.arguments())
    }

    /// Leaves out planned faults, as many as it can so that something is still violated: first
    /// large parts of the plan, then ever smaller ones.
    fn shrink(&self, planned: usize) -> anyhow::Result<Self> {
        let mut smallest = self.clone();
        let mut kept: Vec<usize> = self.only.clone().unwrap_or_else(|| (0..planned).collect());
        let mut part = kept.len().div_ceil(2).max(1);
        loop {
            let mut from = 0;
            while from < kept.len() {
                let to = (from + part).min(kept.len());
                let fewer = Self {
                    only: Some([&kept[..from], &kept[to..]].concat()),
                    ..self.clone()
                };
                if fewer.run()?.violations.is_empty() {
                    from = to;
                } else {
                    kept.drain(from..to);
                    smallest = fewer;
                }
            }
            if part == 1 {
                return Ok(smallest);
            }
            part = part.div_ceil(2);
        }
    }
}

/// The options that plant a bug.
pub(crate) fn planted(mutant: Mutant) -> [String; 2] {
    let value = mutant.to_possible_value();
    let name = value.map_or_else(String::new, |value| value.get_name().to_owned());
    ["--mutant".to_owned(), name]
}

/// Runs this program in another process. One that dies, or comes to no end, has violated something.
pub(crate) fn this_program(arguments: &[String]) -> anyhow::Result<Report> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("running this program")?;
    let begun = uptime_s()?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let status = thread::scope(|scope| {
        scope.spawn(|| out.as_mut().map(|out| out.read_to_end(&mut said)));
        scope.spawn(|| err.as_mut().map(|err| err.read_to_end(&mut complained)));
        loop {
            if let Some(status) = child.try_wait().context("waiting for a run")? {
                return anyhow::Ok(Some(status));
            }
            if uptime_s()? - begun > VERDICT_MAX_S {
                child.kill().context("ending a run")?;
                child.wait().context("waiting for a run")?;
                return Ok(None);
            }
            thread::sleep(LOOK);
        }
    })?;
    let mut report = Report::parse(&String::from_utf8_lossy(&said));
    match status {
        None => {
            let why = format!("unknown: no verdict within {VERDICT_MAX_S} s");
            report.violations.push(why);
        }
        Some(status) if !status.success() && report.violations.is_empty() => {
            let complained = String::from_utf8_lossy(&complained);
            let why = format!("the process ended with {status}: {complained}");
            report.violations.push(why);
        }
        Some(_) => {}
    }
    Ok(report)
}

/// What a sweep has to come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// No more seeds are run once there were so many failovers; fewer are a failure.
    pub(crate) failovers: Option<u64>,
    /// Each kind of fault has to come.
    pub(crate) all_kinds: bool,
}

/// Runs the seeds and sums up.
pub(crate) fn sweep(
    seeds: Seeds,
    seconds: u64,
    jobs: usize,
    demand: Demand,
    file: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let begun = uptime_s()?;
    let all = Mutex::new(Report::default());
    for_each(seeds, jobs, |seed| {
        let case = Case::of(seed, seconds, None);
        let report = case.run()?;
        let enough = {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.sum(&report);
            for violation in &report.violations {
                let violation = shortened(violation);
                all.violations.push(format!("seed {seed}: {violation}"));
            }
            let failovers = all.figure("failovers");
            demand.failovers.is_some_and(|enough| failovers >= enough)
        };
        if !report.violations.is_empty() {
            tell_failure(&case, &report)?;
        }
        Ok(!enough)
    })?;
    let mut sum = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(wanted) = demand.failovers
        && sum.figure("failovers") < wanted
    {
        let why = format!("fewer than {wanted} failovers: more seeds are needed");
        sum.violations.push(why);
    }
    sum.demand_changes();
    if demand.all_kinds {
        for kind in KINDS {
            if sum.figure(&format!("fault: {kind}")) == 0 {
                sum.violations
                    .push(format!("no fault of the kind {kind} came"));
            }
        }
    }
    print!("{}", sum.table());
    sum.save(file)?;
    println!("\nin {:.0} s", uptime_s()? - begun);
    for violation in &sum.violations {
        println!("VIOLATION {violation}");
    }
    Ok(exit_code(sum.violations.is_empty()))
}

/// What fails, how to repeat it, and by which faults alone it fails too.
fn tell_failure(case: &Case, report: &Report) -> anyhow::Result<()> {
    println!(
        "seed {} fails; to repeat it: {}",
        case.seed,
        case.command_line()
    );
    for violation in &report.violations {
        println!("  {}", shortened(violation));
    }
    let planned = report.figure("faults planned");
    let planned = usize::try_from(planned).context("few faults")?;
    if planned > 0 {
        let smallest = case.shrink(planned)?;
        println!("it fails with fewer faults: {}", smallest.command_line());
    }
    Ok(())
}

/// Runs one case, and if it fails looks for the fewest faults by which it does.
pub(crate) fn shrink(case: &Case) -> anyhow::Result<ExitCode> {
    let report = case.run()?;
    if report.violations.is_empty() {
        println!("seed {} does not fail", case.seed);
        return Ok(ExitCode::FAILURE);
    }
    tell_failure(case, &report)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs each seed twice at once: what two runs share must not show in them.
pub(crate) fn check_determinism(
    seeds: Seeds,
    seconds: u64,
    jobs: usize,
) -> anyhow::Result<ExitCode> {
    let (same, differ) = (AtomicU64::new(0), AtomicU64::new(0));
    for_each(seeds, jobs, |seed| {
        let case = Case::of(seed, seconds, None);
        let (first, second) = thread::scope(|scope| {
            let other = scope.spawn(|| case.run());
            (case.run(), other.join())
        });
        let second = second.map_err(|_| anyhow!("a thread panicked"))?;
        let (first, second) = (first?, second?);
        if first.hash == second.hash && !first.hash.is_empty() {
            same.fetch_add(1, Ordering::Relaxed);
        } else {
            differ.fetch_add(1, Ordering::Relaxed);
            println!("seed {seed}: {} and {}", first.hash, second.hash);
        }
        Ok(true)
    })?;
    let differ = differ.into_inner();
    println!("{:>10}  seeds with the same trace twice", same.into_inner());
    println!("{differ:>10}  seeds with two traces");
    Ok(exit_code(differ == 0))
}

/// Plants one bug after the other, each until a seed finds it.
pub(crate) fn mutants(
    seeds: Seeds,
    seconds: u64,
    jobs: usize,
    file: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    // A server fetches a state anew that was not on its disk; `storage-mutants` finds that bug.
    let found_here = |mutant: &Mutant| *mutant != Mutant::SnapshotSwapNotSynced;
    let mutants: Vec<Mutant> = Mutant::value_variants()
        .iter()
        .copied()
        .filter(found_here)
        .collect();
    each_mutant(&mutants, jobs, file, |mutant| {
        for seed in seeds.first..=seeds.last {
            let case = Case::of(seed, seconds, Some(mutant));
            if let Some(why) = case.run()?.violations.first() {
                return Ok(Some(format!("found by seed {seed}: {}", shortened(why))));
            }
        }
        Ok(None)
    })
}

/// Says of each of these bugs how it was found. A bug that isn't found is a failure.
pub(crate) fn each_mutant(
    mutants: &[Mutant],
    jobs: usize,
    file: Option<&Path>,
    find: impl Fn(Mutant) -> anyhow::Result<Option<String>> + Sync,
) -> anyhow::Result<ExitCode> {
    let missed = AtomicU64::new(0);
    let all = Seeds::new(1, mutants.len() as u64);
    for_each(all, jobs, |number| {
        let mutant = mutants[usize::try_from(number - 1).context("few mutants")?];
        match find(mutant)? {
            Some(how) => println!("{mutant:?}: {how}"),
            None => {
                println!("{mutant:?}: NOT FOUND");
                missed.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(true)
    })?;
    let missed = missed.into_inner();
    println!("{} planted bugs, {missed} of them not found", mutants.len());
    let mut report = Report::default();
    report.add("planted bugs", mutants.len() as u64);
    report.add("planted bugs not found", missed);
    report.save(file)?;
    Ok(exit_code(missed == 0))
}

pub(crate) fn exit_code(well: bool) -> ExitCode {
    match well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Works on all, several at a time, until one says that it is enough.
pub(crate) fn for_each(
    seeds: Seeds,
    jobs: usize,
    work: impl Fn(u64) -> anyhow::Result<bool> + Sync,
) -> anyhow::Result<()> {
    let next = AtomicU64::new(seeds.first);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1))
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed > seeds.last || seed < seeds.first {
                            return Ok(());
                        }
                        if !work(seed)? {
                            next.store(u64::MAX, Ordering::Relaxed);
                        }
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

/// Seconds since the machine started: in this program the C library's clocks are simulated.
pub(crate) fn uptime_s() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/uptime").context("reading /proc/uptime")?;
    let first = text
        .split_whitespace()
        .next()
        .context("/proc/uptime is empty")?;
    first.parse().context("reading /proc/uptime")
}
