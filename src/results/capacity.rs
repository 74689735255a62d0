//! `kingtide.capacity/1`: a search for the highest load that a system holds, as `capacity.json` promises it. Additive
//! changes only. Which load is probed next is the campaign's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::Counts;

use super::summary::{Generator, ThresholdSummary};

/// The value of [`Capacity::schema`].
pub const CAPACITY_SCHEMA: &str = "kingtide.capacity/1";

/// Level by name: iterations for each time unit of an open scenario, virtual users of a closed one.
pub type Levels = BTreeMap<String, f64>;

/// A search, finished or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// [`CAPACITY_SCHEMA`].
    pub schema: String,
    /// What came out, in one sentence; while it goes on, what is known so far.
    pub verdict: String,
    /// Whether there is nothing left to probe.
    pub finished: bool,
    /// The exit code of the process; `null` while the search goes on.
    pub exit_code: Option<u8>,
    /// The script's path as it was given.
    pub script: String,
    /// The seed of every probe.
    pub seed: u64,
    /// Start of the first probe, RFC 3339 in UTC.
    pub started_at: String,
    /// What was asked for; a search that is resumed has to ask for the same.
    pub asked: Asked,
    /// The highest load that was held; `null` when none was.
    pub best: Option<Best>,
    /// Of a grid: all loads that were held and that no other held load exceeds in every level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frontier: Vec<Levels>,
    /// The lowest load that was not held, and why; `null` when none was.
    pub broke: Option<Broke>,
    /// Of a search by bisection: between which loads the system's limit is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bracket: Option<Bracket>,
    /// All probes in their order.
    pub probes: Vec<Probe>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// `levels`, `grid` or `search`.
    pub kind: String,
    /// The names and their levels in the order of the command line; of a search its two ends.
    pub levels: Vec<Axis>,
    /// Of a search: how wide the bracket may be, as a share of its low end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// Thresholds besides those of the script.
    pub stop: Vec<String>,
    /// Warm-up of each probe.
    pub settle_ms: u64,
    /// The measured part of each probe.
    pub measure_ms: u64,
    /// How long iterations in flight had then.
    pub drain_ms: u64,
    /// How long the system was left alone after a load that it did not hold.
    pub rest_ms: u64,
    /// How often a cell that broke was probed again.
    pub confirm: u32,
    /// Whether a generator that cannot be trusted decides nothing.
    pub allow_suspect: bool,
    /// The scenarios that were selected; empty means all.
    pub scenarios: Vec<String>,
    /// Test-wide tags.
    pub tags: BTreeMap<String, String>,
    /// Whether the built-in systems were loaded.
    pub demo: bool,
    /// Threads that ran virtual users.
    pub threads: u32,
    /// SHA-256 over names and contents of everything that the script read.
    pub script_hash: String,
    /// The same over the variables given by `-e`, and the script's; their values are nowhere else.
    pub env_hash: String,
}

/// A name and its levels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// A scenario, `rate` or `vus`.
    pub name: String,
    /// In ascending order.
    pub values: Vec<f64>,
}

/// The highest load that was held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// What was asked of each.
    pub levels: Levels,
    /// The number of the probe that shows it.
    pub probe: u32,
    /// Iterations a second that were due, over all scenarios that have a level.
    pub offered_per_s: f64,
    /// Iterations a second of the same that ended.
    pub achieved_per_s: Option<f64>,
    /// That nothing worked, as its probe tells it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A load that was not held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Broke {
    /// What was asked of each.
    pub levels: Levels,
    /// The number of the probe that shows it.
    pub probe: u32,
    /// Why.
    pub reasons: Vec<BrokeReason>,
}

/// Between which loads the limit is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bracket {
    /// Whose level it is.
    pub name: String,
    /// Held.
    pub low: f64,
    /// Not held.
    pub high: f64,
    /// `(high - low) / low`, in percent.
    pub width_percent: f64,
}

/// One run at one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// From 1.
    pub number: u32,
    /// What was asked of each.
    pub levels: Levels,
    /// From 1: the how-manieth probe of this load it is.
    pub attempt: u32,
    /// Whether everything that was asked of the system was met, by a load that was offered as asked.
    pub held: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<BrokeReason>,
    /// Start of its load, RFC 3339 in UTC.
    pub started_at: String,
    /// From there to the end of the last iteration.
    pub duration_ms: u64,
    /// By name.
    pub scenarios: BTreeMap<String, Offered>,
    /// Over the measured part.
    pub thresholds: Vec<ThresholdSummary>,
    /// The share of requests that failed; `null` without requests.
    pub errors: Option<f64>,
    /// Whether the numbers can be trusted.
    pub generator: Generator,
    /// That nothing worked, where that was so: then the load says nothing about the system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The file beside this one with the whole summary of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

impl Probe {
    /// Iterations a second that were due, over all scenarios that have a level.
    #[must_use]
    pub fn offered_per_s(&self) -> f64 {
        self.with_level().map(|scenario| scenario.offered_per_s).sum()
    }

    /// Iterations a second of theirs that ended while they were measured; `None` when it was too short to tell.
    #[must_use]
    pub fn achieved_per_s(&self) -> Option<f64> {
        self.with_level().map(|scenario| scenario.achieved_per_s).sum()
    }

    fn with_level(&self) -> impl Iterator<Item = &Offered> {
        self.scenarios.values().filter(|scenario| scenario.has_level)
    }
}

/// What a scenario was asked for in the measured part, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// Whether the probe sets its level; false for what goes on beside it at its own.
    #[serde(default = "yes")]
    pub has_level: bool,
    /// Iterations a second that were due; of a closed scenario, that users began.
    pub offered_per_s: f64,
    /// Iterations a second that ended while it was measured, whenever they had begun; `null` when it was too short to tell.
    pub achieved_per_s: Option<f64>,
    /// The six counts of those that were due in the measured part, the drain included.
    pub iterations: Counts,
    /// Iterations that waited for a virtual user when the measured part ended.
    #[serde(default)]
    pub waiting: u64,
}

fn yes() -> bool {
    true
}

/// One reason why a load was not held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokeReason {
    /// Whose it is.
    pub kind: BrokeKind,
    /// What happened, without a full stop.
    pub message: String,
}

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrokeKind {
    /// A threshold or an invariant was not met.
    Threshold,
    /// The load was not offered as asked: iterations were dropped, waited for a virtual user, or did not end.
    Load,
    /// The script raised an error, or ended or failed the run.
    Script,
    /// The generator's numbers are not the system's.
    Generator,
}
