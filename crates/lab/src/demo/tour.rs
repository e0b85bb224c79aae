//! The tour: three servers, an election, crashes and recoveries, each shown and checked.

mod accounts;
mod all_killed;
mod election;
mod failover;
mod follower_away;
mod follower_cut_off;
mod leader_back;
mod leader_cut_off;
mod leader_killed;
mod ledger;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::testbed::{LogEvent, Testbed};
use quorid_api::Client;
use serde_json::json;
use tokio::time::Instant;

use self::ledger::Ledger;
use super::{
    beginning::Beginning,
    commands::{Commands, Said},
    narrator::{Moment, Narrator, ms},
    record::Record,
    watcher::{Heard, Watcher},
    writers::{Writers, Written},
};
use crate::{error::LabError, interrupted, terminal::Screen};

/// Time for anything that is waited for. What takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clients that create accounts at the same time.
const WRITERS: usize = 8;
/// Longest time that writes may stand still when a leader is killed. Usually it is well below
/// a second; this leaves room for split votes on a machine that is busy with other things.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Longest time that writes may stand still for a follower.
const FOLLOWER_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What servers tell when links are cut, and when they are back.
const NETWORK_EVENTS: [&str; 8] = [
    "majority_lost",
    "leader_gone",
    "leader_lost",
    "candidate",
    "elected",
    "follows",
    "stepped_down",
    "snapshot_installed",
];

/// What all chapters work with.
struct Tour<'a> {
    cluster: &'a mut Testbed,
    narrator: &'a mut Narrator,
    commands: Commands,
    watcher: Watcher,
    ledger: Ledger,
}

/// Runs the tour. Where something fails, its directory stays, and the record goes as far.
pub(super) async fn run(
    mut cluster: Testbed,
    program: &Path,
    samples: Option<PathBuf>,
    record: Option<PathBuf>,
    out: Screen,
) -> Result<(), LabError> {
    let began = Instant::now();
    let mut narrator = Narrator::new(out);
    if cluster.existed() {
        return Err(LabError::NotNew(cluster.directory().to_owned()));
    }
    let told = tokio::select! {
        told = tell(&mut cluster, &mut narrator, program, samples) => told,
        () = interrupted() => return Err(LabError::Interrupted),
    };
    let told = told.and_then(|()| narrator.finish(began.elapsed()));
    let told = match record {
        Some(file) => {
            let servers = (0..cluster.len()).map(|server| cluster.name(server).to_owned());
            let (servers, chapters) = (servers.collect(), narrator.take_chapters());
            let record = Record::new(
                cluster.what(),
                servers,
                chapters,
                began.elapsed(),
                told.is_ok(),
            );
            let saved = record.save(&file);
            told.and(saved)
        }
        None => told,
    };
    told.map_err(|error| {
        if error.is_closed_pipe() {
            return error;
        }
        cluster.keep_directory();
        LabError::Kept {
            error: Box::new(error),
            directory: cluster.directory().to_owned(),
        }
    })
}

async fn tell(
    cluster: &mut Testbed,
    narrator: &mut Narrator,
    program: &Path,
    samples: Option<PathBuf>,
) -> Result<(), LabError> {
    narrator.title("Quorid: one directory of accounts, kept by three servers")?;
    let began = election::start(cluster, narrator).await?;
    let mut tour = Tour {
        commands: Commands::new(program, cluster),
        watcher: Watcher::start(cluster.client()?),
        ledger: Ledger::default(),
        cluster,
        narrator,
    };
    election::tell(&mut tour, began).await?;
    accounts::tell(&mut tour, samples).await?;
    let old_leader = leader_killed::tell(&mut tour).await?;
    leader_back::tell(&mut tour, old_leader).await?;
    if tour.cluster.has_network() {
        leader_cut_off::tell(&mut tour).await?;
    }
    follower_away::tell(&mut tour).await?;
    if tour.cluster.has_network() {
        follower_cut_off::tell(&mut tour).await?;
    }
    all_killed::tell(&mut tour).await
}

impl Tour<'_> {
    /// Runs a command and shows it with what it said.
    async fn show(&mut self, arguments: &[&str]) -> Result<Said, LabError> {
        let said = self.commands.run(arguments).await?;
        self.narrator.command(&said.line, &said.text)?;
        Ok(said)
    }

    /// The same for a command that reads a file as its standard input.
    async fn show_on(&mut self, arguments: &[&str], file: &Path) -> Result<Said, LabError> {
        let said = self.commands.run_on(arguments, file).await?;
        self.narrator.command(&said.line, &said.text)?;
        Ok(said)
    }

    /// Clients with connections of their own that create accounts.
    fn writers(&self, prefix: &str, pace: Duration) -> Result<Writers, LabError> {
        let clients: Result<Vec<Client>, _> =
            (0..WRITERS).map(|_| self.cluster.operator()).collect();
        Ok(Writers::start(clients?, prefix, pace))
    }

    /// Checks that writes didn't stand still for a follower, and that no client noticed.
    fn check_writes_went_on(&mut self, written: &Written, since: Instant) -> Result<(), LabError> {
        let pause = written.longest_pause(since);
        self.narrator.figures(json!({
            "pause_ms": pause.map(whole_ms),
            "creates": written.acknowledged.len(),
            "errors": written.failed.len(),
        }));
        self.narrator.check(
            written.failed.is_empty() && pause.is_some_and(|pause| pause < FOLLOWER_PAUSE_MAX),
            "writes went on all the time",
            format!(
                "{} creates, longest pause {}, {}",
                written.acknowledged.len(),
                pause.map_or_else(|| "endless".to_owned(), ms),
                written.errors()
            ),
        )
    }

    /// Events of these kinds that the servers logged since then.
    fn told(&self, since: Beginning, kinds: &[&str]) -> Result<Vec<LogEvent>, LabError> {
        let mut events = self.cluster.events_since(since.wall)?;
        events.retain(|event| kinds.contains(&event.event.as_str()));
        Ok(events)
    }

    /// Events as lines of a time line.
    fn moments(&self, events: &[LogEvent], since: Beginning) -> Vec<Moment> {
        let moment = |event: &LogEvent| {
            let who = self.name(event.server);
            let what = event.message.trim_start_matches(&format!("{who}: "));
            Moment {
                term: event.number("term"),
                ..moment(since.ms_until_wall(event.at), &who, &event.event, what)
            }
        };
        events.iter().map(moment).collect()
    }

    fn name(&self, server: usize) -> String {
        self.cluster.name(server).to_owned()
    }

    /// Names of the running servers: `s1, s2 and s3`.
    fn running(&self) -> String {
        let names: Vec<_> = self
            .cluster
            .running()
            .map(|server| self.name(server))
            .collect();
        match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => "none".to_owned(),
        }
    }
}

fn moment(ms: i64, who: &str, event: &str, what: impl Into<String>) -> Moment {
    Moment {
        ms,
        who: who.to_owned(),
        event: event.to_owned(),
        what: what.into(),
        term: None,
        told_by: None,
    }
}

/// A client hears who leads.
fn heard_moment(ms: i64, heard: &Heard) -> Moment {
    Moment {
        told_by: Some(heard.teller()),
        ..moment(ms, "client", "heard", heard.sentence())
    }
}

/// Whole milliseconds, for figures.
fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
