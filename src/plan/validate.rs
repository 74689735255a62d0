//! What the numbers of a scenario have to be together, those from the command line included.

use super::{Executor, Scenario};
use crate::schedule::Shape;

/// Rates above this are a slip of the keyboard: no machine starts so many iterations in a second.
const MAX_RATE: f64 = 10_000_000.0;
/// The same for starts at one instant.
const MAX_AT_ONCE: u64 = 10_000_000;
/// One machine holds no more.
const MAX_VUS: u64 = 1_000_000;

/// An option of a scenario, as the plan spells it, and what is wrong with it.
pub type Wrong = (&'static str, String);

/// Refuses a scenario that cannot be meant.
///
/// # Errors
/// The first option that is wrong.
pub fn scenario(scenario: &Scenario) -> Result<(), Wrong> {
    let duration = scenario.executor.duration();
    match &scenario.executor {
        Executor::Open {
            shape,
            pre_allocated_vus,
            max_vus,
            ..
        } => {
            rates(shape)?;
            if pre_allocated_vus > max_vus {
                let what = format!("is {pre_allocated_vus}, more than `max_vus` ({max_vus})");
                return Err(("pre_allocated_vus", what));
            }
            vus("max_vus", *max_vus)?;
        }
        Executor::RampingVus { .. } => {
            vus("stages", scenario.executor.vus().1)?;
            if duration.is_zero() {
                return Err(("stages", "take no time; at least one needs a duration".into()));
            }
        }
        Executor::ConstantVus { vus: count, .. } => {
            vus("vus", *count)?;
            if duration.is_zero() {
                return Err(("duration", "must be longer than zero".into()));
            }
        }
        Executor::ExternallyControlled {
            vus: count, max_vus, ..
        } => {
            vus("max_vus", *max_vus)?;
            if count > max_vus {
                return Err(("vus", format!("is {count}, more than `max_vus` ({max_vus})")));
            }
            if duration.is_zero() {
                return Err(("duration", "must be longer than zero".into()));
            }
        }
        Executor::SharedIterations { vus: count, .. } | Executor::PerVuIterations { vus: count, .. } => {
            vus("vus", *count)?;
            if duration.is_zero() {
                return Err(("max_duration", "must be longer than zero".into()));
            }
        }
    }
    if !scenario.warmup.is_zero() && scenario.warmup >= duration {
        return Err((
            "warmup",
            "takes all of the scenario's time and leaves nothing to measure".into(),
        ));
    }
    Ok(())
}

fn vus(key: &'static str, count: u64) -> Result<(), Wrong> {
    match count {
        0 if key == "vus" => Err((key, "must be a whole number of at least 1, got 0".into())),
        0 => Err((key, "must reach at least 1 VU".into())),
        1..=MAX_VUS => Ok(()),
        _ => Err((key, format!("is {count}; one machine holds at most {MAX_VUS}"))),
    }
}

fn rates(shape: &Shape) -> Result<(), Wrong> {
    let (key, lasting) = match shape {
        Shape::ConstantArrivalRate { rate, .. } => {
            if !rate.is_finite() || *rate <= 0.0 {
                return Err(("rate", format!("must be above zero, got {rate}")));
            }
            ("rate", "duration")
        }
        Shape::RampingArrivalRate { start_rate, stages, .. } => {
            each("start_rate", [*start_rate])?;
            each("stages", stages.iter().map(|stage| stage.target))?;
            ("stages", "stages")
        }
        Shape::Steps { steps, .. } => {
            each("steps", steps.iter().map(|step| step.rate))?;
            ("steps", "steps")
        }
        Shape::Waves { .. } => return at_once("waves", shape),
        Shape::Burst { .. } => return at_once("count", shape),
        Shape::Replay { speed, .. } => {
            return if speed.is_finite() && *speed >= 1e-6 && *speed <= 1e6 {
                Ok(())
            } else {
                let range = "must be a number from 0.000001 to 1000000 (2 is twice as fast)";
                Err(("speed", format!("{range}, got {speed}")))
            };
        }
    };
    if shape.duration().is_zero() {
        return Err((lasting, "must be longer than zero".into()));
    }
    let peak = shape.peak_rate().unwrap_or(0.0);
    if peak > MAX_RATE {
        return Err((key, format!("is {peak} per second; the limit is {MAX_RATE}")));
    }
    if shape.planned() == 0 {
        return Err((key, "never rise above zero, so that nothing would start".into()));
    }
    Ok(())
}

fn each(key: &'static str, rates: impl IntoIterator<Item = f64>) -> Result<(), Wrong> {
    match rates.into_iter().find(|rate| !rate.is_finite() || *rate < 0.0) {
        Some(rate) => Err((key, format!("must not have rates below zero, got {rate}"))),
        None => Ok(()),
    }
}

fn at_once(key: &'static str, shape: &Shape) -> Result<(), Wrong> {
    match shape.at_once() {
        Some(count) if count > MAX_AT_ONCE => Err((
            key,
            format!("starts {count} at the same instant; the limit is {MAX_AT_ONCE}"),
        )),
        _ => Ok(()),
    }
}
