//! The executors as scripts write them: one row for each. What their numbers have to be together is `validate`'s.

use std::time::Duration;

use super::super::fields::{FieldError, Fields};
use super::super::revision::Revision;
use super::{pieces, trace};
use crate::plan::overrides::{DEFAULT_GRACEFUL, DEFAULT_MAX_DURATION, DEFAULT_MAX_VUS, default_pre_allocated};
use crate::plan::{Executor, OnSaturation};
use crate::schedule::{Shape, Spacing};

/// An executor's name, its own options, and how they are read.
pub(super) struct Kind {
    pub(super) name: &'static str,
    keys: &'static [&'static str],
    form: Form,
}

enum Form {
    Closed(fn(&Fields) -> Result<Executor, FieldError>),
    /// Takes [`OPEN_KEYS`] besides.
    Open(fn(&Fields, &Revision) -> Result<Shape, FieldError>),
}

const OPEN_KEYS: [&str; 3] = ["pre_allocated_vus", "max_vus", "on_saturation"];

pub(super) static EXECUTORS: [Kind; 11] = [
    Kind {
        name: "shared-iterations",
        keys: &["vus", "iterations", "max_duration"],
        form: Form::Closed(shared_iterations),
    },
    Kind {
        name: "per-vu-iterations",
        keys: &["vus", "iterations", "max_duration"],
        form: Form::Closed(per_vu_iterations),
    },
    Kind {
        name: "constant-vus",
        keys: &["vus", "duration"],
        form: Form::Closed(constant_vus),
    },
    Kind {
        name: "externally-controlled",
        keys: &["vus", "max_vus", "duration"],
        form: Form::Closed(externally_controlled),
    },
    Kind {
        name: "ramping-vus",
        keys: &["start_vus", "stages", "graceful_ramp_down"],
        form: Form::Closed(ramping_vus),
    },
    Kind {
        name: "constant-arrival-rate",
        keys: &["rate", "time_unit", "duration", "arrival"],
        form: Form::Open(constant_arrival_rate),
    },
    Kind {
        name: "ramping-arrival-rate",
        keys: &["start_rate", "time_unit", "stages", "arrival"],
        form: Form::Open(ramping_arrival_rate),
    },
    Kind {
        name: "steps",
        keys: &["time_unit", "steps", "arrival"],
        form: Form::Open(steps),
    },
    Kind {
        name: "waves",
        keys: &["waves"],
        form: Form::Open(waves),
    },
    Kind {
        name: "burst",
        keys: &["count"],
        form: Form::Open(burst),
    },
    Kind {
        name: "replay",
        keys: &["trace", "at", "speed"],
        form: Form::Open(replay),
    },
];

impl Kind {
    /// The options that it has besides those of every scenario.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        let open: &[&str] = match self.form {
            Form::Closed(_) => &[],
            Form::Open(_) => &OPEN_KEYS,
        };
        self.keys.iter().chain(open).copied()
    }

    pub(super) fn read(&self, fields: &Fields, revision: &Revision) -> Result<Executor, FieldError> {
        match self.form {
            Form::Closed(read) => read(fields),
            Form::Open(read) => {
                let shape = read(fields, revision)?;
                let max_vus = fields.count("max_vus", 1)?;
                let pre_allocated = fields.count("pre_allocated_vus", 0)?;
                let cap = max_vus.unwrap_or_else(|| DEFAULT_MAX_VUS.max(pre_allocated.unwrap_or(0)));
                Ok(Executor::Open {
                    pre_allocated_vus: pre_allocated.unwrap_or_else(|| default_pre_allocated(&shape, cap)),
                    shape,
                    max_vus: cap,
                    on_saturation: match fields.choice("on_saturation", &["queue", "drop", "abort"])? {
                        Some("drop") => OnSaturation::Drop,
                        Some("abort") => OnSaturation::Abort,
                        _ => OnSaturation::Queue,
                    },
                })
            }
        }
    }
}

/// An option that has to be there.
fn required<T>(fields: &Fields, key: &str, value: Option<T>) -> Result<T, FieldError> {
    value.ok_or_else(|| {
        let executor = fields.string("executor").ok().flatten().unwrap_or_default();
        fields.error(key, &format!("is missing; {executor} needs it"))
    })
}

fn vus(fields: &Fields) -> Result<u64, FieldError> {
    Ok(fields.count("vus", 1)?.unwrap_or(1))
}

fn shared_iterations(fields: &Fields) -> Result<Executor, FieldError> {
    Ok(Executor::SharedIterations {
        vus: vus(fields)?,
        iterations: fields.count("iterations", 1)?.unwrap_or(1),
        max_duration: fields.duration("max_duration")?.unwrap_or(DEFAULT_MAX_DURATION),
    })
}

fn per_vu_iterations(fields: &Fields) -> Result<Executor, FieldError> {
    Ok(Executor::PerVuIterations {
        vus: vus(fields)?,
        iterations: fields.count("iterations", 1)?.unwrap_or(1),
        max_duration: fields.duration("max_duration")?.unwrap_or(DEFAULT_MAX_DURATION),
    })
}

fn constant_vus(fields: &Fields) -> Result<Executor, FieldError> {
    Ok(Executor::ConstantVus {
        vus: vus(fields)?,
        duration: required(fields, "duration", fields.duration("duration")?)?,
    })
}

fn externally_controlled(fields: &Fields) -> Result<Executor, FieldError> {
    let vus = fields.count("vus", 0)?.unwrap_or(1);
    Ok(Executor::ExternallyControlled {
        vus,
        max_vus: fields.count("max_vus", 1)?.unwrap_or_else(|| vus.max(1)),
        duration: required(fields, "duration", fields.duration("duration")?)?,
    })
}

fn ramping_vus(fields: &Fields) -> Result<Executor, FieldError> {
    Ok(Executor::RampingVus {
        start_vus: fields.count("start_vus", 0)?.unwrap_or(1),
        stages: pieces::stages_of_vus(fields)?,
        graceful_ramp_down: fields.duration("graceful_ramp_down")?.unwrap_or(DEFAULT_GRACEFUL),
    })
}

fn constant_arrival_rate(fields: &Fields, _revision: &Revision) -> Result<Shape, FieldError> {
    Ok(Shape::ConstantArrivalRate {
        rate: required(fields, "rate", fields.number("rate")?)?,
        time_unit: time_unit(fields)?,
        duration: required(fields, "duration", fields.duration("duration")?)?,
        arrival: arrival(fields)?,
    })
}

fn ramping_arrival_rate(fields: &Fields, _revision: &Revision) -> Result<Shape, FieldError> {
    Ok(Shape::RampingArrivalRate {
        start_rate: fields.number("start_rate")?.unwrap_or(0.0),
        time_unit: time_unit(fields)?,
        stages: pieces::stages_of_rates(fields)?,
        arrival: arrival(fields)?,
    })
}

fn steps(fields: &Fields, _revision: &Revision) -> Result<Shape, FieldError> {
    Ok(Shape::Steps {
        time_unit: time_unit(fields)?,
        steps: pieces::steps(fields)?,
        arrival: arrival(fields)?,
    })
}

fn waves(fields: &Fields, _revision: &Revision) -> Result<Shape, FieldError> {
    Ok(Shape::Waves {
        waves: pieces::waves(fields)?,
    })
}

fn burst(fields: &Fields, _revision: &Revision) -> Result<Shape, FieldError> {
    Ok(Shape::Burst {
        count: required(fields, "count", fields.count("count", 1)?)?,
    })
}

fn replay(fields: &Fields, revision: &Revision) -> Result<Shape, FieldError> {
    Ok(Shape::Replay {
        trace: trace::read(fields, revision)?,
        speed: fields.number("speed")?.unwrap_or(1.0),
    })
}

fn time_unit(fields: &Fields) -> Result<Duration, FieldError> {
    let unit = fields.duration("time_unit")?.unwrap_or(Duration::from_secs(1));
    if unit.is_zero() {
        return Err(fields.error("time_unit", "must be longer than zero"));
    }
    Ok(unit)
}

fn arrival(fields: &Fields) -> Result<Spacing, FieldError> {
    Ok(match fields.choice("arrival", &["constant", "poisson", "burst"])? {
        Some("poisson") => Spacing::Poisson,
        Some("burst") => Spacing::Burst,
        _ => Spacing::Constant,
    })
}
