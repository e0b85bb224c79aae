//! A load on a cluster: one task per client, each with measurements of its own.

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
use quorid_api::{AccountName, Client, Error, NewAccount, Read};
use rand::RngExt as _;
use tokio::task::JoinSet;

use crate::error::LabError;

/// Longest latency that the histogram distinguishes, microseconds: five minutes.
const LATENCY_MAX_US: u64 = 300_000_000;
/// After an error, so that a cluster that is down isn't hammered.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);
const USUAL_DURATION: Duration = Duration::from_secs(10);

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
    /// How many requests are made at once.
    pub clients: u32,
    /// How long new requests are made; 10 s unless there is a count.
    pub duration: Option<Duration>,
    /// How many requests are made.
    pub count: Option<u64>,
    /// What the names of created accounts begin with.
    pub prefix: String,
    /// Lookups among mixed requests, percent.
    pub reads_percent: u8,
    /// How many existing accounts lookups choose from.
    pub names_max: usize,
    /// How fresh the answers must be.
    pub read: Read,
    /// The name under which an error is counted.
    pub name_error: fn(&Error) -> String,
}

/// Everything that is there before the clock starts.
pub struct Load {
    clients: Vec<Client>,
    tasks: usize,
    plan: Arc<Plan>,
}

struct Plan {
    kind: Kind,
    read: Read,
    name_error: fn(&Error) -> String,
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
    first_error: Option<Error>,
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

    fn failed(&mut self, name: String, error: Error) {
        *self.errors.entry(name).or_default() += 1;
        self.first_error.get_or_insert(error);
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

    /// The first error, if not a single request succeeded.
    pub fn verdict(self) -> Result<(), Error> {
        match self.first_error {
            Some(error) if self.latency.is_empty() => Err(error),
            Some(_) | None => Ok(()),
        }
    }
}

impl Load {
    /// Connects, and lists the accounts to look up.
    ///
    /// The requests are spread over `clients`, each of which has a connection of its own. `lister`
    /// lists the accounts.
    pub async fn prepare(
        options: LoadOptions,
        lister: &Client,
        clients: Vec<Client>,
    ) -> Result<Self, LabError> {
        let read = options.read;
        // Also finds the leader, so that this is not part of what is measured.
        futures_util::future::try_join_all(clients.iter().map(Client::cluster)).await?;
        if let Read::AtLeast(revision) = read {
            for client in &clients {
                client.raise_session_revision(revision);
            }
        }
        let known = if options.kind == Kind::Create {
            Vec::new()
        } else {
            known_names(lister, options.names_max).await?
        };
        if known.is_empty() && options.kind == Kind::Lookup {
            return Err(LabError::NothingToLookUp);
        }
        let duration = match (options.duration, options.count) {
            (Some(duration), _) => Some(duration),
            (None, Some(_)) => None,
            (None, None) => Some(USUAL_DURATION),
        };
        Ok(Self {
            clients,
            tasks: options.clients as usize,
            plan: Arc::new(Plan {
                kind: options.kind,
                read,
                name_error: options.name_error,
                reads_percent: options.reads_percent,
                name: format!("{}-{:08x}", options.prefix, rand::random::<u32>()),
                known,
                duration,
                count: options.count,
                pace: Pace::default(),
            }),
        })
    }

    /// Runs it to its end. Requests under way then are waited for and counted. `progress` hears how
    /// far it is four times a second.
    pub async fn run(self, progress: impl Fn(String)) -> Result<Measured, LabError> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for task in 0..self.tasks {
            let client = self.clients[task % self.clients.len()].clone();
            tasks.spawn(work(client, Arc::clone(&self.plan), began));
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

/// Login names of accounts that are there, in the order of their ids.
pub(crate) async fn known_names(
    client: &Client,
    names_max: usize,
) -> Result<Vec<String>, LabError> {
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = client.list_accounts(0, &token, Read::Stale).await?;
        names.extend(page.accounts.into_iter().map(|account| account.login_name));
        token = page.next_page_token;
        if token.is_empty() || names.len() >= names_max {
            names.truncate(names_max);
            return Ok(names);
        }
    }
}

async fn work(client: Client, plan: Arc<Plan>, began: Instant) -> Result<Measured, LabError> {
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
            Some(name) => client
                .get_account(&AccountName::Login(name), plan.read)
                .await
                .map(drop),
            None => {
                let name = format!("{}-{number}", plan.name);
                let created = client
                    .create_account(NewAccount {
                        real_name: format!("Bench {number}"),
                        login_name: name.clone(),
                        password: None,
                        request_id: None,
                        ..NewAccount::default()
                    })
                    .await;
                if created.is_ok() && plan.kind == Kind::Mixed {
                    made.push(name);
                }
                created.map(drop)
            }
        };
        match result {
            Ok(()) => {
                measured.latency.saturating_record(micros(start.elapsed()));
                plan.pace.success(micros(began.elapsed()));
            }
            Err(error) => {
                measured.failed((plan.name_error)(&error), error);
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

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use quorid_api::TlsError;

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
            let error = Error::Tls(TlsError::Incomplete { given: "key" });
            measured.failed("TLS".to_owned(), error);
            measured
        };
        assert!(down().verdict().is_err());
        let mut some = down();
        some.latency.saturating_record(10);
        assert!(some.verdict().is_ok());
    }
}
