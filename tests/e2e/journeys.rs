//! The journeys that come with kingtide, against the built-in shop, as the README tells people to run them.

use crate::kit::{Project, Ran, root};

/// The shop's scripts that are run here, or in `shop`.
const SHOP: [&str; 7] = ["create_orders", "day", "main", "mixed", "saga", "smoke", "sustained"];

#[test]
fn every_script_is_run() {
    let folder = std::fs::read_dir(root().join("scripts/shop")).expect("the folder can be read");
    let files = folder.map(|entry| entry.expect("the folder can be read").path());
    let mut names: Vec<_> = files
        .map(|path| {
            path.file_stem()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(names, SHOP, "a new script needs a test");
}

/// Runs `scripts/shop/NAME.lua` against a demo of its own; it must pass.
async fn passes(name: &str, args: &[&str]) -> Ran {
    let script = root().join(format!("scripts/shop/{name}.lua"));
    let script = script.to_str().expect("the repository's path is text");
    let args: Vec<&str> = [script, "--demo", "--seed", "1"].iter().chain(args).copied().collect();
    let ran = Project::new().run(&args).await;
    ran.exits(0);
    assert!(ran.ended.stdout.contains("PASS"));
    ran
}

#[tokio::test]
async fn smoke() {
    let ran = passes("smoke", &[]).await;
    assert_eq!(ran.counts("smoke"), [30, 30, 30, 0, 0, 0]);
    assert_eq!(ran.metric("checks", "rate"), Some(1.0));
}

#[tokio::test]
async fn saga() {
    let ran = passes("saga", &["-d", "4s"]).await;
    assert_eq!(ran.counts("sagas"), [40, 40, 40, 0, 0, 0]);
    assert_eq!(ran.metric("saga_duration", "count"), Some(40.0));
    // Polls are requests, and stay out of the headline.
    assert_eq!(ran.metric("http_req_duration", "count"), Some(40.0));
    assert!(ran.count("http_reqs") > 80.0);
}

/// Ten users who order again when an order is done: a closed load, at the shop's own pace.
#[tokio::test]
async fn saga_with_users() {
    let ran = passes("saga", &["-e", "VUS=3", "-e", "DURATION=4s"]).await;
    let [_, started, completed, 0, 0, 0] = ran.counts("sagas") else {
        panic!("{}", ran.summary)
    };
    // An unloaded saga takes 1.4 s and a little, and is seen at the end of a poll's 200 ms.
    assert!(started == completed && (6..=9).contains(&started), "{started}");
    let median = ran.metric("saga_duration", "med").expect("sagas were followed");
    assert!((1_400.0..2_200.0).contains(&median), "{median} ms");
}

#[tokio::test]
async fn create_orders() {
    let ran = passes("create_orders", &["-d", "3s", "--rate", "20"]).await;
    assert_eq!(ran.counts("orders"), [60, 60, 60, 0, 0, 0]);
    assert_eq!(ran.metric("order_create_duration", "count"), Some(60.0));
}

#[tokio::test]
async fn mixed() {
    let ran = passes("mixed", &["-d", "10s"]).await;
    assert_eq!(ran.counts("mixed"), [500, 500, 500, 0, 0, 0]);
    let counts = ["ops_orders", "ops_stock", "ops_customers"].map(|name| ran.count(name));
    assert_eq!(counts.iter().sum::<f64>(), 500.0, "each iteration is one operation");
    // Of 500, three standard deviations are 33, 29 and 24.
    for (count, expected, off) in [
        (counts[0], 300.0, 33.0),
        (counts[1], 125.0, 29.0),
        (counts[2], 75.0, 24.0),
    ] {
        assert!((count - expected).abs() <= off, "{counts:?}");
    }
    let durations = [
        "order_create_duration",
        "stock_reserve_duration",
        "customer_create_duration",
    ];
    assert_eq!(durations.map(|name| ran.metric(name, "count").unwrap_or(0.0)), counts);
}

#[tokio::test]
async fn day() {
    let ran = passes("day", &["--time-scale", "0.002"]).await;
    let phases = ran.summary["phases"].as_array().expect("a row for each phase");
    let names: Vec<_> = phases.iter().filter_map(|phase| phase["name"].as_str()).collect();
    assert_eq!(names, ["night", "morning", "noon", "evening", "late"]);
    let all: u64 = ["browsing", "orders"].map(|name| ran.counts(name)[0]).iter().sum();
    // Setup asks four services for their health, and for the first and the last of two kinds of ids.
    assert_eq!(ran.count("http_reqs"), all as f64 + 8.0);
    // 0.002 of 127,680 arrivals are 255; Poisson's standard deviation is 16.
    assert!((all as f64 - 255.0).abs() < 64.0, "{all}");
}

/// The same seed makes the same choices, whatever the number of threads.
#[tokio::test]
async fn the_same_seed_gives_the_same_journeys() {
    let one = passes("mixed", &["-d", "2s", "--threads", "1"]).await;
    let two = passes("mixed", &["-d", "2s", "--threads", "2"]).await;
    for name in ["ops_orders", "ops_stock", "ops_customers"] {
        assert_eq!(one.count(name), two.count(name), "{name}");
    }
}
