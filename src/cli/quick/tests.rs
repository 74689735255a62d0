//! What the options of `kingtide quick` become, and that the printed script becomes the same.

use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use tempfile::TempDir;

use super::*;
use crate::cli::args::{Cli, Command};
use crate::run::LoadOptions;

const URL: &str = "http://127.0.0.1:8080/a?b=c";

fn parse(args: &[&str]) -> QuickArgs {
    let words = ["kingtide", "quick", URL].iter().chain(args);
    match Cli::try_parse_from(words).map(|cli| cli.command) {
        Ok(Command::Quick(args)) => args,
        other => panic!("{args:?}: {other:?}"),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_load_is_as_other_tools_have_it() {
    let constant = |vus, duration| Executor::ConstantVus {
        vus,
        duration: seconds(duration),
    };
    let shared = |vus, iterations, longest| Executor::SharedIterations {
        vus,
        iterations,
        max_duration: seconds(longest),
    };
    let open = |rate, duration, pre_allocated_vus, max_vus| Executor::Open {
        shape: Shape::ConstantArrivalRate {
            rate,
            time_unit: seconds(1),
            duration: seconds(duration),
            arrival: Spacing::Constant,
        },
        pre_allocated_vus,
        max_vus,
        on_saturation: OnSaturation::Queue,
    };
    let table: &[(&[&str], Executor)] = &[
        (&[], constant(50, 10)),
        (&["-c", "7", "-d", "1m"], constant(7, 60)),
        (&["-c10", "-d30s"], constant(10, 30)),
        (&["-n", "1000"], shared(50, 1_000, 600)),
        (&["-n", "3"], shared(3, 3, 600)),
        (&["-n", "30", "-c", "2", "-d", "5s"], shared(2, 30, 5)),
        (&["-r", "20"], open(20.0, 10, 20, 10_000)),
        (&["-r", "2000"], open(2_000.0, 10, 100, 10_000)),
        (&["-r", "0.5", "-d", "20s", "-c", "4"], open(0.5, 20, 4, 4)),
        (&["-r", "9", "-c", "4", "--max-vus", "6"], open(9.0, 10, 4, 6)),
        (&["-r", "9", "--max-vus", "6"], open(9.0, 10, 6, 6)),
    ];
    for (args, executor) in table {
        let plan = plan(&parse(args)).unwrap();
        assert_eq!(plan.scenarios[0].executor, *executor, "{args:?}");
    }
}

#[test]
fn loads_that_cannot_be_meant_are_refused_by_the_name_of_the_option() {
    let table: &[(&[&str], &str)] = &[
        (&["-d", "0"], "--duration: must be longer than zero"),
        (&["-r", "1", "-d", "0s"], "--duration: must be longer than zero"),
        (&["-n", "1", "-d", "0"], "--duration: must be longer than zero"),
        (&["-r", "1e9"], "--rate: is 1000000000 per second"),
        (&["-c", "2000000"], "--vus: is 2000000; one machine"),
        (&["-r", "1", "-c", "2000000"], "--vus: is 2000000; one machine"),
        (
            &["-r", "1", "--max-vus", "2000000"],
            "--max-vus: is 2000000; one machine",
        ),
        (
            &["-r", "1", "-c", "5", "--max-vus", "2"],
            "--vus: is 5, more than --max-vus (2)",
        ),
        (&["-t", "0"], "--timeout: must be longer than zero"),
    ];
    for (args, message) in table {
        let failure = plan(&parse(args)).unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage, "{args:?}");
        let text = failure.error.to_string();
        assert!(text.contains(message), "{args:?}: {text}");
    }
}

#[test]
fn more_users_need_a_rate() {
    let table: &[(&[&str], &str)] = &[
        (&["--max-vus", "9"], "--rate"),
        (&["-n", "5", "--max-vus", "9"], "--iterations"),
    ];
    for (args, named) in table {
        let words = ["kingtide", "quick", URL].iter().chain(*args);
        let error = Cli::try_parse_from(words).expect_err("it is refused").to_string();
        assert!(error.contains(named), "{args:?}: {error}");
    }
}

#[test]
fn a_body_makes_it_a_post_unless_a_method_is_given() {
    let table: &[(&[&str], &str, &str)] = &[
        (&[], "GET", ""),
        (&["--body", "x"], "POST", "x"),
        (&["--body", ""], "POST", ""),
        (&["--body", "x", "-m", "put"], "PUT", "x"),
        (&["-m", "delete"], "DELETE", ""),
    ];
    for (args, method, body) in table {
        let call = call(&parse(args)).unwrap();
        assert_eq!(
            (call.method.as_str(), &*call.body),
            (*method, body.as_bytes()),
            "{args:?}"
        );
    }
}

/// The plan of a script as text.
async fn loaded(folder: &Path, text: &str) -> Plan {
    let script = folder.join("quick.lua");
    std::fs::write(&script, text).unwrap();
    let options = LoadOptions {
        script,
        ..LoadOptions::default()
    };
    let test = run::load(options, Arc::new(Control::new())).await;
    let test = test.unwrap_or_else(|error| panic!("{error}\n{text}"));
    (*test.plan).clone()
}

#[test]
fn the_printed_script_is_the_same_plan() {
    let table: &[&[&str]] = &[
        &[],
        &["-r", "123.5", "-d", "1m30s", "-c", "7", "--max-vus", "9"],
        &["-n", "11", "-c", "3", "-d", "5s"],
        &["-k", "-t", "2.5s", "--redirects", "0", "--no-keepalive"],
        &["--http2", "--connections", "50"],
        &["--http-version", "1.1"],
        &["--trace-sampling", "0.25"],
        &["--tag", "build=17", "--tag", "end=x y"],
        &[
            "--threshold",
            "http_req_duration=p(95)<200ms",
            "--threshold",
            "http_req_duration=max<1s",
            "--threshold",
            "http_req_failed{status:500}=rate==0",
        ],
        &[
            "--body",
            "\"it's\"\\\n\t\u{1}2 é",
            "-H",
            "x: 1",
            "-H",
            "Accept: \"a\"",
            "--expect",
            "2xx,404",
        ],
        &["-H", "cookie: a=1", "-H", "x: 1", "-H", "Cookie: b=2; c=3"],
        &["-m", "trace", "--body", &"x".repeat(200)],
    ];
    let folder = TempDir::new().unwrap();
    block_on(async {
        for args in table {
            let args = parse(args);
            let (own, call) = (plan(&args).unwrap(), call(&args).unwrap());
            let text = script::print(&own, &call);
            let read = loaded(folder.path(), &text).await;
            assert_eq!(read.scenarios, own.scenarios, "{text}");
            assert_eq!(read.http.config, own.http.config, "{text}");
            assert_eq!((&read.tags, &read.traces), (&own.tags, &own.traces), "{text}");
            let conditions = |plan: &Plan| -> Vec<_> {
                let all = plan.thresholds.iter();
                all.map(|threshold| (threshold.selector.clone(), threshold.expression.clone()))
                    .collect()
            };
            assert_eq!(conditions(&read), conditions(&own), "{text}");
        }
    })
    .unwrap();
}

#[test]
fn a_password_in_the_url_is_not_printed() {
    let printed = |url: &str, more: &[&str]| {
        let words = ["kingtide", "quick", url].into_iter().chain(more.iter().copied());
        let Ok(Command::Quick(args)) = Cli::try_parse_from(words).map(|cli| cli.command) else {
            panic!("{url}");
        };
        script::print(&plan(&args).unwrap(), &call(&args).unwrap())
    };
    let text = printed("http://me:s%65cret@h/a?b=c", &[]);
    let lines = [
        "local password = kt.secret \"PASSWORD\"\n",
        "http.get(\"http://h/a?b=c\", { auth = { basic = { \"me\", password } } })",
    ];
    for line in lines {
        assert!(text.contains(line), "{text}");
    }
    let text = printed("http://me@h/", &[]);
    assert!(text.contains("{ basic = { \"me\", \"\" } }"), "{text}");
    assert!(!text.contains("PASSWORD"), "{text}");
    // The header is what is sent.
    let text = printed("http://me:secret@h/", &["-H", "authorization: Bearer x"]);
    assert!(!text.contains("secret") && !text.contains("basic"), "{text}");
}
