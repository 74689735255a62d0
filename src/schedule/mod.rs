//! When iterations ought to start, as pure arithmetic over offsets from the scenario's start. No clock, no tokio, no
//! virtual users: whoever walks these times lives in `exec`.
//!
//! Every arrival shape is one iterator of [`Arrival`]s with these laws: times never go back, numbers count from 0
//! without gaps over all stripes, the interval is half-open (an arrival at 0 is in, one at the end is out), and the
//! union of the [`Stripe`]s is exactly the unsplit schedule.

mod constant;
mod stripe;

pub use constant::{ConstantArrivals, constant};
pub use stripe::Stripe;

use std::time::Duration;

/// One intended start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// 0-based position in the whole schedule, whatever stripe it belongs to.
    pub number: u64,
    /// Offset from the start of the scenario.
    pub at: Duration,
}
