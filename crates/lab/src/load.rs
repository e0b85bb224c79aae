//! A load on a cluster: one task per client, each with measurements of its own.

mod quorid;
mod threads;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Latencies.
pub use hdrhistogram::Histogram;
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::{runtime::Handle, task::JoinSet};

pub(crate) use self::quorid::known_names;
pub use self::{
    quorid::{Connections, QuoridSession, Reading},
    threads::ClientThreads,
};
use crate::error::LabError;

/// Longest latency that the histogram distinguishes, microseconds: five minutes.
const LATENCY_MAX_US: u64 = 300_000_000;
/// After an error, so that a cluster that is down isn't hammered.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);
const USUAL_DURATION: Duration = Duration::from_secs(10);

/// Quantiles of latencies, by what they are called.
pub const QUANTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
];

/// A client that makes requests, one after the other: of Quorid, or of a program beside which it is measured.
pub trait Session: Send + 'static {
    /// Creates an account.
    fn create(
        &self,
        login_name: String,
        real_name: String,
    ) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Reads an account.
    fn lookup(&self, login_name: String) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// A request that failed.
pub struct Failed {
    /// The name under which the error is counted.
    pub name: String,
    /// Why.
    pub error: Box<LabError>,
}

/// What the requests do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Create accounts without password
    Create,
    /// Look up accounts chosen at random by login name
    Lookup,
    /// Both
    Mixed,
}

/// What the load is to be.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// What the requests do.
    pub kind: Kind,
    /// How many clients make requests, each one after the other and with a session of its own.
    pub clients: u32,
    /// How long new requests are made; 10 s unless there is a count.
    pub duration: Option<Duration>,
    /// How many requests are made.
    pub count: Option<u64>,
    /// What the names of created accounts begin with.
    pub prefix: String,
    /// Lookups among mixed requests, percent.
    pub reads_percent: u8,
}

/// Everything that is there before the clock starts.
pub struct Load<S> {
    /// Each with the thread of its connection.
    sessions: Vec<(S, Handle)>,
    plan: Arc<Plan>,
    /// Alive as long as the load.
    _threads: ClientThreads,
}

struct Plan {
    kind: Kind,
    reads_percent: u8,
    /// `<prefix>-<run>`
    name: String,
    /// Login names that are there.
    known: Vec<String>,
    duration: Option<Duration>,
    count: Option<u64>,
    pace: Pace,
}

/// What all tasks share while they run.
#[derive(Default)]
struct Pace {
    started: AtomicU64,
    succeeded: AtomicU64,
    /// Of the last success, microseconds since the start.
    last_success_us: AtomicU64,
    longest_gap_us: AtomicU64,
}

impl Pace {
    fn success(&self, now_us: u64) {
        self.succeeded.fetch_add(1, Ordering::Relaxed);
        let last = self.last_success_us.fetch_max(now_us, Ordering::Relaxed);
        self.longest_gap_us
            .fetch_max(now_us.saturating_sub(last), Ordering::Relaxed);
    }
}

/// What came out.
pub struct Measured {
    /// Time from the first request to the last answer.
    pub elapsed: Duration,
    /// Latencies of what succeeded, microseconds.
    pub latency: Histogram<u64>,
    /// Counts by name.
    pub errors: BTreeMap<String, u64>,
    /// The longest time in which no request succeeded.
    pub longest_gap: Duration,
    first_error: Option<LabError>,
}

impl Measured {
    /// Nothing yet.
    pub fn new() -> Result<Self, LabError> {
        let latency = Histogram::new_with_max(LATENCY_MAX_US, 3)
            .map_err(|error| LabError::fault(format!("no histogram: {error}")))?;
        Ok(Self {
            elapsed: Duration::ZERO,
            latency,
            errors: BTreeMap::new(),
            longest_gap: Duration::ZERO,
            first_error: None,
        })
    }

    fn failed(&mut self, Failed { name, error }: Failed) {
        *self.errors.entry(name).or_default() += 1;
        self.first_error.get_or_insert(*error);
    }

    fn add(&mut self, other: Self) -> Result<(), LabError> {
        self.latency
            .add(&other.latency)
            .map_err(|error| LabError::fault(format!("histograms do not add up: {error}")))?;
        for (reason, count) in other.errors {
            *self.errors.entry(reason).or_default() += count;
        }
        self.first_error = self.first_error.take().or(other.first_error);
        Ok(())
    }

    /// Requests that succeeded a second.
    pub fn per_second(&self) -> f64 {
        self.latency.len() as f64 / self.elapsed.as_secs_f64().max(0.001)
    }

    /// Requests that failed.
    pub fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    /// All of it, for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "succeeded": self.latency.len(),
            "failed": self.failures(),
            "per_second": self.per_second(),
            "latency_us": latency_us(&self.latency),
            "longest_gap_ms": self.longest_gap.as_secs_f64() * 1_000.0,
            "errors": self.errors,
        })
    }

    /// The first error, if not a single request succeeded.
    pub fn verdict(self) -> Result<(), LabError> {
        match self.first_error {
            Some(error) if self.latency.is_empty() => Err(error),
            Some(_) | None => Ok(()),
        }
    }
}

impl<S: Session> Load<S> {
    /// A load by sessions that are connected, each on one of the threads. Lookups choose from the login names that are
    /// `known`.
    pub fn new(
        options: LoadOptions,
        sessions: Vec<(S, Handle)>,
        threads: ClientThreads,
        known: Vec<String>,
    ) -> Result<Self, LabError> {
        if known.is_empty() && options.kind == Kind::Lookup {
            return Err(LabError::NothingToLookUp);
        }
        let duration = match (options.duration, options.count) {
            (Some(duration), _) => Some(duration),
            (None, Some(_)) => None,
            (None, None) => Some(USUAL_DURATION),
        };
        Ok(Self {
            sessions,
            plan: Arc::new(Plan {
                kind: options.kind,
                reads_percent: options.reads_percent,
                name: format!("{}-{:08x}", options.prefix, rand::random::<u32>()),
                known,
                duration,
                count: options.count,
                pace: Pace::default(),
            }),
            _threads: threads,
        })
    }

    /// Runs it to its end. Requests under way then are waited for and counted. `progress` hears how
    /// far it is four times a second.
    pub async fn run(self, progress: impl Fn(String)) -> Result<Measured, LabError> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (session, thread) in self.sessions {
            tasks.spawn_on(work(session, Arc::clone(&self.plan), began), &thread);
        }
        let mut all = Measured::new()?;
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        loop {
            tokio::select! {
                done = tasks.join_next() => match done {
                    Some(Ok(measured)) => all.add(measured?)?,
                    Some(Err(error)) => {
                        return Err(LabError::fault(format!("a task ended: {error}")));
                    }
                    None => break,
                },
                _ = tick.tick() => {
                    let count = self.plan.pace.succeeded.load(Ordering::Relaxed);
                    let rate = count as f64 / began.elapsed().as_secs_f64().max(0.001);
                    progress(format!("{count} done, {rate:.0}/s"));
                }
            }
        }
        all.elapsed = began.elapsed();
        let gap_us = self.plan.pace.longest_gap_us.load(Ordering::Relaxed);
        all.longest_gap = Duration::from_micros(gap_us);
        Ok(all)
    }
}

async fn work(
    session: impl Session,
    plan: Arc<Plan>,
    began: Instant,
) -> Result<Measured, LabError> {
    let mut measured = Measured::new()?;
    // Names that this task made: mixed lookups choose from them too.
    let mut made: Vec<String> = Vec::new();
    loop {
        if plan
            .duration
            .is_some_and(|duration| began.elapsed() >= duration)
        {
            break;
        }
        let number = plan.pace.started.fetch_add(1, Ordering::Relaxed);
        if plan.count.is_some_and(|count| number >= count) {
            break;
        }
        let lookup = plan.next_lookup(&made);
        let start = Instant::now();
        let result = match lookup {
            Some(name) => session.lookup(name).await,
            None => {
                let name = format!("{}-{number}", plan.name);
                let created = session
                    .create(name.clone(), format!("Bench {number}"))
                    .await;
                if created.is_ok() && plan.kind == Kind::Mixed {
                    made.push(name);
                }
                created
            }
        };
        match result {
            Ok(()) => {
                measured.latency.saturating_record(micros(start.elapsed()));
                plan.pace.success(micros(began.elapsed()));
            }
            Err(failed) => {
                measured.failed(failed);
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
    Ok(measured)
}

impl Plan {
    /// The name to look up next; None to create instead.
    fn next_lookup(&self, made: &[String]) -> Option<String> {
        let mut random = rand::rng();
        let reads = match self.kind {
            Kind::Create => false,
            Kind::Lookup => true,
            Kind::Mixed => random.random_range(0..100) < self.reads_percent,
        };
        let choices = self.known.len() + made.len();
        if !reads || choices == 0 {
            return None;
        }
        let choice = random.random_range(0..choices);
        self.known
            .get(choice)
            .or_else(|| made.get(choice - self.known.len()))
            .cloned()
    }
}

/// Quantiles of latencies, for programs.
pub fn latency_us(latency: &Histogram<u64>) -> Value {
    let mut us: serde_json::Map<_, _> = QUANTILES
        .iter()
        .map(|(name, quantile)| {
            let name = name.replace('.', "_");
            (name, json!(latency.value_at_quantile(*quantile)))
        })
        .collect();
    us.insert("max".to_owned(), json!(latency.max()));
    us.insert("mean".to_owned(), json!(latency.mean()));
    Value::Object(us)
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_gap_is_the_longest_time_without_any_success() {
        let pace = Pace::default();
        for now_us in [100, 400, 350, 900, 950] {
            pace.success(now_us);
        }
        assert_eq!(pace.longest_gap_us.load(Ordering::Relaxed), 500);
        assert_eq!(pace.succeeded.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn run_fails_only_if_nothing_succeeded() {
        let down = || {
            let mut measured = Measured::new().expect("the bounds are valid");
            measured.failed(Failed {
                name: "TLS".to_owned(),
                error: Box::new(LabError::fault("no certificate")),
            });
            measured
        };
        assert!(down().verdict().is_err());
        let mut some = down();
        some.latency.saturating_record(10);
        assert!(some.verdict().is_ok());
    }

    #[test]
    fn json_has_rate_quantiles_gap_and_errors() {
        let mut measured = Measured::new().expect("the bounds are valid");
        for us in 1..=1_000 {
            measured.latency.saturating_record(us * 10);
        }
        measured.elapsed = Duration::from_secs(2);
        measured.longest_gap = Duration::from_millis(340);
        measured.errors.insert("BUSY".to_owned(), 3);
        let json = measured.to_json();
        assert_eq!(json["succeeded"], 1_000);
        assert_eq!(json["failed"], 3);
        assert_eq!(json["per_second"], 500.0);
        for (quantile, us) in [
            ("p50", 5_003),
            ("p95", 9_503),
            ("p99", 9_903),
            ("p99_9", 9_991),
            ("max", 10_007),
        ] {
            assert_eq!(json["latency_us"][quantile], us, "{quantile}");
        }
        assert_eq!(json["errors"]["BUSY"], 3);
        assert_eq!(json["longest_gap_ms"], 340.0);
    }
}
