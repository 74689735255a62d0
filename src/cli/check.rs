//! `kingtide check`: everything that can be known without load, and one dry iteration with `--once`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::args::CheckArgs;
use super::run::{finish, prepare, text};
use super::{Failure, block_on, progress, signals, terminal};
use crate::control::Control;
use crate::plan::duration::format as human;
use crate::plan::{Executor, Plan, Scenario};
use crate::results::ExitCode;
use crate::run;

pub(super) fn command(args: CheckArgs) -> Result<u8, Failure> {
    block_on(check(args))?
}

async fn check(args: CheckArgs) -> Result<u8, Failure> {
    let control = Arc::new(Control::new());
    let (mut test, demo) = prepare(&args.script, Arc::clone(&control)).await?;
    terminal::out(&describe(&args.script.script.display().to_string(), &test.plan));
    let mut code = 0;
    if args.once {
        signals::listen(control).map_err(|error| Failure::new(ExitCode::Internal, error))?;
        test.set_plan(once(&test.plan));
        let options = run::RunOptions {
            threads: 1,
            allow_suspect: true,
        };
        let outcome = run::run(test, &options, &mut progress::Quiet).await;
        terminal::out(&format!("\n{}", text(&outcome.summary)));
        code = outcome.summary.exit_code;
    }
    finish(demo).await;
    Ok(code)
}

/// The same plan with one iteration of one VU for each scenario, and no thresholds: they are for load.
fn once(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for scenario in &mut plan.scenarios {
        scenario.start_time = Duration::ZERO;
        scenario.executor = Executor::SharedIterations {
            vus: 1,
            iterations: 1,
            max_duration: Duration::from_mins(10),
        };
    }
    plan.thresholds.clear();
    plan
}

/// The plan in words, with the load to expect.
fn describe(script: &str, plan: &Plan) -> String {
    let mut out = format!("{script}: valid\n\nscenarios\n");
    for scenario in &plan.scenarios {
        let _ = writeln!(out, "  {:<16} {}", scenario.name, load(scenario));
    }
    if plan.scenarios.len() > 1 {
        let end = plan
            .scenarios
            .iter()
            .map(|scenario| scenario.start_time + scenario.executor.duration())
            .max()
            .unwrap_or_default();
        let _ = writeln!(out, "  {:<16} at most {} without graceful stop", "all", human(end));
    }
    if let Some(base) = &plan.http.base_url {
        let _ = writeln!(out, "\nbase URL\n  {base}");
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

fn load(scenario: &Scenario) -> String {
    let name = scenario.executor.name();
    let mut text = match scenario.executor {
        Executor::ConstantVus { vus, duration } => format!("{name}: {vus} VUs for {}", human(duration)),
        Executor::SharedIterations {
            vus,
            iterations,
            max_duration,
        } => {
            format!(
                "{name}: {iterations} iterations by {vus} VUs, at most {}",
                human(max_duration)
            )
        }
        Executor::PerVuIterations {
            vus,
            iterations,
            max_duration,
        } => {
            format!(
                "{name}: {} iterations, {iterations} by each of {vus} VUs, at most {}",
                vus.saturating_mul(iterations),
                human(max_duration)
            )
        }
        Executor::ConstantArrivalRate {
            rate,
            time_unit,
            duration,
            max_vus,
            ..
        } => {
            let total = crate::schedule::constant(rate, time_unit, duration).total();
            let unit = human(time_unit);
            let unit = unit
                .strip_prefix('1')
                .filter(|unit| !unit.starts_with(|c: char| c.is_ascii_digit()))
                .unwrap_or(&unit)
                .to_owned();
            format!(
                "{name}: {rate}/{unit} for {}, {total} iterations, up to {max_vus} VUs",
                human(duration)
            )
        }
    };
    if !scenario.start_time.is_zero() {
        let _ = write!(text, ", from {} on", human(scenario.start_time));
    }
    text
}
