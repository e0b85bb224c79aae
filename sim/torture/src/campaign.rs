//! A cluster, from its first election to the check of all answers that its clients got.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use quorid_api::{Client, Read};
use quorid_history::{
    Habits, Shown, Worker, World as _,
    report::Report,
    shown,
    witness::{self, CommittedLog},
};
use quorid_lab::testbed::{Builder, LogEvent, Testbed};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    committed,
    elections::Elections,
    plan::{Plan, Planned},
    record::Record,
    small_disk::SmallDisk,
};

/// Long, because a busy machine is no failure: what is waited for ends the wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// How often what is waited for is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Acknowledged changes that show that the cluster serves.
const ENOUGH: u64 = 20;
/// A cluster is checked, and another one begun, after so many strikes: what is kept of it, and
/// its check, stay small.
const STRIKES_MAX: usize = 50;
/// For the search for a linear order of one cell. It takes milliseconds; without a verdict by
/// then it has failed.
const VERDICT_MAX: Duration = Duration::from_secs(60);
/// The log is kept whole, to check everything by it.
const KEEP_ENTRIES: i64 = 1_000_000_000;

/// What campaigns have in common.
pub(crate) struct SetUp {
    pub(crate) servers: Servers,
    pub(crate) workers: u64,
    pub(crate) habits: Habits,
}

/// Where the servers are.
pub(crate) enum Servers {
    /// Processes that run this program; with file systems of their own where they are to be
    /// filled.
    Here { program: PathBuf, small_disks: bool },
    /// Those of a stage.
    Stage(PathBuf),
}

/// A cluster that is struck again and again.
pub(crate) struct Campaign {
    // Before the cluster: it removes its directory in the end, and what is mounted must be gone.
    pub(crate) disks: Vec<SmallDisk>,
    pub(crate) cluster: Testbed,
    pub(crate) record: Record,
    pub(crate) elections: Elections,
    pub(crate) report: Report,
    pub(crate) habits: Habits,
    pub(crate) seed: u64,
    /// How many strikes there were.
    pub(crate) strikes: u64,
    workers: JoinSet<()>,
    /// Ended by themselves, and nobody has asked for it yet.
    ended: Vec<(usize, ExitStatus)>,
}

/// Runs a campaign: the plan's next strikes, and the checks.
pub(crate) async fn run(set_up: &SetUp, seed: u64, plan: &mut Plan) -> anyhow::Result<Report> {
    let mut campaign = Campaign::begin(set_up, seed).await?;
    let mut went_well = true;
    while let Some(planned) = (campaign.strikes < STRIKES_MAX as u64)
        .then(|| plan.next())
        .flatten()
    {
        if let Err(error) = campaign.round(&planned).await {
            let why = format!("{}: {error:#}", planned.strike);
            campaign.report.violations.push(why);
            went_well = false;
            break;
        }
    }
    campaign.end(went_well).await
}

impl Campaign {
    async fn begin(set_up: &SetUp, seed: u64) -> anyhow::Result<Self> {
        let mut disks = Vec::new();
        let mut cluster = match &set_up.servers {
            Servers::Here {
                program,
                small_disks,
            } => {
                let builder = Testbed::builder(program).setting("access", "open");
                let cluster = with_whole_log(builder).create()?;
                for server in (0..cluster.len()).filter(|_| *small_disks) {
                    let data = cluster.data_dir(server).context("a server's data")?;
                    disks.push(SmallDisk::mount(&data.with_extension("img"), &data)?);
                }
                cluster
            }
            Servers::Stage(file) => {
                let mut cluster = Testbed::on_stage(file)?;
                cluster.clear().await?;
                cluster
            }
        };
        let elections = Elections::of(&cluster)?;
        cluster.start_all().await?;
        cluster.keep_nothing(PATIENCE).await?;
        let record = Record::default();
        let mut workers = JoinSet::new();
        for number in 1..=set_up.workers {
            // A stage's servers may let nobody else in.
            let client = match cluster.has_network() || number % 2 == 0 {
                true => cluster.operator()?,
                false => cluster.client()?,
            };
            let name = format!("client {number}");
            let worker = Worker::new(name, client, seed, set_up.habits, record.clone());
            let over = record.clone();
            workers.spawn(worker.work(move || !over.is_over()));
        }
        let mut report = Report::default();
        report.add("campaigns", 1);
        Ok(Self {
            disks,
            cluster,
            record,
            elections,
            report,
            habits: set_up.habits,
            seed,
            strikes: 0,
            workers,
            ended: Vec::new(),
        })
    }

    /// One strike, while clients work, from a cluster that serves to one that serves again.
    async fn round(&mut self, planned: &Planned) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.strikes += 1;
        self.record.next_cell();
        if !planned.strike.comes_early() {
            self.cluster.wait_ready(PATIENCE).await?;
        }
        self.changes_go_on().await?;
        sleep(planned.pause).await;
        self.strike(&planned.strike).await?;
        self.changes_go_on().await?;
        self.report.add(&planned.strike.kind().figure(), 1);
        println!("{:>8.1?}  {}", begun.elapsed(), planned.strike);
        Ok(())
    }

    /// Returns once more changes were acknowledged.
    async fn changes_go_on(&mut self) -> anyhow::Result<()> {
        let enough = self.record.acknowledged() + ENOUGH;
        self.until("more changes acknowledged", |campaign| {
            Ok(campaign.record.acknowledged() >= enough)
        })
        .await?;
        if let Some((server, status)) = self.ended.first() {
            let name = self.cluster.name(*server);
            bail!("{name} ended by itself: {status}");
        }
        Ok(())
    }

    /// Notes who was elected, and who ended by itself.
    pub(crate) fn look(&mut self) -> anyhow::Result<()> {
        self.report.violations.extend(self.elections.look()?);
        self.ended.extend(self.cluster.take_ended()?);
        Ok(())
    }

    /// Waits, and looks meanwhile.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.look()?;
            if holds(self)? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("not within {PATIENCE:?}: {what}");
            }
            sleep(POLL).await;
        }
    }

    /// How a server ended by itself, if it did: it was expected.
    pub(crate) fn take_end_of(&mut self, server: usize) -> Option<ExitStatus> {
        let found = self.ended.iter().position(|(ended, _)| *ended == server);
        found.map(|found| self.ended.swap_remove(found).1)
    }

    /// Ends the clients, and checks everything.
    async fn end(mut self, went_well: bool) -> anyhow::Result<Report> {
        self.record.end();
        while let Some(ended) = timeout(PATIENCE, self.workers.join_next())
            .await
            .context("the clients do not come to an end")?
        {
            if let Err(error) = ended {
                self.record.violated(format!("a client failed: {error}"));
            }
        }
        // What there is of a cluster that fell apart is kept for people to look at.
        let last = match went_well {
            true => self.last_look().await,
            false => Ok((Vec::new(), 0)),
        };
        let (operations, violations) = self.record.take();
        self.report.violations.extend(violations);
        self.report.violations.extend(self.elections.look()?);
        self.report.violations.extend(self.panics()?);
        self.report.add("failovers", self.elections.failovers());
        self.report
            .count(&operations, &self.elections.new_leaders_ms());
        let checked = last.and_then(|(accounts, applied)| {
            if !went_well {
                return Ok(());
            }
            let committed = committed_log(&self.cluster, applied, &mut self.report)?;
            let listed = Some(accounts.as_slice());
            let checked = witness::check(&committed, &operations, &[], listed, Some(VERDICT_MAX));
            let report = &mut self.report;
            report.count_changing(checked.mutating);
            report.add("commands committed", checked.commands);
            report.violations.extend(checked.violations);
            Ok(())
        });
        if let Err(error) = checked {
            self.report
                .violations
                .push(format!("in the end: {error:#}"));
        }
        if !self.report.violations.is_empty() {
            self.cluster.keep_directory();
            let kept = self.cluster.directory();
            write_lines(kept, "history.txt", &operations)?;
            write_lines(kept, "violations.txt", &self.report.violations)?;
            println!("kept: {}", kept.display());
        }
        Ok(self.report)
    }

    /// All accounts, and up to which revision all servers are equal. The servers end.
    async fn last_look(&mut self) -> anyhow::Result<(Vec<Shown>, u64)> {
        self.cluster.wait_ready(PATIENCE).await?;
        let digests = self.cluster.digests(PATIENCE).await?;
        if !digests.equal() {
            let why = format!("the servers' states differ: {digests:?}");
            self.report.violations.push(why);
        }
        let client: Client = self.cluster.operator()?;
        let accounts = all_accounts(&client).await?;
        self.cluster.stop_all().await?;
        Ok((accounts, digests.revision))
    }

    /// Panics that the servers' logs tell of.
    fn panics(&self) -> anyhow::Result<Vec<String>> {
        let mut panics = Vec::new();
        for server in 0..self.cluster.len() {
            let log = self.cluster.log(server);
            let text = fs::read(log).with_context(|| format!("reading {}", log.display()))?;
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().filter(|line| line.contains("panicked"));
            let name = self.cluster.name(server);
            panics.extend(lines.map(|line| format!("{name} panicked: {line}")));
        }
        Ok(panics)
    }
}

/// All accounts, as the leader lists them.
pub(crate) async fn all_accounts(client: &Client) -> anyhow::Result<Vec<Shown>> {
    let mut listed = Box::pin(client.accounts(Read::Linearizable));
    let mut accounts = Vec::new();
    while let Some(account) = listed.next().await {
        accounts.push(shown(account.context("listing all accounts")?));
    }
    Ok(accounts)
}

/// Servers that keep their logs whole, to check everything by them.
pub(crate) fn with_whole_log(builder: Builder) -> Builder {
    builder
        .setting("log_keep_entries", KEEP_ENTRIES)
        .setting("snapshot_after_entries", KEEP_ENTRIES)
}

/// The committed log of servers that ended, each of which applied everything up to `applied`, and what is wrong
/// with it.
pub(crate) fn committed_log(
    cluster: &Testbed,
    applied: u64,
    report: &mut Report,
) -> anyhow::Result<CommittedLog> {
    let events = cluster.events_since(UNIX_EPOCH)?;
    let logs: anyhow::Result<Vec<_>> = (0..cluster.len())
        .map(|server| {
            let data = cluster.data_dir(server);
            let data = data.context("nobody knows where a server's data is")?;
            let own = events.iter().filter(|event| event.server == server);
            let ahead = checkpoints_ahead(own);
            let starts = ahead.len() as u64;
            report.add("starts with a log behind the checkpoint", starts);
            committed::read(cluster.name(server), &data, ahead)
        })
        .collect();
    let (committed, violations) = committed::compare(&logs?, applied);
    report.violations.extend(violations);
    Ok(committed)
}

/// Of a server's starts with a log that ended before the checkpoint. Where it had stopped in good
/// order, that must not be.
fn checkpoints_ahead<'a>(events: impl Iterator<Item = &'a LogEvent>) -> Vec<u64> {
    let mut ahead = Vec::new();
    let mut stopped = false;
    for event in events {
        let (checkpoint, log) = (event.number("checkpoint"), event.number("last_log"));
        if event.is("opened") {
            ahead.extend(checkpoint.filter(|_| log < checkpoint && !stopped));
            stopped = false;
        }
        stopped |= event.is("stopped");
    }
    ahead
}

fn write_lines<T: std::fmt::Debug>(directory: &Path, name: &str, of: &[T]) -> anyhow::Result<()> {
    let lines: Vec<String> = of.iter().map(|each| format!("{each:?}\n")).collect();
    fs::write(directory.join(name), lines.concat()).with_context(|| format!("writing {name}"))
}
