//! Shapes against tables that were derived by hand, against laws, and against statistics.

mod edited;
mod laws;
mod ramp;
mod random;
mod steered;
mod tables;

use std::time::Duration;

use super::{Arrival, Shape, Spacing, Stage, Step, Stripe, Trace, Wave};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn constant(rate: f64, time_unit: Duration, duration: Duration) -> Shape {
    Shape::ConstantArrivalRate {
        rate,
        time_unit,
        duration,
        arrival: Spacing::Constant,
    }
}

fn stage<T>(duration: Duration, target: T) -> Stage<T> {
    Stage {
        duration,
        target,
        name: None,
    }
}

/// From `start_rate` a second through (seconds, target).
fn ramping(start_rate: f64, stages: &[(u64, f64)]) -> Shape {
    Shape::RampingArrivalRate {
        start_rate,
        time_unit: SECOND,
        stages: stages
            .iter()
            .map(|&(seconds, target)| stage(Duration::from_secs(seconds), target))
            .collect(),
        arrival: Spacing::Constant,
    }
}

fn steps(steps: &[(f64, Duration)]) -> Shape {
    Shape::Steps {
        time_unit: SECOND,
        steps: steps
            .iter()
            .map(|&(rate, duration)| Step {
                rate,
                duration,
                name: None,
            })
            .collect(),
        arrival: Spacing::Constant,
    }
}

fn spaced(mut shape: Shape, spacing: Spacing) -> Shape {
    match &mut shape {
        Shape::ConstantArrivalRate { arrival, .. }
        | Shape::RampingArrivalRate { arrival, .. }
        | Shape::Steps { arrival, .. } => *arrival = spacing,
        other => panic!("{other:?} has no rate"),
    }
    shape
}

fn whole(shape: &Shape) -> Vec<Arrival> {
    shape.arrivals(1, Stripe::WHOLE).collect()
}

fn micros(shape: &Shape) -> Vec<u128> {
    whole(shape).iter().map(|arrival| arrival.at.as_micros()).collect()
}

/// How many arrivals each segment has.
fn by_segment(shape: &Shape) -> Vec<u64> {
    let mut counts = vec![0; shape.segments().len()];
    for arrival in shape.arrivals(1, Stripe::WHOLE) {
        counts[arrival.segment as usize] += 1;
    }
    counts
}
