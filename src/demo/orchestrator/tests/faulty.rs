//! Faults as a client meets them, set by option and over HTTP.

use std::time::Duration;

use serde_json::json;

use super::{LINES, counted, depth, lines, outcome, start, submit};
use crate::clock;
use crate::demo::orchestrator::{OrchestratorOptions, fault};
use crate::demo::testing::{Client, Running};

async fn with_fault(flag: &str) -> (Running, Client) {
    let options = OrchestratorOptions {
        faults: vec![fault(flag).unwrap()],
        ..OrchestratorOptions::default()
    };
    let running = start(options).await;
    let client = running.connect().await;
    (running, client)
}

#[tokio::test(start_paused = true)]
async fn a_slow_drain_makes_the_queue_grow_and_its_end_lets_it_drain() {
    let running = start(OrchestratorOptions::default()).await;
    let mut client = running.connect().await;
    clock::sleep(Duration::from_secs(1)).await;
    let set = client
        .post("/__fault", r#"{"fault":"slow_drain","value":"2%","duration":"5s"}"#)
        .await;
    assert_eq!((set.status, &set.json()["active"]), (201, &json!(true)));
    submit(&mut client, 1_000).await;
    clock::sleep(Duration::from_secs(4)).await;
    let (available, in_flight) = depth(&mut client).await;
    assert!((580..=620).contains(&(available + in_flight)), "100/s: {available}");
    clock::sleep(Duration::from_secs(2)).await;
    assert_eq!(depth(&mut client).await, (0, 0));

    // A fault that is cleared has done until then what it did.
    client.post("/__fault", r#"{"fault":"slow_drain","value":0}"#).await;
    submit(&mut client, 100).await;
    clock::sleep(Duration::from_secs(5)).await;
    assert_eq!(client.send("DELETE", "/__fault", "").await.unwrap().status, 204);
    let (available, in_flight) = depth(&mut client).await;
    assert!(available + in_flight >= 90, "{available} {in_flight}");
}

#[tokio::test(start_paused = true)]
async fn events_fail_at_their_share() {
    let (_running, mut client) = with_fault("failed_events=25%").await;
    let [total, successful, failed] = outcome(&submit(&mut client, 2_000).await);
    assert_eq!((total, successful), (2_000, 2_000 - failed));
    // Binomial(2000, 0.25): mean 500, σ 19; the seed is fixed, so this cannot flap.
    assert!((440..=560).contains(&failed), "{failed}");
    assert_eq!(counted(&mut client).await[..3], [2_000, successful, failed]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_leave_no_events() {
    let (running, mut client) = with_fault("errors=1").await;
    assert_eq!(submit(&mut client, 10).await.status, 500);
    client.send("DELETE", "/__fault", "").await.unwrap();
    client.post("/__fault", r#"{"fault":"down","value":"all"}"#).await;
    assert_eq!(submit(&mut client, 10).await.status, 503);
    let health = client.get("/api/orchestrator/health").await;
    assert_eq!((health.status, health.json()), (503, json!({ "status": "DOWN" })));
    client.send("DELETE", "/__fault", "").await.unwrap();
    client.post("/__fault", r#"{"fault":"reset","value":1}"#).await;
    let error = client.send("POST", LINES, &lines(10)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(counted(&mut running.connect().await).await, [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_stall_holds_events_and_health_but_not_the_queue() {
    let (_running, mut client) = with_fault("stall=5s").await;
    let began = clock::now();
    assert_eq!(depth(&mut client).await, (0, 0));
    assert!(clock::now() - began < Duration::from_millis(10));
    assert_eq!(outcome(&submit(&mut client, 1).await), [1, 1, 0]);
    let took = (clock::now() - began).as_millis();
    assert!((5_000..5_060).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn one_operation_can_be_slow_alone() {
    let running = start(OrchestratorOptions::default()).await;
    let mut client = running.connect().await;
    let body = format!(r#"{{"fault":"latency","value":"1s","operation":"POST {LINES}"}}"#);
    assert_eq!(client.post("/__fault", &body).await.status, 201);
    assert!(submit(&mut client, 1).await.took >= Duration::from_secs(1));
    let single = client.post("/api/orchestrator/events", &lines(1)).await;
    assert!(single.took < Duration::from_millis(100), "{:?}", single.took);
}
