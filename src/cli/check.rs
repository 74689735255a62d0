//! `kingtide check`: everything that can be known without load, and one dry iteration with `--once`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::args::CheckArgs;
use super::once::once;
use super::run::{finish, prepare, text};
use super::{Failure, block_on, progress, signals, terminal};
use crate::control::Control;
use crate::plan::duration::format as human;
use crate::plan::{Executor, Plan, Scenario, order};
use crate::results::ExitCode;
use crate::run;
use crate::schedule::Shape;

pub(super) fn command(args: CheckArgs) -> Result<u8, Failure> {
    block_on(check(args))?
}

async fn check(args: CheckArgs) -> Result<u8, Failure> {
    let control = Arc::new(Control::new());
    let (mut test, demo) = prepare(&args.script, false, Arc::clone(&control)).await?;
    terminal::out(&describe(&args.script.script.display().to_string(), &test.plan));
    let mut code = 0;
    if args.once {
        signals::listen(control).map_err(|error| Failure::new(ExitCode::Internal, error))?;
        test.set_plan(once(&test.plan));
        let options = run::RunOptions {
            threads: 1,
            allow_suspect: true,
        };
        let outcome = run::run(test, &options, &mut progress::Quiet::default(), Vec::new()).await;
        terminal::out(&format!("\n{}", text(&outcome.summary)));
        code = outcome.summary.exit_code;
    }
    finish(demo).await;
    Ok(code)
}

/// The plan in words, with the load to expect.
fn describe(script: &str, plan: &Plan) -> String {
    let mut out = format!("{script}: valid\n\nscenarios\n");
    for scenario in &plan.scenarios {
        let _ = writeln!(out, "  {:<16} {}", scenario.name, load(scenario));
    }
    if plan.scenarios.len() > 1 {
        let end = order::latest_end(&plan.scenarios);
        let _ = writeln!(out, "  {:<16} at most {} without graceful stop", "all", human(end));
    }
    if let Some(every) = plan.checkpoints {
        let _ = writeln!(out, "\ncheckpoints\n  every {}", human(every));
    }
    if let Some(base) = &plan.http.base_url {
        let _ = writeln!(out, "\nbase URL\n  {base}");
        out.push_str(&relatives(base));
    }
    if !plan.thresholds.is_empty() {
        let _ = writeln!(out, "\nthresholds");
        for threshold in &plan.thresholds {
            let abort = if threshold.abort_on_fail { ", ends the run" } else { "" };
            let _ = writeln!(out, "  {}: {}{abort}", threshold.selector, threshold.expression);
        }
    }
    out
}

/// What becomes of relative URLs where the base has a path: that they replace it is no news for those who have none.
fn relatives(base: &Url) -> String {
    match (base.path(), base.join("/x"), base.join("x")) {
        ("/", ..) | (_, Err(_), _) | (.., Err(_)) => String::new(),
        (_, Ok(rooted), Ok(beside)) => format!("  \"/x\" requests {rooted}\n  \"x\" requests {beside}\n"),
    }
}

fn load(scenario: &Scenario) -> String {
    let name = scenario.executor.name();
    let duration = human(scenario.executor.duration());
    let mut text = match &scenario.executor {
        Executor::ConstantVus { vus, .. } => format!("{name}: {vus} VUs for {duration}"),
        Executor::ExternallyControlled { vus, max_vus, .. } => {
            format!("{name}: {vus} VUs for {duration}, up to {max_vus} by live control")
        }
        Executor::SharedIterations { vus, iterations, .. } => {
            format!("{name}: {iterations} iterations by {vus} VUs, at most {duration}")
        }
        Executor::PerVuIterations { vus, iterations, .. } => {
            let all = vus.saturating_mul(*iterations);
            format!("{name}: {all} iterations, {iterations} by each of {vus} VUs, at most {duration}")
        }
        Executor::RampingVus { start_vus, stages, .. } => {
            let targets: Vec<_> = stages.iter().map(|stage| stage.target.to_string()).collect();
            let (targets, peak) = (targets.join(" → "), scenario.executor.vus().1);
            format!("{name}: {start_vus} → {targets} VUs in {duration}, at most {peak} VUs")
        }
        Executor::Open { shape, max_vus, .. } => format!("{name}: {}, up to {max_vus} VUs", arrivals(shape, &duration)),
    };
    if let Some(other) = &scenario.start_after {
        let _ = write!(text, ", after `{other}`");
    }
    if !scenario.start_time.is_zero() {
        let _ = write!(text, ", from {} on", human(scenario.start_time));
    }
    if !scenario.warmup.is_zero() {
        let _ = write!(text, ", {} of it warm-up", human(scenario.warmup));
    }
    text
}

/// How many iterations, how fast at most.
fn arrivals(shape: &Shape, duration: &str) -> String {
    let about = if shape.is_random() { "about " } else { "" };
    let total = format!("{about}{} iterations", shape.planned());
    if let Shape::ConstantArrivalRate { rate, time_unit, .. } = shape {
        return format!("{rate}/{} for {duration}, {total}", unit(*time_unit));
    }
    match (shape.peak_rate(), shape.at_once()) {
        (Some(rate), _) => format!("{total} in {duration}, at most {}/s", rounded(rate)),
        (None, Some(count)) => format!("{total} in {duration}, at most {count} at once"),
        (None, None) => format!("{total} in {duration}"),
    }
}

/// `s` for one second, `5m` for five minutes.
fn unit(time_unit: Duration) -> String {
    let text = human(time_unit);
    match text.strip_prefix('1') {
        Some(unit) if !unit.starts_with(|c: char| c.is_ascii_digit()) => unit.to_owned(),
        _ => text,
    }
}

/// Three decimals at most.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::once::samples::{SECOND, open, ramping, ramping_vus, replay};
    use crate::schedule::Spacing;

    #[test]
    fn a_base_with_a_path_is_told_with_what_becomes_of_it() {
        let table = [
            ("http://h", ""),
            (
                "http://h/api/v1",
                "  \"/x\" requests http://h/x\n  \"x\" requests http://h/api/x\n",
            ),
            (
                "http://h/api/v1/",
                "  \"/x\" requests http://h/x\n  \"x\" requests http://h/api/v1/x\n",
            ),
        ];
        for (base, text) in table {
            assert_eq!(relatives(&base.parse().unwrap()), text, "{base}");
        }
    }

    #[test]
    fn loads_are_told_with_their_totals_and_peaks() {
        let table = [
            (ramping_vus(), "ramping-vus: 0 → 10 → 5 VUs in 2m, at most 10 VUs"),
            (
                ramping(Spacing::Constant),
                "ramping-arrival-rate: 60 iterations in 1m, at most 2/s, up to 50 VUs",
            ),
            (
                ramping(Spacing::Poisson),
                "ramping-arrival-rate: about 60 iterations in 1m, at most 2/s, up to 50 VUs",
            ),
            (
                open(Shape::Burst { count: 7 }),
                "burst: 7 iterations in 0s, at most 7 at once, up to 50 VUs",
            ),
            (replay(), "replay: 2 iterations in 1s, up to 50 VUs"),
        ];
        for (executor, text) in table {
            let scenario = Scenario {
                name: "a".to_owned(),
                executor,
                start_time: 5 * SECOND,
                start_after: Some("b".to_owned()),
                warmup: Duration::ZERO,
                graceful_stop: SECOND,
                tags: std::collections::BTreeMap::new(),
                env: std::collections::BTreeMap::new(),
            };
            assert_eq!(load(&scenario), format!("{text}, after `b`, from 5s on"));
        }
    }
}
