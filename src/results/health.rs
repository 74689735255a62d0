//! The generator's own health: whether the numbers are the system's or the generator's own. The limits are those of the
//! documentation; what a verdict means for the run is `run`'s.

use std::time::Duration;

use crate::metrics::{Aggregation, Counts, MetricId, Totals, builtin};

use super::summary::{Generator, GeneratorVerdict};

/// What is known of a run besides its samples.
#[derive(Debug)]
pub struct Conditions<'a> {
    /// Of each scenario of the plan, whether it is open.
    pub open: &'a [bool],
    /// What each core thread used.
    pub cpu: &'a [Duration],
    /// How long each core thread was ready to run and others had its processor; none where the system does not tell.
    pub waited: &'a [Duration],
    /// The share of the machine's CPU time that its host took, where the system tells.
    pub stolen: Option<f64>,
    /// How long the load was.
    pub duration: Duration,
    /// Iterations that never started because their virtual users were still being made.
    pub unmade: u64,
    /// How many files the process may have open, if there is a limit.
    pub files: Option<u64>,
}

/// Judges the generator by what it measured of itself.
#[must_use]
pub fn judge_generator(conditions: &Conditions<'_>, totals: &Totals) -> Generator {
    let &Conditions { cpu, duration, .. } = conditions;
    let p99 = |metric| totals.root(metric, Aggregation::Percentile(99.0));
    let open = conditions.open.contains(&true);
    let mut health = Health::default();
    health.lags(totals, open);
    let cpu_percent = health.cpu(cpu, duration, open);
    let waited = conditions.waited.iter().copied().max();
    let waited = waited
        .filter(|_| !duration.is_zero())
        .map(|waited| share(waited, duration));
    let stolen = conditions.stolen.map(|share| 100.0 * share);
    health.notes.extend(of_others(waited, stolen));
    health
        .notes
        .extend(saturation(conditions.open, conditions.unmade, totals));
    let socket_errors = health.sockets(totals, conditions.files);
    Generator {
        verdict: health.verdict,
        start_lag_p99_ms: p99(builtin::ITERATION_START_LAG).filter(|_| open),
        cpu_percent: rounded(cpu_percent),
        cpu_wait_percent: waited.map(rounded),
        steal_percent: stolen.map(rounded),
        reasons: health.reasons,
        dispatch_lag_p99_ms: p99(builtin::DISPATCH_LAG).filter(|_| open),
        loop_lag_p99_ms: p99(builtin::LOOP_LAG),
        gc_pause_p99_ms: p99(builtin::GC_PAUSE),
        gc_pause_max_ms: totals.root(builtin::GC_PAUSE, Aggregation::Max),
        socket_errors,
        notes: health.notes,
    }
}

/// The shortest load whose CPU is judged: in milliseconds, beginning and ending are most of it.
const SHORTEST: Duration = Duration::from_secs(1);

/// A part in percent. Both are read one after the other, so that a part of a moment may seem to be more than all of it.
fn share(part: Duration, whole: Duration) -> f64 {
    (100.0 * part.as_secs_f64() / whole.as_secs_f64()).min(100.0)
}

/// To one digit behind the point.
fn rounded(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

/// Others who had the processors: what was late is told by the lags, this tells why.
fn of_others(waited: Option<f64>, stolen: Option<f64>) -> Vec<String> {
    let waited = waited.filter(|waited| *waited >= 5.0).map(|waited| {
        format!(
            "a core thread waited for a processor for {waited:.0} % of the time: other programs of this machine had it"
        )
    });
    let stolen = stolen.filter(|stolen| *stolen >= 1.0).map(|stolen| {
        format!(
            "the host of this machine took {stolen:.1} % of its CPU time for others (steal), and with it moments of this run"
        )
    });
    waited.into_iter().chain(stolen).collect()
}

/// How many of the latest arrivals are left out in a short run, in which the 99th percentile is the one worst moment: one
/// hiccup of a machine spoils no run.
const FEW_ARRIVALS: f64 = 3.0;
/// The same for a loop's lag, of which a stall leaves a sample each 10 ms.
const FEW_TURNS: f64 = 10.0;

/// The percentile that a lag is judged by, which leaves out a `few` samples or one in a hundred, and its value.
fn judged(totals: &Totals, metric: MetricId, few: f64) -> Option<(f64, f64)> {
    let count = totals.root(metric, Aggregation::Count)?;
    let percent = percent_of(count, few);
    Some((percent, totals.root(metric, Aggregation::Percentile(percent))?))
}

fn percent_of(count: f64, few: f64) -> f64 {
    (100.0 - 100.0 * few / count).clamp(50.0, 99.0).floor()
}

/// Iterations of open scenarios that never started; the system's or the cap's doing, not the generator's.
fn saturation(is_open: &[bool], unmade: u64, totals: &Totals) -> Option<String> {
    let open = is_open.iter().enumerate().filter(|(_, open)| **open);
    let counts = open.fold(Counts::default(), |mut sum, (index, _)| {
        sum.merge(&totals.counts(index));
        sum
    });
    (counts.dropped > 0).then(|| never_started(counts, unmade))
}

fn never_started(Counts { dropped, offered, .. }: Counts, unmade: u64) -> String {
    let busy = "all virtual users were busy or the run was stopped";
    let why = match unmade.min(dropped) {
        0 => busy.to_owned(),
        all if all == dropped => "their virtual users were still being made (`vu_init`)".to_owned(),
        some => format!("of {some}, the virtual users were still being made (`vu_init`); for the others, {busy}"),
    };
    format!("{dropped} of {offered} iterations never started: {why}")
}

/// The generator's verdict while it is formed.
#[derive(Debug)]
struct Health {
    verdict: GeneratorVerdict,
    reasons: Vec<String>,
    notes: Vec<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            verdict: GeneratorVerdict::Valid,
            reasons: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Health {
    fn suspect(&mut self, reason: String) {
        self.verdict = self.verdict.max(GeneratorVerdict::Suspect);
        self.reasons.push(reason);
    }

    /// Suspect above `limit`, invalid above four times that.
    fn limit(&mut self, value: f64, limit: f64, reason: impl Fn(f64) -> String) {
        if value > limit {
            self.suspect(reason(value));
        }
        if value > 4.0 * limit {
            self.verdict = GeneratorVerdict::Invalid;
        }
    }

    fn lags(&mut self, totals: &Totals, open: bool) {
        if open && let Some((percent, lag)) = judged(totals, builtin::DISPATCH_LAG, FEW_ARRIVALS) {
            self.limit(lag, 5.0, |lag| {
                format!("iterations were dispatched late: p{percent} {lag:.1} ms, the limit is 5 ms")
            });
        }
        if let Some((percent, lag)) = judged(totals, builtin::LOOP_LAG, FEW_TURNS) {
            self.limit(lag, 10.0, |lag| {
                format!("the event loop came round late: p{percent} {lag:.1} ms, the limit is 10 ms")
            });
        }
    }

    /// CPU of all core threads in percent of all; running flat out is what closed scenarios are for.
    fn cpu(&mut self, cpu: &[Duration], duration: Duration, open: bool) -> f64 {
        if duration.is_zero() || cpu.is_empty() {
            return 0.0;
        }
        let busiest = cpu.iter().max().map_or(0.0, |cpu| share(*cpu, duration));
        if busiest > 90.0 && duration >= SHORTEST {
            let text = format!("the busiest core thread used {busiest:.0} % of its core");
            if open {
                self.suspect(format!("{text}, the limit is 90 %"));
            } else {
                self.notes.push(text);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful of threads")]
        let threads = cpu.len() as f64;
        cpu.iter().map(|cpu| share(*cpu, duration)).sum::<f64>() / threads
    }

    /// How many connections this machine itself refused.
    fn sockets(&mut self, totals: &Totals, files: Option<u64>) -> u64 {
        let refused = totals.root(builtin::SOCKET_ERRORS, Aggregation::Count).unwrap_or(0.0);
        if refused > 0.0 {
            let files = files.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
            self.suspect(format!(
                "{refused:.0} connections were refused by this machine: no files (ulimit -n: {files}), ports or memory"
            ));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let refused = refused as u64;
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_started_is_told_with_its_cause() {
        // How many of ten waited for users that were being made, what is told.
        let table = [
            (0, "all virtual users were busy or the run was stopped"),
            (
                4,
                "of 4, the virtual users were still being made (`vu_init`); for the others, all virtual users were busy or the run was stopped",
            ),
            (10, "their virtual users were still being made (`vu_init`)"),
            (12, "their virtual users were still being made (`vu_init`)"),
        ];
        let counts = Counts {
            offered: 60,
            dropped: 10,
            ..Counts::default()
        };
        for (unmade, why) in table {
            let told = never_started(counts, unmade);
            assert_eq!(told, format!("10 of 60 iterations never started: {why}"));
        }
    }

    #[test]
    fn short_runs_are_judged_by_lower_percentiles() {
        // (samples, how many are left out, percentile)
        let table = [
            (1.0, FEW_ARRIVALS, 50.0),
            (10.0, FEW_ARRIVALS, 70.0),
            (100.0, FEW_ARRIVALS, 97.0),
            (300.0, FEW_ARRIVALS, 99.0),
            (1e6, FEW_ARRIVALS, 99.0),
            (100.0, FEW_TURNS, 90.0),
            (1_000.0, FEW_TURNS, 99.0),
        ];
        for (samples, few, percent) in table {
            assert_eq!(percent_of(samples, few), percent, "{samples}, {few}");
        }
    }

    #[test]
    fn cpu_is_judged_of_loads_that_last() {
        // What two threads used in a load, whether it is open, whether that is a reason, a note, percent of both; in ms.
        let table = [
            ([1_530, 100], 1_000, true, (1, 0), 55.0),
            ([910, 100], 1_000, true, (1, 0), 50.5),
            ([910, 100], 1_000, false, (0, 1), 50.5),
            ([900, 100], 1_000, true, (0, 0), 50.0),
            ([999, 0], 999, true, (0, 0), 50.0),
            ([3, 0], 2, true, (0, 0), 50.0),
            ([3, 0], 0, true, (0, 0), 0.0),
        ];
        for (cpu, duration, open, told, percent) in table {
            let mut health = Health::default();
            let cpu = cpu.map(Duration::from_millis);
            let got = health.cpu(&cpu, Duration::from_millis(duration), open);
            assert_eq!(
                (health.reasons.len(), health.notes.len()),
                told,
                "{cpu:?} of {duration} ms"
            );
            assert!((got - percent).abs() < 1e-9, "{cpu:?} of {duration} ms: {got}");
        }
    }

    #[test]
    fn others_are_told_of_when_they_had_much() {
        // What a thread waited for, what the host took, what is told; in percent.
        let table: [(Option<f64>, Option<f64>, &[&str]); 5] = [
            (None, None, &[]),
            (Some(4.9), Some(0.9), &[]),
            (Some(37.2), Some(0.9), &["waited for a processor for 37 % of the time"]),
            (None, Some(1.04), &["took 1.0 % of its CPU time for others (steal)"]),
            (Some(5.0), Some(12.0), &["for 5 % of the time", "took 12.0 %"]),
        ];
        for (waited, stolen, parts) in table {
            let notes = of_others(waited, stolen);
            assert_eq!(notes.len(), parts.len(), "{notes:?}");
            for (note, part) in notes.iter().zip(parts) {
                assert!(note.contains(part), "{note}");
            }
        }
    }
}
