//! The faults that are set, and what they add up to at a moment. How they are written is in `spec`.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::{FaultSpec, Knob};
use crate::demo::shop::BreakerMode;

/// What the first answers of a cold shop take longer; the first team saw 700 ms at most.
const COLD: Duration = Duration::from_millis(700);

#[derive(Debug)]
struct SetFault {
    id: u64,
    spec: FaultSpec,
    /// Both since the system's start.
    start: Duration,
    end: Option<Duration>,
}

impl SetFault {
    fn active(&self, now: Duration) -> bool {
        self.start <= now && self.end.is_none_or(|end| now < end)
    }
}

/// What the active faults do to one request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::demo) struct Effects {
    pub latency: Duration,
    pub errors: f64,
    pub reset: f64,
}

/// What the active faults do to one new order.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::demo) struct SagaEffects {
    pub stuck: f64,
    pub breaker: BreakerMode,
    pub stock: Option<StockLimit>,
}

/// What the active faults do to the challenge system; none where nothing is set.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::demo) struct ChallengeEffects {
    pub handler: Option<Duration>,
    pub api_capacity: Option<f64>,
    pub event_capacity: Option<f64>,
    pub reward_delay: Option<Duration>,
    pub reward_errors: f64,
}

/// A `stock` fault: of each product only `units` can be reserved while fault `id` is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) struct StockLimit {
    pub id: u64,
    pub units: u64,
}

/// The set faults. Reads are one uncontended lock; there are a handful of faults at most.
#[derive(Debug, Default)]
pub(in crate::demo) struct Faults {
    set: RwLock<(u64, Vec<SetFault>)>,
}

impl Faults {
    /// Sets a fault whose window counts from `now`; returns it as listed.
    pub(in crate::demo) fn add(&self, now: Duration, spec: FaultSpec) -> Value {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        set.0 += 1;
        let fault = SetFault {
            id: set.0,
            start: now + spec.start,
            end: spec.end.map(|end| now + end),
            spec,
        };
        let listed = listed(&fault, now);
        set.1.push(fault);
        listed
    }

    pub(in crate::demo) fn clear(&self) {
        self.set.write().unwrap_or_else(PoisonError::into_inner).1.clear();
    }

    pub(in crate::demo) fn list(&self, now: Duration) -> Value {
        self.read(|faults| faults.iter().map(|fault| listed(fault, now)).collect())
    }

    pub(in crate::demo) fn active(&self, now: Duration) -> usize {
        self.read(|faults| faults.iter().filter(|fault| fault.active(now)).count())
    }

    /// Latencies add up; of several shares the largest counts.
    pub(in crate::demo) fn on_request(&self, now: Duration, operation: &str) -> Effects {
        self.fold(now, Effects::default(), |effects, fault| {
            if fault.spec.operation.is_some_and(|only| only != operation) {
                return;
            }
            match fault.spec.knob {
                Knob::Latency(added) => effects.latency += added,
                Knob::ColdStart => effects.latency += cold(fault, now),
                Knob::Errors(share) => effects.errors = effects.errors.max(share),
                Knob::Reset(share) => effects.reset = effects.reset.max(share),
                _ => {}
            }
        })
    }

    /// Of several breakers or stocks the newest counts.
    pub(in crate::demo) fn on_saga(&self, now: Duration) -> SagaEffects {
        self.fold(now, SagaEffects::default(), |effects, fault| match fault.spec.knob {
            Knob::Stuck(share) => effects.stuck = effects.stuck.max(share),
            Knob::Breaker(mode) => effects.breaker = mode,
            Knob::Stock(units) => effects.stock = Some(StockLimit { id: fault.id, units }),
            _ => {}
        })
    }

    /// Of several of a kind the newest counts, of shares the largest.
    pub(in crate::demo) fn on_challenge(&self, now: Duration) -> ChallengeEffects {
        self.fold(now, ChallengeEffects::default(), |effects, fault| {
            match fault.spec.knob {
                Knob::Handler(time) => effects.handler = Some(time),
                Knob::ApiCapacity(rate) => effects.api_capacity = Some(rate),
                Knob::EventCapacity(rate) => effects.event_capacity = Some(rate),
                Knob::RewardDelay(time) => effects.reward_delay = Some(time),
                Knob::RewardErrors(share) => effects.reward_errors = effects.reward_errors.max(share),
                _ => {}
            }
        })
    }

    /// The share of its rate at which the queue drains; of several the smallest counts.
    pub(in crate::demo) fn drain(&self, now: Duration) -> f64 {
        self.fold(now, 1.0, |share: &mut f64, fault| {
            if let Knob::SlowDrain(left) = fault.spec.knob {
                *share = share.min(left);
            }
        })
    }

    /// The share of valid events that fails.
    pub(in crate::demo) fn failed_events(&self, now: Duration) -> f64 {
        self.fold(now, 0.0, |share: &mut f64, fault| {
            if let Knob::FailedEvents(more) = fault.spec.knob {
                *share = share.max(more);
            }
        })
    }

    /// The first instant after `now` at which a fault begins or ends.
    pub(in crate::demo) fn next_change(&self, now: Duration) -> Option<Duration> {
        self.read(|faults| {
            let edges = faults.iter().flat_map(|fault| [Some(fault.start), fault.end]);
            edges.flatten().filter(|edge| *edge > now).min()
        })
    }

    /// When the stall that holds requests at `now` ends.
    pub(in crate::demo) fn stalled_until(&self, now: Duration) -> Option<Duration> {
        self.fold(now, None, |until, fault| {
            if fault.spec.knob == Knob::Stall {
                *until = (*until).max(fault.end);
            }
        })
    }

    pub(in crate::demo) fn down(&self, now: Duration, part: &str) -> bool {
        self.fold(now, false, |down, fault| {
            *down |= matches!(fault.spec.knob, Knob::Down(which) if which.is_none_or(|which| which == part));
        })
    }

    fn fold<T>(&self, now: Duration, mut total: T, mut step: impl FnMut(&mut T, &SetFault)) -> T {
        self.read(|faults| {
            faults
                .iter()
                .filter(|fault| fault.active(now))
                .for_each(|fault| step(&mut total, fault))
        });
        total
    }

    fn read<T>(&self, look: impl FnOnce(&[SetFault]) -> T) -> T {
        look(&self.set.read().unwrap_or_else(PoisonError::into_inner).1)
    }
}

fn cold(fault: &SetFault, now: Duration) -> Duration {
    let Some(end) = fault.end else { return COLD };
    let left = end.saturating_sub(now).as_secs_f64() / (end - fault.start).as_secs_f64();
    COLD.mul_f64(left)
}

fn listed(fault: &SetFault, now: Duration) -> Value {
    let seconds = |at: Duration| at.as_secs_f64() - now.as_secs_f64();
    json!({
        "id": fault.id,
        "fault": fault.spec.kind(),
        "value": fault.spec.value(),
        "operation": fault.spec.operation,
        "active": fault.active(now),
        "startsInSeconds": seconds(fault.start).max(0.0),
        "endsInSeconds": fault.end.map(|end| seconds(end).max(0.0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{orchestrator, shop};

    const ORDER: &str = "POST /api/orders";
    const READ: &str = "GET /api/orders/{id}";

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn faults(flags: &[&str]) -> Faults {
        let faults = Faults::default();
        for flag in flags {
            faults.add(Duration::ZERO, FaultSpec::from_flag(flag, &shop::MENU).unwrap());
        }
        faults
    }

    #[test]
    fn windows_are_half_open() {
        let faults = faults(&["latency=100ms@10s+5s"]);
        for (at, active) in [(0, false), (9, false), (10, true), (14, true), (15, false)] {
            assert_eq!(faults.active(secs(at)), usize::from(active), "{at} s");
        }
        faults.add(secs(20), FaultSpec::from_flag("errors=1@1s", &shop::MENU).unwrap());
        assert_eq!(faults.active(secs(20)), 0);
        assert_eq!(faults.active(secs(1_000)), 1, "no end: until it is cleared");
        faults.clear();
        assert_eq!(faults.active(secs(1_000)), 0);
        assert_eq!(faults.list(secs(0)), json!([]));
    }

    #[test]
    fn latencies_add_up_and_the_largest_share_counts() {
        let faults = faults(&[
            "latency=100ms",
            "latency=50ms",
            "errors=5%",
            "errors=20%",
            "errors=10%",
            "reset=1%",
        ]);
        let expected = Effects {
            latency: Duration::from_millis(150),
            errors: 0.2,
            reset: 0.01,
        };
        assert_eq!(faults.on_request(secs(1), READ), expected);
    }

    #[test]
    fn one_operation_can_be_hit_alone() {
        let faults = Faults::default();
        let body = br#"{"fault":"latency","value":"1s","operation":"POST /api/orders"}"#;
        faults.add(secs(0), FaultSpec::from_json(body, &shop::MENU).unwrap());
        assert_eq!(faults.on_request(secs(0), ORDER).latency, secs(1));
        assert_eq!(faults.on_request(secs(0), READ).latency, secs(0));
    }

    #[test]
    fn a_cold_start_warms_up() {
        let faults = faults(&["cold_start=10s"]);
        for (at, extra) in [(0, 700), (5, 350), (9, 70), (10, 0)] {
            let latency = faults.on_request(secs(at), READ).latency;
            assert_eq!(latency.as_millis(), extra, "{at} s");
        }
    }

    #[test]
    fn stalls_end_with_the_last_of_them() {
        let faults = faults(&["stall=5s@10s", "stall=10s@12s"]);
        assert_eq!(faults.stalled_until(secs(9)), None);
        assert_eq!(faults.stalled_until(secs(11)), Some(secs(15)));
        assert_eq!(faults.stalled_until(secs(13)), Some(secs(22)));
        assert_eq!(faults.stalled_until(secs(22)), None);
    }

    #[test]
    fn sagas_and_services() {
        let faults = faults(&[
            "stuck=20%",
            "breaker=trip",
            "breaker=open@5s",
            "stock=3",
            "down=payment@5s",
        ]);
        let early = faults.on_saga(secs(0));
        let stock = Some(StockLimit { id: 4, units: 3 });
        assert_eq!(
            early,
            SagaEffects {
                stuck: 0.2,
                breaker: BreakerMode::Trip,
                stock
            }
        );
        assert_eq!(faults.on_saga(secs(5)).breaker, BreakerMode::Open, "the newest counts");
        assert!(!faults.down(secs(0), "payment"));
        assert!(faults.down(secs(5), "payment") && !faults.down(secs(5), "order"));
    }

    #[test]
    fn the_queue_and_its_events() {
        let faults = Faults::default();
        for flag in ["slow_drain=50%@2s+3s", "slow_drain=0.1@4s+1s", "failed_events=5%"] {
            faults.add(Duration::ZERO, FaultSpec::from_flag(flag, &orchestrator::MENU).unwrap());
        }
        // at, share of the drain rate, when something changes next
        let table = [(0, 1.0, Some(2)), (2, 0.5, Some(4)), (4, 0.1, Some(5)), (5, 1.0, None)];
        for (at, share, next) in table {
            assert_eq!(faults.drain(secs(at)), share, "{at} s");
            assert_eq!(faults.next_change(secs(at)), next.map(secs), "{at} s");
        }
        assert_eq!(faults.failed_events(secs(0)), 0.05);
    }
}
