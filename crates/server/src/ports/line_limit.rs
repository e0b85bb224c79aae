//! Keeps log lines that strangers can cause from flooding the log.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(10);
const LINES_MAX: u32 = 10;

/// Lets ten lines through in ten seconds.
#[derive(Default)]
pub(super) struct LineLimit(Mutex<Option<Window>>);

struct Window {
    since: Instant,
    lines: u32,
    left_out: u64,
}

/// The lines that were left out before one that wasn't. Shown at its end, if there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftOut(u64);

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, " (and {more} more before that)"),
        }
    }
}

impl LineLimit {
    /// Whether a line may be written now.
    pub(super) fn admit(&self, now: Instant) -> Option<LeftOut> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = window.as_mut().filter(|window| now - window.since < WINDOW) {
            if window.lines == LINES_MAX {
                window.left_out += 1;
                return None;
            }
            window.lines += 1;
            return Some(LeftOut(0));
        }
        let next = Window {
            since: now,
            lines: 1,
            left_out: 0,
        };
        let before = window.replace(next);
        Some(LeftOut(before.map_or(0, |before| before.left_out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_pass_in_ten_seconds_and_the_rest_is_counted() {
        let now = Instant::now();
        let limit = LineLimit::default();
        let passed = (0..100).filter_map(|_| limit.admit(now));
        assert!(passed.eq([LeftOut(0); 10]));
        assert_eq!(limit.admit(now + WINDOW), Some(LeftOut(90)));
        assert_eq!(limit.admit(now + WINDOW), Some(LeftOut(0)));
        assert_eq!(LeftOut(90).to_string(), " (and 90 more before that)");
    }
}
