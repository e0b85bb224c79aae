//! Power cuts of a server's storage alone: very many, fast. The state is on a simulated disk, the
//! log is the real one on real files.

mod commands;
mod log_folder;
mod machine;
mod model;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use anyhow::ensure;
use quorid_history::report::{Report, shortened};

use self::machine::Machine;
use crate::{
    mutant::{self, Mutant},
    sweep::{Seeds, each_mutant, exit_code, for_each, planted, this_program, uptime_s},
};

/// How many cuts the storage of one seed goes through. It isn't more, so that no state becomes
/// large, and what is left of one cut meets the next.
const CUTS_A_SEED: u64 = 5;

/// Cuts the power so many times, from this seed on.
pub(crate) fn storage(
    first: u64,
    cuts: u64,
    jobs: usize,
    mutant: Option<Mutant>,
    file: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    if let Some(mutant) = mutant {
        let planted = mutant::OF_STORAGE.contains(&mutant);
        ensure!(planted, "storage alone cannot have the bug {mutant:?}");
    }
    let begun = uptime_s()?;
    let seeds = Seeds::new(first, first + cuts.div_ceil(CUTS_A_SEED).max(1) - 1);
    let sum = Mutex::new(Report::default());
    for_each(seeds, jobs, |seed| {
        let cuts = CUTS_A_SEED.min(cuts - (seed - first) * CUTS_A_SEED);
        let report = run(seed, cuts);
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.sum(&report);
        for violation in &report.violations {
            println!("VIOLATION seed {seed}: {}", shortened(violation));
            println!("to repeat it: {}", command_line(seed, cuts, mutant));
            sum.violations.push(violation.clone());
        }
        Ok(true)
    })?;
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    print!("{}", sum.table());
    sum.save(file)?;
    let (seconds, done) = (uptime_s()? - begun, sum.figure("cuts"));
    let each_ms = seconds * 1000.0 / done.max(1) as f64;
    println!("\nin {seconds:.0} s, {each_ms:.2} ms a cut");
    Ok(exit_code(sum.violations.is_empty()))
}

/// Plants one bug after the other, each in a process of its own, and sees that it is found.
pub(crate) fn storage_mutants(
    first: u64,
    cuts: u64,
    jobs: usize,
    file: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let (first, cuts) = (first.to_string(), cuts.to_string());
    let command = ["storage", "--seed", &first, "--cuts", &cuts].map(str::to_owned);
    each_mutant(&mutant::OF_STORAGE, jobs, file, |mutant| {
        let planted = planted(mutant);
        let report = this_program(&[&command[..], &planted[..]].concat())?;
        let found = report.violations.len();
        let why = report.violations.first();
        Ok(why.map(|why| format!("found {found} times in {cuts} cuts, first by {why}")))
    })
}

/// A seed's storage. What panics has violated something too.
fn run(seed: u64, cuts: u64) -> Report {
    let run = || Machine::new(seed).map(|machine| machine.run(cuts));
    let violated = |what: String| Report {
        violations: vec![what],
        ..Report::default()
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => violated(format!("cannot begin: {error}")),
        Err(panic) => violated(format!("panicked: {}", text_of(&*panic))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("of an unknown kind")
}

/// What repeats a run.
fn command_line(seed: u64, cuts: u64, mutant: Option<Mutant>) -> String {
    let line = format!("cargo run -- storage --seed {seed} --cuts {cuts} --trace");
    match mutant {
        Some(mutant) => format!("{line} {}", planted(mutant).join(" ")),
        None => line,
    }
}
