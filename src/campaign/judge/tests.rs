//! What runs say about the load that they probed.

use serde_json::{Value, json};

use super::*;
use crate::plan::OnSaturation;
use crate::schedule::{Shape, Spacing};

const TIMES: Times = Times {
    settle: Duration::from_secs(5),
    measure: Duration::from_secs(20),
    drain: Duration::from_secs(5),
    rest: Duration::ZERO,
};

/// 4 users for 25 s, 5 of them settling.
fn closed() -> Plan {
    let duration = Duration::from_secs(25);
    Plan::of(vec![Scenario::of("api", Executor::ConstantVus { vus: 4, duration })])
}

/// 100/s for 25 s, 5 of them settling.
fn plan() -> Plan {
    let shape = Shape::ConstantArrivalRate {
        rate: 100.0,
        time_unit: Duration::from_secs(1),
        duration: Duration::from_secs(25),
        arrival: Spacing::Constant,
    };
    let executor = Executor::Open {
        shape,
        pre_allocated_vus: 1,
        max_vus: 40,
        on_saturation: OnSaturation::Queue,
    };
    Plan::of(vec![Scenario::of("api", executor)])
}

fn counts(offered: u64, dropped: u64, interrupted: u64) -> Value {
    let started = offered - dropped;
    json!({ "offered": offered, "started": started, "completed": started - interrupted,
        "dropped": dropped, "interrupted": interrupted, "failed": 0 })
}

fn good() -> Value {
    json!({ "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": 0,
      "run": { "script": "a.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 25_100, "reasons": [] },
      "scenarios": { "api": { "executor": "constant-arrival-rate",
          "iterations": counts(2_000, 0, 0), "warmup": counts(500, 0, 0) } },
      "metrics": {
        "http_req_failed": { "type": "rate", "rate": 0.01, "passes": 20, "total": 2000 },
        "grpc_req_failed": { "type": "rate", "rate": 0.0, "passes": 0, "total": 2000 } },
      "checks": [],
      "thresholds": [
        { "metric": "http_req_duration", "expression": "p(95)<2s", "ok": true, "observed": 12.5, "aborted": false, "unit": "ms" } ],
      "generator": { "verdict": "valid", "start_lag_p99_ms": 0.4, "cpu_percent": 7.5, "reasons": [] } })
}

fn look(at: u64, finished: u64, backlog: u64) -> Look {
    let progress = Progress {
        offered: finished + 10,
        finished,
        backlog,
        ..Progress::default()
    };
    Look {
        at: Duration::from_secs(at),
        progress: vec![progress],
    }
}

fn judged_with(summary: &Value, backlog: u64, allow_suspect: bool) -> Result<Probe, Halt> {
    judged_of(&plan(), summary, backlog, (&[], allow_suspect))
}

fn judged_of(
    plan: &Plan,
    summary: &Value,
    backlog: u64,
    (exhausted, allow_suspect): (&[String], bool),
) -> Result<Probe, Halt> {
    let summary: Summary = serde_json::from_value(summary.clone()).unwrap();
    let span = Span {
        begin: Some(look(5, 490, 0)),
        end: Some(look(24, 2_390, backlog)),
        cut: summary.thresholds.iter().any(|threshold| threshold.aborted),
    };
    let found = Found {
        levels: Levels::from([("api".to_owned(), 100.0)]),
        number: 3,
        attempt: 1,
        plan,
        times: TIMES,
        summary: &summary,
        span: &span,
        exhausted,
        allow_suspect,
    };
    found.probe()
}

fn judged(summary: &Value) -> Result<Probe, Halt> {
    judged_with(summary, 0, false)
}

#[test]
fn a_load_that_was_offered_and_met_everything_is_held() {
    let probe = judged(&good()).unwrap();
    assert!(probe.held && probe.reasons.is_empty());
    let api = &probe.scenarios["api"];
    assert_eq!((api.offered_per_s, api.achieved_per_s), (100.0, Some(100.0)));
    assert_eq!(probe.errors, Some(20.0 / 4_000.0));
}

/// What goes on beside the levels is told, and no part of what was asked for.
#[test]
fn a_scenario_without_a_level_is_not_counted() {
    let mut plan = plan();
    let executor = plan.scenarios[0].executor.clone();
    plan.scenarios.push(Scenario::of("beside", executor));
    let mut summary = good();
    summary["scenarios"]["beside"] = summary["scenarios"]["api"].clone();
    let probe = judged_of(&plan, &summary, 0, (&[], false)).unwrap();
    let has_level = |name: &str| probe.scenarios[name].has_level;
    assert_eq!((has_level("api"), has_level("beside")), (true, false));
    assert_eq!(probe.scenarios["beside"].offered_per_s, 100.0);
    assert_eq!((probe.offered_per_s(), probe.achieved_per_s()), (100.0, Some(100.0)));
}

#[test]
fn a_load_of_which_nothing_worked_is_told() {
    let mut summary = good();
    assert_eq!(judged(&summary).unwrap().warnings, Vec::<String>::new());
    summary["metrics"]["http_req_failed"] = json!({ "type": "rate", "rate": 1.0, "passes": 2000, "total": 2000 });
    let probe = judged(&summary).unwrap();
    assert!(probe.held, "no threshold says that it is not");
    assert_eq!(
        probe.warnings,
        ["all 2000 requests failed: this run says nothing about the system's speed"]
    );
}

/// A threshold that was not met, as the run tells it, and an invariant that was broken.
fn missed_and_broken() -> (Value, Value) {
    let (mut missed, mut broken) = (good(), good());
    missed["thresholds"][0]["ok"] = json!(false);
    missed["thresholds"][0]["observed"] = json!(3_400.0);
    missed["run"]["reasons"] = json!([{ "exit_code": 99, "message": "as the threshold says" }]);
    broken["invariants"] = json!([{ "name": "no_oversell", "ok": false, "checks": 3, "broken_checks": 1 }]);
    (missed, broken)
}

#[test]
fn a_load_breaks_for_its_reasons() {
    use BrokeKind as K;
    let with = |pointer: &str, value: Value| {
        let mut summary = good();
        *summary.pointer_mut(pointer).unwrap() = value;
        summary
    };
    let (missed, broken) = missed_and_broken();
    let reason = |code: u8| with("/run/reasons", json!([{ "exit_code": code, "message": "so it was" }]));
    let invalid = json!({ "verdict": "invalid", "start_lag_p99_ms": 40, "cpu_percent": 99, "reasons": ["late"] });
    let table = [
        (missed, 0, K::Threshold, "http_req_duration p(95)<2s was 3.40s"),
        (broken, 0, K::Threshold, "the invariant `no_oversell` was broken"),
        (
            with("/scenarios/api/iterations", counts(2_000, 7, 0)),
            0,
            K::Load,
            "7 of 2000 iterations of `api` never started",
        ),
        (
            good(),
            21,
            K::Load,
            "21 iterations of `api` waited for a virtual user in the end, with 40 at most",
        ),
        (
            with("/scenarios/api/iterations", counts(2_000, 0, 21)),
            0,
            K::Load,
            "21 of 2000 iterations of `api` had not ended 5 s",
        ),
        (
            with("/scenarios/api/iterations", counts(1_900, 0, 0)),
            0,
            K::Load,
            "only 2400 of 2500 iterations of `api` were offered",
        ),
        (reason(114), 0, K::Load, "so it was"),
        (reason(107), 0, K::Script, "so it was"),
        (reason(108), 0, K::Script, "so it was"),
        (reason(110), 0, K::Script, "so it was"),
        (
            with("/generator", invalid),
            0,
            K::Generator,
            "the generator is invalid: late",
        ),
    ];
    for (summary, backlog, kind, part) in table {
        let probe = judged_with(&summary, backlog, false).unwrap();
        assert!(!probe.held, "{part}");
        let [reason] = &probe.reasons[..] else {
            panic!("{part}: {:?}", probe.reasons)
        };
        assert_eq!(reason.kind, kind, "{part}");
        assert!(reason.message.contains(part), "{part}: {}", reason.message);
    }
}

/// Users who loop offer what they can; they are a load as long as all of them do.
#[test]
fn a_load_of_users_breaks_when_they_hang_or_have_no_data() {
    let summary = |own: Value, warmup: Value| {
        let mut summary = good();
        summary["scenarios"]["api"] = json!({ "executor": "constant-vus", "iterations": own, "warmup": warmup });
        summary
    };
    let rows = ["rows".to_owned()];
    let all = || counts(2_000, 0, 0);
    let table = [
        (summary(all(), all()), &[][..], None),
        (summary(counts(2_000, 0, 20), all()), &[], None),
        (
            summary(counts(16, 0, 4), all()),
            &[],
            Some("4 of 16 iterations of `api` had not ended 5 s"),
        ),
        (
            summary(all(), counts(2_000, 0, 2)),
            &[],
            Some("2 of 4 virtual users of `api` never ended an iteration"),
        ),
        (
            summary(counts(0, 0, 0), all()),
            &[],
            Some("no iteration of `api` began while it was measured"),
        ),
        (
            summary(counts(45, 0, 4), all()),
            &rows,
            Some("the data ran out: every row of `rows` was given out"),
        ),
    ];
    for (summary, exhausted, part) in table {
        let probe = judged_of(&closed(), &summary, 0, (exhausted, false)).unwrap();
        let reasons: Vec<_> = probe.reasons.iter().map(|reason| &*reason.message).collect();
        assert_eq!(reasons.len(), usize::from(part.is_some()), "{part:?}: {reasons:?}");
        assert!(probe.reasons.iter().all(|reason| reason.kind == BrokeKind::Load));
        assert!(
            reasons.iter().all(|told| told.contains(part.unwrap())),
            "{part:?}: {reasons:?}"
        );
    }
}

/// A little of each is no break; nor is an invalid generator when that was allowed, or a suspect one.
#[test]
fn slack_and_doubt_break_nothing() {
    let mut little = good();
    little["scenarios"]["api"]["iterations"] = counts(1_990, 0, 19);
    assert!(judged_with(&little, 19, false).unwrap().held);
    let mut doubtful = good();
    doubtful["generator"]["verdict"] = json!("suspect");
    assert!(judged(&doubtful).unwrap().held);
    doubtful["generator"]["verdict"] = json!("invalid");
    assert!(judged_with(&doubtful, 0, true).unwrap().held);
}

#[test]
fn a_load_that_a_threshold_cut_short_breaks_for_that_alone() {
    let mut summary = good();
    summary["thresholds"][0]["ok"] = json!(false);
    summary["thresholds"][0]["aborted"] = json!(true);
    summary["scenarios"]["api"]["iterations"] = counts(300, 0, 0);
    let probe = judged(&summary).unwrap();
    assert_eq!(probe.scenarios["api"].offered_per_s, 100.0, "as long as it lasted");
    let kinds: Vec<_> = probe.reasons.iter().map(|reason| reason.kind).collect();
    assert_eq!(kinds, [BrokeKind::Threshold]);
    let told = &probe.reasons[0].message;
    assert!(
        told.contains("ended the load early, and was 12.5ms in the end"),
        "{told}"
    );
}

#[test]
fn what_says_nothing_about_the_load_ends_the_search() {
    let mut summary = good();
    let because = |summary: &mut Value, code: u8| {
        summary["run"]["reasons"] = json!([{ "exit_code": code, "message": "so it was" }]);
    };
    because(&mut summary, 105);
    assert_eq!(judged(&summary), Err(Halt::Stopped));
    for code in [ExitCode::Internal, ExitCode::SetupTimeout, ExitCode::TeardownTimeout] {
        because(&mut summary, code.number());
        let message = "so it was".to_owned();
        assert_eq!(judged(&summary), Err(Halt::Failed { code, message }));
    }
    // Setup raised an error: no iteration was offered.
    because(&mut summary, 107);
    summary["scenarios"]["api"] = json!({ "executor": "constant-arrival-rate", "iterations": counts(0, 0, 0) });
    let code = ExitCode::ScriptError;
    let message = "so it was".to_owned();
    assert_eq!(judged(&summary), Err(Halt::Failed { code, message }));
}
