//! What became of what an output was given. Told on stderr once, and in the summary.

/// The counts of one output, by records: rows, lines, samples or data points.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// As it is shown: kind and target.
    name: String,
    pub(super) written: u64,
    pub(super) dropped: u64,
    pub(super) retries: u64,
    /// The first thing that went wrong.
    pub(super) error: Option<String>,
}

impl Tally {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    pub(super) fn written(&mut self, records: u64) {
        self.written += records;
    }

    pub(super) fn dropped(&mut self, records: u64) {
        self.dropped += records;
    }

    /// Something is tried again.
    pub(super) fn retried(&mut self, problem: String) {
        self.retries += 1;
        self.tell(problem, "it is tried again, and the load goes on");
    }

    /// Something is lost.
    pub(super) fn failed(&mut self, problem: String) {
        self.tell(problem, "the load goes on");
    }

    fn tell(&mut self, problem: String, then: &str) {
        if self.error.is_none() {
            tracing::warn!(target: "kingtide::run", "output {}: {problem}; {then}", self.name);
            self.error = Some(problem);
        }
    }
}
