//! When iterations ought to start and how many VUs ought to run, as pure arithmetic over offsets from the scenario's
//! start. No clock, no tokio, no virtual users: whoever walks these times lives in `exec`.
//!
//! Every arrival shape is one iterator of [`Arrival`]s with these laws: times never go back, numbers count from 0
//! without gaps over all stripes, intervals are half-open (an arrival at 0 is in, one at the end is out), and the
//! union of the [`Stripe`]s is exactly the unsplit schedule. [`Shape`] is the list of them; a new one is a file beside
//! the others, a variant there, and a table test.

mod bunch;
mod carry;
mod course;
mod curve;
mod edition;
mod even;
mod leg;
mod numbered;
mod poisson;
mod ramp;
mod ramps;
mod rational;
mod replay;
mod shape;
mod stage;
mod steered;
mod stripe;
mod waves;

#[cfg(test)]
mod tests;

pub use course::{Course, Setting, reached};
pub use edition::Edition;
pub use ramp::Ramp;
pub use ramps::Ramps;
pub use replay::Trace;
pub(crate) use shape::lasting;
pub use shape::{Shape, Spacing};
pub use stage::{Stage, Step, Wave};
pub use steered::{Next, Steered};
pub use stripe::Stripe;

use std::time::Duration;

/// One intended start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// 0-based position in the whole schedule, whatever stripe it belongs to.
    pub number: u64,
    /// Offset from the start of the scenario.
    pub at: Duration,
    /// Index of the stage, step or wave that it belongs to by its time; 0 in shapes that have none.
    pub segment: u32,
}

/// `duration` times `factor`, rounded down to whole nanoseconds; the factor is taken as the fraction that people meant.
#[must_use]
pub fn scaled(duration: Duration, factor: f64) -> Duration {
    let (p, q) = rational::fraction(factor);
    let product = u128::from(nanos(duration)).saturating_mul(u128::from(p)) / u128::from(q);
    Duration::from_nanos(u64::try_from(product).unwrap_or(u64::MAX))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
