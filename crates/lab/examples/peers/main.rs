//! The requests of `quorid bench` to other programs, for docs/benchmarks/compare.sh: the same clients, the same
//! names, the same record, the same clock. Prints what `quorid bench --output json` prints.

mod etcd;
mod ldap;

use std::{io::Write as _, time::Duration};

use anyhow::bail;
use clap::{Parser, ValueEnum};
use quorid_lab::load::{ClientThreads, Kind, Load, LoadOptions, Session};
use tokio::runtime::Handle;

/// A load on etcd or OpenLDAP.
#[derive(Parser)]
struct Options {
    peer: Peer,
    kind: Workload,
    /// Addresses of its servers, HOST:PORT; of OpenLDAP the provider only
    #[arg(long, value_delimiter = ',', required = true)]
    servers: Vec<String>,
    #[arg(long, default_value_t = 64)]
    clients: u32,
    /// How many connections all clients share; OpenLDAP's clients have one each
    #[arg(long, default_value_t = 1)]
    connections: u32,
    #[arg(long)]
    seconds: Option<u64>,
    #[arg(long)]
    count: Option<u64>,
    /// Percentage of lookups among mixed requests
    #[arg(long, default_value_t = 95)]
    reads: u8,
    /// How many accounts lookups choose from
    #[arg(long, default_value_t = 100_000)]
    names: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    Etcd,
    Openldap,
}

#[derive(Clone, Copy, ValueEnum)]
enum Workload {
    Create,
    Lookup,
    Mixed,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.clients == 0 || options.connections == 0 {
        bail!("--clients and --connections are at least 1");
    }
    let connections = match options.peer {
        Peer::Etcd => options.connections,
        Peer::Openldap => options.clients,
    };
    let threads = ClientThreads::start(connections as usize)?;
    match options.peer {
        Peer::Etcd => {
            let sessions = etcd::sessions(&options, &threads).await?;
            let known = etcd::known_names(&sessions, options.names).await?;
            measure(options, sessions, threads, known).await
        }
        Peer::Openldap => {
            let sessions = ldap::sessions(&options, &threads).await?;
            let known = ldap::known_names(&sessions, options.names).await?;
            measure(options, sessions, threads, known).await
        }
    }
}

async fn measure(
    options: Options,
    sessions: Vec<(impl Session, Handle)>,
    threads: ClientThreads,
    known: Vec<String>,
) -> anyhow::Result<()> {
    let load = LoadOptions {
        kind: match options.kind {
            Workload::Create => Kind::Create,
            Workload::Lookup => Kind::Lookup,
            Workload::Mixed => Kind::Mixed,
        },
        clients: options.clients,
        duration: options.seconds.map(Duration::from_secs),
        count: options.count,
        prefix: "bench".to_owned(),
        reads_percent: options.reads,
    };
    let measured = Load::new(load, sessions, threads, known)?.run(drop).await?;
    writeln!(std::io::stdout(), "{}", measured.to_json())?;
    Ok(measured.verdict()?)
}

/// What is kept of an account beside its name, by which it is found.
fn record(id: &str, login_name: &str, real_name: &str) -> [(&'static str, String); 7] {
    let now = "2026-01-01T00:00:00.000000Z";
    let client = "127.0.0.1:40000";
    [
        ("id", id.to_owned()),
        ("login_name", login_name.to_owned()),
        ("real_name", real_name.to_owned()),
        ("created", now.to_owned()),
        ("created_by", client.to_owned()),
        ("changed", now.to_owned()),
        ("changed_by", client.to_owned()),
    ]
}
