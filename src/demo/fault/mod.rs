//! Faults: what a built-in system can be told to do wrong, how much, and from when until when. What comes of them is the
//! business of `front` and of each system.
//!
//! | fault | of | value | effect while active |
//! |---|---|---|---|
//! | `latency` | all | duration | added to the service time |
//! | `errors` | all | fraction or `"5%"` | that share answers 500, without effect |
//! | `reset` | all | fraction | that share gets its connection reset instead of an answer |
//! | `stall` | all | duration | no request starts or ends; `value` is how long |
//! | `cold_start` | all | duration | 700 ms more at first, falling to none; `value` is how long |
//! | `down` | all | a part of the system, or `all` | 503, health included |
//! | `stuck` | shop | fraction | that share of new sagas never advances |
//! | `stock` | shop | units | of each product only so many can be reserved |
//! | `breaker` | shop | `off`, `trip` or `open` | see [`BreakerMode`](super::shop::BreakerMode) |
//! | `slow_drain` | orchestrator | fraction | the queue drains at that share of its rate; 0: not at all |
//! | `failed_events` | orchestrator | fraction | that share of the valid events fails all the same |
//! | `handler` | challenge | duration | what an event takes under its user's lock |
//! | `api_capacity`, `event_capacity` | challenge | rate | requests, or events, per second; more wait in a queue |
//! | `reward_delay` | challenge | duration | what a reward takes, in place of 50 to 200 ms |
//! | `reward_errors` | challenge | fraction | that share of the calls for a reward fails |
//!
//! `start` and `end` count from when the fault is posted, or from the system's start for a flag; `duration` may replace
//! `end`. Durations are texts like `"1m30s"` or numbers of seconds. `latency`, `errors` and `reset` may name one
//! `operation`, such as `"POST /api/orders"`.

mod set;
mod spec;
mod value;

pub(super) use set::{Faults, StockLimit};
pub(super) use spec::Knob;
pub use spec::{FaultError, FaultSpec};
pub(super) use value::invalid;

/// What can go wrong with one system.
#[derive(Debug)]
pub(super) struct Menu {
    /// Its faults.
    pub kinds: &'static [&'static str],
    /// What `operation` may name.
    pub operations: &'static [&'static str],
    /// What `down` may name, besides `all`.
    pub parts: &'static [&'static str],
}
