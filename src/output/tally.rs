//! What became of what an output was given. Told on stderr once, and in the summary.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::results::OutputReport;

/// The counts of one output, by records: rows, lines, samples or data points. Cheap to clone: an output that stands still
/// at the end of a run has counted what it did before.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    report: Arc<Mutex<OutputReport>>,
}

impl Tally {
    pub(super) fn new(kind: &str, target: String) -> Self {
        let report = OutputReport {
            kind: kind.to_owned(),
            target,
            ..OutputReport::default()
        };
        Self {
            report: Arc::new(Mutex::new(report)),
        }
    }

    pub(super) fn written(&self, records: u64) {
        self.lock().written += records;
    }

    pub(super) fn dropped(&self, records: u64) {
        self.lock().dropped += records;
    }

    /// Something did not work, and may be tried again.
    pub(super) fn failed(&self, problem: String, again: bool) {
        let then = if again {
            "it is tried again; the load goes on"
        } else {
            "the load goes on"
        };
        let mut report = self.lock();
        report.failures += 1;
        if report.error.is_none() {
            tracing::warn!(target: "kingtide::run", "output {}: {problem}; {then}", report.name());
        }
        report.error = Some(problem);
    }

    /// Something is tried once more.
    pub(super) fn retried(&self) {
        self.lock().retries += 1;
    }

    /// The counts so far.
    pub(super) fn report(&self) -> OutputReport {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, OutputReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
