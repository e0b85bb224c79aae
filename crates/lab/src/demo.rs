//! `quorid demo`: a cluster on this machine, to try or to watch.

mod beginning;
mod commands;
mod hold;
mod measure;
mod narrator;
mod record;
mod tour;
mod trace;
mod watcher;
mod writers;

use std::{env, path::PathBuf};

use clap::Args;
use quorid_server::access::Access;

use super::{
    error::{LabError, OrFail as _},
    terminal::Screen,
    testbed::{Builder, Testbed},
};

/// Examples of command lines, for the help.
pub const EXAMPLES: &str = "\
Examples:
  quorid demo                                three servers, until Ctrl-C
  quorid demo --servers 5 --access open      anyone may create and look up
  quorid demo --dir demo                     kept in ./demo, and there again next time
  quorid demo --tour                         elections and crashes, shown and checked
  quorid demo --tour --stage stage.toml      the same on hosts or in containers
  quorid demo --bench                        speed, memory, disk, and time to recover

The tour asks nothing, takes about a minute, and ends with exit code 0 only if every check of it
held. deploy/README.md tells what a stage is.";

/// What is demonstrated.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// How many servers
    #[arg(long, value_name = "NUMBER", default_value_t = 3,
        value_parser = clap::value_parser!(u8).range(1..=7))]
    servers: u8,
    /// Keep certificates, data and logs in this directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Who may look up and create: `closed` needs a login or an operator, `open` nothing
    #[arg(long, value_enum, default_value_t)]
    access: Access,
    /// Show elections, crashes and recoveries on three servers, check them, and end
    #[arg(long, conflicts_with = "servers")]
    tour: bool,
    /// Show it on the servers of this stage, through its driver, instead of on this machine
    #[arg(long, value_name = "FILE", requires = "tour", conflicts_with_all = ["dir", "access"])]
    stage: Option<PathBuf>,
    /// Accounts for the tour [default: the thousand of samples/accounts.csv]
    #[arg(long, value_name = "FILE", requires = "tour")]
    samples: Option<PathBuf>,
    /// Write what the tour showed to this file, JSON: chapters, time lines, figures, checks
    #[arg(long, value_name = "FILE", requires = "tour")]
    record: Option<PathBuf>,
    /// Write the way of a create and a failover to this file, JSON, in the order of time
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tour", "servers"])]
    trace: Option<PathBuf>,
    /// Measure speed, memory, disk and times to recover, and end
    #[arg(long, conflicts_with_all = ["tour", "trace"])]
    bench: bool,
    /// How many accounts are created for the measurements
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100_000,
        requires = "bench"
    )]
    accounts: u64,
}

/// Does what `quorid demo` was asked for.
pub fn run(args: DemoArgs, out: Screen) -> Result<(), LabError> {
    let runtime = tokio::runtime::Runtime::new().or_fail("cannot start")?;
    let result = runtime.block_on(demonstrate(args, out));
    // Not to wait for requests that nobody waits for any more.
    runtime.shutdown_background();
    result
}

async fn demonstrate(args: DemoArgs, out: Screen) -> Result<(), LabError> {
    let program = env::current_exe().or_fail("cannot tell which program this is")?;
    let mut builder = Testbed::builder(&program)
        .servers(usize::from(args.servers))
        .setting("access", args.access.to_string());
    if let Some(dir) = &args.dir {
        builder = builder.directory(dir);
    }
    if args.tour {
        let cluster = match &args.stage {
            Some(stage) => Testbed::on_stage(stage)?,
            None => for_tour(builder).create()?,
        };
        return tour::run(cluster, &program, args.samples, args.record, out).await;
    }
    if let Some(file) = &args.trace {
        return trace::run(builder, file, out).await;
    }
    if args.bench {
        return measure::run(builder, &program, args.accounts, out).await;
    }
    hold::run(builder, &program, args.dir.is_some(), out).await
}

/// So little log is kept that a server can be away for too long within seconds.
fn for_tour(builder: Builder) -> Builder {
    builder
        .setting("log_keep_entries", 500)
        .setting("snapshot_after_entries", 250)
}
