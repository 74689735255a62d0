//! The list of arrival shapes: what each is called, how long it lasts, and which iterator walks it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::curve::{Curve, Segment};
use super::leg::{Leg, Walk};
use super::numbered::Numbered as _;
use super::replay::{Replay, Trace};
use super::waves::Waves;
use super::{Arrival, Edition, Stage, Step, Stripe, Wave, scaled};

/// When iterations of an open scenario start.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Shape {
    /// A fixed rate.
    ConstantArrivalRate {
        /// Iterations started for each `time_unit`; may be fractional.
        rate: f64,
        /// The unit of `rate`.
        time_unit: Duration,
        /// How long.
        duration: Duration,
        /// How they are spread.
        arrival: Spacing,
    },
    /// A rate that goes in straight lines from target to target.
    RampingArrivalRate {
        /// Iterations started for each `time_unit` at the beginning.
        start_rate: f64,
        /// The unit of all rates.
        time_unit: Duration,
        /// The lines.
        stages: Vec<Stage<f64>>,
        /// How arrivals are spread.
        arrival: Spacing,
    },
    /// Plateaus without ramps.
    Steps {
        /// The unit of all rates.
        time_unit: Duration,
        /// The plateaus.
        steps: Vec<Step>,
        /// How arrivals are spread.
        arrival: Spacing,
    },
    /// Many at once, several times.
    Waves {
        /// In any order.
        waves: Vec<Wave>,
    },
    /// Many at once, at the start.
    Burst {
        /// How many.
        count: u64,
    },
    /// As a trace says.
    Replay {
        /// Its time stamps.
        trace: Trace,
        /// 2 is twice as fast as it happened.
        speed: f64,
    },
}

/// How the arrivals of a rate are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spacing {
    /// Evenly.
    #[default]
    Constant,
    /// At random: exponential gaps, the rate is their mean.
    Poisson,
    /// All of a time unit at its beginning.
    Burst,
}

impl Spacing {
    /// As plans spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
            Self::Burst => "burst",
        }
    }
}

/// What a shape is made of, for whoever walks it.
pub(super) enum Form {
    Rate {
        time_unit: Duration,
        segments: Vec<Segment>,
        spacing: Spacing,
    },
    Waves(Waves),
    Replay(Replay),
}

/// Which of some times that follow each other has `at` in it.
pub(crate) fn lasting(durations: impl Iterator<Item = Duration>, at: Duration) -> Option<usize> {
    let mut ends = durations.scan(Duration::ZERO, |end, duration| {
        *end += duration;
        Some(*end)
    });
    ends.position(|end| at < end)
}

impl Shape {
    /// The executor's name in plans and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ConstantArrivalRate { .. } => "constant-arrival-rate",
            Self::RampingArrivalRate { .. } => "ramping-arrival-rate",
            Self::Steps { .. } => "steps",
            Self::Waves { .. } => "waves",
            Self::Burst { .. } => "burst",
            Self::Replay { .. } => "replay",
        }
    }

    pub(super) fn form(&self) -> Form {
        let rate = |time_unit: &Duration, spacing: &Spacing, segments| Form::Rate {
            time_unit: *time_unit,
            segments,
            spacing: *spacing,
        };
        match self {
            Self::ConstantArrivalRate {
                rate: value,
                time_unit,
                duration,
                arrival,
            } => rate(time_unit, arrival, vec![(*value, *value, *duration)]),
            Self::RampingArrivalRate {
                start_rate,
                time_unit,
                stages,
                arrival,
            } => {
                let froms = std::iter::once(*start_rate).chain(stages.iter().map(|stage| stage.target));
                let segments = froms.zip(stages).map(|(from, to)| (from, to.target, to.duration));
                rate(time_unit, arrival, segments.collect())
            }
            Self::Steps {
                time_unit,
                steps,
                arrival,
            } => {
                let segments = steps.iter().map(|step| (step.rate, step.rate, step.duration));
                rate(time_unit, arrival, segments.collect())
            }
            Self::Waves { waves } => Form::Waves(Waves::new(waves)),
            Self::Burst { count } => Form::Waves(Waves::one(*count)),
            Self::Replay { trace, speed } => Form::Replay(Replay::new(trace, *speed)),
        }
    }

    /// The arrivals of one stripe. `seed` decides random ones and nothing else.
    pub fn arrivals(&self, seed: u64, stripe: Stripe) -> impl Iterator<Item = Arrival> + use<> {
        let leg = Leg {
            since: Duration::ZERO,
            edition: Arc::new(Edition::plain(self.clone())),
            rate: None,
        };
        Walk::new(vec![leg], seed, stripe)
    }

    /// Whether its rate can be changed on the way. Bunches cannot: theirs are due before the change they would follow.
    #[must_use]
    pub fn has_one_rate(&self) -> bool {
        matches!(
            self,
            Self::ConstantArrivalRate {
                arrival: Spacing::Constant | Spacing::Poisson,
                ..
            }
        )
    }

    /// The same at another rate; `None` without [one rate](Shape::has_one_rate).
    pub(super) fn at_rate(&self, rate: f64) -> Option<Self> {
        let mut shape = self.has_one_rate().then(|| self.clone())?;
        if let Self::ConstantArrivalRate { rate: planned, .. } = &mut shape {
            *planned = rate;
        }
        Some(shape)
    }

    /// How many arrivals there are over all stripes: exactly, or on average where they are random.
    #[must_use]
    pub fn planned(&self) -> u64 {
        match self.form() {
            Form::Waves(waves) => waves.total(),
            Form::Replay(replay) => replay.total(),
            Form::Rate {
                time_unit, segments, ..
            } => Curve::new(time_unit, segments).total(),
        }
    }

    /// Whether the arrivals, and with them their number, are random.
    #[must_use]
    pub fn is_random(&self) -> bool {
        matches!(
            self.form(),
            Form::Rate {
                spacing: Spacing::Poisson,
                ..
            }
        )
    }

    /// From the start to the planned end. Waves and traces end with their last arrival, which is still in.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match self.form() {
            Form::Waves(waves) => waves.last(),
            Form::Replay(replay) => replay.last(),
            Form::Rate { segments, .. } => segments
                .iter()
                .fold(Duration::ZERO, |sum, (_, _, duration)| sum.saturating_add(*duration)),
        }
    }

    /// The highest planned rate, per second; `None` where arrivals have no rate.
    #[must_use]
    pub fn peak_rate(&self) -> Option<f64> {
        let Form::Rate {
            time_unit, segments, ..
        } = self.form()
        else {
            return None;
        };
        let lasting = segments.iter().filter(|(_, _, duration)| !duration.is_zero());
        let peak = lasting.map(|(from, to, _)| from.max(*to)).fold(0.0, f64::max);
        Some(peak / time_unit.as_secs_f64())
    }

    /// The most arrivals that start at the same instant, for shapes that are made of such; `None` for the others.
    #[must_use]
    pub fn at_once(&self) -> Option<u64> {
        match self.form() {
            Form::Waves(waves) => Some(waves.largest()),
            Form::Rate {
                time_unit,
                segments,
                spacing: Spacing::Burst,
            } => {
                let peak = segments
                    .iter()
                    .fold(0.0_f64, |peak, (from, to, _)| peak.max(*from).max(*to));
                Some(Curve::new(time_unit, [(peak, peak, time_unit)]).total())
            }
            Form::Rate { .. } | Form::Replay(_) => None,
        }
    }

    /// The names of its stages, steps or waves in the order of [`Arrival::segment`]; empty for shapes that have none.
    #[must_use]
    pub fn segments(&self) -> Vec<Option<&str>> {
        match self {
            Self::RampingArrivalRate { stages, .. } => stages.iter().map(|stage| stage.name.as_deref()).collect(),
            Self::Steps { steps, .. } => steps.iter().map(|step| step.name.as_deref()).collect(),
            Self::Waves { waves } => waves.iter().map(|wave| wave.name.as_deref()).collect(),
            Self::ConstantArrivalRate { .. } | Self::Burst { .. } | Self::Replay { .. } => Vec::new(),
        }
    }

    /// How long each of [`Shape::segments`] lasts; nothing is known of waves, which are moments.
    #[must_use]
    pub fn segment_lengths(&self) -> Vec<Option<Duration>> {
        match self {
            Self::RampingArrivalRate { stages, .. } => stages.iter().map(|stage| Some(stage.duration)).collect(),
            Self::Steps { steps, .. } => steps.iter().map(|step| Some(step.duration)).collect(),
            Self::Waves { waves } => vec![None; waves.len()],
            Self::ConstantArrivalRate { .. } | Self::Burst { .. } | Self::Replay { .. } => Vec::new(),
        }
    }

    /// Which of [`Shape::segments`] lasts at a time from the start; `None` before the first, after the last, and for
    /// shapes that have none.
    #[must_use]
    pub fn segment_at(&self, at: Duration) -> Option<usize> {
        match self {
            Self::RampingArrivalRate { stages, .. } => lasting(stages.iter().map(|stage| stage.duration), at),
            Self::Steps { steps, .. } => lasting(steps.iter().map(|step| step.duration), at),
            Self::Waves { waves } => {
                let begun = waves.iter().enumerate().filter(|(_, wave)| wave.at <= at);
                begun.max_by_key(|(_, wave)| wave.at).map(|(index, _)| index)
            }
            Self::ConstantArrivalRate { .. } | Self::Burst { .. } | Self::Replay { .. } => None,
        }
    }

    /// Stretches all times by `factor`; rates stay what they are.
    pub fn scale(&mut self, factor: f64) {
        let stretch = |duration: &mut Duration| *duration = scaled(*duration, factor);
        match self {
            Self::ConstantArrivalRate { duration, .. } => stretch(duration),
            Self::RampingArrivalRate { stages, .. } => {
                stages.iter_mut().for_each(|stage| stretch(&mut stage.duration));
            }
            Self::Steps { steps, .. } => steps.iter_mut().for_each(|step| stretch(&mut step.duration)),
            Self::Waves { waves } => waves.iter_mut().for_each(|wave| stretch(&mut wave.at)),
            Self::Burst { .. } => {}
            Self::Replay { speed, .. } => *speed /= factor,
        }
    }
}
