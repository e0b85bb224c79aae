//! `quorid bench`: how many requests a second the cluster takes, and how long they take.

mod report;

use std::time::Duration;

use clap::Args;
use quorid_lab::load::{Kind, Load, LoadOptions};

use super::{
    consistency::ReadOptions,
    context::Context,
    errors::{Cause, Failure},
    options::parse_duration,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid bench create --clients 64 --seconds 10
  quorid bench create --count 100000 --prefix load
  quorid bench lookup --consistency stale
  quorid bench mixed --reads 90 --output json

The accounts it creates are named <prefix>-<run>-<n> and stay; the run differs every time.
LONGEST GAP is the longest time in which no request at all succeeded.";

/// The load.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// What the requests do
    #[arg(value_enum, default_value_t = Kind::Create)]
    kind: Kind,
    /// How many requests are made at once
    #[arg(long, value_name = "NUMBER", default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,
    /// How long new requests are made [default: 10, or no limit with --count]
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    seconds: Option<Duration>,
    /// How many requests are made
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How many connections the requests are spread over
    #[arg(long, value_name = "NUMBER", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Begin the names of created accounts with this
    #[arg(long, default_value = "bench")]
    prefix: String,
    /// Percentage of lookups among mixed requests
    #[arg(long, value_name = "PERCENT", default_value_t = 90,
        value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: u8,
    /// How many existing accounts lookups choose from
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    names: u32,
    #[command(flatten)]
    read: ReadOptions,
}

pub(crate) async fn run(args: BenchArgs, context: &Context) -> Result<(), Failure> {
    let connections = u32::from(args.connections).min(args.clients);
    let options = LoadOptions {
        kind: args.kind,
        clients: args.clients,
        duration: args.seconds,
        count: args.count,
        prefix: args.prefix.clone(),
        reads_percent: args.reads,
        names_max: args.names as usize,
        read: args.read.read(context)?,
        name_error: |error| Cause::of(error).to_string(),
    };
    let clients = (0..connections)
        .map(|_| context.another_client())
        .collect::<Result<Vec<_>, _>>()?;
    let load = Load::prepare(options, &context.client, clients).await?;
    let progress = report::progress(context.out);
    let measured = load
        .run(|done| {
            progress.set_message(done);
            progress.tick();
        })
        .await?;
    progress.finish_and_clear();
    report::show(&args, &measured, context.out)?;
    measured
        .verdict()
        .map_err(|error| Failure::from(error).after("not a single request succeeded"))
}
