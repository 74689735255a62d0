//! What the user asked for, validated: scenarios, executors, thresholds and options as plain data. No behaviour: who
//! runs when is `exec`'s, how it was read from Lua is `script`'s.

pub mod duration;
pub mod overrides;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::metrics::Threshold;
use crate::net::HttpConfig;

/// A validated test plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The scenarios in the order of their names.
    pub scenarios: Vec<Scenario>,
    /// What all requests have in common.
    pub http: HttpPlan,
    /// The named parts of the run, in their order and without gaps; empty when nobody asks for them.
    pub phases: Vec<Phase>,
    /// The conditions that the run has to meet.
    pub thresholds: Vec<Threshold>,
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
    /// The phase that an iteration belongs to which is due that long after the start of the run, as an index.
    #[must_use]
    pub fn phase_at(&self, due: Duration) -> Option<usize> {
        self.phases
            .iter()
            .position(|phase| (phase.start..phase.end).contains(&due))
    }

    /// What no results are from: the time before the first scenario without a warm-up, or with one that is over.
    #[must_use]
    pub fn measured_from(&self) -> Duration {
        let has_warmup = |scenario: &Scenario| !scenario.warmup.is_zero();
        if !self.scenarios.iter().all(has_warmup) {
            return Duration::ZERO;
        }
        let ends = self
            .scenarios
            .iter()
            .map(|scenario| scenario.start_time + scenario.warmup);
        ends.min().unwrap_or_default()
    }
}

/// What all requests have in common.
#[derive(Debug, Clone, Default)]
pub struct HttpPlan {
    /// Relative URLs are resolved against it.
    pub base_url: Option<url::Url>,
    /// Sent with every request that does not set them itself.
    pub headers: BTreeMap<String, String>,
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
    /// Offset of its start from the start of the run.
    pub start_time: Duration,
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
    /// Iterations start at a fixed rate, whatever the system does.
    ConstantArrivalRate {
        /// Iterations started for each `time_unit`; may be fractional.
        rate: f64,
        /// The unit of `rate`.
        time_unit: Duration,
        /// How long.
        duration: Duration,
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
            Self::ConstantArrivalRate { .. } => "constant-arrival-rate",
        }
    }

    /// Whether arrivals are independent of completions.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::ConstantArrivalRate { .. })
    }

    /// The time from the scenario's start to its planned end, without graceful stop.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match *self {
            Self::SharedIterations { max_duration, .. } | Self::PerVuIterations { max_duration, .. } => max_duration,
            Self::ConstantVus { duration, .. } | Self::ConstantArrivalRate { duration, .. } => duration,
        }
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
