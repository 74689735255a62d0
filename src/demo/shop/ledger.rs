//! Orders and what becomes of them. When a saga ends is `saga`'s arithmetic; whether it succeeds is decided here, at once.
//!
//! | decided when accepted | status until | then |
//! |---|---|---|
//! | saga done within the pending timeout | done | CONFIRMED |
//! | saga done later than that | the timeout | FAILED; the saga keeps its place in the queue, its work is wasted |
//! | reservation fails | done | CANCELLED |
//! | stuck, or the breaker is open | the timeout | FAILED; it never enters the queue |
//!
//! Without a pending timeout a stuck order stays PENDING for ever and a late one is CONFIRMED late.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::customers;
use super::money::Cents;
use super::saga::{SagaProfile, SagaQueue, Way};
use crate::demo::ids::{self, Kind};

/// Older orders are forgotten, so that a long run does not grow without bound.
const KEPT: usize = 1_000_000;

/// How a saga ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SagaOutcome {
    Confirmed,
    Cancelled,
    Failed,
}

impl SagaOutcome {
    fn status(self) -> &'static str {
        match self {
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

/// What the order's acceptance has decided about its saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Runs,
    ReservationFails,
    Stuck,
}

#[derive(Debug)]
struct Order {
    customer: usize,
    total: Cents,
    /// When and how the saga ends; None: never.
    end: Option<(Duration, SagaOutcome)>,
}

/// A saga that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settled {
    pub outcome: SagaOutcome,
    pub took: Duration,
}

/// All orders. Times are since the shop's start and must not go backwards.
#[derive(Debug)]
pub(super) struct Ledger {
    seed: u64,
    pending_timeout: Option<Duration>,
    queue: SagaQueue,
    orders: VecDeque<Order>,
    forgotten: u64,
    /// End, then start and outcome, of the sagas that `settle` has not reported yet.
    ends: BinaryHeap<Reverse<(Duration, Duration, SagaOutcome)>>,
    pending: usize,
}

impl Ledger {
    /// A pending timeout of zero is none.
    pub(super) fn new(seed: u64, profile: SagaProfile, pending_timeout: Duration) -> Self {
        Self {
            seed,
            pending_timeout: (!pending_timeout.is_zero()).then_some(pending_timeout),
            queue: SagaQueue::new(seed, profile),
            orders: VecDeque::new(),
            forgotten: 0,
            ends: BinaryHeap::new(),
            pending: 0,
        }
    }

    /// The number that the next order will have.
    pub(super) fn next_number(&self) -> u64 {
        self.forgotten + self.orders.len() as u64
    }

    /// Accepts an order and returns its id.
    pub(super) fn accept(&mut self, now: Duration, customer: usize, total: Cents, fate: Fate) -> String {
        let number = self.next_number();
        let expiry = self.pending_timeout.map(|timeout| (now + timeout, SagaOutcome::Failed));
        let end = match fate {
            Fate::Stuck => expiry,
            Fate::Runs => self.finish(now, number, Way::Whole, SagaOutcome::Confirmed, expiry),
            Fate::ReservationFails => self.finish(now, number, Way::ReserveOnly, SagaOutcome::Cancelled, expiry),
        };
        if let Some((at, outcome)) = end {
            self.ends.push(Reverse((at, now, outcome)));
        }
        self.pending += 1;
        self.orders.push_back(Order { customer, total, end });
        if self.orders.len() > KEPT {
            self.orders.pop_front();
            self.forgotten += 1;
        }
        self.id(number)
    }

    fn finish(
        &mut self,
        now: Duration,
        number: u64,
        way: Way,
        outcome: SagaOutcome,
        expiry: Option<(Duration, SagaOutcome)>,
    ) -> Option<(Duration, SagaOutcome)> {
        let done = self.queue.accept(now, number, way);
        match expiry {
            Some((at, _)) if done > at => expiry,
            _ => Some((done, outcome)),
        }
    }

    /// The order as `GET /api/orders/{id}` shows it at `now`; None: unknown, or forgotten.
    pub(super) fn describe(&self, now: Duration, id: &str) -> Option<Value> {
        let number = ids::number(Kind::Order { seed: self.seed }, id)?;
        let index = usize::try_from(number.checked_sub(self.forgotten)?).ok()?;
        let order = self.orders.get(index)?;
        let status = match order.end {
            Some((at, outcome)) if at <= now => outcome.status(),
            _ => "PENDING",
        };
        Some(json!({
            "orderId": id,
            "customerId": customers::id(order.customer),
            "status": status,
            "total": order.total.to_string(),
        }))
    }

    /// The sagas that have ended since the last call.
    pub(super) fn settle(&mut self, now: Duration) -> Vec<Settled> {
        let mut settled = Vec::new();
        while let Some(Reverse((at, accepted, outcome))) = self.ends.peek().copied() {
            if at > now {
                break;
            }
            self.ends.pop();
            self.pending -= 1;
            settled.push(Settled {
                outcome,
                took: at - accepted,
            });
        }
        settled
    }

    /// Sagas in the queue, those whose order has already failed included.
    pub(super) fn queued(&mut self, now: Duration) -> usize {
        self.queue.in_progress(now)
    }

    /// Orders that are PENDING, as of the last [`Self::settle`].
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    fn id(&self, number: u64) -> String {
        ids::id(Kind::Order { seed: self.seed }, number).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Steps of 1 s, one slot of 500 ms, a pending timeout of 2 s.
    fn ledger() -> Ledger {
        let profile = SagaProfile {
            base: ms(1_000),
            capacity: 2.0,
            contention: Duration::ZERO,
            spread: 0.0,
        };
        Ledger::new(9, profile, ms(2_000))
    }

    fn status(ledger: &Ledger, at: u64, id: &str) -> String {
        ledger.describe(ms(at), id).unwrap()["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn the_life_of_orders_by_hand() {
        let mut ledger = ledger();
        let accept = |ledger: &mut Ledger, fate| ledger.accept(ms(0), 3, Cents(1_998), fate);
        let confirmed = accept(&mut ledger, Fate::Runs); // done at 500 + 1,000
        let cancelled = accept(&mut ledger, Fate::ReservationFails); // 1,000 + 333
        let stuck = accept(&mut ledger, Fate::Stuck); // expires at 2,000
        let late = accept(&mut ledger, Fate::Runs); // 1,500 + 1,000 = 2,500: expires at 2,000
        assert_eq!((ledger.pending(), ledger.queued(ms(0))), (4, 3));
        // id, last instant of PENDING, status from the next millisecond on
        let table = [
            (&confirmed, 1_499, "CONFIRMED"),
            (&cancelled, 1_333, "CANCELLED"),
            (&stuck, 1_999, "FAILED"),
            (&late, 1_999, "FAILED"),
        ];
        for (id, last, then) in table {
            assert_eq!(status(&ledger, last, id), "PENDING", "{then}");
            assert_eq!(status(&ledger, last + 1, id), then);
        }
        assert_eq!(ledger.settle(ms(1_600)).len(), 2);
        let rest = ledger.settle(ms(2_000));
        assert_eq!(
            rest,
            [Settled {
                outcome: SagaOutcome::Failed,
                took: ms(2_000)
            }; 2]
        );
        assert_eq!(
            (ledger.pending(), ledger.queued(ms(2_000))),
            (0, 1),
            "the late saga still works, for nothing"
        );
        assert_eq!(ledger.settle(ms(9_000)), []);
        assert_eq!(ledger.describe(ms(0), &confirmed).unwrap()["total"], json!("19.98"));
    }

    #[test]
    fn without_a_pending_timeout_nothing_fails() {
        let profile = SagaProfile {
            base: ms(60_000),
            spread: 0.0,
            ..SagaProfile::default()
        };
        let mut ledger = Ledger::new(9, profile, Duration::ZERO);
        let stuck = ledger.accept(ms(0), 0, Cents(1), Fate::Stuck);
        let slow = ledger.accept(ms(0), 0, Cents(1), Fate::Runs);
        assert_eq!(status(&ledger, 10_000_000, &stuck), "PENDING");
        assert_eq!(status(&ledger, 10_000_000, &slow), "CONFIRMED");
        assert_eq!(ledger.settle(ms(10_000_000)).len(), 1);
        assert_eq!(ledger.pending(), 1, "the stuck one");
    }

    #[test]
    fn unknown_ids_are_unknown() {
        let mut ledger = ledger();
        let id = ledger.accept(ms(0), 0, Cents(1), Fate::Runs);
        let next = ids::id(Kind::Order { seed: 9 }, 1).to_string();
        let other_seed = ids::id(Kind::Order { seed: 10 }, 0).to_string();
        assert!(ledger.describe(ms(0), &id).is_some());
        for unknown in ["", "42", &next, &other_seed] {
            assert_eq!(ledger.describe(ms(0), unknown), None, "{unknown}");
        }
    }
}
