//! What a run leaves on disk: `results/<run>/` with its manifest and summary. How they are shown is `report`'s; what
//! streams out during a run is `output`'s.

mod capacity;
mod exit;
mod failed;
mod health;
mod history;
mod hlog;
mod interval;
mod intervals;
mod keeper;
mod manifest;
mod open;
mod pieces;
mod rebuild;
mod sink;
mod store;
mod summary;

pub use crate::metrics::{Exemplar, TraceId};
pub use capacity::{
    Asked, Axis, Best, Bracket, Broke, BrokeKind, BrokeReason, CAPACITY_SCHEMA, Capacity, Levels, Offered, Probe,
};
pub use exit::ExitCode;
pub use failed::{FailedCount, FailedMessage, FailedRequest, FailedTimings, FailureSummary};
pub use health::{Conditions, judge_generator};
pub use history::{PastRun, find, history};
pub use hlog::{Hlog, HlogError};
pub use interval::{
    Buckets, GeneratorInterval, Header, INTERVALS_SCHEMA, Interval, IntervalEvent, PhaseHeader, RunHeader,
    ScenarioHeader, ScenarioInterval, Series, StageHeader, ThresholdHeader, ThresholdInterval, TracesHeader, Trend,
    Values,
};
pub use keeper::Keeper;
pub use manifest::{FileHash, GitRevision, Host, MANIFEST_SCHEMA, Manifest};
pub use open::{Run, open};
pub use pieces::PieceFile;
pub use sink::{Ending, OutputReport, Patience, Sink, Unwaited};
pub use store::{RunFolder, StoreError, run_name, write_json};
pub use summary::{
    CheckpointSummary, ErrorSummary, EventSummary, Generator, GeneratorVerdict, InvariantSummary, PhaseSummary, Reason,
    RevisionSummary, RunInfo, SUMMARY_SCHEMA, ScenarioSummary, Summary, ThresholdSummary, Verdict, millis,
    nothing_worked, timestamp,
};

#[cfg(test)]
mod tests;
