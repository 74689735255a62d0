//! The journeys against the built-in orchestrator: that what they count is what it counts, that success is judged by the
//! body of an answer, and that a queue which grows, drains or is full is told.

use serde_json::Value;

use crate::demo::Demo;
use crate::kit::{Project, Ran, root};
use crate::server::refused_url;

/// The requests that carry events, as a selector.
const BULK: &str = "{name:POST /api/orchestrator/events/bulk-ndjson}";

/// Runs `scripts/orchestrator/NAME.lua` against a demo.
async fn run_against(demo: &Demo, name: &str, args: &[&str]) -> (Project, Ran) {
    let url = format!("ORCHESTRATOR_URL={}", demo.url("ORCHESTRATOR_URL"));
    let args: Vec<&str> = ["-e", &url].iter().chain(args).copied().collect();
    run(name, &args).await
}

async fn run(name: &str, args: &[&str]) -> (Project, Ran) {
    let script = root().join(format!("scripts/orchestrator/{name}.lua"));
    let script = script.to_str().expect("the repository's path is text");
    let project = Project::new();
    let all = [script, "--seed", "1", "-e", "QUEUE_EVERY=100ms"];
    let args: Vec<&str> = all.iter().chain(args).copied().collect();
    let ran = project.run(&args).await;
    (project, ran)
}

/// The thresholds that failed.
fn failed(ran: &Ran) -> Vec<&str> {
    let thresholds = ran.summary["thresholds"].as_array().expect("there are thresholds");
    let failed = thresholds.iter().filter(|threshold| threshold["ok"] == false);
    failed.filter_map(|threshold| threshold["metric"].as_str()).collect()
}

#[tokio::test]
async fn the_demo_tells_the_address_of_each_system() {
    // options, names
    let table: &[(&[&str], &[&str])] = &[
        (
            &[],
            &[
                "BASE_URL",
                "ACCOUNT_URL",
                "INVENTORY_URL",
                "ORDER_URL",
                "PAYMENT_URL",
                "ORCHESTRATOR_URL",
                "CHALLENGE_URL",
                "CHALLENGE_GRPC",
            ],
        ),
        (
            &["--no-services"],
            &["BASE_URL", "ORCHESTRATOR_URL", "CHALLENGE_URL", "CHALLENGE_GRPC"],
        ),
    ];
    for (options, expected) in table {
        let demo = Demo::start(options).await;
        assert_eq!(demo.names(), *expected);
        assert_eq!(demo.events().await, [0.0; 4]);
    }
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let project = Project::new();
    // options, exit code, what is said
    let table: &[(&[&str], i32, &str)] = &[
        (
            &["--orchestrator-drain", "0"],
            104,
            "option `orchestrator-drain`: 0 is not a rate",
        ),
        (&["--orchestrator-queue", "0"], 104, "at least 1 event"),
        (&["--orchestrator-full", "404"], 104, "404 is not 429 or 503"),
        (&["--orchestrator-fault", "stock=1"], 2, "faults are latency"),
        (&["--orchestrator-fault", "slow_drain=2"], 2, "not a fraction"),
        (&["--fault", "slow_drain=0.5"], 2, "no fault `slow_drain`"),
        (&["--port", "65529"], 104, "no room"),
    ];
    for (options, code, part) in table {
        let args: Vec<&str> = ["demo"].iter().chain(*options).copied().collect();
        project.call(&args).await.says(*code, &[part]);
    }
}

#[tokio::test]
async fn the_events_of_a_load_test_are_those_that_arrived() {
    let demo = Demo::start(&[]).await;
    let (project, ran) = run_against(&demo, "load", &["--time-scale", "0.01", "-e", "VUS=20"]).await;
    ran.exits(0);
    let submitted = ran.count("events_submitted");
    assert_eq!(demo.events().await, [submitted, submitted, 0.0, 0.0]);
    let requests = ran
        .metric(&format!("http_req_duration{BULK}"), "count")
        .expect("requests");
    assert_eq!(submitted, requests * 100.0);
    assert_eq!(
        ran.metric("routing_success_rate", "total"),
        Some(submitted),
        "events, not requests"
    );
    assert_eq!(ran.metric("queue_growing", "rate"), Some(0.0));
    assert!(ran.metric("queue_depth", "max").is_some_and(|depth| depth > 0.0));
    let written = std::fs::read(project.path("results/orchestrator-load-summary.json")).expect("it was written");
    let written: Value = serde_json::from_slice(&written).expect("it is JSON");
    assert_eq!(written["events"]["submitted"].as_f64(), Some(submitted));
    assert_eq!(written["verdict"], "pass");
}

#[tokio::test]
async fn an_accepted_request_with_failed_events_is_a_failure() {
    let demo = Demo::start(&["--orchestrator-fault", "failed_events=5%"]).await;
    let (_, ran) = run_against(&demo, "load", &["--time-scale", "0.005", "-e", "VUS=20"]).await;
    ran.exits(99);
    let [received, successful, failures, refused] = demo.events().await;
    assert_eq!((ran.count("events_submitted"), refused), (received, 0.0));
    assert_eq!(ran.count("events_failed"), failures);
    assert_eq!(ran.metric("routing_success_rate", "passes"), Some(successful));
    assert!(
        (0.03..0.07).contains(&(failures / received)),
        "{failures} of {received}"
    );
    assert_eq!(
        ran.metric(&format!("http_req_failed{BULK}"), "rate"),
        Some(0.0),
        "all were 202"
    );
    assert!(failed(&ran).contains(&"routing_success_rate"), "{}", ran.ended);
}

#[tokio::test]
async fn a_queue_that_grows_fails_the_load_test() {
    let demo = Demo::start(&["--orchestrator-drain", "1000"]).await;
    let (_, ran) = run_against(&demo, "load", &["--time-scale", "0.01", "-e", "VUS=20"]).await;
    ran.exits(99);
    assert!(failed(&ran).contains(&"queue_growing"), "{}", ran.ended);
    assert!(ran.metric("queue_growth_began", "value").is_some());
    assert!(ran.ended.stderr.contains("the queue grows: "), "{}", ran.ended);
    assert_eq!(
        ran.metric("routing_success_rate", "rate"),
        Some(1.0),
        "what came was taken"
    );
}

#[tokio::test]
async fn a_full_queue_fails_the_stress_test() {
    let demo = Demo::start(&["--orchestrator-queue", "3000", "--orchestrator-drain", "1000"]).await;
    let options = ["--time-scale", "0.005", "-e", "VUS=40", "-e", "SHAPE=ramp"];
    let (_, ran) = run_against(&demo, "stress", &options).await;
    ran.exits(99);
    let [received, successful, _, refused] = demo.events().await;
    assert!(refused > 0.0 && successful + refused == received);
    assert_eq!(
        (ran.count("events_submitted"), ran.count("events_failed")),
        (received, refused)
    );
    assert_eq!(
        ran.metric("queue_depth", "max").map(|depth| depth <= 3_000.0),
        Some(true)
    );
    let of = failed(&ran);
    assert!(of.contains(&"routing_success_rate") && of.contains(&format!("http_req_failed{BULK}").as_str()));
}

#[tokio::test]
async fn each_spike_has_its_recovery_time() {
    let options = ["--demo", "--time-scale", "0.02", "-e", "VUS=50"];
    let (_, ran) = run("spike", &options).await;
    ran.exits(0);
    assert_eq!(ran.metric("recovery_time", "count"), Some(2.0));
    assert_eq!(ran.metric("spikes_recovered", "passes"), Some(2.0));
    // Each spike leaves about 6,500 events, and 4,000 more can be routed each second than come.
    let slowest = ran.metric("recovery_time", "max").expect("there are two");
    assert!((500.0..3_600.0).contains(&slowest), "{slowest} ms");
}

/// At a drain that is hardly above the base load, the queue is never short again.
#[tokio::test]
async fn a_spike_that_stays_fails_the_test() {
    let demo = Demo::start(&["--orchestrator-drain", "1200"]).await;
    let (_, ran) = run_against(&demo, "spike", &["--time-scale", "0.01", "-e", "VUS=50"]).await;
    ran.exits(99);
    assert!(failed(&ran).contains(&"spikes_recovered"), "{}", ran.ended);
    let recovered = ["total", "passes"].map(|field| ran.metric("spikes_recovered", field));
    assert_eq!(recovered, [Some(2.0), Some(0.0)], "{}", ran.ended);
}

#[tokio::test]
async fn a_sick_orchestrator_is_not_loaded() {
    let nobody = format!("ORCHESTRATOR_URL={}", refused_url().await);
    let (_, ran) = run("load", &["-e", &nobody]).await;
    ran.exits(108);
    assert!(ran.complaints().contains("is not healthy"), "{}", ran.ended);
    let demo = Demo::start(&["--orchestrator-fault", "down=all"]).await;
    let (_, ran) = run_against(&demo, "stress", &[]).await;
    ran.exits(108);
    assert!(
        ran.complaints().contains("is not healthy: status 503, DOWN"),
        "{}",
        ran.ended
    );
    assert_eq!(ran.counts("events"), [0; 6]);
    assert_eq!(demo.events().await, [0.0; 4]);
}

#[tokio::test]
async fn variables_that_make_no_sense_are_refused_before_any_load() {
    // script, variable, what is said
    let table = [
        (
            "load",
            "EVENTS_PER_REQUEST=0",
            "EVENTS_PER_REQUEST must be a number above 0, not 0",
        ),
        ("load", "VUS=many", "VUS must be a number above 0, not many"),
        ("stress", "SHAPE=round", "SHAPE is stairs or ramp, not round"),
        ("spike", "EVENTS_FILE=none.jsonl", "none.jsonl"),
        ("load", "ORCHESTRATOR_URL=here", "`base_url` must be a URL"),
    ];
    for (name, variable, part) in table {
        let script = root().join(format!("scripts/orchestrator/{name}.lua"));
        let script = script.to_str().expect("the repository's path is text");
        let ended = Project::new().call(&["check", script, "-e", variable]).await;
        ended.says(104, &[part]);
    }
}

#[tokio::test]
async fn without_queues_the_rest_is_tested() {
    let demo = Demo::start(&[]).await;
    let options = [
        "--time-scale",
        "0.004",
        "-e",
        "VUS=20",
        "-e",
        "QUEUES=off",
        "-e",
        "EVENTS_PER_REQUEST=50",
    ];
    let (_, ran) = run_against(&demo, "load", &options).await;
    ran.exits(0);
    assert_eq!(ran.summary["scenarios"].as_object().map(serde_json::Map::len), Some(1));
    let requests = ran
        .metric(&format!("http_req_duration{BULK}"), "count")
        .expect("requests");
    assert_eq!(ran.count("events_submitted"), requests * 50.0);
}
