//! When something began, for time lines that come from logs and from this process.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A moment by both clocks: that of the logs, and that of this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning {
    pub(super) wall: SystemTime,
    pub(super) process: Instant,
}

impl Beginning {
    pub(super) fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            process: Instant::now(),
        }
    }

    /// Milliseconds, negative for a moment before.
    pub(super) fn millis_until(self, at: Instant) -> f64 {
        millis(at.checked_duration_since(self.process), || {
            self.process - at
        })
    }

    /// The same for a moment by the clock of the logs.
    pub(super) fn millis_until_wall(self, at: SystemTime) -> f64 {
        let before = || self.wall.duration_since(at).unwrap_or_default();
        millis(at.duration_since(self.wall).ok(), before)
    }

    /// Whole milliseconds.
    pub(super) fn ms_until(self, at: Instant) -> i64 {
        self.millis_until(at) as i64
    }

    /// Whole milliseconds.
    pub(super) fn ms_until_wall(self, at: SystemTime) -> i64 {
        self.millis_until_wall(at) as i64
    }
}

fn millis(since: Option<Duration>, before: impl FnOnce() -> Duration) -> f64 {
    match since {
        Some(since) => since.as_secs_f64() * 1e3,
        None => before().as_secs_f64() * -1e3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_count_from_the_same_moment() {
        let began = Beginning::now();
        let later = Duration::from_millis(250);
        assert_eq!(began.ms_until(began.process + later), 250);
        assert_eq!(began.ms_until_wall(began.wall + later), 250);
        assert_eq!(began.ms_until_wall(began.wall - later), -250);
    }
}
