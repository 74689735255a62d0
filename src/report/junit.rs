//! The summary as JUnit's XML, which CI servers show as tests: one case for each threshold, invariant and check, for the
//! generator, and for the run as a whole, which has whatever no other case tells.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::results::{GeneratorVerdict, Summary};

use super::text::capacity;

/// Renders the summary.
///
/// # Errors
/// What writing XML gives.
pub fn junit(summary: &Summary) -> Result<String, SerializeError> {
    let mut report = Report::new("kingtide");
    let mut suite = TestSuite::new(summary.run.script.clone());
    let took = Duration::from_millis(summary.run.duration_ms);
    suite.set_time(took);
    report.set_time(took);
    let run = &summary.run;
    suite.add_property(Property::new("seed", run.seed.to_string()));
    suite.add_property(Property::new("started_at", run.started_at.as_str()));
    suite.add_property(Property::new("exit_code", summary.exit_code.to_string()));
    suite.add_test_cases(cases(summary));
    report.add_test_suite(suite);
    report.to_string()
}

/// What stands in for the report until the run is over: a case that has not passed.
///
/// # Errors
/// What writing XML gives.
pub fn junit_unfinished(script: &str) -> Result<String, SerializeError> {
    let mut report = Report::new("kingtide");
    let mut suite = TestSuite::new(script);
    suite.add_test_case(case(
        "run",
        script.to_owned(),
        Some("the run has not come to its end".to_owned()),
    ));
    report.add_test_suite(suite);
    report.to_string()
}

/// A case of a class, and what is wrong with it.
fn case(class: &str, name: String, wrong: Option<String>) -> TestCase {
    let status = match wrong {
        None => TestCaseStatus::success(),
        Some(message) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(class).set_message(message);
            status
        }
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case
}

fn cases(summary: &Summary) -> Vec<TestCase> {
    let reasons: Vec<_> = summary
        .run
        .reasons
        .iter()
        .map(|reason| reason.message.as_str())
        .collect();
    let whole = (summary.exit_code != 0).then(|| format!("exit code {}: {}", summary.exit_code, reasons.join("; ")));
    let mut cases = vec![case("run", summary.run.script.clone(), whole)];
    cases.extend(summary.thresholds.iter().map(|threshold| {
        let name = format!("{}: {}", threshold.metric, threshold.expression);
        case(
            "threshold",
            name,
            (!threshold.ok).then(|| capacity::observed(threshold)),
        )
    }));
    cases.extend(summary.invariants.iter().map(|invariant| {
        let wrong = (!invariant.ok).then(|| {
            let keys = invariant.offending.join(", ");
            let (broken, checks) = (invariant.broken_checks, invariant.checks);
            format!("did not hold in {broken} of {checks} checks; blamed: {keys}")
        });
        case("invariant", invariant.name.clone(), wrong)
    }));
    cases.extend(summary.checks.iter().map(|check| {
        let name = match check.group.as_str() {
            "" => check.name.clone(),
            group => format!("{group}: {}", check.name),
        };
        let total = check.passes + check.fails;
        let wrong = (check.fails > 0).then(|| format!("did not hold {} of {total} times", check.fails));
        case("check", name, wrong)
    }));
    let generator = &summary.generator;
    let is_valid = generator.verdict == GeneratorVerdict::Valid;
    let wrong = (!is_valid).then(|| generator.reasons.join("; "));
    cases.push(case("generator", "the generator kept up".to_owned(), wrong));
    cases
}
