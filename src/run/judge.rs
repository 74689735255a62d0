//! The verdict: thresholds while the run goes on, the generator's own health, and at the end one exit code with all its
//! reasons. The limits are those of the documentation ("Generator verdict").

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::clock::machine::Ticks;
use crate::control;
use crate::exec::Change;
use crate::metrics::{Kind, MetricSummaries, Threshold, Totals, Verdict};
use crate::plan::{OnScriptError, Plan, Scenario};
use crate::results::{
    CheckpointSummary, Conditions, ErrorSummary, EventSummary, ExitCode, Generator, GeneratorVerdict, Reason,
    RevisionSummary, RunInfo, SUMMARY_SCHEMA, ScenarioSummary, Summary, ThresholdSummary, judge_generator, millis,
    timestamp,
};
use crate::script::{Revision, Session};

use super::core::Spent;
use super::invariants::Invariants;
use super::reload::Reload;
use super::{RunOptions, Test, edit, warnings};

/// A threshold, and what it said when it ended the run.
#[derive(Debug)]
struct Judged {
    threshold: Threshold,
    aborted: Option<Verdict>,
}

impl Judged {
    fn new(threshold: &Threshold) -> Self {
        Self {
            threshold: threshold.clone(),
            aborted: None,
        }
    }

    fn summary(&self, totals: &Totals) -> ThresholdSummary {
        let last = self.threshold.evaluate(totals);
        // What has ended the run was not met, whatever came in while it ended.
        let first = self.aborted.filter(|_| self.threshold.passes(&last));
        ThresholdSummary::new(&self.threshold, &first.unwrap_or(last), self.aborted.is_some())
    }

    /// Why it says nothing of a load that lasted so long, if it does not: an edit has brought it too late.
    fn came_too_late(&self, totals: &Totals, duration: Duration) -> Option<String> {
        let since = self.threshold.since.filter(|_| self.aborted.is_none())?;
        let least = since + self.threshold.window.unwrap_or(Duration::from_secs(1));
        let is_empty = || {
            let observed = self.threshold.evaluate(totals).observed;
            // A counter that nobody has added to is zero.
            observed.is_none_or(|value| self.threshold.kind == Kind::Counter && value == 0.0)
        };
        let is_empty = least > duration && is_empty();
        (since >= duration || is_empty).then(|| {
            format!(
                "threshold {}: {} is not judged: it counts from {} s on, and the load was over by then or soon after",
                self.threshold.selector,
                self.threshold.expression,
                since.as_secs()
            )
        })
    }
}

/// Gathers what the verdict depends on.
#[derive(Debug)]
pub(super) struct Judge {
    plan: Arc<Plan>,
    options: RunOptions,
    notes: Vec<(ExitCode, String)>,
    judged: Vec<Judged>,
    /// Thresholds that failed before an edited script took them away.
    failed_before: Vec<ThresholdSummary>,
    revisions: Vec<RevisionSummary>,
    reloads: Vec<EventSummary>,
    /// The plan's invariants and what they have shown.
    pub(super) invariants: Invariants,
    begun: Option<Instant>,
    ended: Option<Instant>,
    cpu: Vec<Duration>,
    waited: Vec<Duration>,
    /// Iterations that never started because their virtual users were still being made.
    unmade: u64,
    /// The machine's time at the start of the load, and the share of it that the host took until its end.
    ticks: Option<Ticks>,
    stolen: Option<f64>,
}

impl Judge {
    pub(super) fn new(plan: &Arc<Plan>, options: &RunOptions) -> Self {
        Self {
            plan: Arc::clone(plan),
            options: options.clone(),
            notes: Vec::new(),
            judged: plan.thresholds.iter().map(Judged::new).collect(),
            failed_before: Vec::new(),
            revisions: Vec::new(),
            reloads: Vec::new(),
            invariants: Invariants::default(),
            begun: None,
            ended: None,
            cpu: Vec::new(),
            waited: Vec::new(),
            unmade: 0,
            ticks: None,
            stolen: None,
        }
    }

    /// How many core threads there are.
    pub(super) fn threads(&self) -> usize {
        self.options.threads.max(1) as usize
    }

    /// Notes a reason against passing.
    pub(super) fn note(&mut self, code: ExitCode, message: String) {
        self.notes.push((code, message));
    }

    /// Gives the invariants a VM, before the load. The script has been evaluated before, so that this fails for want of
    /// memory only.
    pub(super) async fn prepare(&mut self, test: &Test) {
        let revision = test.session.revision();
        if let Err(error) = self.invariants.load(&test.session, &revision, &test.plan).await {
            let text = format!("the invariants cannot be checked: {}", error.message);
            self.note(ExitCode::Internal, text);
        }
    }

    pub(super) fn begin(&mut self, origin: Instant) {
        self.begun = Some(origin);
        self.ticks = Ticks::now();
    }

    /// The load has ended, and so many iterations never started because their virtual users were still being made.
    pub(super) fn end(&mut self, at: Instant, unmade: u64) {
        self.ended = Some(at);
        self.unmade = unmade;
        let ticks = Ticks::now().zip(self.ticks);
        self.stolen = ticks.and_then(|(now, before)| now.stolen_since(before));
    }

    /// What one core thread has spent during the load.
    pub(super) fn core_spent(&mut self, spent: Spent) {
        self.cpu.push(spent.cpu);
        self.waited.extend(spent.waited);
    }

    /// The load is over, and every sample of it is in `totals`: invariants are looked at once more.
    pub(super) fn conclude(&mut self, session: &Session, totals: &mut Totals) {
        let elapsed = self.duration();
        self.invariants.look(session, totals, elapsed);
    }

    /// Looks at invariants, and at thresholds that may end the run.
    pub(super) fn watch(&mut self, session: &Session, totals: &mut Totals, elapsed: Duration) {
        self.invariants.look(session, totals, elapsed);
        for Judged { threshold, aborted } in &mut self.judged {
            let from = threshold.since.unwrap_or_default() + threshold.delay_abort_eval;
            if !threshold.abort_on_fail || aborted.is_some() || elapsed < from {
                continue;
            }
            let verdict = threshold.evaluate(totals);
            if verdict.ok == Some(false) {
                *aborted = Some(verdict);
                let text = format!("{}: {}", threshold.selector, threshold.expression);
                session.control.stop(control::Reason::ThresholdAbort(text));
            }
        }
    }

    /// The script that the run begins with, where its changes are followed.
    pub(super) fn first_revision(&mut self, revision: &Revision, script: &Path) {
        self.revisions.push(RevisionSummary {
            number: revision.number,
            at_ms: 0,
            hash: revision.hash(),
            file: script.display().to_string(),
            changed: Vec::new(),
            refused: Vec::new(),
        });
    }

    /// An edited script, whether it was taken or not.
    pub(super) fn note_reload(&mut self, reload: &Reload) {
        self.reloads.push(reload.event());
        self.revisions.extend(reload.revision());
    }

    /// From now on by an edited plan.
    pub(super) fn follow(&mut self, plan: &Arc<Plan>) {
        self.plan = Arc::clone(plan);
    }

    /// From now on by these thresholds. One that is gone and fails at this moment stays failed.
    pub(super) fn rethink(&mut self, thresholds: &[Threshold], totals: &Totals) -> Vec<Change> {
        let mut changes = Vec::new();
        let before = std::mem::take(&mut self.judged);
        let is_kept = |judged: &Judged| {
            thresholds
                .iter()
                .any(|threshold| threshold.judges_like(&judged.threshold))
        };
        for gone in before.iter().filter(|judged| !is_kept(judged)) {
            let what = format!(
                "threshold {}: {} is gone",
                gone.threshold.selector, gone.threshold.expression
            );
            let fails = gone.threshold.evaluate(totals).ok == Some(false);
            if fails && !gone.threshold.may_come_true() {
                self.failed_before.push(gone.summary(totals));
                changes.push(edit::refused(what, "it has failed, and stays failed"));
            } else {
                changes.push(edit::applied(what));
            }
        }
        for threshold in thresholds {
            let known = before.iter().find(|judged| judged.threshold.judges_like(threshold));
            self.judged.push(Judged {
                threshold: threshold.clone(),
                aborted: known.and_then(|known| known.aborted),
            });
            if let (None, Some(since)) = (known, threshold.since) {
                changes.push(edit::applied(format!(
                    "threshold {}: {} counts from {} s on",
                    threshold.selector,
                    threshold.expression,
                    since.as_secs()
                )));
            }
        }
        changes
    }

    /// How long the load was; zero when there was none.
    pub(super) fn duration(&self) -> Duration {
        let span = self.begun.zip(self.ended);
        span.map_or(Duration::ZERO, |(begun, ended)| ended.saturating_duration_since(begun))
    }

    /// The whole summary.
    pub(super) fn summary(&self, test: &Test, totals: &Totals, started: SystemTime) -> Summary {
        let duration = self.duration();
        let thresholds = self.thresholds(totals);
        let open: Vec<_> = self.plan.scenarios.iter().map(|s| s.executor.is_open()).collect();
        let conditions = Conditions {
            open: &open,
            cpu: &self.cpu,
            waited: &self.waited,
            stolen: self.stolen,
            duration,
            unmade: self.unmade,
            files: super::files::allowed(),
        };
        let generator = judge_generator(&conditions, totals);
        let reasons = self.reasons(&test.session, &thresholds, &generator);
        let exit = reasons.first().map_or(ExitCode::Passed, |(code, _)| *code);
        let (failures, failure_kinds_left_out) = test.session.failed.summaries();
        let metrics = totals.summarise();
        let warnings = self.warnings(test, totals, &metrics);
        Summary {
            schema: SUMMARY_SCHEMA.to_owned(),
            verdict: exit.verdict(),
            exit_code: exit.number(),
            run: RunInfo {
                script: test.session.script.display().to_string(),
                seed: test.session.seed,
                started_at: timestamp(started),
                cut_short: false,
                duration_ms: millis(duration),
                tags: self.plan.tags.clone(),
                traces: super::feed::traces(test),
                reasons: reasons
                    .into_iter()
                    .map(|(code, message)| Reason {
                        exit_code: code.number(),
                        message,
                    })
                    .collect(),
                events: self.events(&test.session),
                revisions: self.revisions.clone(),
            },
            scenarios: self.scenarios(totals),
            metrics,
            phases: totals.phases().into_iter().map(Into::into).collect(),
            checkpoints: self.checkpoints(totals),
            checks: totals.checks(),
            thresholds,
            invariants: self.invariants.summary(&test.session),
            generator,
            errors: errors(&test.session),
            failures,
            failure_kinds_left_out,
            warnings,
            outputs: Vec::new(),
        }
    }

    fn warnings(&self, test: &Test, totals: &Totals, metrics: &MetricSummaries) -> Vec<String> {
        let too_late = |judged: &Judged| judged.came_too_late(totals, self.duration());
        let too_late = self.judged.iter().filter_map(too_late);
        let all = warnings::of(test, totals, metrics).into_iter().chain(too_late);
        all.map(|text| test.session.redact(&text)).collect()
    }

    fn scenarios(&self, totals: &Totals) -> BTreeMap<String, ScenarioSummary> {
        let of = |(index, scenario): (usize, &Scenario)| {
            let summary = ScenarioSummary {
                executor: scenario.executor.name().to_owned(),
                iterations: totals.counts(index),
                warmup: (!scenario.warmup.is_zero()).then(|| totals.warmup_counts(index)),
            };
            (scenario.name.clone(), summary)
        };
        self.plan.scenarios.iter().enumerate().map(of).collect()
    }

    fn checkpoints(&self, totals: &Totals) -> Vec<CheckpointSummary> {
        let names: Vec<_> = self.plan.scenarios.iter().map(|s| s.name.as_str()).collect();
        let all = totals.checkpoints().iter();
        all.map(|checkpoint| CheckpointSummary::new(checkpoint, &names))
            .collect()
    }

    /// The thresholds that are judged now.
    pub(super) fn running(&self) -> impl Iterator<Item = &Threshold> {
        self.judged.iter().map(|judged| &judged.threshold)
    }

    fn events(&self, session: &Session) -> Vec<EventSummary> {
        let mut events = self.events_since(session, &mut (0, 0));
        events.sort_by_key(|event| event.at_ms);
        events
    }

    /// The events besides those that were `told`: the first so many of live control, and of reloads.
    pub(super) fn events_since(&self, session: &Session, told: &mut (usize, usize)) -> Vec<EventSummary> {
        let at = |at: Instant| {
            self.begun
                .map_or(Duration::ZERO, |begun| at.saturating_duration_since(begun))
        };
        let controlled = session.control.events();
        let before = std::mem::replace(told, (controlled.len(), self.reloads.len()));
        let events = controlled.into_iter().skip(before.0);
        let events = events.map(|event| EventSummary {
            at_ms: millis(at(event.at)),
            what: event.what,
            scenario: event.scenario,
            value: event.value,
            detail: None,
        });
        events.chain(self.reloads.iter().skip(before.1).cloned()).collect()
    }

    fn thresholds(&self, totals: &Totals) -> Vec<ThresholdSummary> {
        let duration = self.duration();
        let mut judged: Vec<_> = self.judged.iter().collect();
        judged.retain(|judged| judged.came_too_late(totals, duration).is_none());
        let judged = judged.into_iter().map(|judged| judged.summary(totals));
        judged.chain(self.failed_before.iter().cloned()).collect()
    }

    /// All reasons against passing, the one that gives the exit code first.
    fn reasons(
        &self,
        session: &Session,
        thresholds: &[ThresholdSummary],
        generator: &Generator,
    ) -> Vec<(ExitCode, String)> {
        let mut reasons = self.notes.clone();
        reasons.extend(session.control.reasons().into_iter().map(of_control));
        // Without a load there is nothing that a threshold could say.
        let says =
            |threshold: &&ThresholdSummary| !threshold.ok && (self.begun.is_some() || threshold.observed.is_some());
        for failed in thresholds.iter().filter(says) {
            reasons.push((ExitCode::Thresholds, not_met(failed)));
        }
        let broken = self.invariants.reasons().into_iter();
        reasons.extend(broken.map(|reason| (ExitCode::Thresholds, reason)));
        let (errors, beyond) = session.errors.all();
        let count: u64 = errors.iter().map(|(_, count)| count).sum::<u64>() + beyond;
        let counted_only = self.plan.on_script_error == OnScriptError::Count;
        if count > 0 && !counted_only && !reasons.iter().any(|(code, _)| *code == ExitCode::ScriptError) {
            let times = if count == 1 {
                "once".to_owned()
            } else {
                format!("{count} times")
            };
            reasons.push((
                ExitCode::ScriptError,
                format!("the script raised an error {times}; a journey with a bug proves nothing"),
            ));
        }
        if generator.verdict != GeneratorVerdict::Valid && !self.options.allow_suspect {
            let word = if generator.verdict == GeneratorVerdict::Suspect {
                "suspect"
            } else {
                "invalid"
            };
            reasons.push((
                ExitCode::Untrusted,
                format!("the generator is {word}: {}", generator.reasons.join("; ")),
            ));
        }
        reasons.sort_by_key(|(code, _)| *code);
        // Wherever they come from: what a script says may hold what it must not.
        let shown = |(code, text): (ExitCode, String)| (code, session.redact(&text));
        reasons.into_iter().map(shown).collect()
    }
}

/// Why a threshold failed.
fn not_met(failed: &ThresholdSummary) -> String {
    let observed = failed.observed.map_or_else(
        || "there were no samples".to_owned(),
        |value| format!("it was {}", (value * 1e4).round() / 1e4),
    );
    let unit = failed.unit.as_ref().filter(|_| failed.observed.is_some());
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    // What ended the run may have come true since.
    let end = if failed.aborted { " in the end" } else { "" };
    let slice = match (&failed.window, failed.window_at_ms) {
        (Some(window), Some(at)) => {
            let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
            let length = failed.window_length_ms.map(|length| format!("{}s", seconds(length)));
            format!(
                " in the {} from {} s on",
                length.as_ref().unwrap_or(window),
                seconds(at)
            )
        }
        _ => String::new(),
    };
    format!(
        "{}: {} was not met: {observed}{unit}{slice}{end}",
        failed.metric, failed.expression
    )
}

fn of_control(reason: control::Reason) -> (ExitCode, String) {
    use control::Reason as R;
    match reason {
        R::Signal => (ExitCode::Signal, "stopped by a signal".to_owned()),
        R::LiveStop => (ExitCode::LiveStop, "stopped through live control".to_owned()),
        R::ScriptAbort(why) => (ExitCode::ScriptAbort, format!("the script aborted the run: {why}")),
        R::MarkedFailed(why) => (
            ExitCode::MarkedFailed,
            format!("the script marked the run as failed: {why}"),
        ),
        R::ThresholdAbort(which) => (
            ExitCode::Thresholds,
            format!("the run was ended by a threshold: {which}"),
        ),
        R::Saturation(which) => (ExitCode::Saturation, which),
        R::ScriptError(which) => (
            ExitCode::ScriptError,
            format!("the run was ended by a script error: {which}"),
        ),
        R::DataExhausted(which) => (ExitCode::ScriptAbort, format!("the data ran out: {which}")),
        R::Internal(what) => (ExitCode::Internal, format!("kingtide failed: {what}")),
    }
}

fn errors(session: &Session) -> Vec<ErrorSummary> {
    let (errors, beyond) = session.errors.all();
    let (failures, _) = session.failures.all();
    let raised = errors.into_iter().map(|error| (error, false));
    let failed = failures.into_iter().map(|failure| (failure, true));
    let mut all: Vec<ErrorSummary> = raised
        .chain(failed)
        .map(|((error, count), by_fail)| ErrorSummary {
            message: session.redact(&error.message),
            count,
            file: error.at.as_ref().map(|at| at.file.clone()),
            line: error.at.as_ref().map(|at| at.line),
            by_fail,
        })
        .collect();
    all.sort_by_key(|error| std::cmp::Reverse(error.count));
    if beyond > 0 {
        all.push(ErrorSummary {
            message: "(other errors)".to_owned(),
            count: beyond,
            file: None,
            line: None,
            by_fail: false,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metrics::{Catalog, Recorder, Registry, builtin};

    #[test]
    fn what_has_ended_the_run_was_not_met() {
        let registry = Registry::default();
        let catalog = Catalog::new(&registry, &[]).unwrap();
        let threshold = Threshold::parse("script_errors", "rate>=10", &registry).unwrap();
        let mut judged = Judged::new(&threshold);
        let (mut totals, recorder) = (Totals::new(&registry, &catalog, 0), Recorder::new(&registry, &catalog));
        totals.set_elapsed(Duration::from_secs(1));
        recorder.record(builtin::SCRIPT_ERRORS, 8.0, &recorder.no_tags());
        totals.merge_second(0, &recorder.take());
        judged.aborted = Some(threshold.evaluate(&totals));
        // (more, what it was): the end of a run cannot make good what has ended it.
        for (more, observed) in [(1.0, 9.0), (6.0, 8.0)] {
            recorder.record(builtin::SCRIPT_ERRORS, more, &recorder.no_tags());
            totals.merge_second(0, &recorder.take());
            let summary = judged.summary(&totals);
            assert_eq!(
                (summary.ok, summary.aborted, summary.observed),
                (false, true, Some(observed))
            );
        }
    }

    #[test]
    fn a_threshold_that_an_edit_brings_too_late_is_not_judged() {
        let registry = Registry::default();
        let mut judged = Judged::new(&Threshold::parse("script_errors", "count>1", &registry).unwrap());
        let catalog = Catalog::new(&registry, std::slice::from_ref(&judged.threshold.selector)).unwrap();
        let (mut totals, recorder) = (Totals::new(&registry, &catalog, 0), Recorder::new(&registry, &catalog));
        let s = Duration::from_secs_f64;
        // (from, slices, how long the load was, whether it is judged without samples)
        let table = [
            (Some(2.0), None, 1.8, false),
            (Some(2.0), None, 2.0, false),
            (Some(2.0), None, 2.4, false),
            (Some(2.0), None, 3.0, true),
            (Some(2.0), Some(5.0), 6.0, false),
            (Some(2.0), Some(5.0), 7.0, true),
            (None, None, 0.4, true),
        ];
        for (since, window, duration, is_judged) in table {
            judged.threshold.since = since.map(s);
            judged.threshold.window = window.map(s);
            let too_late = judged.came_too_late(&totals, s(duration));
            assert_eq!(
                too_late.is_none(),
                is_judged,
                "{since:?} {window:?} {duration}: {too_late:?}"
            );
        }
        judged.threshold.since = Some(s(2.0));
        judged.threshold.window = None;
        totals.watch_more(std::slice::from_ref(&judged.threshold));
        recorder.record(builtin::SCRIPT_ERRORS, 8.0, &recorder.no_tags());
        totals.merge_second(2, &recorder.take());
        assert_eq!(
            judged.came_too_late(&totals, s(2.4)),
            None,
            "there is something to judge"
        );
        assert!(judged.came_too_late(&totals, s(2.0)).is_some());
    }

    #[test]
    fn a_slice_is_told_with_its_place_and_its_length() {
        // (how long it is, if not as long as the window; what is told)
        let table = [
            (
                None,
                "iterations: count<30 was not met: it was 37 in the 1s from 1 s on",
            ),
            (
                Some(1_900),
                "iterations: count<30 was not met: it was 37 in the 1.9s from 1 s on",
            ),
        ];
        for (length, told) in table {
            let mut failed = json!({ "metric": "iterations", "expression": "count<30", "ok": false, "observed": 37.0,
                "aborted": false, "window": "1s", "window_at_ms": 1_000 });
            failed["window_length_ms"] = json!(length);
            assert_eq!(not_met(&serde_json::from_value(failed).unwrap()), told);
        }
    }
}
