//! Who takes the seconds of a run while it lasts: the folder on disk, outputs, the live page. What a second holds is in
//! `interval`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::interval::{Header, Interval};
use super::summary::Summary;

/// Takes the seconds of a run. It is called on the thread that folds samples, which all cores wait for in the end: it never
/// blocks, but hands over to a thread or task of its own through a bounded queue, and counts what it has to drop.
pub trait Sink {
    /// The load begins.
    fn begin(&mut self, header: &Arc<Header>);
    /// A second has passed, and every core has reported it.
    fn interval(&mut self, interval: &Arc<Interval>);
    /// The run is over. Waits for what is still under way, for a bounded time.
    fn end(self: Box<Self>, summary: &Summary) -> Vec<OutputReport>;
}

/// What became of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputReport {
    /// Its kind and target, such as `csv=samples.csv`.
    pub output: String,
    /// What it has passed on: lines, samples or points, as is usual for its kind.
    pub written: u64,
    /// What it could not, because it was too slow or failed.
    #[serde(default)]
    pub dropped: u64,
    /// How often it failed, whether it was tried again or not.
    #[serde(default)]
    pub failures: u64,
    /// What the last failure was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
