//! What became of what an output was given. Told on stderr once, and in the summary.

use crate::results::OutputReport;

/// The counts of one output, by records: rows, lines, samples or data points.
#[derive(Debug, Default)]
pub(super) struct Tally {
    report: OutputReport,
}

impl Tally {
    /// Of an output that is shown so: kind and target.
    pub(super) fn new(output: String) -> Self {
        Self {
            report: OutputReport {
                output,
                ..OutputReport::default()
            },
        }
    }

    pub(super) fn written(&mut self, records: u64) {
        self.report.written += records;
    }

    pub(super) fn dropped(&mut self, records: u64) {
        self.report.dropped += records;
    }

    /// Something did not work, and may be tried again.
    pub(super) fn failed(&mut self, problem: String, again: bool) {
        self.report.failures += 1;
        let then = if again {
            "it is tried again; the load goes on"
        } else {
            "the load goes on"
        };
        if self.report.error.is_none() {
            tracing::warn!(target: "kingtide::run", "output {}: {problem}; {then}", self.report.output);
        }
        self.report.error = Some(problem);
    }

    pub(super) fn into_report(self) -> OutputReport {
        self.report
    }
}
