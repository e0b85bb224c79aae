//! What is struck when: drawn from the seed before anything runs, or as long as there is time.

use std::{fmt, time::Duration};

use quorid_history::chance::Chance;
use quorid_lab::testbed::Cut;
use tokio::time::Instant;

use crate::kind::Kind;

/// SIGSTOP lasts from and to, ms.
const STOP_MS: (u64, u64) = (100, 10_000);
/// A slow sync takes longer by, ms.
const SLOW_SYNC_MS: (u64, u64) = (50, 2000);

/// Which server is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Leader,
    Follower,
}

/// One strike, with all that is left to chance.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// From the moment at which the cluster serves well to the strike.
    pub(crate) pause: Duration,
    pub(crate) strike: Strike,
}

/// What is done.
#[derive(Debug, Clone)]
pub(crate) enum Strike {
    Kill {
        /// Until it is started again.
        away: Duration,
        /// It needn't have caught up since the last strike, and neither has anybody else.
        early: bool,
    },
    AllKilled {
        /// Between the starts of one server and the next.
        apart: Duration,
    },
    Stop {
        lasts: Duration,
    },
    SyncError {
        target: Target,
        /// Syncs of each thread that go well before.
        after: u64,
        /// Only one fails. A second try would succeed, and be wrong.
        once: bool,
        away: Duration,
    },
    SlowSync {
        target: Target,
        delay: Duration,
        lasts: Duration,
    },
    FullDisk {
        target: Target,
        lasts: Duration,
        /// The server is started again while there is still no space.
        start_full: bool,
    },
    Cut {
        cut: Cut,
        lasts: Duration,
    },
}

impl Strike {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Kill { .. } => Kind::Kill,
            Self::AllKilled { .. } => Kind::AllKilled,
            Self::Stop { .. } => Kind::Stop,
            Self::SyncError { .. } => Kind::SyncError,
            Self::SlowSync { .. } => Kind::SlowSync,
            Self::FullDisk { .. } => Kind::FullDisk,
            Self::Cut { .. } => Kind::Cut,
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Kill { away, early } => {
                let early = if *early { ", early" } else { "" };
                write!(f, "{kind}, back after {away:?}{early}")
            }
            Self::AllKilled { apart } => write!(f, "{kind}, started {apart:?} apart"),
            Self::Stop { lasts } => write!(f, "{kind} for {lasts:?}"),
            Self::SyncError {
                target,
                after,
                once,
                ..
            } => {
                let times = if *once { "one" } else { "all" };
                write!(f, "{kind}: {target:?}, {times} after {after} good ones")
            }
            Self::SlowSync { target, delay, .. } => write!(f, "{kind}: {target:?}, by {delay:?}"),
            Self::FullDisk {
                target, start_full, ..
            } => {
                let start = if *start_full { ", started on it" } else { "" };
                write!(f, "{kind}: {target:?}{start}")
            }
            Self::Cut { cut, lasts } => write!(f, "{kind} ({}) for {lasts:?}", cut.as_str()),
        }
    }
}

/// How many of each kind, or for how long any of them.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Counts(Vec<(Kind, u64)>),
    Until(Instant, Vec<Kind>),
}

/// The strikes to come.
pub(crate) struct Plan {
    chance: Chance,
    /// In reverse.
    counted: Vec<Planned>,
    until: Option<(Instant, Vec<Kind>)>,
}

impl Plan {
    pub(crate) fn new(seed: u64, wanted: Wanted) -> Self {
        let mut plan = Self {
            chance: Chance::of(seed, "plan"),
            counted: Vec::new(),
            until: None,
        };
        match wanted {
            Wanted::Until(end, kinds) => plan.until = Some((end, kinds)),
            Wanted::Counts(counts) => {
                for (kind, count) in counts {
                    for number in 0..count {
                        let planned = plan.draw(kind, (number, count));
                        plan.counted.push(planned);
                    }
                }
                for last in (1..plan.counted.len()).rev() {
                    let other = plan.chance.within(0..=last as u64);
                    let other = usize::try_from(other).expect("an index of a vector fits");
                    plan.counted.swap(last, other);
                }
            }
        }
        plan
    }

    /// Whether there is anything left to do.
    pub(crate) fn is_over(&self) -> bool {
        match &self.until {
            Some((end, kinds)) => kinds.is_empty() || Instant::now() >= *end,
            None => self.counted.is_empty(),
        }
    }

    /// The next strike, if there is one.
    pub(crate) fn next(&mut self) -> Option<Planned> {
        if self.is_over() {
            return None;
        }
        match &self.until {
            Some((_, kinds)) => {
                let kind = *self.chance.one_of(kinds);
                Some(self.draw(kind, (0, 1)))
            }
            None => self.counted.pop(),
        }
    }

    /// Which strike of how many of its kind: together they cover the whole range of lengths,
    /// however few they are, and so take about the same time with every seed.
    fn draw(&mut self, kind: Kind, share: (u64, u64)) -> Planned {
        let pause = self.ms(0, 300);
        let target = match self.chance.percent(60) {
            true => Target::Leader,
            false => Target::Follower,
        };
        let strike = match kind {
            Kind::Kill => Strike::Kill {
                away: match self.chance.within(0..=9) {
                    0..=3 => Duration::ZERO,
                    4..=6 => self.ms(50, 1000),
                    _ => self.ms(1000, 4000),
                },
                early: self.chance.percent(30),
            },
            Kind::AllKilled => Strike::AllKilled {
                apart: self.ms(0, 500),
            },
            Kind::Stop => Strike::Stop {
                lasts: self.log_uniform(STOP_MS, share),
            },
            Kind::SyncError => Strike::SyncError {
                target,
                after: self.chance.within(0..=8),
                once: self.chance.percent(50),
                away: self.ms(0, 1500),
            },
            Kind::SlowSync => Strike::SlowSync {
                target,
                delay: self.log_uniform(SLOW_SYNC_MS, share),
                lasts: self.ms(1000, 4000),
            },
            Kind::FullDisk => Strike::FullDisk {
                target,
                lasts: self.ms(500, 2500),
                start_full: self.chance.percent(50),
            },
            Kind::Cut => Strike::Cut {
                cut: match self.chance.percent(50) {
                    true => Cut::All,
                    false => Cut::Peers,
                },
                lasts: self.ms(500, 5000),
            },
        };
        Planned { pause, strike }
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.chance.within(from..=to))
    }

    /// As often between 0.1 and 1 s as between 1 and 10 s.
    fn log_uniform(&mut self, (from, to): (u64, u64), (number, count): (u64, u64)) -> Duration {
        let within = self.chance.within(0..=999) as f64 / 1000.0;
        let share = (number as f64 + within) / count as f64;
        let factor = (to as f64 / from as f64).powf(share);
        Duration::from_millis(from).mul_f64(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(seed: u64, counts: &[(Kind, u64)]) -> Vec<Planned> {
        let mut plan = Plan::new(seed, Wanted::Counts(counts.to_vec()));
        std::iter::from_fn(|| plan.next()).collect()
    }

    #[test]
    fn a_plan_has_what_was_wanted_and_a_seed_decides_its_order() {
        let wanted = [(Kind::Kill, 20), (Kind::Stop, 10), (Kind::FullDisk, 3)];
        let planned = all(7, &wanted);
        for (kind, count) in wanted {
            let of_kind = planned.iter().filter(|each| each.strike.kind() == kind);
            assert_eq!(of_kind.count() as u64, count);
        }
        let told = |seed| format!("{:?}", all(seed, &wanted));
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
    }

    #[test]
    fn stops_cover_their_range_and_their_sum_is_bounded() {
        for seed in 0..50 {
            let mut lengths: Vec<Duration> = all(seed, &[(Kind::Stop, 10)])
                .iter()
                .map(|planned| {
                    let Strike::Stop { lasts } = planned.strike else {
                        panic!("only stops were wanted");
                    };
                    lasts
                })
                .collect();
            lengths.sort_unstable();
            assert!(lengths[0] >= Duration::from_millis(100) && lengths[0] < lengths[9]);
            assert!(lengths[0] < Duration::from_millis(160), "{lengths:?}");
            assert!(lengths[9] > Duration::from_secs(6), "{lengths:?}");
            let sum: Duration = lengths.iter().sum();
            assert!(sum < Duration::from_secs(28), "{sum:?}");
        }
    }

    #[test]
    fn when_the_time_is_over_nothing_is_left() {
        let over = Wanted::Until(Instant::now(), vec![Kind::Kill]);
        assert!(Plan::new(1, over).next().is_none());
        let nothing = Wanted::Until(Instant::now() + Duration::from_secs(60), Vec::new());
        assert!(Plan::new(1, nothing).is_over());
    }
}
