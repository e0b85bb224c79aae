//! Two kinds of requests side by side: what one costs, in terms of what the other one costs.
//!
//! Both are made in turns on the same cluster in the same minutes, so that what else the machine
//! does then meets both.

mod request;
mod set_up;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use quorid_api::{Client, Read};
use tokio::{runtime::Handle, task::JoinSet};

use self::{request::Request, set_up::SetUp};
use crate::{
    error::LabError,
    load::{Connections, Measured, micros},
};

/// What is compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// Adding a member to a large group, with changing an attribute of an account.
    Member,
    /// A lookup of an account with all of its groups, with one without them.
    Groups,
    /// A lookup by mail address, with one by login name.
    Mail,
    /// A search by title, which an index answers, with a lookup by login name.
    Title,
}

/// How far the second kind of requests of a pair may be above the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// It costs at most so many times as much.
    Ratio(f64),
    /// It takes at most so much longer (median).
    Extra(Duration),
}

impl Pair {
    /// What the two kinds of requests do: the plain one, and the one that is compared with it.
    pub fn sides(self) -> [&'static str; 2] {
        match self {
            Self::Member => ["change an account", "add a member"],
            Self::Groups => ["lookup", "lookup with groups"],
            Self::Mail => ["lookup by login name", "lookup by mail"],
            Self::Title => ["lookup by login name", "search by title"],
        }
    }

    /// Requests of each kind in a round that take long enough to be compared: about half a second.
    pub fn usual_requests(self) -> u64 {
        match self {
            Self::Member => 5_000,
            Self::Groups => 1_000,
            Self::Mail | Self::Title => 10_000,
        }
    }

    /// The most that the second kind should cost.
    pub fn bound(self) -> Bound {
        match self {
            Self::Member => Bound::Ratio(2.0),
            Self::Groups => Bound::Extra(Duration::from_millis(1)),
            // As much as the other: what is above is for the noise of a busy machine.
            Self::Mail => Bound::Ratio(1.1),
            // The same, and a row of the index more.
            Self::Title => Bound::Ratio(1.2),
        }
    }
}

/// How the comparison is made.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// What is compared.
    pub pair: Pair,
    /// How many clients make requests, each one after the other and with a session of its own.
    /// [`Pair::Groups`] has one, because it compares times and not throughput.
    pub clients: u32,
    /// How often both kinds of requests have their turn.
    pub rounds: u32,
    /// Requests of each kind in each round.
    pub requests: usize,
    /// How many existing accounts are members of the large group, or how many new ones with mail
    /// addresses or titles are looked up.
    pub accounts: usize,
    /// What the names of created accounts and groups begin with.
    pub prefix: String,
    /// How fresh the answers must be.
    pub read: Read,
}

/// What one kind of requests took, all rounds together.
pub struct Side {
    /// Latencies, microseconds.
    pub latency: Histogram<u64>,
    /// All its turns.
    pub elapsed: Duration,
}

/// What came out.
pub struct Compared {
    /// The plain requests, then those that are compared with them.
    pub sides: [Side; 2],
    /// What the second kind cost in terms of the first, for each round: time for as many requests.
    /// Lowest first.
    pub ratios: Vec<f64>,
    /// What the figures are about, such as `a group of 100000 members`.
    pub setting: String,
}

impl Compared {
    /// Median of the rounds.
    pub fn ratio(&self) -> f64 {
        let middle = self.ratios.len() / 2;
        let upper = self.ratios.get(middle).copied().unwrap_or(f64::NAN);
        match self.ratios.len() % 2 {
            0 => (self.ratios.get(middle.wrapping_sub(1)).unwrap_or(&upper) + upper) / 2.0,
            _ => upper,
        }
    }

    /// How much longer the second kind takes, median of all requests, ms.
    pub fn extra_ms(&self) -> f64 {
        let [plain, other] = &self.sides;
        let median = |side: &Side| side.latency.value_at_quantile(0.5) as f64 / 1_000.0;
        median(other) - median(plain)
    }

    /// Whether the second kind costs no more than it should.
    pub fn is_within(&self, bound: Bound) -> bool {
        match bound {
            Bound::Ratio(most) => self.ratio() <= most,
            Bound::Extra(most) => self.extra_ms() <= most.as_secs_f64() * 1_000.0,
        }
    }
}

/// Makes what is needed for the comparison, and measures. `progress` hears what is being done.
pub async fn run(
    options: &CompareOptions,
    connections: &Connections,
    progress: impl Fn(String),
) -> Result<Compared, LabError> {
    connections.open().await?;
    let sessions = connections.sessions(options.clients);
    let requester = Requester {
        sessions: &sessions,
    };
    let set_up = SetUp::make(options, &requester, &progress).await?;
    let measuring = match options.pair {
        Pair::Groups => Requester {
            sessions: sessions.get(..1).unwrap_or_default(),
        },
        Pair::Member | Pair::Mail | Pair::Title => requester,
    };
    let mut sides = [Side::new()?, Side::new()?];
    let mut ratios = Vec::new();
    for round in 0..options.rounds {
        progress(format!("round {} of {}", round + 1, options.rounds));
        set_up.reset(&requester).await?;
        let mut took = [Duration::ZERO; 2];
        // The other one first in every second round.
        let first = round as usize % 2;
        for side in [first, 1 - first] {
            let done = measuring.all(set_up.requests(side, round)).await?;
            took[side] = done.elapsed;
            sides[side].add(&done)?;
        }
        ratios.push(took[1].as_secs_f64() / took[0].as_secs_f64().max(0.000_001));
    }
    ratios.sort_by(f64::total_cmp);
    Ok(Compared {
        sides,
        ratios,
        setting: set_up.setting,
    })
}

impl Side {
    /// No requests yet.
    pub fn new() -> Result<Self, LabError> {
        Ok(Self {
            latency: Measured::new()?.latency,
            elapsed: Duration::ZERO,
        })
    }

    /// Requests a second.
    pub fn per_second(&self) -> f64 {
        self.latency.len() as f64 / self.elapsed.as_secs_f64().max(0.001)
    }

    fn add(&mut self, other: &Self) -> Result<(), LabError> {
        self.elapsed += other.elapsed;
        self.latency
            .add(&other.latency)
            .map_err(|error| LabError::fault(format!("histograms do not add up: {error}")))
    }
}

/// Makes requests.
#[derive(Clone, Copy)]
struct Requester<'c> {
    /// Each with the thread of its connection.
    sessions: &'c [(Client, Handle)],
}

impl Requester<'_> {
    /// Makes all requests, as many at once as there are sessions. The first one that fails ends it.
    async fn all(&self, requests: Vec<Request>) -> Result<Side, LabError> {
        let began = Instant::now();
        let requests = Arc::new(requests);
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for (session, thread) in self.sessions {
            let work = work(session.clone(), Arc::clone(&requests), Arc::clone(&next));
            tasks.spawn_on(work, thread);
        }
        let mut all = Side::new()?;
        while let Some(done) = tasks.join_next().await {
            let done =
                done.map_err(|error| LabError::fault(format!("a task ended: {error}")))??;
            all.add(&done)?;
        }
        all.elapsed = began.elapsed();
        Ok(all)
    }
}

async fn work(
    client: Client,
    requests: Arc<Vec<Request>>,
    next: Arc<AtomicUsize>,
) -> Result<Side, LabError> {
    let mut side = Side::new()?;
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let start = Instant::now();
        request.send(&client).await?;
        side.latency.saturating_record(micros(start.elapsed()));
    }
    Ok(side)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn compared(ratios: &[f64], medians_us: [u64; 2]) -> Compared {
        let sides = medians_us.map(|us| {
            let mut side = Side::new().unwrap();
            side.latency.saturating_record(us);
            side
        });
        Compared {
            sides,
            ratios: ratios.to_vec(),
            setting: String::new(),
        }
    }

    #[test]
    fn ratio_is_the_median_of_the_rounds() {
        for (ratios, median) in [
            (&[1.5][..], 1.5),
            (&[1.0, 2.0], 1.5),
            (&[1.0, 1.2, 9.0], 1.2),
        ] {
            assert_eq!(compared(ratios, [1, 1]).ratio(), median);
        }
    }

    #[test]
    fn a_bound_is_of_the_ratio_or_of_the_time_that_comes_on_top() {
        let slow = compared(&[2.5], [200, 1_400]);
        assert!(slow.is_within(Bound::Ratio(3.0)));
        assert!(!slow.is_within(Bound::Ratio(2.0)));
        assert!(slow.is_within(Bound::Extra(Duration::from_millis(2))));
        assert!(!slow.is_within(Bound::Extra(Duration::from_millis(1))));
    }
}
