//! How long writes stand still when the leader is lost, for each way of losing it.

use std::{fmt, time::Duration};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use quorid_history::report::Report;
use quorid_lab::{
    load::Kind,
    testbed::{Cut, Testbed},
};
use tokio::time::sleep;

use crate::{
    campaign::{PATIENCE, Servers},
    timing::{Clients, Measuring, failures},
    under_load,
};

/// The load goes on for so long before the leader is lost.
const BEFORE: Duration = Duration::from_millis(1000);
/// And after. What a client asks of a server that has become unreachable may take until it gives that
/// up, 2 s: it has to be answered while others still are, so that it is no gap.
const AFTER_END: Duration = Duration::from_millis(1000);
const AFTER_CUT: Duration = Duration::from_millis(2800);

/// How a leader is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Loss {
    /// kill -9
    Kill,
    /// SIGTERM, on which it hands leadership over
    HandOver,
    /// It is cut off from everybody
    All,
    /// It is cut off from the other servers, and clients reach it
    Peers,
    /// It hears nothing from the other servers, and they hear it
    In,
    /// It hears the other servers, and they hear nothing from it
    Out,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill -9 of the leader",
            Self::HandOver => "SIGTERM to the leader",
            Self::All => "the leader cut off from everybody",
            Self::Peers => "the leader cut off from the other servers",
            Self::In => "the leader hears nothing from the others",
            Self::Out => "the others hear nothing from the leader",
        })
    }
}

impl Loss {
    fn cut(self) -> Option<Cut> {
        match self {
            Self::Kill | Self::HandOver => None,
            Self::All => Some(Cut::All),
            Self::Peers => Some(Cut::Peers),
            Self::In => Some(Cut::In),
            Self::Out => Some(Cut::Out),
        }
    }

    async fn strike(self, cluster: &mut Testbed, leader: usize) -> anyhow::Result<()> {
        match self.cut() {
            Some(cut) => cluster.cut(leader, cut).await?,
            None if self == Self::Kill => cluster.kill9(leader).await?,
            None => cluster.stop(leader).await?,
        }
        Ok(())
    }

    async fn undo(self, cluster: &mut Testbed, leader: usize) -> anyhow::Result<()> {
        match self.cut() {
            Some(_) => cluster.heal().await?,
            None => cluster.start(leader).await?,
        }
        Ok(())
    }
}

/// Loses the leader so often in each of the ways, and prints for how long no change was acknowledged.
/// `only` names the ways; where it is empty, all that can be done to these servers: cuts on a stage,
/// the others on this machine.
pub(crate) async fn run(
    servers: &Servers,
    times: u64,
    only: &[Loss],
    measuring: &Measuring,
) -> anyhow::Result<Report> {
    let mut cluster = under_load::cluster(servers, |all| measuring.settings(all)).await?;
    if cluster.has_network() {
        measuring.refuse_time_outs()?;
    }
    let mut report = Report::default();
    for loss in Loss::value_variants() {
        let possible = loss.cut().is_some() == cluster.has_network();
        let wanted = only.is_empty() || only.contains(loss);
        match (possible, wanted) {
            (true, true) => measure(&mut cluster, *loss, times, measuring, &mut report).await?,
            (false, true) => println!("skipped: {loss} (not possible with these servers)"),
            (_, false) => {}
        }
    }
    under_load::keep_if_wrong(&mut cluster, &report);
    cluster.clear().await?;
    Ok(report)
}

async fn measure(
    cluster: &mut Testbed,
    loss: Loss,
    times: u64,
    measuring: &Measuring,
    report: &mut Report,
) -> anyhow::Result<()> {
    let clients = measuring.connect(cluster)?;
    let mut gaps = Vec::new();
    for _ in 0..times {
        gaps.push(once(cluster, loss, &clients, report).await?);
    }
    gaps.sort_unstable();
    report.add(&format!("leaders lost: {loss}"), times);
    let ms = |gap: &Duration| gap.as_secs_f64() * 1000.0;
    let (median, worst) = (gaps.get(gaps.len() / 2), gaps.last());
    let (median, worst) = (median.map_or(0.0, ms), worst.map_or(0.0, ms));
    println!(
        "{loss}, {times} times under {} clients: writes stood still for {median:.0} ms (median), \
         {worst:.0} ms (worst)",
        measuring.clients()
    );
    let all: Vec<String> = gaps.iter().map(|gap| format!("{:.0}", ms(gap))).collect();
    println!("    ms: {}", all.join(" "));
    Ok(())
}

/// The longest time without an acknowledged change in some seconds in which the leader is lost. Another
/// leads in the end.
async fn once(
    cluster: &mut Testbed,
    loss: Loss,
    clients: &Clients,
    report: &mut Report,
) -> anyhow::Result<Duration> {
    let leader = cluster.wait_ready(PATIENCE).await?;
    let after = if loss.cut().is_some() {
        AFTER_CUT
    } else {
        AFTER_END
    };
    let load = clients.load(Kind::Create, 0, BEFORE + after).await?;
    let lose = async {
        sleep(BEFORE).await;
        loss.strike(cluster, leader).await
    };
    let (measured, lost) = tokio::join!(load.run(drop), lose);
    let measured = measured.context("a load")?;
    lost?;
    let next = cluster.leader(PATIENCE).await?;
    ensure!(next != leader, "the leader was not lost: {loss}");
    report.violations.extend(failures("gaps", &measured));
    report.add("changes acknowledged", measured.latency.len());
    loss.undo(cluster, leader).await?;
    Ok(measured.longest_gap)
}
