//! A cluster whose leader is killed again and again while many clients work.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::bail;
use quorid_history::report::Report;
use quorid_lab::testbed::{Builder, Testbed};
use tokio::time::{Instant, sleep};

use crate::campaign::{PATIENCE, Servers};

/// Clients that work at once.
pub(crate) const CLIENTS: u64 = 64;
/// Between two looks at how much was done.
const LOOK: Duration = Duration::from_millis(5);

/// What is done.
pub(crate) struct Load {
    /// The name of it in the report.
    pub(crate) what: &'static str,
    /// How many changes are made.
    pub(crate) changes: u64,
    /// How often the leader is killed meanwhile.
    pub(crate) kills: u64,
}

/// What clients have in common.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) begun: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
}

impl Progress {
    /// Returns once so many changes were acknowledged.
    pub(crate) async fn reaches(&self, enough: u64) -> anyhow::Result<()> {
        let made = || self.acknowledged.load(Ordering::Relaxed);
        let (mut last, mut deadline) = (made(), Instant::now() + PATIENCE);
        while made() < enough {
            if made() > last {
                (last, deadline) = (made(), Instant::now() + PATIENCE);
            }
            if Instant::now() >= deadline {
                bail!("no change was acknowledged within {PATIENCE:?} after {last} of them");
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// A new cluster, with these settings where it is not a stage's.
pub(crate) async fn cluster(
    servers: &Servers,
    settings: impl FnOnce(Builder) -> Builder,
) -> anyhow::Result<Testbed> {
    let mut cluster = match servers {
        Servers::Here { program, .. } => settings(Testbed::builder(program)).create()?,
        Servers::Stage(file) => {
            let mut cluster = Testbed::on_stage(file)?;
            cluster.clear().await?;
            cluster
        }
    };
    cluster.start_all().await?;
    Ok(cluster)
}

impl Load {
    /// Kills the leader each time that another share of the changes was made. `before` sees the leader first.
    pub(crate) async fn kill_leaders(
        &self,
        cluster: &mut Testbed,
        progress: &Progress,
        report: &mut Report,
        mut before: impl AsyncFnMut(&Testbed, usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let what = self.what;
        for kill in 1..=self.kills {
            progress
                .reaches(self.changes * kill / (self.kills + 1))
                .await?;
            let leader = cluster.leader(PATIENCE).await?;
            before(cluster, leader).await?;
            cluster.kill9(leader).await?;
            // Every other time it is back so early that it may lead again.
            if kill % 2 == 1 {
                cluster.leader(PATIENCE).await?;
            }
            cluster.start(leader).await?;
            let acknowledged = progress.acknowledged.load(Ordering::Relaxed);
            match acknowledged < self.changes {
                true => report.add(&format!("{what}: kill -9 of the leader"), 1),
                false => report.violations.push(format!(
                    "{what}: all changes were made before kill {kill} of {} of the leader",
                    self.kills
                )),
            }
            let name = cluster.name(leader);
            println!("{what}: {acknowledged} changes made, {name} killed");
        }
        Ok(())
    }
}

/// Checks that all servers are equal and none ended by itself. Returns up to where they are equal.
pub(crate) async fn check_servers(
    cluster: &mut Testbed,
    report: &mut Report,
) -> anyhow::Result<u64> {
    cluster.wait_ready(PATIENCE).await?;
    let digests = cluster.digests(PATIENCE).await?;
    if !digests.equal() {
        let why = format!("the servers' states differ: {digests:?}");
        report.violations.push(why);
    }
    for (server, status) in cluster.take_ended()? {
        let why = format!("{} ended by itself: {status}", cluster.name(server));
        report.violations.push(why);
    }
    Ok(digests.revision)
}

/// Keeps the cluster's directory for people to look at, if anything is wrong.
pub(crate) fn keep_if_wrong(cluster: &mut Testbed, report: &Report) {
    if !report.violations.is_empty() {
        cluster.keep_directory();
        println!("kept: {}", cluster.directory().display());
    }
}
