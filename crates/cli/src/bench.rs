//! `quorid bench`: how many requests a second the cluster takes, and how long they take.

mod load;
mod report;

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{consistency::ReadOptions, context::Context, errors::Failure, options::parse_duration};
use load::Load;

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

/// What the requests do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Create accounts without password
    Create,
    /// Look up accounts chosen at random by login name
    Lookup,
    /// Both
    Mixed,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Lookup => "lookup",
            Self::Mixed => "mixed",
        }
    }
}

pub(crate) async fn run(args: BenchArgs, context: &Context) -> Result<(), Failure> {
    let read = args.read.read(context)?;
    let load = Load::prepare(&args, read, context).await?;
    let progress = report::progress(context.out);
    let measured = load.run(&progress).await?;
    progress.finish_and_clear();
    report::show(&args, &measured, context.out)?;
    measured.verdict()
}
