//! The verdict: thresholds while the run goes on, the generator's own health, and at the end one exit code with all its
//! reasons. The limits are those of the documentation ("Generator verdict").

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::control;
use crate::metrics::{Aggregation, Totals, builtin};
use crate::plan::{OnScriptError, Plan};
use crate::results::{
    ErrorSummary, EventSummary, ExitCode, Generator, GeneratorVerdict, Reason, RunInfo, SUMMARY_SCHEMA,
    ScenarioSummary, Summary, ThresholdSummary, timestamp,
};
use crate::script::Session;

use super::invariants::Invariants;
use super::{RunOptions, Test, health};

/// Gathers what the verdict depends on.
#[derive(Debug)]
pub(super) struct Judge {
    plan: Arc<Plan>,
    options: RunOptions,
    notes: Vec<(ExitCode, String)>,
    aborted_by: Vec<bool>,
    /// The plan's invariants and what they have shown.
    pub(super) invariants: Invariants,
    begun: Option<Instant>,
    ended: Option<Instant>,
    cpu: Vec<Duration>,
}

impl Judge {
    pub(super) fn new(plan: &Arc<Plan>, options: &RunOptions) -> Self {
        Self {
            plan: Arc::clone(plan),
            options: options.clone(),
            notes: Vec::new(),
            aborted_by: vec![false; plan.thresholds.len()],
            invariants: Invariants::default(),
            begun: None,
            ended: None,
            cpu: Vec::new(),
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
        if let Err(error) = self.invariants.load(&test.session, &test.plan).await {
            let text = format!("the invariants cannot be checked: {}", error.message);
            self.note(ExitCode::Internal, test.session.redact(&text));
        }
    }

    pub(super) fn begin(&mut self, origin: Instant) {
        self.begun = Some(origin);
    }

    pub(super) fn end(&mut self, at: Instant) {
        self.ended = Some(at);
    }

    /// CPU time that one core thread used during the load.
    pub(super) fn core_cpu(&mut self, cpu: Duration) {
        self.cpu.push(cpu);
    }

    /// The load is over, and every sample of it is in `totals`: invariants are looked at once more.
    pub(super) fn conclude(&mut self, session: &Session, totals: &mut Totals) {
        let elapsed = self.duration();
        self.invariants.look(session, totals, elapsed);
    }

    /// Looks at invariants, and at thresholds that may end the run.
    pub(super) fn watch(&mut self, session: &Session, totals: &mut Totals, elapsed: Duration) {
        self.invariants.look(session, totals, elapsed);
        for (threshold, aborted) in self.plan.thresholds.iter().zip(&mut self.aborted_by) {
            if !threshold.abort_on_fail || *aborted || elapsed < threshold.delay_abort_eval {
                continue;
            }
            if threshold.evaluate(totals).ok == Some(false) {
                *aborted = true;
                let text = format!("{}: {}", threshold.selector, threshold.expression);
                session.control.stop(control::Reason::ThresholdAbort(text));
            }
        }
    }

    /// How long the load was; zero when there was none.
    fn duration(&self) -> Duration {
        let span = self.begun.zip(self.ended);
        span.map_or(Duration::ZERO, |(begun, ended)| ended.saturating_duration_since(begun))
    }

    /// The whole summary.
    pub(super) fn summary(&self, test: &Test, totals: &Totals, started: SystemTime) -> Summary {
        let duration = self.duration();
        let thresholds = self.thresholds(totals);
        let generator = health::judge(&self.plan, &self.cpu, totals, duration);
        let reasons = self.reasons(&test.session, &thresholds, &generator);
        let exit = reasons.first().map_or(ExitCode::Passed, |(code, _)| *code);
        let scenarios = self.plan.scenarios.iter().enumerate().map(|(index, scenario)| {
            let executor = scenario.executor.name().to_owned();
            (
                scenario.name.clone(),
                ScenarioSummary {
                    executor,
                    iterations: totals.counts(index),
                    warmup: (!scenario.warmup.is_zero()).then(|| totals.warmup_counts(index)),
                },
            )
        });
        Summary {
            schema: SUMMARY_SCHEMA.to_owned(),
            verdict: exit.verdict(),
            exit_code: exit.number(),
            run: RunInfo {
                script: test.session.script.display().to_string(),
                seed: test.session.seed,
                started_at: timestamp(started),
                duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                tags: self.plan.tags.clone(),
                reasons: reasons
                    .into_iter()
                    .map(|(code, message)| Reason {
                        exit_code: code.number(),
                        message,
                    })
                    .collect(),
                events: self.events(&test.session),
            },
            scenarios: scenarios.collect::<BTreeMap<_, _>>(),
            metrics: totals.summarise(),
            phases: totals.phases().into_iter().map(Into::into).collect(),
            checks: totals.checks(),
            thresholds,
            invariants: self.invariants.summary(&test.session),
            generator,
            errors: errors(&test.session),
            warnings: warnings(test, totals),
        }
    }

    fn events(&self, session: &Session) -> Vec<EventSummary> {
        let at = |at: Instant| {
            self.begun
                .map_or(Duration::ZERO, |begun| at.saturating_duration_since(begun))
        };
        let events = session.control.events().into_iter();
        events
            .map(|event| EventSummary {
                at_ms: u64::try_from(at(event.at).as_millis()).unwrap_or(u64::MAX),
                what: event.what,
                scenario: event.scenario,
                value: event.value,
            })
            .collect()
    }

    fn thresholds(&self, totals: &Totals) -> Vec<ThresholdSummary> {
        let judged = self.plan.thresholds.iter().zip(&self.aborted_by);
        judged
            .map(|(threshold, aborted)| ThresholdSummary::new(threshold, &threshold.evaluate(totals), *aborted))
            .collect()
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
        for failed in thresholds.iter().filter(|threshold| !threshold.ok) {
            let observed = failed.observed.map_or_else(
                || "there were no samples".to_owned(),
                |value| format!("it was {}", (value * 1e4).round() / 1e4),
            );
            let unit = failed
                .unit
                .as_ref()
                .filter(|_| failed.observed.is_some())
                .map(|unit| format!(" {unit}"))
                .unwrap_or_default();
            let slice = match (&failed.window, failed.window_at_ms) {
                (Some(window), Some(at)) => format!(" in the {window} from {} s on", at / 1_000),
                _ => String::new(),
            };
            reasons.push((
                ExitCode::Thresholds,
                format!(
                    "{}: {} was not met: {observed}{unit}{slice}",
                    failed.metric, failed.expression
                ),
            ));
        }
        let broken = self.invariants.reasons(session).into_iter();
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
        reasons
    }
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
    let mut all: Vec<ErrorSummary> = errors
        .into_iter()
        .chain(failures)
        .map(|(error, count)| ErrorSummary {
            message: session.redact(&error.message),
            count,
            file: error.at.as_ref().map(|at| at.file.clone()),
            line: error.at.as_ref().map(|at| at.line),
        })
        .collect();
    all.sort_by_key(|error| std::cmp::Reverse(error.count));
    if beyond > 0 {
        all.push(ErrorSummary {
            message: "(other errors)".to_owned(),
            count: beyond,
            file: None,
            line: None,
        });
    }
    all
}

fn warnings(test: &Test, totals: &Totals) -> Vec<String> {
    let registry = &test.session.registry;
    let refused = test.catalog.refused().into_iter().map(|(metric, count)| {
        format!(
            "{}: {count} series beyond the limit were counted under (other)",
            registry.definition(metric).name
        )
    });
    let failed = |aggregation| totals.root(builtin::HTTP_REQ_FAILED, aggregation);
    let nothing_worked = failed(Aggregation::Rate)
        .filter(|share| *share >= 1.0)
        .and(failed(Aggregation::Count))
        .map(|requests| format!("all {requests} requests failed: this run says nothing about the system's speed"));
    nothing_worked.into_iter().chain(refused).collect()
}
