//! What a run says about the load that it probed: whether the system held it, and if not, why. Thresholds are judged by the
//! run itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exec::Progress;
use crate::metrics::{Counts, MetricSummary};
use crate::plan::probe::whose;
use crate::plan::{Executor, Plan, Scenario};
use crate::report;
use crate::results::{
    BrokeKind, BrokeReason, ExitCode, GeneratorVerdict, Levels, Offered, Probe, ScenarioSummary, Summary,
    nothing_worked,
};
use crate::schedule::Shape;

use super::conduct::Halt;
use super::engine::Times;

/// So much of a load may be missing, or waiting at its end, before it was not offered as asked.
const SLACK: f64 = 0.01;

/// Where the scenarios stood at one moment of the load.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) at: Duration,
    pub(super) progress: Vec<Progress>,
}

/// Where the scenarios stood when the measured part began and when it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Span {
    pub(super) begin: Option<Look>,
    pub(super) end: Option<Look>,
    /// The load was stopped before its end; the looks are those before that.
    pub(super) cut: bool,
}

/// What is judged.
pub(super) struct Found<'a> {
    pub(super) levels: Levels,
    pub(super) number: u32,
    pub(super) attempt: u32,
    pub(super) plan: &'a Plan,
    pub(super) times: Times,
    pub(super) summary: &'a Summary,
    pub(super) span: &'a Span,
    /// The data sets that had no row left for a user who asked.
    pub(super) exhausted: &'a [String],
    pub(super) allow_suspect: bool,
}

impl Found<'_> {
    /// The probe.
    ///
    /// # Errors
    /// [`Halt`] when the run says nothing about the load: it was stopped, or there was none.
    pub(super) fn probe(self) -> Result<Probe, Halt> {
        self.halted()?;
        let summary = self.summary;
        let scenarios: BTreeMap<String, Offered> = self
            .scenarios()
            .map(|(index, scenario, counts)| (scenario.name.clone(), self.offered(index, counts)))
            .collect();
        let reasons = self.reasons(&scenarios);
        Ok(Probe {
            held: reasons.is_empty(),
            reasons,
            started_at: summary.run.started_at.clone(),
            duration_ms: summary.run.duration_ms,
            scenarios,
            thresholds: summary.thresholds.clone(),
            errors: errors(summary),
            generator: summary.generator.clone(),
            warnings: nothing_worked(&summary.metrics),
            summary: None,
            levels: self.levels,
            number: self.number,
            attempt: self.attempt,
        })
    }

    fn scenarios(&self) -> impl Iterator<Item = (usize, &Scenario, &ScenarioSummary)> {
        let scenarios = self.plan.scenarios.iter().enumerate();
        scenarios.filter_map(|(index, scenario)| Some((index, scenario, self.summary.scenarios.get(&scenario.name)?)))
    }

    /// What ends the search instead of being found out by it.
    fn halted(&self) -> Result<(), Halt> {
        let reasons = &self.summary.run.reasons;
        let has = |code: ExitCode| reasons.iter().any(|reason| reason.exit_code == code.number());
        if has(ExitCode::Signal) {
            return Err(Halt::Stopped);
        }
        let never_loaded = self.scenarios().all(|(_, _, s)| total(s).offered == 0);
        let ends = [
            ExitCode::Internal,
            ExitCode::LiveStop,
            ExitCode::SetupTimeout,
            ExitCode::TeardownTimeout,
        ];
        let code = ends.into_iter().find(|code| has(*code));
        let first = ExitCode::ALL
            .into_iter()
            .find(|code| has(*code))
            .filter(|_| never_loaded);
        let Some(code) = code.or(first) else {
            return Ok(());
        };
        let messages: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
        Err(Halt::Failed {
            code,
            message: messages.join("; "),
        })
    }

    fn offered(&self, index: usize, scenario: &ScenarioSummary) -> Offered {
        let measured = self.times.measure.as_secs_f64();
        let looks = self.span.begin.as_ref().zip(self.span.end.as_ref());
        let progress = looks.and_then(|(begin, end)| {
            let over = end.at.saturating_sub(begin.at).as_secs_f64();
            let (begin, end) = (begin.progress.get(index)?, end.progress.get(index)?);
            (over > 0.0).then_some((begin, end, over))
        });
        let between =
            |of: fn(&Progress) -> u64| progress.map(|(begin, end, over)| rate(of(end).saturating_sub(of(begin)), over));
        let whole = rate(scenario.iterations.offered, measured);
        let cut_short = between(|progress| progress.offered).filter(|_| self.span.cut);
        Offered {
            has_level: self
                .levels
                .keys()
                .any(|name| whose(&self.plan.scenarios, name).contains(&index)),
            offered_per_s: cut_short.unwrap_or(whole),
            achieved_per_s: between(|progress| progress.finished),
            iterations: scenario.iterations,
            waiting: progress.map_or(0, |(_, end, _)| end.backlog),
        }
    }

    fn reasons(&self, scenarios: &BTreeMap<String, Offered>) -> Vec<BrokeReason> {
        let summary = self.summary;
        let mut reasons = Vec::new();
        let mut add = |kind: BrokeKind, message: String| reasons.push(BrokeReason { kind, message });
        for threshold in summary.thresholds.iter().filter(|threshold| !threshold.ok) {
            add(BrokeKind::Threshold, report::capacity::observed(threshold));
        }
        for invariant in summary.invariants.iter().filter(|invariant| !invariant.ok) {
            add(
                BrokeKind::Threshold,
                format!("the invariant `{}` was broken", invariant.name),
            );
        }
        for name in self.exhausted {
            let text = format!("the data ran out: every row of `{name}` was given out, and users asked for more");
            add(BrokeKind::Load, text);
        }
        // A run that something ended early has not offered all, and has a reason already.
        let ended_early = reasons_of(summary, &[ExitCode::ScriptAbort, ExitCode::Saturation])
            .next()
            .is_some()
            || !self.exhausted.is_empty()
            || summary.thresholds.iter().any(|threshold| threshold.aborted);
        for (_, scenario, counts) in self.scenarios() {
            let waiting = scenarios.get(&scenario.name).map_or(0, |offered| offered.waiting);
            for message in self.missing(scenario, counts, waiting, ended_early) {
                add(BrokeKind::Load, message);
            }
        }
        let mut push = |kind: BrokeKind, message: String| reasons.push(BrokeReason { kind, message });
        for message in reasons_of(summary, &[ExitCode::Saturation]) {
            push(BrokeKind::Load, message.to_owned());
        }
        let scripts = [ExitCode::ScriptAbort, ExitCode::ScriptError, ExitCode::MarkedFailed];
        for message in reasons_of(summary, &scripts) {
            push(BrokeKind::Script, message.to_owned());
        }
        let generator = &summary.generator;
        if generator.verdict == GeneratorVerdict::Invalid && !self.allow_suspect {
            let message = format!("the generator is invalid: {}", generator.reasons.join("; "));
            push(BrokeKind::Generator, message);
        }
        reasons
    }

    /// What was not offered as asked, or not seen to its end.
    fn missing(&self, scenario: &Scenario, counts: &ScenarioSummary, waiting: u64, ended_early: bool) -> Vec<String> {
        let (name, own) = (&scenario.name, &counts.iterations);
        let mut missing = Vec::new();
        if let Executor::Open { max_vus, .. } = &scenario.executor {
            if own.dropped > 0 {
                missing.push(format!(
                    "{} of {} iterations of `{name}` never started, with {max_vus} virtual users at most (`max_vus`)",
                    own.dropped, own.offered
                ));
            } else if beyond(waiting, own.offered) {
                missing.push(format!(
                    "{waiting} iterations of `{name}` waited for a virtual user in the end, with {max_vus} at most (`max_vus`)"
                ));
            }
        }
        if ended_early {
            return missing;
        }
        if beyond(own.interrupted, own.started) {
            missing.push(format!(
                "{} of {} iterations of `{name}` had not ended {} s after the load, and would have been the slowest (--drain)",
                own.interrupted,
                own.started,
                self.times.drain.as_secs_f64()
            ));
        }
        missing.extend(match &scenario.executor {
            Executor::Open { shape, .. } => not_offered(name, shape, total(counts).offered),
            closed => idle(name, closed.vus().0, counts),
        });
        missing
    }
}

/// That fewer iterations were due than planned.
fn not_offered(name: &str, shape: &Shape, offered: u64) -> Option<String> {
    let planned = shape.planned();
    // Random arrivals differ from their mean by its root; five times that does not happen.
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
    let spread = if shape.is_random() {
        5.0 * (planned as f64).sqrt()
    } else {
        0.0
    };
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
    let short = planned.saturating_sub(offered) as f64 > SLACK * planned as f64 + spread;
    short.then(|| format!("only {offered} of {planned} iterations of `{name}` were offered"))
}

/// That users of a closed scenario were no load while it was measured. One who hangs begins nothing that could be counted.
fn idle(name: &str, users: u64, counts: &ScenarioSummary) -> Option<String> {
    let hanging = counts.warmup.map_or(0, |warmup| warmup.interrupted);
    if beyond(hanging, users) {
        return Some(format!(
            "{hanging} of {users} virtual users of `{name}` never ended an iteration that they began in the settling"
        ));
    }
    (counts.iterations.started == 0).then(|| format!("no iteration of `{name}` began while it was measured"))
}

fn total(scenario: &ScenarioSummary) -> Counts {
    let mut counts = scenario.iterations;
    if let Some(warmup) = &scenario.warmup {
        counts.merge(warmup);
    }
    counts
}

/// Whether a part is more than the slack.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn beyond(part: u64, whole: u64) -> bool {
    part as f64 > SLACK * whole as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn rate(count: u64, seconds: f64) -> f64 {
    (1e3 * count as f64 / seconds).round() / 1e3
}

fn reasons_of<'a>(summary: &'a Summary, codes: &'a [ExitCode]) -> impl Iterator<Item = &'a str> {
    let is_one = |number: u8| codes.iter().any(|code| code.number() == number);
    let reasons = summary.run.reasons.iter();
    reasons
        .filter(move |reason| is_one(reason.exit_code))
        .map(|reason| reason.message.as_str())
}

/// The share of all requests that failed, whatever they spoke.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn errors(summary: &Summary) -> Option<f64> {
    let rates = ["http_req_failed", "grpc_req_failed"]
        .into_iter()
        .filter_map(|name| summary.metrics.get(name));
    let (failed, all) = rates.fold((0, 0), |(failed, all), metric| match metric {
        MetricSummary::Rate { passes, total, .. } => (failed + passes, all + total),
        _ => (failed, all),
    });
    (all > 0).then(|| failed as f64 / all as f64)
}

#[cfg(test)]
mod tests;
