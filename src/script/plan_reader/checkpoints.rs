//! Reads how often a load is summed up while it goes on. What belongs to a checkpoint is decided in `metrics`.

use std::time::Duration;

use super::super::fields::{FieldError, Fields};
use crate::metrics::MOST_CHECKPOINTS;
use crate::plan::duration::format;
use crate::plan::{Scenario, order};
use crate::schedule;

/// The length of a checkpoint in a load of these scenarios, whose schedules are compressed already.
pub(super) fn read(
    plan: &Fields,
    scenarios: &[Scenario],
    time_scale: Option<f64>,
) -> Result<Option<Duration>, FieldError> {
    let Some(every) = plan.duration("checkpoints")? else {
        return Ok(None);
    };
    if every.is_zero() || every.subsec_nanos() > 0 {
        return Err(plan.error("checkpoints", "must be whole seconds, at least 1s"));
    }
    let every = time_scale.map_or(every, |factor| whole_seconds(schedule::scaled(every, factor)));
    let load = order::latest_end(scenarios);
    let count = load.as_nanos().div_ceil(every.as_nanos());
    if count > u128::from(MOST_CHECKPOINTS) {
        let whole = load.as_secs() + u64::from(load.subsec_nanos() > 0);
        let least = Duration::from_secs(whole.div_ceil(MOST_CHECKPOINTS));
        let what = format!(
            "would be {count}, one every {} of a load that may last for {}, and at most {MOST_CHECKPOINTS} are kept; choose at least {}",
            format(every),
            format(load),
            format(least),
        );
        return Err(plan.error("checkpoints", &what));
    }
    Ok(Some(every))
}

/// The nearest number of whole seconds that is not zero: deltas come by the second.
fn whole_seconds(every: Duration) -> Duration {
    let half = Duration::from_millis(500);
    Duration::from_secs(every.saturating_add(half).as_secs().max(1))
}
