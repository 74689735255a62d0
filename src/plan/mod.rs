//! What the user asked for, validated: scenarios, executors, thresholds and options as plain data. No behaviour: who
//! runs when is `exec`'s, how it was read from Lua is `script`'s.

pub mod duration;
pub mod expect;
pub mod order;
pub mod overrides;
pub mod probe;
pub mod validate;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::metrics::{Threshold, WARMUP};
use crate::net::HttpConfig;
use crate::schedule::{self, Ramp, Shape, Stage};
use crate::vu::Part;

/// How long `setup` and `teardown` may take when the plan does not say.
pub const DEFAULT_HOOK_TIMEOUT: Duration = Duration::from_mins(1);

/// A validated test plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The scenarios in the order of their names.
    pub scenarios: Vec<Scenario>,
    /// What all requests have in common.
    pub http: HttpPlan,
    /// The named parts of the run, in their order and without gaps; empty when nobody asks for them.
    pub phases: Vec<Phase>,
    /// How often the load is summed up while it goes on, in whole seconds; `None` when nobody asks for it.
    pub checkpoints: Option<Duration>,
    /// What comes after this only ends what was measured, from the start of the run; `None` when that is its own end.
    pub measured_until: Option<Duration>,
    /// The conditions that the run has to meet.
    pub thresholds: Vec<Threshold>,
    /// The names of the functions that look each second whether something still holds, sorted.
    pub invariants: Vec<String>,
    /// How requests are traced; `None` when they are not. Set by [`Plan::trace`], for the network is to know it too.
    pub traces: Option<Traces>,
    /// Test-wide tags, on every sample.
    pub tags: BTreeMap<String, String>,
    /// How long `setup` may take.
    pub setup_timeout: Duration,
    /// How long `teardown` may take.
    pub teardown_timeout: Duration,
    /// What an uncaught script error means for the run.
    pub on_script_error: OnScriptError,
    /// Limits on one script.
    pub limits: Limits,
}

/// Trace ids on requests, for those who look at traces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Traces {
    /// Which share of the traces is kept, 0 to 1.
    pub sampling: f64,
    /// Where a trace is looked up; `{trace_id}` in it stands for its id.
    pub url: Option<String>,
}

/// The share of traces that is kept when the plan does not say.
pub const DEFAULT_SAMPLING: f64 = 0.01;

/// A named part of the run, over all scenarios.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// Unique in the plan.
    pub name: String,
    /// Offset of its start from the start of the run.
    pub start: Duration,
    /// Offset of its end; half-open, so that nothing is in two.
    pub end: Duration,
}

impl Plan {
    /// A plan of scenarios with the defaults for everything else.
    #[must_use]
    pub fn of(scenarios: Vec<Scenario>) -> Self {
        Self {
            scenarios,
            http: HttpPlan::default(),
            phases: Vec::new(),
            checkpoints: None,
            measured_until: None,
            thresholds: Vec::new(),
            invariants: Vec::new(),
            traces: None,
            tags: BTreeMap::new(),
            setup_timeout: DEFAULT_HOOK_TIMEOUT,
            teardown_timeout: DEFAULT_HOOK_TIMEOUT,
            on_script_error: OnScriptError::Fail,
            limits: Limits::default(),
        }
    }

    /// Has requests traced, or not.
    pub fn trace(&mut self, traces: Option<Traces>) {
        self.http.config.trace_sampling = traces.as_ref().map(|traces| traces.sampling);
        self.traces = traces;
    }

    /// The phase that an iteration belongs to which is due that long after the start of the run, as an index.
    #[must_use]
    pub fn phase_at(&self, due: Duration) -> Option<usize> {
        self.phases
            .iter()
            .position(|phase| (phase.start..phase.end).contains(&due))
    }

    /// What an iteration of `scenario` (an index) belongs to that is due `into_run` after the start of the run and
    /// `into_scenario` after that of its scenario.
    #[must_use]
    pub fn part(&self, scenario: usize, segment: u32, into_run: Duration, into_scenario: Duration) -> Part {
        let scenario = self.scenarios.get(scenario);
        Part {
            segment,
            phase: self.phase_at(into_run),
            warmup: scenario.is_some_and(|scenario| scenario.is_warmup(into_scenario)),
            revision: 0,
        }
    }

    /// The tags by which parts are told from each other, as far as they apply: `stage`, `phase`, `warmup`, `revision`.
    #[must_use]
    pub fn tags_of<'a>(&'a self, part: Part, stage: Option<&'a str>, revision: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut tags = Vec::with_capacity(4);
        tags.extend(stage.map(|stage| ("stage", stage)));
        let phase = part.phase.and_then(|index| self.phases.get(index));
        tags.extend(phase.map(|phase| ("phase", phase.name.as_str())));
        tags.extend(part.warmup.then_some((WARMUP, "true")));
        tags.extend((part.revision > 0).then_some(("revision", revision)));
        tags
    }

    /// Compresses the phases by `factor`; the scenarios are compressed by [`scale`].
    pub fn scale_phases(&mut self, factor: f64) {
        for phase in &mut self.phases {
            phase.start = schedule::scaled(phase.start, factor);
            phase.end = schedule::scaled(phase.end, factor);
        }
    }

    /// What no results are from: the time before the first scenario without a warm-up, or with one that is over.
    #[must_use]
    pub fn measured_from(&self) -> Duration {
        // A scenario that begins after another begins at a time that only the run knows.
        let has_warmup = |scenario: &Scenario| !scenario.warmup.is_zero() || scenario.start_after.is_some();
        if !self.scenarios.iter().all(has_warmup) {
            return Duration::ZERO;
        }
        let ends = self
            .scenarios
            .iter()
            .filter(|scenario| scenario.start_after.is_none())
            .map(|scenario| scenario.start_time + scenario.warmup);
        ends.min().unwrap_or_default()
    }
}

/// What all requests have in common.
#[derive(Debug, Clone, Default)]
pub struct HttpPlan {
    /// Relative URLs are resolved against it.
    pub base_url: Option<url::Url>,
    /// How connections are made and used.
    pub config: HttpConfig,
}

/// One workload: a journey and when it runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// Its key in the plan.
    pub name: String,
    /// Who runs when.
    pub executor: Executor,
    /// Offset of its start from the start of the run, or from the end of [`Scenario::start_after`].
    pub start_time: Duration,
    /// The scenario that has to end first, its graceful stop included.
    pub start_after: Option<String>,
    /// How long iterations in flight may go on after the end.
    pub graceful_stop: Duration,
    /// Iterations that are due this long after the scenario's start are run and left out of the results.
    pub warmup: Duration,
    /// Tags on all samples of the scenario, besides `scenario` itself.
    pub tags: BTreeMap<String, String>,
    /// Values that `kt.env` finds in this scenario, unless `-e` sets them.
    pub env: BTreeMap<String, String>,
}

impl Scenario {
    /// A scenario with the defaults for everything else.
    #[must_use]
    pub fn of(name: &str, executor: Executor) -> Self {
        Self {
            name: name.to_owned(),
            executor,
            start_time: Duration::ZERO,
            start_after: None,
            graceful_stop: overrides::DEFAULT_GRACEFUL,
            warmup: Duration::ZERO,
            tags: BTreeMap::new(),
            env: BTreeMap::new(),
        }
    }

    /// Whether an iteration only warms up which is due that long after the scenario's start.
    #[must_use]
    pub fn is_warmup(&self, due: Duration) -> bool {
        due < self.warmup
    }
}

/// The scheduling policy of a scenario, with k6's names.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Executor {
    /// `vus` VUs share a fixed number of iterations.
    SharedIterations {
        /// Number of VUs.
        vus: u64,
        /// Iterations in all.
        iterations: u64,
        /// What has not started by then is dropped.
        max_duration: Duration,
    },
    /// Each of `vus` VUs runs `iterations` iterations.
    PerVuIterations {
        /// Number of VUs.
        vus: u64,
        /// Iterations for each VU.
        iterations: u64,
        /// What has not started by then is dropped.
        max_duration: Duration,
    },
    /// `vus` VUs loop for `duration`.
    ConstantVus {
        /// Number of VUs.
        vus: u64,
        /// How long.
        duration: Duration,
    },
    /// VUs loop for `duration`; how many is said through live control.
    ExternallyControlled {
        /// Number of VUs at the start; may be 0.
        vus: u64,
        /// The most that can be asked for.
        max_vus: u64,
        /// How long.
        duration: Duration,
    },
    /// The number of VUs goes in straight lines from target to target; each loops while it is wanted.
    RampingVus {
        /// VUs at the beginning.
        start_vus: u64,
        /// The lines.
        stages: Vec<Stage<u64>>,
        /// How long the iteration of a VU that is no longer wanted may go on.
        graceful_ramp_down: Duration,
    },
    /// Iterations start when a shape says so, whatever the system does. Called by the shape's name.
    #[serde(untagged)]
    Open {
        /// When.
        #[serde(flatten)]
        shape: Shape,
        /// VUs made before the start.
        pre_allocated_vus: u64,
        /// The hard cap on VUs.
        max_vus: u64,
        /// What happens to an arrival when all `max_vus` are busy.
        on_saturation: OnSaturation,
    },
}

impl Executor {
    /// The executor's name in plans and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::SharedIterations { .. } => "shared-iterations",
            Self::PerVuIterations { .. } => "per-vu-iterations",
            Self::ConstantVus { .. } => "constant-vus",
            Self::ExternallyControlled { .. } => "externally-controlled",
            Self::RampingVus { .. } => "ramping-vus",
            Self::Open { shape, .. } => shape.name(),
        }
    }

    /// Whether arrivals are independent of completions.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// The time from the scenario's start to its planned end, without graceful stop.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match self {
            Self::SharedIterations { max_duration, .. } | Self::PerVuIterations { max_duration, .. } => *max_duration,
            Self::ConstantVus { duration, .. } | Self::ExternallyControlled { duration, .. } => *duration,
            Self::RampingVus { stages, .. } => Ramp::new(0, stages).duration(),
            Self::Open { shape, .. } => shape.duration(),
        }
    }

    /// The VUs that are made before the start, and the most there may be.
    #[must_use]
    pub fn vus(&self) -> (u64, u64) {
        match self {
            Self::SharedIterations { vus, .. } | Self::PerVuIterations { vus, .. } | Self::ConstantVus { vus, .. } => {
                (*vus, *vus)
            }
            Self::ExternallyControlled { vus, max_vus, .. } => ((*vus).min(*max_vus), *max_vus),
            Self::RampingVus { start_vus, stages, .. } => {
                let peak = Ramp::new(*start_vus, stages).peak();
                (peak, peak)
            }
            Self::Open {
                pre_allocated_vus,
                max_vus,
                ..
            } => ((*pre_allocated_vus).min(*max_vus), *max_vus),
        }
    }

    /// The `stage` tag of each of its segments: the name of the stage, step or wave, else its index from 0. Empty for
    /// executors that have none.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        let names: Vec<Option<&str>> = match self {
            Self::RampingVus { stages, .. } => stages.iter().map(|stage| stage.name.as_deref()).collect(),
            Self::Open { shape, .. } => shape.segments(),
            _ => Vec::new(),
        };
        let label = |(index, name): (usize, Option<&str>)| name.map_or_else(|| index.to_string(), str::to_owned);
        names.into_iter().enumerate().map(label).collect()
    }

    /// How long each of its segments lasts; nothing is known of waves, which are moments.
    #[must_use]
    pub fn segment_lengths(&self) -> Vec<Option<Duration>> {
        match self {
            Self::RampingVus { stages, .. } => stages.iter().map(|stage| Some(stage.duration)).collect(),
            Self::Open { shape, .. } => shape.segment_lengths(),
            _ => Vec::new(),
        }
    }

    /// The name of the segment that lasts at a time from the scenario's start, if there is one then.
    #[must_use]
    pub fn segment_at(&self, at: Duration) -> Option<String> {
        let index = match self {
            Self::RampingVus { stages, .. } => schedule::lasting(stages.iter().map(|stage| stage.duration), at),
            Self::Open { shape, .. } => shape.segment_at(at),
            _ => None,
        };
        self.segments().into_iter().nth(index?)
    }

    fn scale(&mut self, factor: f64) {
        match self {
            // The limit of work that does not shrink.
            Self::SharedIterations { .. } | Self::PerVuIterations { .. } => {}
            Self::ConstantVus { duration, .. } | Self::ExternallyControlled { duration, .. } => {
                *duration = schedule::scaled(*duration, factor)
            }
            Self::RampingVus { stages, .. } => {
                for stage in stages {
                    stage.duration = schedule::scaled(stage.duration, factor);
                }
            }
            Self::Open { shape, .. } => shape.scale(factor),
        }
    }
}

/// Stretches the schedules of a plan by `factor` (0.1: ten times as fast): durations, stages, waves, traces, start times
/// and warm-ups. Rates, sleeps, timeouts, graceful stops and `max_duration` stay what they are.
pub fn scale(scenarios: &mut [Scenario], factor: f64) {
    for scenario in scenarios {
        scenario.executor.scale(factor);
        scenario.start_time = schedule::scaled(scenario.start_time, factor);
        scenario.warmup = schedule::scaled(scenario.warmup, factor);
    }
}

/// What happens to a due iteration when no VU is free and the cap is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnSaturation {
    /// It waits, starts as soon as a VU is free, and is measured from its intended start.
    Queue,
    /// It is dropped and counted (k6's way).
    Drop,
    /// The run is aborted.
    Abort,
}

impl OnSaturation {
    /// As the plan spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Drop => "drop",
            Self::Abort => "abort",
        }
    }
}

/// What an uncaught script error means for the run; the iteration fails in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnScriptError {
    /// The run goes on, and its verdict is fail.
    Fail,
    /// The run goes on; the errors are counted only.
    Count,
    /// The run stops at the first.
    Abort,
}

/// Limits on scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// CPU time that a script may use without yielding.
    pub cpu: Duration,
    /// Memory of one VM (one core thread), in bytes.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(2),
            memory: 4 << 30,
        }
    }
}
