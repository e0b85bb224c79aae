//! What happened when, of one create and of one failover, for figures: see `docs/figures`.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use quorid_api::{Client, NewAccount};
use quorid_server::config::TimingPreset;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    beginning::Beginning,
    record,
    watcher::Watcher,
    writers::{Acknowledged, Writers, Written},
};
use crate::{
    error::{LabError, OrFail as _},
    terminal::Screen,
    testbed::{Builder, LogEvent, Testbed},
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Creates before the ones that count: connections and caches are warm then.
const WARM_UP: usize = 200;
/// Creates one after the other, of which the one of median duration is shown.
const CREATES: usize = 501;
/// Clients that create accounts while the leader is killed.
const WRITERS: usize = 8;
const PACE: Duration = Duration::from_millis(4);
/// Acknowledged creates before the kill, and after it.
const AROUND: usize = 1500;
/// With the lines that tell of an entry of the log.
const LOG_FILTER: &str = "warn,quorid=info,quorid::entries=trace";
const FAILOVER: [&str; 5] = [
    "leader_gone",
    "leader_lost",
    "candidate",
    "elected",
    "follows",
];

/// One create as its client saw it.
struct Create {
    sent: SystemTime,
    acknowledged: SystemTime,
    revision: u64,
}

impl Create {
    fn took(&self) -> Duration {
        let took = self.acknowledged.duration_since(self.sent);
        took.unwrap_or_default()
    }
}

pub(super) async fn run(builder: Builder, file: &Path, out: Screen) -> Result<(), LabError> {
    let mut cluster = builder.log_filter(LOG_FILTER).start().await?;
    out.note("creating accounts, one after the other");
    let write = write(&mut cluster).await?;
    out.note("killing the leader");
    let failover = failover(&mut cluster).await?;
    let trace = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "build": record::build(),
        "date": record::today(),
        "cores": record::cores(),
        "write": write,
        "failover": failover,
    });
    let text = format!("{trace:#}\n");
    fs::write(file, text).or_fail(format_args!("cannot write {}", file.display()))?;
    out.line(format!("written: {}", file.display()))
}

async fn write(cluster: &mut Testbed) -> Result<Value, LabError> {
    let leader = cluster.wait_ready(PATIENCE).await?;
    let client = cluster.operator()?;
    for number in 0..WARM_UP {
        create(&client, &format!("warm-{number}")).await?;
    }
    let began = SystemTime::now();
    let mut creates = Vec::with_capacity(CREATES);
    for number in 0..CREATES {
        creates.push(create(&client, &format!("trace-{number}")).await?);
    }
    let last = creates.last().map_or(0, |create| create.revision);
    for server in 0..cluster.len() {
        cluster.wait_applied(server, last, PATIENCE).await?;
        let applied = cluster.wait_event(began, PATIENCE, |event| {
            event.server == server && event.is("applied") && covers(event, last)
        });
        applied.await?;
    }
    let events = cluster.events_since(began)?;
    let lag = follower_lag(leader, &creates, &events);
    creates.sort_by_key(Create::took);
    let median = &creates[CREATES / 2];
    let mut steps = vec![
        step(0.0, "client", "sent"),
        step(micros(median.took()), "client", "acknowledged"),
    ];
    for server in 0..cluster.len() {
        let took_in = if server == leader {
            "proposed"
        } else {
            "received"
        };
        for (event, what) in [
            ("appended", took_in),
            ("synced", "synced"),
            ("applied", "applied"),
        ] {
            let told = events.iter().find(|told| {
                told.server == server && told.is(event) && covers(told, median.revision)
            });
            let told = told.ok_or_else(|| {
                let name = cluster.name(server);
                let revision = median.revision;
                LabError::fault(format!(
                    "{name} did not tell when entry {revision} was {event}"
                ))
            })?;
            let after = told.at.duration_since(median.sent).unwrap_or_default();
            steps.push(step(micros(after), cluster.name(server), what));
        }
    }
    Ok(json!({
        "revision": median.revision,
        "leader": cluster.name(leader),
        "steps": steps,
        "median_us": micros(median.took()),
        "of": CREATES,
        "follower_lag_us": {
            "p50": lag[lag.len() / 2],
            "p99": lag[lag.len() * 99 / 100],
            "max": lag[lag.len() - 1],
        },
    }))
}

/// How long after its acknowledgement each create was in the state of each follower, µs, in
/// order of size: so long could a stale read there miss it. 0 where it was there before.
fn follower_lag(leader: usize, creates: &[Create], events: &[LogEvent]) -> Vec<f64> {
    let applied = |event: &&LogEvent| event.server != leader && event.is("applied");
    let mut lag: Vec<f64> = events
        .iter()
        .filter(applied)
        .flat_map(|event| {
            let covered = creates.iter().filter(|made| covers(event, made.revision));
            covered.map(|made| {
                let after = event.at.duration_since(made.acknowledged);
                micros(after.unwrap_or_default())
            })
        })
        .collect();
    lag.sort_unstable_by(f64::total_cmp);
    lag
}

/// Whether an event is about the log entry of a revision, among others.
fn covers(event: &LogEvent, revision: u64) -> bool {
    let number = |field| event.number(field);
    number("first").is_some_and(|first| first <= revision)
        && number("last").is_some_and(|last| revision <= last)
}

fn step(us: f64, who: &str, what: &str) -> Value {
    json!({"us": us, "who": who, "what": what})
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

async fn create(client: &Client, login_name: &str) -> Result<Create, LabError> {
    let new = NewAccount {
        login_name: login_name.to_owned(),
        real_name: "A Trace".to_owned(),
        ..NewAccount::default()
    };
    let sent = SystemTime::now();
    client.create_account(new).await?;
    Ok(Create {
        sent,
        acknowledged: SystemTime::now(),
        // Of the last answer: nobody else writes.
        revision: client.session_revision(),
    })
}

async fn failover(cluster: &mut Testbed) -> Result<Value, LabError> {
    let old = cluster.wait_ready(PATIENCE).await?;
    let began = Instant::now();
    let mut watcher = Watcher::start(cluster.client()?);
    watcher.leader_since(began, PATIENCE).await?;
    let clients: Result<Vec<_>, _> = (0..WRITERS).map(|_| cluster.operator()).collect();
    let mut writers = Writers::start(clients?, "failover", PACE);
    writers.more(AROUND, PATIENCE).await?;
    let killed = Beginning::now();
    cluster.kill9(old).await?;
    let old_name = cluster.name(old).to_owned();
    let heard = watcher.other_leader_since(killed.process, &old_name, PATIENCE);
    let heard = heard.await?;
    let new = cluster.leader(PATIENCE).await?;
    writers.more(AROUND, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    if let Some((name, error)) = written.failed.first() {
        return Err(LabError::fault(format!("creating {name} failed: {error}")));
    }

    let mut events = cluster.events_since(killed.wall)?;
    events.retain(|event| event.server != old && FAILOVER.contains(&event.event.as_str()));
    let term = events.iter().rev().find(|event| event.is("elected"));
    let term = term.and_then(|event| event.number("term")).unwrap_or(0);
    let name = |server: usize| cluster.name(server);
    let mut told = vec![json!({
        "ms": 0.0,
        "who": name(old),
        "event": "killed",
        "what": format!("{} is killed with -9, the leader", name(old)),
    })];
    for event in &events {
        told.push(json!({
            "ms": killed.millis_until_wall(event.at),
            "who": name(event.server),
            "event": event.event,
            "what": event.message,
        }));
    }
    told.push(json!({
        "ms": killed.millis_until(heard.at),
        "who": "client",
        "event": "heard",
        "what": heard.sentence(),
    }));
    let acknowledged: Vec<f64> = written
        .acknowledged
        .iter()
        .map(|each| killed.millis_until(each.at))
        .collect();
    let lost = lost(cluster, &written).await?;
    let timing = TimingPreset::Lan.timing();
    let gap = written.longest_pause(killed.process).unwrap_or_default();
    Ok(json!({
        "killed": cluster.name(old),
        "elected": cluster.name(new),
        "term": term,
        "lease_ms": timing.election_max_ms,
        "heartbeat_ms": timing.heartbeat_ms,
        "events": told,
        "acknowledged_ms": acknowledged,
        "acknowledged": acknowledged.len(),
        "lost": lost,
        "gap_ms": micros(gap) / 1e3,
    }))
}

/// How many acknowledged accounts a server lacks, at worst.
async fn lost(cluster: &mut Testbed, written: &Written) -> Result<usize, LabError> {
    let leader = cluster.wait_ready(PATIENCE).await?;
    let revision = cluster.status(leader).await?.applied_index;
    let mut worst = 0;
    for server in cluster.reachable().collect::<Vec<_>>() {
        let held = cluster.accounts_of(server, revision).await?;
        let held: HashSet<_> = held.iter().map(|account| account.id.as_str()).collect();
        let lacks = |each: &&Acknowledged| !held.contains(each.id.as_str());
        worst = worst.max(written.acknowledged.iter().filter(lacks).count());
    }
    Ok(worst)
}
