//! How long to wait before the next round of tries.

use std::time::Duration;

const FIRST_MS: u64 = 10;
const MOST_MS: u64 = 500;

/// Exponential back-off with full jitter: any time from 0 to 10 ms, 20 ms, ... 500 ms, so
/// that clients that failed together don't come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    rounds: u32,
}

impl Backoff {
    /// Bound of the next wait, ms.
    fn bound_ms(&self) -> u64 {
        (FIRST_MS << self.rounds.min(16)).min(MOST_MS)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let bound_us = self.bound_ms() * 1_000;
        self.rounds += 1;
        Duration::from_micros(rand::random_range(0..=bound_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_second_and_stay_there() {
        let mut backoff = Backoff::default();
        for bound_ms in [10, 20, 40, 80, 160, 320, 500, 500] {
            assert_eq!(backoff.bound_ms(), bound_ms);
            assert!(backoff.next() <= Duration::from_millis(bound_ms));
        }
        backoff.rounds = u32::MAX - 1;
        assert!(backoff.next() <= Duration::from_millis(MOST_MS));
    }
}
