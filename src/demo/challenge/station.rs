//! A counter where work waits its turn: so many pieces a second, first come, first served, and no end to the queue. Below
//! its rate nobody waits; above it the wait grows for as long as that lasts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When the last piece of work that was taken in will be done.
#[derive(Debug, Default)]
pub(super) struct Station {
    free: Mutex<Duration>,
}

impl Station {
    /// Takes a piece in at `now`; returns how long until it is done. Without a rate that is no time, and the queue is
    /// forgotten.
    pub(super) fn take(&self, now: Duration, rate: Option<f64>) -> Duration {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rate) = rate else {
            *free = now;
            return Duration::ZERO;
        };
        *free = (*free).max(now) + Duration::from_secs_f64(1.0 / rate);
        *free - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_above_the_rate_only() {
        // arrivals per second, wait of the last of ten seconds in ms
        for (arrivals, wait) in [(50, 10), (100, 10), (110, 1_000)] {
            let station = Station::default();
            let mut last = Duration::ZERO;
            for n in 0..10 * arrivals {
                last = station.take(Duration::from_secs(n) / u32::try_from(arrivals).unwrap(), Some(100.0));
            }
            let off = last.as_millis().abs_diff(wait);
            assert!(off <= 15, "{arrivals}/s: {last:?}");
        }
    }

    #[test]
    fn a_limit_that_is_lifted_leaves_no_queue() {
        let station = Station::default();
        let now = Duration::from_secs(1);
        for _ in 0..100 {
            station.take(now, Some(10.0));
        }
        assert_eq!(station.take(now, None), Duration::ZERO);
        assert_eq!(station.take(now, Some(10.0)), Duration::from_millis(100));
    }
}
