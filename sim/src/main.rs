//! `quorid-sim`: Quorid's servers in a simulated world that fails on purpose. README.md says
//! what it does and what it doesn't.

#[cfg(not(tokio_unstable))]
compile_error!("build this in sim/: .cargo/config.toml there sets --cfg tokio_unstable");

mod certificates;
mod clients;
mod disk;
mod followers;
mod judge;
mod machine;
mod middlebox;
mod mutant;
mod nemesis;
mod observer;
mod plan;
mod run;
mod seams;
mod settings;
mod storage;
mod sweep;
mod trace;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use rand::{SeedableRng as _, rngs::StdRng};

use self::{
    mutant::Mutant,
    sweep::{Case, Demand, Seeds},
};

/// Simulate clusters of Quorid with faults, and check what clients were told.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one seed
    Run {
        /// Decides everything
        #[arg(long)]
        seed: u64,
        /// Print what happens, to standard error
        #[arg(long)]
        trace: bool,
        /// Which log lines of the servers are in the trace, as RUST_LOG has it
        #[arg(long, default_value = "quorid=info,turmoil::sim=info")]
        log: String,
        /// Plant a bug, which the checks have to find
        #[arg(long)]
        mutant: Option<Mutant>,
        /// Of the planned faults only these, by number, such as 0,4
        #[arg(long, value_delimiter = ',', num_args = 0..)]
        only: Option<Vec<usize>>,
        #[command(flatten)]
        length: Length,
    },
    /// Run a seed that fails, and look for the fewest faults by which it fails
    Shrink {
        /// Which
        #[arg(long)]
        seed: u64,
        /// Plant a bug
        #[arg(long)]
        mutant: Option<Mutant>,
        #[command(flatten)]
        length: Length,
    },
    /// Run many seeds, each in a process of its own, and print a table
    Sweep {
        #[command(flatten)]
        many: Many,
        /// End once there were so many failovers, and fail if there are fewer
        #[arg(long)]
        failovers: Option<u64>,
        /// Fail if a kind of fault never comes
        #[arg(long)]
        all_kinds: bool,
        /// Write the table to this file too
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Plant each bug in turn, and see that a seed of these finds it
    Mutants {
        #[command(flatten)]
        many: Many,
        /// Write how many there are, and how many weren't found, to this file
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Cut the power of the storage alone, and check what is left
    Storage {
        /// Decides everything; the next seeds follow
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How often, at least
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        cuts: u64,
        /// Threads
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Print what happens, to standard error
        #[arg(long)]
        trace: bool,
        /// Plant a bug, which the checks have to find
        #[arg(long)]
        mutant: Option<Mutant>,
        /// Write the table to this file too
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Plant each bug that storage can have in turn, and see that so many power cuts find it
    StorageMutants {
        /// The first seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How often the power is cut for each bug
        #[arg(long, default_value_t = 1000)]
        cuts: u64,
        /// Processes at a time
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Write how many there are, and how many weren't found, to this file
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Run each seed twice: both traces must be the same, byte for byte
    CheckDeterminism {
        #[command(flatten)]
        many: Many,
    },
}

#[derive(Args, Clone, Copy)]
struct Many {
    /// First and last seed, such as 1..200
    #[arg(long)]
    seeds: Seeds,
    #[command(flatten)]
    length: Length,
    /// Processes at a time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
}

#[derive(Args, Clone, Copy)]
struct Length {
    /// For how long there are faults, in simulated seconds
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run {
            seed,
            trace,
            log,
            mutant,
            only,
            length,
        } => {
            mutant::plant(mutant);
            mad_turmoil::rand::set_rng(StdRng::seed_from_u64(seed));
            let clocks = mad_turmoil::time::SimClocksGuard::init();
            trace::begin(trace, &log);
            let report = run::run(seed, length.seconds * 1000, only.as_deref())?;
            drop(clocks);
            print!("{report}");
            if report.violations.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            let case = Case {
                seed,
                seconds: length.seconds,
                only,
                mutant,
            };
            println!("to repeat it: {}", case.command_line());
            Ok(ExitCode::FAILURE)
        }
        Command::Sweep {
            many,
            failovers,
            all_kinds,
            report,
        } => {
            let demand = Demand {
                failovers,
                all_kinds,
            };
            sweep::sweep(
                many.seeds,
                many.length.seconds,
                many.jobs,
                demand,
                report.as_deref(),
            )
        }
        Command::Shrink {
            seed,
            mutant,
            length,
        } => sweep::shrink(&Case::of(seed, length.seconds, mutant)),
        Command::Mutants { many, report } => sweep::mutants(
            many.seeds,
            many.length.seconds,
            many.jobs,
            report.as_deref(),
        ),
        Command::Storage {
            seed,
            cuts,
            jobs,
            trace,
            mutant,
            report,
        } => {
            mutant::plant(mutant);
            if trace {
                trace::begin(trace, "quorid=info");
            }
            storage::storage(seed, cuts, jobs, mutant, report.as_deref())
        }
        Command::StorageMutants {
            seed,
            cuts,
            jobs,
            report,
        } => storage::storage_mutants(seed, cuts, jobs, report.as_deref()),
        Command::CheckDeterminism { many } => {
            sweep::check_determinism(many.seeds, many.length.seconds, many.jobs)
        }
    }
}
