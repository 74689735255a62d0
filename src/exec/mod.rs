//! Who runs when: walks the schedules with a clock, hands iterations to virtual users and accounts for every one of
//! them. Sees neither Lua nor HTTP, and never decides what a number means.
//!
//! Each core runs one [`Core`], which owns a stripe of every scenario; what they have in common is [`Shared`]. Closed
//! executors (`closed`) differ only in where a VU gets its next iteration from, and in when it is wanted at all (`ramping`). Open executors (`open`) share one driver
//! over any iterator of arrivals: a new shape is a new iterator.
//!
//! # Counts
//!
//! `offered = started + dropped` and `started = completed + failed + interrupted`, at the end of every run however it
//! ends. What counts as offered:
//!
//! - arrival rates: every arrival that came due before the scenario ended or was stopped;
//! - `constant-vus`, `ramping-vus`: every iteration that a VU began;
//! - `shared-iterations`, `per-vu-iterations`: all planned ones as soon as the scenario has begun; those that did not start
//!   by `max_duration`, by a stop, or because their VU retired, are dropped;
//! - a scenario that was stopped before its `start_time` offers nothing.
//!
//! # Ends
//!
//! An iteration that ends as [`Retired`](crate::vu::Outcome::Retired) counts as interrupted. A closed VU then ends, the
//! others go on; an open scenario offers nothing more on any stripe (its data is exhausted), drops its backlog and lets
//! what is in flight finish.
//!
//! Iterations in flight at the end of a scenario have `graceful_stop` from the earlier of its planned end and a stop;
//! then they are interrupted. A scenario that starts after another begins when all stripes of the other are through with
//! that, at one instant for all of its own stripes.

mod closed;
mod core;
mod crew;
mod exchange;
mod helm;
mod lane;
mod open;
mod parts;
mod pool;
mod ramping;
mod replan;
mod retinue;
mod shared;
mod signals;
mod terms;
mod timetable;

#[cfg(test)]
mod tests;

pub use self::core::Core;
pub use self::replan::{Change, Replanned, abilities, replan};
pub use self::shared::{Progress, Shared};
pub use self::signals::{Saturated, Signals};
