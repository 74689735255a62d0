//! The queue as a client meets it: it grows above the drain rate, drains below, and refuses what does not fit.

use std::time::Duration;

use serde_json::json;

use super::{counted, depth, outcome, start, submit};
use crate::clock;
use crate::demo::orchestrator::OrchestratorOptions;

fn slow(drain: f64) -> OrchestratorOptions {
    OrchestratorOptions {
        drain,
        ..OrchestratorOptions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_grows_and_drains() {
    let running = start(slow(1_000.0)).await;
    let mut client = running.connect().await;
    assert_eq!(depth(&mut client).await, (0, 0));
    submit(&mut client, 1_500).await;
    let (available, in_flight) = depth(&mut client).await;
    assert_eq!(in_flight, 20, "what 1,000/s hold for 20 ms");
    assert!((1_470..=1_480).contains(&available), "{available}");
    clock::sleep(Duration::from_millis(500)).await;
    let (available, in_flight) = depth(&mut client).await;
    assert!((970..=1_000).contains(&(available + in_flight)), "{available}");
    clock::sleep(Duration::from_secs(1)).await;
    assert_eq!(depth(&mut client).await, (0, 0));
    assert_eq!(counted(&mut client).await, [1_500, 1_500, 0, 0, 1_500]);
    let stats = client.get("/__stats").await.json();
    assert_eq!(
        stats["queue"],
        json!({ "available": 0, "inFlight": 0, "deepest": 1_500 })
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_whole_requests() {
    for full in [429, 503] {
        let options = OrchestratorOptions {
            queue: 250,
            full,
            ..slow(10.0)
        };
        let running = start(options).await;
        let mut client = running.connect().await;
        assert_eq!(outcome(&submit(&mut client, 100).await), [100, 100, 0]);
        assert_eq!(outcome(&submit(&mut client, 100).await), [100, 100, 0]);
        let refused = submit(&mut client, 100).await;
        assert_eq!(refused.status, full);
        assert!(refused.text_of("error").contains("of 250 events"), "{}", refused.text);
        assert_eq!(outcome(&submit(&mut client, 10).await), [10, 10, 0], "these still fit");
        assert_eq!(counted(&mut client).await[..4], [310, 210, 0, 100]);
        clock::sleep(Duration::from_secs(10)).await;
        assert_eq!(
            outcome(&submit(&mut client, 100).await),
            [100, 100, 0],
            "a place for 100"
        );
    }
}

/// A sample of an OpenMetrics text.
fn sample(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_what_was_processed_and_routed_and_how_long_it_took() {
    let running = start(slow(100.0)).await;
    let mut client = running.connect().await;
    submit(&mut client, 200).await;
    client.post("/api/orchestrator/events", "{}").await;
    clock::sleep(Duration::from_millis(990)).await;
    let text = client.get("/metrics").await.text;
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(sample(&text, "orchestrator_events_received_total"), 201.0);
    assert_eq!(sample(&text, "orchestrator_events_processed_total"), 200.0);
    assert_eq!(sample(&text, "orchestrator_events_failed_total"), 1.0);
    let routed = sample(&text, "orchestrator_events_routed_total");
    assert!((99.0..=102.0).contains(&routed), "{routed}");
    assert_eq!(sample(&text, "orchestrator_queue_depth"), 200.0 - routed);
    let cpu = sample(&text, "process_cpu_usage");
    assert!((0.0..=1.0).contains(&cpu), "{cpu}");
    clock::sleep(Duration::from_secs(2)).await;
    let text = client.get("/metrics").await.text;
    assert_eq!(sample(&text, "orchestrator_routing_time_seconds_count"), 200.0);
    // Event n took n hundredths of a second: their sum is 201.
    let sum = sample(&text, "orchestrator_routing_time_seconds_sum");
    assert!((sum - 201.0).abs() < 0.01, "{sum}");
}
