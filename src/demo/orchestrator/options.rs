//! What a user may choose about the orchestrator, one field per flag of `kingtide demo`. Parsing of flags is in `cli`.

use axum::http::StatusCode;

use crate::demo::fault::FaultSpec;

/// The orchestrator's settings; `OrchestratorOptions::default()` is a healthy one on its usual port.
#[derive(Debug, Clone, PartialEq)]
pub struct OrchestratorOptions {
    /// `--seed N`: everything random follows from it and from request and event numbers. Default 1.
    pub seed: u64,
    /// The port after the shop's services; 0 takes a free one. Default 8085.
    pub port: u16,
    /// `--orchestrator-drain R`: events routed per second. Default 5,000.
    pub drain: f64,
    /// `--orchestrator-queue N`: events that may be in the queue; a request whose events do not fit is refused. Default
    /// 10,000,000, which is as good as no bound: half an hour of work.
    pub queue: u64,
    /// `--orchestrator-full 429|503`: the status of such a refusal. Default 429.
    pub full: u16,
    /// `--orchestrator-fault KIND=VALUE[@START][+DURATION]`, repeatable: faults timed from the start. Default none.
    pub faults: Vec<FaultSpec>,
}

impl Default for OrchestratorOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            port: 8085,
            drain: 5_000.0,
            queue: 10_000_000,
            full: 429,
            faults: Vec::new(),
        }
    }
}

impl OrchestratorOptions {
    /// The first option whose value makes no sense, and why.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        // A thousandth is the queue's resolution.
        if !(0.001..=1e6).contains(&self.drain) {
            let text = format!("{} is not a rate from 0.001 to 1000000 events per second", self.drain);
            return Some(("orchestrator-drain", text));
        }
        if self.queue == 0 {
            return Some(("orchestrator-queue", "a queue holds at least 1 event".to_owned()));
        }
        if ![429, 503].contains(&self.full) {
            return Some(("orchestrator-full", format!("{} is not 429 or 503", self.full)));
        }
        None
    }

    /// What a request gets whose events do not fit.
    pub(super) fn refusal(&self) -> StatusCode {
        if self.full == 503 {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::TOO_MANY_REQUESTS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_named() {
        let base = OrchestratorOptions::default;
        assert_eq!(base().problem(), None);
        let table = [
            ("orchestrator-drain", OrchestratorOptions { drain: 0.0, ..base() }),
            (
                "orchestrator-drain",
                OrchestratorOptions {
                    drain: f64::NAN,
                    ..base()
                },
            ),
            ("orchestrator-queue", OrchestratorOptions { queue: 0, ..base() }),
            ("orchestrator-full", OrchestratorOptions { full: 500, ..base() }),
        ];
        for (name, options) in table {
            assert_eq!(options.problem().map(|(field, _)| field), Some(name));
        }
    }
}
