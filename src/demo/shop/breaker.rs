//! The circuit breaker between orders and inventory, as the first team met it. Which orders it spares is in `ledger`.
//!
//! | state | event | next |
//! |---|---|---|
//! | closed | fewer than 5 failures in 10 s | closed |
//! | closed | the fifth failure within 10 s | open for 30 s |
//! | open | 30 s are over | closed, failures forgotten |

use std::collections::VecDeque;
use std::time::Duration;

const FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
const OPEN: Duration = Duration::from_secs(30);

/// Times are since the shop's start.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: VecDeque<Duration>,
    open_until: Duration,
}

impl Breaker {
    pub(super) fn is_open(&self, now: Duration) -> bool {
        now < self.open_until
    }

    /// Counts a failed reservation.
    pub(super) fn failed(&mut self, now: Duration) {
        self.failures.push_back(now);
        while self.failures.front().is_some_and(|first| *first + WINDOW <= now) {
            self.failures.pop_front();
        }
        if self.failures.len() >= FAILURES {
            self.open_until = now + OPEN;
            self.failures.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_at_the_fifth_failure_in_ten_seconds_and_closes_after_thirty() {
        let mut breaker = Breaker::default();
        let secs = Duration::from_secs;
        for at in [0, 3, 6, 9, 10, 14] {
            breaker.failed(secs(at));
            // The failure at 0 has left the window at 10, the one at 3 at 14: never five.
            assert!(!breaker.is_open(secs(at)), "{at} s");
        }
        breaker.failed(secs(15));
        assert!(breaker.is_open(secs(15)), "6, 9, 10, 14, 15");
        assert!(breaker.is_open(secs(44)));
        assert!(!breaker.is_open(secs(45)));
        breaker.failed(secs(46));
        assert!(!breaker.is_open(secs(46)), "old failures are forgotten");
    }
}
