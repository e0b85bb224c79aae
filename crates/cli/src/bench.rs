//! `quorid bench`: how many requests a second the cluster takes, and how long they take.

mod comparison;
mod report;

use std::time::Duration;

use clap::{Args, ValueEnum};
use quorid_lab::{
    compare::{self, CompareOptions, Pair},
    load::{Connections, Kind, Load, LoadOptions, Reading},
};
use quorid_server::serve::allow_open_files;

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
  quorid bench lookup --clients 1            how long one request takes when there are no others
  quorid bench lookup --clients 256 --connections 4
  quorid bench lookup --consistency stale
  quorid bench mixed --reads 90 --output json
  quorid bench member --names 100000         a member more in a large group, beside a plain change
  quorid bench groups                        a lookup with 1,000 groups, beside one without
  quorid bench mail --names 1000000          a lookup by mail address, beside one by login name
  quorid bench title --names 100000          a search by title, beside a lookup by login name

The accounts it creates are named <prefix>-<run>-<n> and stay; the run differs every time.
`member`, `groups`, `mail` and `title` need an operator. They make two kinds of requests in turns. RATIO is what
the second kind costs in terms of the first: time for as many requests, median of the rounds.
LONGEST GAP is the longest time in which no request at all succeeded.";

/// What the requests do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Create accounts without password
    Create,
    /// Look up accounts chosen at random by login name
    Lookup,
    /// Both
    Mixed,
    /// Add members to a large group, compared with changes of accounts
    Member,
    /// Look up an account with its groups, compared with lookups without them
    Groups,
    /// Look up accounts by mail address, compared with lookups by login name
    Mail,
    /// Search accounts by title, which an index answers, compared with lookups by login name
    Title,
}

/// How it is measured.
enum Measure {
    Load(Kind),
    Compare(Pair),
}

impl Workload {
    fn measure(self) -> Measure {
        match self {
            Self::Create => Measure::Load(Kind::Create),
            Self::Lookup => Measure::Load(Kind::Lookup),
            Self::Mixed => Measure::Load(Kind::Mixed),
            Self::Member => Measure::Compare(Pair::Member),
            Self::Groups => Measure::Compare(Pair::Groups),
            Self::Mail => Measure::Compare(Pair::Mail),
            Self::Title => Measure::Compare(Pair::Title),
        }
    }

    /// Its name on the command line.
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Lookup => "lookup",
            Self::Mixed => "mixed",
            Self::Member => "member",
            Self::Groups => "groups",
            Self::Mail => "mail",
            Self::Title => "title",
        }
    }
}

/// The load.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// What the requests do
    #[arg(value_enum, default_value_t = Workload::Create)]
    kind: Workload,
    /// How many clients make requests, each one after the other and with a session of its own
    #[arg(long, value_name = "NUMBER", default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,
    /// How long new requests are made [default: 10, or no limit with --count]
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    seconds: Option<Duration>,
    /// How many requests are made; of each kind in a round, where two are compared
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How often each of two compared kinds has its turn [default: 11]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: Option<u32>,
    /// How many connections all clients share [default: one for 16 clients]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    connections: Option<u32>,
    /// Begin the names of created accounts with this
    #[arg(long, default_value = "bench")]
    prefix: String,
    /// Percentage of lookups among mixed requests
    #[arg(long, value_name = "PERCENT", default_value_t = 90,
        value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: u8,
    /// How many accounts lookups choose from; for `member`, how many the group has
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    names: u32,
    #[command(flatten)]
    read: ReadOptions,
}

/// Clients that share a connection, unless `--connections` says how many there are.
const CLIENTS_PER_CONNECTION: u32 = 16;
/// The most requests of each kind in a round: all of them are made up before the clock starts.
const COMPARED_MAX: u64 = 1_000_000;
/// Rounds of a comparison.
const USUAL_ROUNDS: u32 = 11;

impl BenchArgs {
    /// How many connections there are: none without a client.
    fn connections(&self) -> u32 {
        self.connections
            .unwrap_or_else(|| self.clients.div_ceil(CLIENTS_PER_CONNECTION))
            .min(self.clients)
    }
}

pub(crate) async fn run(args: BenchArgs, context: &Context) -> Result<(), Failure> {
    allow_open_files();
    let connections = (0..args.connections())
        .map(|_| context.another_client())
        .collect::<Result<Vec<_>, _>>()?;
    let connections = Connections::new(connections)?;
    match args.kind.measure() {
        Measure::Load(kind) => load(args, kind, &connections, context).await,
        Measure::Compare(pair) => compare(args, pair, &connections, context).await,
    }
}

async fn load(
    args: BenchArgs,
    kind: Kind,
    connections: &Connections,
    context: &Context,
) -> Result<(), Failure> {
    if args.rounds.is_some() {
        return Err(Failure::usage(
            "--rounds is for `member`, `groups`, `mail` and `title`, which compare two kinds of requests; \
             give --seconds or --count",
        ));
    }
    let options = LoadOptions {
        kind,
        clients: args.clients,
        duration: args.seconds,
        count: args.count,
        prefix: args.prefix.clone(),
        reads_percent: args.reads,
    };
    let reading = Reading {
        read: args.read.read(context)?,
        names_max: args.names as usize,
        name_error: |error| Cause::of(error).to_string(),
    };
    let load = Load::prepare(options, reading, &context.client, connections).await?;
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

async fn compare(
    args: BenchArgs,
    pair: Pair,
    connections: &Connections,
    context: &Context,
) -> Result<(), Failure> {
    if args.seconds.is_some() {
        return Err(Failure::usage(format!(
            "--seconds is not for `{}`, which makes as many requests of one kind as of the other; \
             give --count and --rounds",
            args.kind.as_str()
        )));
    }
    let count = args.count.unwrap_or_else(|| pair.usual_requests());
    if count > COMPARED_MAX {
        return Err(Failure::usage(format!(
            "--count {count} is more than the {COMPARED_MAX} requests that a round may have; \
             give fewer and more --rounds"
        )));
    }
    let options = CompareOptions {
        pair,
        clients: args.clients,
        rounds: args.rounds.unwrap_or(USUAL_ROUNDS),
        requests: usize::try_from(count).unwrap_or(usize::MAX),
        accounts: args.names as usize,
        prefix: args.prefix.clone(),
        read: args.read.read(context)?,
    };
    let progress = report::progress(context.out);
    let compared = compare::run(&options, connections, |step| {
        progress.set_message(step);
        progress.tick();
    })
    .await?;
    progress.finish_and_clear();
    comparison::show(args.kind.as_str(), &options, &compared, context.out)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: BenchArgs,
    }

    #[test]
    fn sixteen_clients_share_a_connection_unless_the_connections_are_given() {
        for (line, connections) in [
            ("bench", 4),
            ("bench lookup --clients 1", 1),
            ("bench lookup --clients 16", 1),
            ("bench mixed --clients 17", 2),
            ("bench create --clients 256", 16),
            ("bench create --clients 256 --connections 256", 256),
            ("bench create --clients 3 --connections 4", 3),
        ] {
            match Line::try_parse_from(line.split_whitespace()) {
                Ok(Line { args }) => assert_eq!(args.connections(), connections, "{line}"),
                Err(error) => panic!("{line}: {error}"),
            }
        }
    }
}
