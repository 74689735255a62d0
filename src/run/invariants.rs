//! What the plan's invariants have shown in a run: who was broken when, and by which keys. Their functions are called in
//! `script`; this keeps the tallies, which outlive the VM that they are called in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api;
use crate::metrics::Totals;
use crate::plan::Plan;
use crate::results::{InvariantSummary, millis};
use crate::script::invariants::{Invariants as Functions, Look};
use crate::script::{Revision, ScriptError, Session};

/// How many offending keys of an invariant are kept.
const MAX_KEYS: usize = 20;

/// The invariants of a run.
#[derive(Default)]
pub(super) struct Invariants {
    functions: Option<Functions>,
    tallies: BTreeMap<String, Tally>,
}

impl std::fmt::Debug for Invariants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invariants")
            .field("tallies", &self.tallies)
            .finish_non_exhaustive()
    }
}

/// What was seen of one invariant.
#[derive(Debug, Default)]
struct Tally {
    checks: u64,
    broken_checks: u64,
    /// Since the start of the load.
    first_broken: Option<Duration>,
    /// Whether it was ever more than an error of its own.
    was_false: bool,
    /// Different keys in the order of first sight, at most [`MAX_KEYS`].
    keys: Vec<String>,
    /// The most keys that one check has named.
    most_keys: usize,
}

impl Invariants {
    /// Evaluates the script in a VM of its own, if its plan has invariants. Called again after a reload, it goes on with the
    /// new functions: those of the same name keep what was seen, and so do those that are gone and were broken.
    ///
    /// # Errors
    /// As evaluating the script anywhere; the functions stay what they were.
    pub(super) async fn load(
        &mut self,
        session: &Arc<Session>,
        revision: &Arc<Revision>,
        plan: &Plan,
    ) -> Result<(), ScriptError> {
        self.functions = if plan.invariants.is_empty() {
            None
        } else {
            Some(Functions::load(session, revision, plan.limits, api::OPEN).await?)
        };
        self.tallies
            .retain(|name, tally| tally.broken_checks > 0 || plan.invariants.contains(name));
        for name in &plan.invariants {
            self.tallies.entry(name.clone()).or_default();
        }
        Ok(())
    }

    /// Calls every function once, `elapsed` after the start of the load. What is broken for the first time is told.
    pub(super) fn look(&mut self, session: &Session, totals: &mut Totals, elapsed: Duration) {
        let Some(functions) = &self.functions else { return };
        for (name, look) in functions.look(totals) {
            let tally = self.tallies.entry(name.clone()).or_default();
            let was_false = tally.was_false;
            tally.add(look, elapsed);
            if tally.was_false && !was_false {
                let text = session.redact(&tally.reason(&name));
                tracing::error!(target: "kingtide::run", "{text}");
            }
        }
    }

    /// For the summary, in the order of their names.
    pub(super) fn summary(&self, session: &Session) -> Vec<InvariantSummary> {
        let all = self.tallies.iter();
        all.map(|(name, tally)| InvariantSummary {
            name: name.clone(),
            ok: tally.holds(),
            checks: tally.checks,
            broken_checks: tally.broken_checks,
            first_broken_at_ms: tally.first_broken.map(millis),
            offending: tally.keys.iter().map(|key| session.redact(key)).collect(),
            offending_count: tally.most_keys.max(tally.keys.len()) as u64,
        })
        .collect()
    }

    /// Why the run cannot pass: one sentence for each that did not hold.
    pub(super) fn reasons(&self) -> Vec<String> {
        let broken = self.tallies.iter().filter(|(_, tally)| tally.broken_checks > 0);
        broken.map(|(name, tally)| tally.reason(name)).collect()
    }
}

impl Tally {
    fn holds(&self) -> bool {
        self.checks > 0 && self.broken_checks == 0
    }

    fn add(&mut self, look: Look, elapsed: Duration) {
        match look {
            Look::Skipped => return,
            Look::Held => {}
            Look::Failed => self.breaks(elapsed),
            Look::Broken(keys) => {
                if !self.was_false {
                    // The time that is told is that of the keys, not of an error before.
                    self.first_broken = None;
                }
                self.was_false = true;
                self.breaks(elapsed);
                self.most_keys = self.most_keys.max(keys.len());
                for key in keys {
                    if self.keys.len() < MAX_KEYS && !self.keys.contains(&key) {
                        self.keys.push(key);
                    }
                }
            }
        }
        self.checks += 1;
    }

    fn breaks(&mut self, elapsed: Duration) {
        self.broken_checks += 1;
        self.first_broken.get_or_insert(elapsed);
    }

    fn reason(&self, name: &str) -> String {
        let seconds = self.first_broken.unwrap_or_default().as_secs_f64();
        let at = format!("{} s", (seconds * 10.0).round() / 10.0);
        if !self.was_false {
            return format!("invariant `{name}` raised an error at {at}, so that nobody knows whether it held");
        }
        let more = match self.most_keys.saturating_sub(self.keys.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let keys = match self.keys.as_slice() {
            [] => String::new(),
            keys => format!(": {}{more}", keys.join(", ")),
        };
        format!("invariant `{name}` was broken at {at}{keys}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(keys: &[&str]) -> Look {
        Look::Broken(keys.iter().map(|key| (*key).to_owned()).collect())
    }

    fn seen(looks: Vec<Look>) -> Tally {
        let mut tally = Tally::default();
        for (second, look) in (1..).zip(looks) {
            tally.add(look, Duration::from_millis(second * 1_000 + 40));
        }
        tally
    }

    #[test]
    fn what_was_seen_is_tallied_and_told() {
        let many: Vec<String> = (0..25).map(|n| format!("k{n}")).collect();
        let all = many[..20].join(", ");
        let table = [
            (vec![], (0, 0, false), None),
            (vec![Look::Held, Look::Held], (2, 0, true), None),
            (vec![Look::Skipped], (0, 0, false), None),
            (
                vec![Look::Held, broken(&["a", "b"]), broken(&["b", "c"]), Look::Held],
                (4, 2, false),
                Some("invariant `x` was broken at 2 s: a, b, c".to_owned()),
            ),
            (
                vec![broken(&[])],
                (1, 1, false),
                Some("invariant `x` was broken at 1 s".to_owned()),
            ),
            (
                vec![Look::Held, Look::Failed],
                (2, 1, false),
                Some("invariant `x` raised an error at 2 s, so that nobody knows whether it held".to_owned()),
            ),
            (
                vec![Look::Failed, Look::Broken(many.clone())],
                (2, 2, false),
                Some(format!("invariant `x` was broken at 2 s: {all} and 5 more")),
            ),
        ];
        for (looks, counts, reason) in table {
            let tally = seen(looks.clone());
            let got = (tally.checks, tally.broken_checks, tally.holds());
            assert_eq!(got, counts, "{looks:?}");
            assert_eq!((counts.1 > 0).then(|| tally.reason("x")), reason, "{looks:?}");
        }
    }
}
