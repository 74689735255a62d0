//! The queue between accepting an event and routing it, in arithmetic: first come, first served, at a constant rate that
//! faults slow down. No clock, no timers: how far it is follows from when it was last looked at.
//!
//! Work is counted in millionths of millionths of an event, because that is what a rate in thousandths of an event per
//! second does in a nanosecond: everything is exact, and no count ever goes back.

use std::collections::VecDeque;
use std::time::Duration;

use crate::demo::fault::Faults;

/// One event of work.
const EVENT: u128 = 1_000_000_000_000;

/// How long a router holds an event; at full rate so much of the queue is in flight.
const HOLD: Duration = Duration::from_millis(20);

/// Events that were accepted within this time share a record.
const GRAIN: Duration = Duration::from_millis(1);

/// Events accepted at about the same time, up to a number.
#[derive(Debug)]
struct Batch {
    last: u64,
    at: Duration,
}

/// How the queue stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    /// Waiting for a router.
    pub available: u64,
    /// With a router.
    pub in_flight: u64,
}

impl Depth {
    pub(super) fn total(self) -> u64 {
        self.available + self.in_flight
    }
}

/// Times are since the system's start.
#[derive(Debug)]
pub(super) struct Queue {
    /// In thousandths of an event per second.
    rate: u64,
    bound: u64,
    at: Duration,
    accepted: u64,
    done: u128,
    deepest: u64,
    batches: VecDeque<Batch>,
}

impl Queue {
    /// Drains `rate` events per second, and holds `bound` events at most.
    pub(super) fn new(rate: f64, bound: u64) -> Self {
        Self {
            rate: (rate * 1e3).round() as u64,
            bound,
            at: Duration::ZERO,
            accepted: 0,
            done: 0,
            deepest: 0,
            batches: VecDeque::new(),
        }
    }

    /// Routes what is due until `now`, and tells how long each event took since it was accepted.
    pub(super) fn advance(&mut self, now: Duration, faults: &Faults, mut routed: impl FnMut(Duration)) {
        while self.at < now {
            let until = faults.next_change(self.at).map_or(now, |change| change.min(now));
            let rate = (self.rate as f64 * faults.drain(self.at)).round() as u64;
            self.drain(until, rate, &mut routed);
        }
    }

    /// Routes until `until` at a rate that does not change meanwhile.
    fn drain(&mut self, until: Duration, rate: u64, routed: &mut impl FnMut(Duration)) {
        let work = u128::from(rate) * (until - self.at).as_nanos();
        let end = (self.done + work).min(u128::from(self.accepted) * EVENT);
        // Events count from 1: number n is routed when n events' work is done.
        for number in self.routed() + 1..=whole(end) {
            let left = u128::from(number) * EVENT - self.done;
            let nanos = u64::try_from(left.div_ceil(u128::from(rate))).unwrap_or(u64::MAX);
            while self.batches.front().is_some_and(|batch| batch.last < number) {
                self.batches.pop_front();
            }
            if let Some(batch) = self.batches.front() {
                routed((self.at + Duration::from_nanos(nanos)).saturating_sub(batch.at));
            }
        }
        self.done = end;
        self.at = until;
        if self.depth().total() == 0 {
            self.batches.clear();
        }
    }

    /// Takes events in, all or none. The queue must have been advanced to the same instant.
    ///
    /// # Errors
    /// How many events are there, when these would be too many.
    pub(super) fn offer(&mut self, events: u64) -> Result<(), u64> {
        let there = self.depth().total();
        if there + events > self.bound {
            return Err(there);
        }
        self.accepted += events;
        match self.batches.back_mut() {
            Some(batch) if self.at - batch.at < GRAIN => batch.last = self.accepted,
            _ => self.batches.push_back(Batch {
                last: self.accepted,
                at: self.at,
            }),
        }
        self.deepest = self.deepest.max(there + events);
        Ok(())
    }

    pub(super) fn depth(&self) -> Depth {
        let total = self.accepted - self.routed();
        let routers = self.rate as f64 / 1e3 * HOLD.as_secs_f64();
        let in_flight = total.min((routers.ceil() as u64).max(1));
        Depth {
            available: total - in_flight,
            in_flight,
        }
    }

    /// The largest depth so far.
    pub(super) fn deepest(&self) -> u64 {
        self.deepest
    }

    pub(super) fn bound(&self) -> u64 {
        self.bound
    }

    /// Events that have left.
    pub(super) fn routed(&self) -> u64 {
        whole(self.done)
    }
}

fn whole(work: u128) -> u64 {
    u64::try_from(work / EVENT).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::fault::FaultSpec;
    use crate::demo::orchestrator::MENU;
    use proptest::prelude::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn no_faults() -> Faults {
        Faults::default()
    }

    fn times(queue: &mut Queue, now: Duration, faults: &Faults) -> Vec<u64> {
        let mut times = Vec::new();
        queue.advance(now, faults, |took| times.push(took.as_millis() as u64));
        times
    }

    #[test]
    fn the_queue_by_hand() {
        let (mut queue, faults) = (Queue::new(100.0, 1_000), no_faults());
        assert_eq!(queue.offer(5), Ok(()));
        assert_eq!(times(&mut queue, ms(25), &faults), [10, 20]);
        assert_eq!(
            queue.depth(),
            Depth {
                available: 1,
                in_flight: 2
            }
        );
        assert_eq!(queue.offer(1), Ok(()));
        // The half that was done of the third event at 25 ms is not lost.
        assert_eq!(times(&mut queue, ms(30), &faults), [30]);
        assert_eq!(times(&mut queue, ms(1_000), &faults), [40, 50, 35]);
        assert_eq!((queue.depth().total(), queue.routed(), queue.deepest()), (0, 6, 5));
        // Idle time is not saved up.
        assert_eq!(queue.offer(2), Ok(()));
        assert_eq!(times(&mut queue, ms(1_100), &faults), [10, 20]);
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let (mut queue, faults) = (Queue::new(10.0, 100), no_faults());
        assert_eq!(queue.offer(60), Ok(()));
        assert_eq!(queue.offer(41), Err(60));
        assert_eq!(queue.offer(40), Ok(()));
        queue.advance(ms(1_000), &faults, |_| {});
        assert_eq!(queue.offer(11), Err(90));
        assert_eq!(queue.offer(10), Ok(()));
        assert_eq!(queue.deepest(), 100);
    }

    #[test]
    fn it_grows_by_what_comes_above_its_rate() {
        let (mut queue, faults) = (Queue::new(5_000.0, u64::MAX), no_faults());
        // 80 batches of 100 each second: 3,000 a second more than it can route.
        for n in 0..800_u64 {
            queue.advance(Duration::from_micros(n * 12_500), &faults, |_| {});
            queue.offer(100).unwrap();
        }
        queue.advance(Duration::from_secs(10), &faults, |_| {});
        assert_eq!(
            queue.depth(),
            Depth {
                available: 29_900,
                in_flight: 100
            }
        );
        queue.advance(Duration::from_secs(16), &faults, |_| {});
        assert_eq!(queue.depth().total(), 0, "30,000 are 6 s of work");
    }

    #[test]
    fn a_slow_drain_slows_it_down_for_its_time() {
        let faults = Faults::default();
        for flag in ["slow_drain=50%@1s+1s", "slow_drain=0@3s+1s"] {
            faults.add(Duration::ZERO, FaultSpec::from_flag(flag, &MENU).unwrap());
        }
        let mut queue = Queue::new(100.0, 1_000);
        queue.offer(1_000).unwrap();
        // at, routed until then: 100, then 50, then 100, then none, then 100
        for (at, routed) in [(1, 100), (2, 150), (3, 250), (4, 250), (5, 350)] {
            queue.advance(Duration::from_secs(at), &faults, |_| {});
            assert_eq!(queue.routed(), routed, "{at} s");
        }
    }

    proptest! {
        #[test]
        fn looking_more_often_changes_nothing(
            steps in prop::collection::vec((0_u64..200_000_000, 0_u64..50), 1..60), rate in 0.5_f64..20_000.0
        ) {
            let faults = Faults::default();
            faults.add(Duration::ZERO, FaultSpec::from_flag("slow_drain=0.3@1s+2s", &MENU).unwrap());
            let (mut often, mut rarely) = (Queue::new(rate, u64::MAX), Queue::new(rate, u64::MAX));
            let (mut now, mut counted) = (Duration::ZERO, 0);
            let (mut seen, mut seen_rarely) = (Vec::new(), Vec::new());
            for (nanos, events) in steps {
                for part in [nanos / 3, nanos / 2, nanos] {
                    let before = often.routed();
                    often.advance(now + Duration::from_nanos(part), &faults, |took| seen.push(took));
                    prop_assert!(often.routed() >= before, "no count goes back");
                }
                now += Duration::from_nanos(nanos);
                rarely.advance(now, &faults, |took| seen_rarely.push(took));
                often.offer(events).unwrap();
                rarely.offer(events).unwrap();
                counted += events;
                prop_assert_eq!(often.depth(), rarely.depth());
                prop_assert_eq!(often.depth().total() + often.routed(), counted);
            }
            prop_assert_eq!(seen.len(), seen_rarely.len());
            for (a, b) in seen.iter().zip(&seen_rarely) {
                prop_assert!(a.abs_diff(*b) <= Duration::from_nanos(1), "{:?} {:?}", a, b);
            }
        }
    }
}
