//! Arrival times.

use std::hint::black_box;
use std::time::Duration;

use kingtide::schedule::{Shape, Spacing, Stage, Stripe};

use crate::{Case, Repeat, each};

pub const CASES: &[Case] = &[
    Case {
        name: "schedule/constant",
        prepare: || arrivals(constant(Spacing::Constant)),
    },
    Case {
        name: "schedule/poisson",
        prepare: || arrivals(constant(Spacing::Poisson)),
    },
    Case {
        name: "schedule/ramping",
        prepare: || {
            let stage = |target| Stage {
                target,
                duration: Duration::from_secs(1_000_000),
                name: None,
            };
            arrivals(Shape::RampingArrivalRate {
                start_rate: 1_000.0,
                time_unit: Duration::from_secs(1),
                stages: vec![stage(20_000.0), stage(5_000.0)],
                arrival: Spacing::Constant,
            })
        },
    },
];

fn constant(arrival: Spacing) -> Shape {
    Shape::ConstantArrivalRate {
        rate: 10_000.0,
        time_unit: Duration::from_secs(1),
        duration: Duration::from_secs(1_000_000),
        arrival,
    }
}

/// The arrivals of one of two cores.
fn arrivals(shape: Shape) -> Repeat {
    let mut arrivals = shape.arrivals(1, Stripe { index: 0, of: 2 });
    each(move || {
        black_box(arrivals.next().expect("the schedule is long enough"));
    })
}
