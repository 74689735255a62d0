//! The gateway's limit on writes: a token bucket without a timer. It knows no clients: all of them are 127.0.0.1 here.
//!
//! The generic cell rate algorithm: `due` is when the bucket is full again; a write that would push it further ahead
//! than one bucket is refused and changes nothing.

use std::time::Duration;

/// Writes per second, and how many may come at once.
const RATE: u32 = 20;

/// Times are since the shop's start.
#[derive(Debug, Default)]
pub(super) struct WriteLimit {
    due: Duration,
}

impl WriteLimit {
    /// Whether a write at `now` may pass.
    pub(super) fn admit(&mut self, now: Duration) -> bool {
        let next = self.due.max(now) + Duration::from_secs(1) / RATE;
        let admitted = next - now <= Duration::from_secs(1);
        if admitted {
            self.due = next;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_of_twenty_refilled_twenty_times_a_second() {
        let mut limit = WriteLimit::default();
        let at = Duration::from_millis;
        assert_eq!((0..30).filter(|_| limit.admit(at(0))).count(), 20);
        assert!(!limit.admit(at(49)));
        assert!(limit.admit(at(50)) && !limit.admit(at(50)));
        assert_eq!((0..30).filter(|_| limit.admit(at(5_000))).count(), 20);
        // A steady 20/s passes whole.
        assert!((0..200).all(|n| limit.admit(at(10_000 + n * 50))));
    }
}
