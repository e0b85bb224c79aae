//! What is done to a cluster.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail, ensure};
use quorid_history::{Prober, Worker};
use quorid_lab::testbed::Cut;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    campaign::{Campaign, PATIENCE},
    injection::Injection,
    plan::{Strike, Target},
};

/// Linearizable look-ups that were asked of a leader itself, before, while and after it was
/// stopped or cut off.
pub(crate) const PROBES_ANSWERED: &str = "look-ups asked of a struck leader itself: answered";
const PROBES_REFUSED: &str = "look-ups asked of a struck leader itself: refused";
/// Between two looks at a server that may end.
const LOOK: Duration = Duration::from_millis(500);
/// Who asks an old leader at the same time.
const PROBERS: usize = 3;
/// For how long they wait for an answer, ms: some are waiting whenever it is able to answer.
const PROBE_MS: &[u64] = &[300, 1000, 2500];
/// The leader answers the first question of each of them by then.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// They go on for so long after an old leader may have learnt of the new one.
const PROBE_AFTER: Duration = Duration::from_millis(700);

impl Strike {
    /// Whether it may come while servers still catch up after the last one.
    pub(crate) fn comes_early(&self) -> bool {
        matches!(self, Self::Kill { early: true, .. })
    }
}

impl Campaign {
    /// Strikes, and undoes it. The cluster needn't be well yet when this returns.
    pub(crate) async fn strike(&mut self, strike: &Strike) -> anyhow::Result<()> {
        match *strike {
            Strike::Kill { away, .. } => self.kill_leader(away).await,
            Strike::AllKilled { apart } => self.kill_all(apart).await,
            Strike::Stop { lasts } => self.stop_leader(lasts).await,
            Strike::SyncError {
                target,
                after,
                once,
                away,
            } => self.fail_syncs(target, after, once, away).await,
            Strike::SlowSync {
                target,
                delay,
                lasts,
            } => self.slow_syncs(target, delay, lasts).await,
            Strike::FullDisk {
                target,
                lasts,
                start_full,
            } => self.fill_disk(target, lasts, start_full).await,
            Strike::Cut { cut, lasts } => self.cut_leader(cut, lasts).await,
        }
    }

    async fn target(&mut self, target: Target) -> anyhow::Result<usize> {
        let leader = self.cluster.leader(PATIENCE).await?;
        Ok(match target {
            Target::Leader => leader,
            Target::Follower => (leader + 1) % self.cluster.len(),
        })
    }

    async fn start(&mut self, server: usize) -> anyhow::Result<()> {
        self.cluster.start(server).await?;
        self.report.add("restarts", 1);
        Ok(())
    }

    async fn kill_leader(&mut self, away: Duration) -> anyhow::Result<()> {
        let leader = self.target(Target::Leader).await?;
        self.cluster.kill9(leader).await?;
        sleep(away).await;
        self.start(leader).await
    }

    async fn kill_all(&mut self, apart: Duration) -> anyhow::Result<()> {
        self.cluster.kill9_all().await?;
        for server in 0..self.cluster.len() {
            self.start(server).await?;
            sleep(apart).await;
        }
        Ok(())
    }

    async fn stop_leader(&mut self, lasts: Duration) -> anyhow::Result<()> {
        let leader = self.target(Target::Leader).await?;
        let probes = self.probe(leader).await?;
        self.cluster.pause(leader).await?;
        sleep(lasts).await;
        self.cluster.resume(leader).await?;
        self.end_probes(probes).await
    }

    async fn cut_leader(&mut self, cut: Cut, lasts: Duration) -> anyhow::Result<()> {
        let leader = self.target(Target::Leader).await?;
        let probes = self.probe(leader).await?;
        self.cluster.cut(leader, cut).await?;
        sleep(lasts).await;
        self.cluster.heal().await?;
        self.end_probes(probes).await
    }

    /// The failing sync itself is never acknowledged on: the checks of the history see to that.
    async fn fail_syncs(
        &mut self,
        target: Target,
        after: u64,
        once: bool,
        away: Duration,
    ) -> anyhow::Result<()> {
        let server = self.target(target).await?;
        let since = SystemTime::now();
        let (process, output) = self.traced(server)?;
        let injection = Injection::fail(process, after, once, output).await?;
        let mut ended = None;
        self.until("the end of a server whose syncs fail", |campaign| {
            ended = campaign.take_end_of(server);
            Ok(ended.is_some())
        })
        .await?;
        let failed = injection.end().await?;
        ensure!(failed > 0, "it ended before any sync failed");
        self.report.add("syncs that failed", failed as u64);
        let status = ended.context("how it ended")?;
        self.ended_by_fault(server, status, since, "Input/output error")?;
        sleep(away).await;
        self.start(server).await
    }

    async fn slow_syncs(
        &mut self,
        target: Target,
        delay: Duration,
        lasts: Duration,
    ) -> anyhow::Result<()> {
        let server = self.target(target).await?;
        let (process, output) = self.traced(server)?;
        let injection = Injection::delay(process, delay, output).await?;
        sleep(lasts).await;
        self.until("a slow sync", |_| Ok(injection.hits()? > 0))
            .await?;
        let slow = injection.end().await?;
        self.report.add("syncs that were slow", slow as u64);
        Ok(())
    }

    async fn fill_disk(
        &mut self,
        target: Target,
        lasts: Duration,
        start_full: bool,
    ) -> anyhow::Result<()> {
        let server = self.target(target).await?;
        let since = SystemTime::now();
        self.disks[server].fill()?;
        sleep(lasts).await;
        let mut ended = self.ended_by_full_disk(server, since)?;
        if ended && start_full {
            self.start(server).await?;
            let mut refused = None;
            self.until("the end of a server without space", |campaign| {
                refused = campaign.take_end_of(server);
                Ok(refused.is_some())
            })
            .await?;
            ensure!(refused.is_some_and(|status| !status.success()));
            self.report.add("starts refused by a full disk", 1);
        }
        self.disks[server].free()?;
        if !ended {
            ended = self.ends_or_catches_up(server, since).await?;
        }
        // As a supervisor would do.
        if ended {
            self.start(server).await?;
        }
        Ok(())
    }

    fn ended_by_full_disk(&mut self, server: usize, since: SystemTime) -> anyhow::Result<bool> {
        self.look()?;
        let Some(status) = self.take_end_of(server) else {
            return Ok(false);
        };
        self.ended_by_fault(server, status, since, "No space left on device")?;
        self.report.add("servers ended by a full disk", 1);
        Ok(true)
    }

    /// There is space again: the server gets over it, unless it ends for what it met before.
    async fn ends_or_catches_up(
        &mut self,
        server: usize,
        since: SystemTime,
    ) -> anyhow::Result<bool> {
        let statuses = self.cluster.statuses().await;
        let applied = statuses.iter().map(|(_, status)| status.applied_index);
        let revision = applied.max().context("no server tells its status")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.ended_by_full_disk(server, since)? {
                return Ok(true);
            }
            let caught_up = self.cluster.wait_applied(server, revision, LOOK).await;
            match caught_up {
                Ok(_) => return Ok(false),
                Err(error) if Instant::now() >= deadline => return Err(error.into()),
                Err(_) => {}
            }
        }
    }

    /// A server's process, and where an strace of it writes.
    fn traced(&self, server: usize) -> anyhow::Result<(u32, std::path::PathBuf)> {
        let process = self.cluster.process_id(server);
        let name = format!("strace-{}-{}.txt", self.strikes, self.cluster.name(server));
        let output = self.cluster.directory().join(name);
        Ok((process.context("a server's process")?, output))
    }

    /// The server ended as it must when its disk fails, and said why.
    fn ended_by_fault(
        &self,
        server: usize,
        status: ExitStatus,
        since: SystemTime,
        reason: &str,
    ) -> anyhow::Result<()> {
        let name = self.cluster.name(server);
        ensure!(
            !status.success() && status.signal().is_none(),
            "{name} ended with {status}"
        );
        let events = self.cluster.events_since(since)?;
        let mut faults = events
            .iter()
            .filter(|event| event.server == server && event.is("fault"));
        if !faults.any(|event| event.message.contains(reason)) {
            let last: Vec<_> = events
                .iter()
                .filter(|event| event.server == server)
                .map(|event| event.message.as_str())
                .collect();
            bail!("{name} ended and does not say `{reason}`: {last:?}");
        }
        Ok(())
    }

    /// Clients that change accounts through whoever leads, and ask the present leader itself
    /// for them. Each of them was answered when this returns, unless it leads no longer.
    async fn probe(&self, leader: usize) -> anyhow::Result<Probes> {
        let (stop, stopped) = watch::channel(false);
        let ready = Arc::new(Semaphore::new(0));
        let mut tasks = JoinSet::new();
        for number in 1..=PROBERS {
            let name = format!("prober {}.{number}", self.strikes);
            let worker = |role, client| {
                let name = format!("{name} {role}");
                Worker::new(name, client, self.seed, self.habits, self.record.clone())
            };
            let writer = worker("writer", self.cluster.operator()?);
            let reader = worker("reader", self.cluster.operator_at(leader)?);
            let prober = Prober::new(writer, reader.with_patience(PROBE_MS));
            let (stopped, ready) = (stopped.clone(), Arc::clone(&ready));
            let answered = move || ready.add_permits(1);
            tasks.spawn(prober.probe(move || !*stopped.borrow(), answered));
        }
        let all = u32::try_from(PROBERS).context("few probers")?;
        // Late is no defect: it may have lost its leadership by itself.
        drop(timeout(ANSWERED_WITHIN, ready.acquire_many(all)).await);
        Ok(Probes { stop, tasks })
    }

    async fn end_probes(&mut self, mut probes: Probes) -> anyhow::Result<()> {
        sleep(PROBE_AFTER).await;
        probes.stop.send_replace(true);
        while let Some(probed) = timeout(PATIENCE, probes.tasks.join_next())
            .await
            .context("the probers do not come to an end")?
        {
            let probed = probed.context("a prober failed")?;
            let report = &mut self.report;
            report.add(PROBES_ANSWERED, probed.answered);
            report.add(PROBES_REFUSED, probed.refused);
        }
        Ok(())
    }
}

struct Probes {
    stop: watch::Sender<bool>,
    tasks: JoinSet<quorid_history::Probed>,
}
