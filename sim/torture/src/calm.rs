//! Elections that nobody needs: how many there are while all servers are up, and disks, processes
//! or processors are slow.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use quorid_history::{chance::Chance, report::Report};
use quorid_lab::{load::Kind, testbed::Testbed};
use tokio::time::{Instant, sleep};

use crate::{
    campaign::{PATIENCE, Servers},
    injection::SlowProgram,
    timing::{Measuring, failures},
    under_load,
};

/// Lookups among the clients' requests, percent. The others create accounts.
const READS_PERCENT: u8 = 80;
/// Each sync of each server takes longer by this: the 99th percentile of slow disks.
const SLOW_SYNC: Duration = Duration::from_millis(13);
/// How long a server is stopped, and for how long none is.
const STOP: Duration = Duration::from_millis(200);
const BETWEEN_STOPS_MS: (u64, u64) = (1000, 3000);
/// The conditions last that much less than the load.
const LEAD: Duration = Duration::from_secs(1);
/// Events that tell of a leader that was lost, or took itself for lost.
const EVENTS: [&str; 5] = [
    "candidate",
    "elected",
    "leader_gone",
    "leader_lost",
    "majority_lost",
];

/// What is slow, while clients work and all servers are up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Condition {
    /// Nothing
    Well,
    /// Each sync of each server takes 13 ms longer (needs strace)
    SlowSyncs,
    /// A server, any of them, is stopped for 200 ms every few seconds
    Stops,
    /// All cores are busy with something else
    Busy,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Well => "nothing is slow",
            Self::SlowSyncs => "each sync takes 13 ms longer",
            Self::Stops => "any server is stopped for 200 ms every few seconds",
            Self::Busy => "all cores are busy with something else",
        })
    }
}

/// Counts elections for so long under each of the conditions; under all, where none is named.
pub(crate) async fn run(
    servers: &Servers,
    minutes: u64,
    only: &[Condition],
    measuring: &Measuring,
    seed: u64,
) -> anyhow::Result<Report> {
    let all = Condition::value_variants();
    let conditions = if only.is_empty() { all } else { only };
    let mut report = Report::default();
    for condition in conditions {
        let lasts = Duration::from_secs(60 * minutes);
        let mut calm = Calm::begin(servers, *condition, measuring, &mut report).await?;
        calm.last(lasts, measuring, seed).await?;
        calm.end(lasts, measuring).await?;
    }
    Ok(report)
}

/// A cluster of which nobody takes the leader away.
struct Calm<'r> {
    cluster: Testbed,
    condition: Condition,
    /// Of the first leader.
    term: u64,
    report: &'r mut Report,
    /// Servers that were stopped, or syncs that were slow.
    disturbances: u64,
    longest_gap: Duration,
    requests: u64,
    slow: Option<SlowProgram>,
}

impl<'r> Calm<'r> {
    async fn begin(
        servers: &Servers,
        condition: Condition,
        measuring: &Measuring,
        report: &'r mut Report,
    ) -> anyhow::Result<Self> {
        let Servers::Here { program, .. } = servers else {
            bail!("elections are counted with servers of this machine only");
        };
        let slow = match condition {
            Condition::SlowSyncs => Some(SlowProgram::new(program, SLOW_SYNC)?),
            Condition::Well | Condition::Stops | Condition::Busy => None,
        };
        let servers = Servers::Here {
            program: slow.as_ref().map_or(program.clone(), SlowProgram::path),
            small_disks: false,
        };
        let mut cluster = under_load::cluster(&servers, |all| measuring.settings(all)).await?;
        let term = term(&mut cluster).await?;
        Ok(Self {
            cluster,
            condition,
            term,
            report,
            disturbances: 0,
            longest_gap: Duration::ZERO,
            requests: 0,
            slow,
        })
    }

    /// Lets clients work under the condition.
    async fn last(
        &mut self,
        lasts: Duration,
        measuring: &Measuring,
        seed: u64,
    ) -> anyhow::Result<()> {
        let clients = measuring.connect(&self.cluster)?;
        let load = clients.load(Kind::Mixed, READS_PERCENT, lasts).await?;
        let until = Instant::now() + lasts.saturating_sub(LEAD);
        let disturb = async {
            match self.condition {
                Condition::Well | Condition::SlowSyncs => Ok(0),
                Condition::Stops => stop_any(&mut self.cluster, until, seed).await,
                Condition::Busy => keep_busy(until).await,
            }
        };
        let (measured, disturbances) = tokio::join!(load.run(drop), disturb);
        let measured = measured.context("a load")?;
        self.disturbances = disturbances?;
        if let Some(slow) = &self.slow {
            let hits = slow.hits()?;
            ensure!(hits > 0, "no sync was slow");
            self.disturbances = hits as u64;
        }
        self.longest_gap = measured.longest_gap;
        self.requests = measured.latency.len();
        let what = self.condition.to_string();
        self.report.violations.extend(failures(&what, &measured));
        Ok(())
    }

    /// Prints what there was, and ends the servers.
    async fn end(mut self, lasts: Duration, measuring: &Measuring) -> anyhow::Result<()> {
        under_load::check_servers(&mut self.cluster, self.report).await?;
        let elections = term(&mut self.cluster).await?.saturating_sub(self.term);
        let condition = self.condition;
        self.report.add(
            &format!("elections that nobody needed: {condition}"),
            elections,
        );
        println!(
            "{condition}, {:.0} min under {} clients: {elections} elections; longest time without an \
             answer {:.0} ms; {} requests answered; {} stops, slow syncs or busy cores",
            lasts.as_secs_f64() / 60.0,
            measuring.clients(),
            self.longest_gap.as_secs_f64() * 1000.0,
            self.requests,
            self.disturbances
        );
        println!("    events: {}", self.events()?);
        under_load::keep_if_wrong(&mut self.cluster, self.report);
        self.cluster.stop_all().await?;
        Ok(())
    }

    /// How often servers said that a leader was lost or elected, the first election included.
    fn events(&self) -> anyhow::Result<String> {
        let mut counts: BTreeMap<&str, u64> = EVENTS.map(|event| (event, 0)).into();
        for event in self.cluster.events_since(std::time::UNIX_EPOCH)? {
            if let Some(count) = counts.get_mut(event.event.as_str()) {
                *count += 1;
            }
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(event, count)| format!("{event} {count}"))
            .collect();
        Ok(counts.join(", "))
    }
}

async fn term(cluster: &mut Testbed) -> anyhow::Result<u64> {
    let leader = cluster.leader(PATIENCE).await?;
    Ok(cluster.status(leader).await?.term)
}

/// Stops one server after the other, each for a short time. How many there were.
async fn stop_any(cluster: &mut Testbed, until: Instant, seed: u64) -> anyhow::Result<u64> {
    let mut chance = Chance::of(seed, "stops");
    let mut stops = 0;
    while Instant::now() < until {
        let (from, to) = BETWEEN_STOPS_MS;
        sleep(Duration::from_millis(chance.within(from..=to))).await;
        let server = chance.within(0..=cluster.len() as u64 - 1);
        let server = usize::try_from(server).context("one of few servers")?;
        cluster.pause(server).await?;
        sleep(STOP).await;
        cluster.resume(server).await?;
        stops += 1;
    }
    Ok(stops)
}

/// Keeps each core busy by a thread that computes. How many there were.
async fn keep_busy(until: Instant) -> anyhow::Result<u64> {
    let over = Arc::new(AtomicBool::new(false));
    let cores = thread::available_parallelism().context("how many cores there are")?;
    let threads: Vec<_> = (0..cores.get())
        .map(|_| {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let busy = threads.len() as u64;
    let end = OnDrop(over);
    tokio::time::sleep_until(until).await;
    drop(end);
    for thread in threads {
        ensure!(thread.join().is_ok(), "a busy thread panicked");
    }
    Ok(busy)
}

/// Ends the busy threads also when nobody waits for them any more.
struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
