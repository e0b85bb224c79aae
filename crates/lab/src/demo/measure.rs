//! Figures of a cluster on this machine, load generator and all: how fast it is, what it
//! needs, and how long it stands still when its leader dies.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::testbed::{Builder, Testbed};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::commands::Commands;
use crate::{
    error::LabError,
    table::{Table, bytes},
    terminal::Screen,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long each load is, seconds, unless it makes a number of requests.
const SECONDS: &str = "5";
/// How often the leader is killed.
const KILLS: usize = 5;
/// Of the load while the leader is killed: before and after.
const BEFORE_KILL: Duration = Duration::from_secs(2);
const LOAD_SECONDS: &str = "6";

/// What is measured of requests: a row of the table.
struct Row {
    what: &'static str,
    /// Arguments of `quorid bench`.
    args: &'static [&'static str],
    clients: &'static str,
    connections: &'static str,
}

const CREATES: Row = Row {
    what: "creates",
    args: &["create"],
    clients: "64",
    connections: "4",
};
const LOOKUPS: Row = Row {
    what: "lookups, linearizable",
    args: &["lookup", "--consistency", "linearizable"],
    ..CREATES
};
/// One client tells how long a request takes, and the others how many the servers take. Clients
/// share few connections as the handles of a program do, or have one each.
const ROWS: [Row; 11] = [
    Row {
        clients: "1",
        connections: "1",
        ..CREATES
    },
    Row {
        connections: "1",
        ..CREATES
    },
    CREATES,
    Row {
        connections: "64",
        ..CREATES
    },
    Row {
        clients: "256",
        connections: "16",
        ..CREATES
    },
    Row {
        clients: "1",
        connections: "1",
        ..LOOKUPS
    },
    Row {
        connections: "1",
        ..LOOKUPS
    },
    LOOKUPS,
    Row {
        connections: "64",
        ..LOOKUPS
    },
    Row {
        what: "lookups, stale, any server",
        args: &["lookup", "--consistency", "stale"],
        ..CREATES
    },
    Row {
        what: "95 lookups to 5 creates",
        args: &["mixed", "--reads", "95"],
        ..CREATES
    },
];

/// What a run of the load generator found.
struct Run {
    what: &'static str,
    found: Value,
}

pub(super) async fn run(
    builder: Builder,
    program: &Path,
    accounts: u64,
    out: Screen,
) -> Result<(), LabError> {
    let mut cluster = builder.start().await?;
    let commands = Commands::new(program, &cluster);
    let bench = Bench { commands, out };
    out.note(&format!("creating {accounts} accounts"));
    let count = accounts.to_string();
    let mut runs = vec![bench.load(&CREATES, &["--count", &count]).await?];
    for row in &ROWS {
        out.note(&format!(
            "{}, clients: {}, connections: {}",
            row.what, row.clients, row.connections
        ));
        let more = ["--seconds", SECONDS, "--names", &count];
        runs.push(bench.load(row, &more).await?);
    }
    let servers = footprint(&cluster).await?;
    out.note("restarting");
    cluster.stop_all().await?;
    let after_stop = restart(&mut cluster).await?;
    cluster.kill9_all().await?;
    let after_kill = restart(&mut cluster).await?;
    let gaps = bench.failovers(&mut cluster).await?;
    cluster.wait_ready(PATIENCE).await?;
    let mut comparisons = Vec::new();
    for kind in ["member", "groups", "mail", "title"] {
        out.note(&format!("{kind}, two kinds of requests in turns"));
        let args = [kind, "--names", &count];
        comparisons.push(bench.run(kind, &args).await?);
    }
    let figures = Figures {
        runs: &runs,
        servers: &servers,
        restarts: [after_stop, after_kill],
        gaps: &gaps,
        comparisons: &comparisons,
    };
    report(&figures, out)
}

struct Bench {
    commands: Commands,
    out: Screen,
}

impl Bench {
    async fn load(&self, row: &Row, more: &[&str]) -> Result<Run, LabError> {
        let clients = ["--clients", row.clients, "--connections", row.connections];
        let args = [row.args, more, &clients].concat();
        self.run(row.what, &args).await
    }

    async fn run(&self, what: &'static str, args: &[&str]) -> Result<Run, LabError> {
        let args = [&["bench"], args, &["--output", "json"]].concat();
        let said = self.commands.run(&args).await?;
        match serde_json::from_str(&said.text) {
            Ok(found) if said.exit == Some(0) => Ok(Run { what, found }),
            Ok(_) | Err(_) => Err(LabError::fault(format!("{}: {}", said.line, said.text))),
        }
    }

    /// The longest time without an acknowledged create, for each kill of the leader.
    async fn failovers(&self, cluster: &mut Testbed) -> Result<Vec<f64>, LabError> {
        let mut gaps = Vec::new();
        for kill in 1..=KILLS {
            let leader = cluster.wait_ready(PATIENCE).await?;
            self.out
                .note(&format!("killing the leader under load, {kill} of {KILLS}"));
            let load = self.load(&CREATES, &["--seconds", LOAD_SECONDS]);
            let process = cluster.process_id(leader);
            let kill = async {
                // Not a wait for something: the load is to be well under way.
                sleep(BEFORE_KILL).await;
                kill9(process)
            };
            let (run, killed) = tokio::join!(load, kill);
            killed?;
            gaps.push(figure(&run?.found, "/longest_gap_ms"));
            // It is gone already; now the cluster knows it too.
            cluster.kill9(leader).await?;
            cluster.start(leader).await?;
        }
        gaps.sort_by(f64::total_cmp);
        Ok(gaps)
    }
}

fn kill9(process: Option<u32>) -> Result<(), LabError> {
    let process = process
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw)
        .ok_or_else(|| LabError::fault("the leader has no process"))?;
    rustix::process::kill_process(process, rustix::process::Signal::KILL)
        .map_err(|error| LabError::fault(format!("cannot kill the leader: {error}")))
}

/// Time until the cluster answers a linearizable read.
async fn restart(cluster: &mut Testbed) -> Result<Duration, LabError> {
    let began = Instant::now();
    cluster.start_all().await?;
    Ok(began.elapsed())
}

/// Memory and disk space of a server.
struct Footprint {
    name: String,
    leads: bool,
    memory_bytes: u64,
    disk_bytes: u64,
    accounts: u64,
}

async fn footprint(cluster: &Testbed) -> Result<Vec<Footprint>, LabError> {
    let mut all = Vec::new();
    for server in 0..cluster.len() {
        let status = cluster.status(server).await?;
        all.push(Footprint {
            name: cluster.name(server).to_owned(),
            leads: status
                .server
                .as_ref()
                .is_some_and(|this| this.id == status.leader_id),
            memory_bytes: cluster
                .process_id(server)
                .and_then(resident_bytes)
                .unwrap_or(0),
            disk_bytes: status.disk_bytes,
            accounts: status.accounts,
        });
    }
    Ok(all)
}

/// Memory of a process that is in RAM.
fn resident_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

fn figure(found: &Value, pointer: &str) -> f64 {
    found
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or(f64::NAN)
}

/// All that was measured.
struct Figures<'f> {
    runs: &'f [Run],
    servers: &'f [Footprint],
    restarts: [Duration; 2],
    /// While the leader is killed, ms; shortest first.
    gaps: &'f [f64],
    /// Of one kind of requests with another one.
    comparisons: &'f [Run],
}

fn report(figures: &Figures<'_>, out: Screen) -> Result<(), LabError> {
    let Figures {
        runs,
        servers,
        restarts: [after_stop, after_kill],
        gaps,
        comparisons,
    } = *figures;
    let median = gaps.get(gaps.len() / 2).copied().unwrap_or(f64::NAN);
    let worst = gaps.last().copied().unwrap_or(f64::NAN);
    if out.json {
        let runs = runs
            .iter()
            .map(|run| json!({ "what": run.what, "found": run.found }));
        let servers = servers.iter().map(|server| {
            json!({
                "name": server.name,
                "leads": server.leads,
                "memory_bytes": server.memory_bytes,
                "disk_bytes": server.disk_bytes,
                "accounts": server.accounts,
            })
        });
        return out.write_json(&json!({
            "runs": runs.collect::<Vec<_>>(),
            "servers": servers.collect::<Vec<_>>(),
            "serves_after_restart_ms": after_stop.as_millis(),
            "serves_after_kill_of_all_ms": after_kill.as_millis(),
            "failover_ms": gaps,
            "comparisons": comparisons.iter().map(|run| &run.found).collect::<Vec<_>>(),
        }));
    }
    let mut table = Table::new(&[
        "LOAD",
        "CLIENTS",
        "CONNECTIONS",
        "PER SECOND",
        "P50 MS",
        "P95 MS",
        "P99 MS",
        "MAX MS",
        "FAILED",
    ]);
    for run in runs {
        let ms = |pointer| format!("{:.2}", figure(&run.found, pointer) / 1000.0);
        table.row(&[
            run.what,
            &format!("{:.0}", figure(&run.found, "/clients")),
            &format!("{:.0}", figure(&run.found, "/connections")),
            &format!("{:.0}", figure(&run.found, "/per_second")),
            &ms("/latency_us/p50"),
            &ms("/latency_us/p95"),
            &ms("/latency_us/p99"),
            &ms("/latency_us/max"),
            &format!("{:.0}", figure(&run.found, "/failed")),
        ]);
    }
    out.line(format!(
        "{} servers and the load generator on this machine, TLS and fsync on",
        servers.len()
    ))?;
    out.line(table.to_string())?;
    let mut table = Table::new(&["SERVER", "MEMORY", "DISK", "ACCOUNTS"]);
    for server in servers {
        let name = if server.leads {
            format!("{}, leads", server.name)
        } else {
            server.name.clone()
        };
        table.row(&[
            &name,
            &bytes(server.memory_bytes),
            &bytes(server.disk_bytes),
            &server.accounts.to_string(),
        ]);
    }
    out.line(table.to_string())?;
    out.line(format!(
        "serves again after a restart of all servers   {} ms\n\
         serves again after kill -9 of all servers     {} ms\n\
         writes stand still after kill -9 of the leader   {median:.0} ms (median of {}), \
         {worst:.0} ms (worst)",
        after_stop.as_millis(),
        after_kill.as_millis(),
        gaps.len()
    ))?;
    out.line(comparison_table(comparisons).to_string())
}

fn comparison_table(comparisons: &[Run]) -> Table {
    let mut table = Table::new(&["COMPARED", "WITH", "RATIO", "LONGER MS", "BOUND", "HELD"]);
    for run in comparisons {
        let text = |pointer| run.found.pointer(pointer).and_then(Value::as_str);
        let held = run.found.pointer("/within_bound").and_then(Value::as_bool);
        table.row(&[
            text("/sides/1/what").unwrap_or(run.what),
            text("/sides/0/what").unwrap_or_default(),
            &format!("{:.2}", figure(&run.found, "/ratio")),
            &format!("{:.2}", figure(&run.found, "/extra_ms")),
            text("/bound").unwrap_or_default(),
            if held == Some(true) { "yes" } else { "no" },
        ]);
    }
    table
}
