//! What each endpoint answers when nothing disturbs it, and to callers who get it wrong.

use serde_json::{Value, json};

use super::{counted, lines, outcome, start, submit};
use crate::demo::orchestrator::{OrchestratorOptions, sites};

#[tokio::test(start_paused = true)]
async fn events_are_taken_in_every_form() {
    let running = start(OrchestratorOptions::default()).await;
    assert_eq!(running.names[0].0, "ORCHESTRATOR_URL");
    let mut client = running.connect().await;
    let three = lines(3);
    let one = lines(1);
    let array = format!("[{}]", three.trim_end().replace('\n', ","));
    // path, body, events
    let table = [
        ("/api/orchestrator/events", one.as_str(), 1),
        ("/api/orchestrator/events/bulk-ndjson", &three, 3),
        ("/api/orchestrator/events/bulk-array", &array, 3),
        ("/api/orchestrator/events/bulk", &three, 3),
        ("/api/orchestrator/events/bulk", &array, 3),
    ];
    for (path, body, events) in table {
        let answer = client.post(path, body).await;
        assert_eq!(outcome(&answer), [events, events, 0], "{path}");
        assert_eq!(answer.json()["failures"], json!([]));
        let told = answer.json()["durationMs"].as_u64().unwrap();
        assert!(told <= answer.took.as_millis() as u64 && told >= 2, "{path}: {told}");
    }
    assert_eq!(counted(&mut client).await[..4], [13, 13, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn accepted_does_not_mean_successful() {
    let running = start(OrchestratorOptions::default()).await;
    let mut client = running.connect().await;
    let body = format!(
        "{}{{\"type\":\"OrderPlaced\",\"correlationId\":\"order-9\"}}\nnot json\n[]\n{{\n",
        lines(2)
    );
    let answer = client.post("/api/orchestrator/events/bulk-ndjson", &body).await;
    assert_eq!(outcome(&answer), [4, 2, 2], "two lines are skipped without a word");
    let failures = answer.json()["failures"].clone();
    let reason = "orchestrationName: must be a non-empty text";
    assert_eq!(
        failures[0],
        json!({ "index": 2, "correlationId": "order-9", "reason": reason })
    );
    assert_eq!(
        failures[1],
        json!({ "index": 3, "correlationId": null, "reason": "the event: must be an object" })
    );
    let single = client.post("/api/orchestrator/events", "{}").await;
    assert_eq!(outcome(&single), [1, 0, 1]);
    assert_eq!(counted(&mut client).await[..4], [5, 2, 3, 0]);
    assert_eq!(client.get("/__stats").await.json()["linesSkipped"], json!(2));
}

#[tokio::test(start_paused = true)]
async fn a_long_list_of_failures_is_cut_and_its_count_is_not() {
    let running = start(OrchestratorOptions::default()).await;
    let mut client = running.connect().await;
    let answer = client
        .post("/api/orchestrator/events/bulk", &"{}\n".repeat(1_500))
        .await;
    assert_eq!(outcome(&answer), [1_500, 0, 1_500]);
    assert_eq!(answer.json()["failures"].as_array().map(Vec::len), Some(1_000));
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_told_what_is_wrong() {
    let running = start(OrchestratorOptions::default()).await;
    let mut client = running.connect().await;
    let events = "/api/orchestrator/events";
    // method, path, body, status, part of the answer
    let table = [
        ("POST", events, "{", 400, "not JSON"),
        (
            "POST",
            "/api/orchestrator/events/bulk-ndjson",
            "a\nb\n",
            400,
            "no line is JSON",
        ),
        ("POST", "/api/orchestrator/events/bulk-array", "{}", 400, "array"),
        ("POST", "/api/orchestrator/events/bulk", "", 400, "no line"),
        ("GET", events, "", 405, "other methods"),
        ("GET", "/nowhere", "", 404, "no such path"),
        ("POST", "/__fault", r#"{"fault":"stock","value":1}"#, 400, "slow_drain"),
    ];
    for (method, path, body, status, part) in table {
        let answer = client.send(method, path, body).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
        assert!(answer.text_of("error").contains(part), "{path}: {}", answer.text);
    }
    assert_eq!(counted(&mut client).await, [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn health_and_options() {
    let running = start(OrchestratorOptions::default()).await;
    let health = running.connect().await.get("/api/orchestrator/health").await;
    assert_eq!((health.status, health.json()), (200, json!({ "status": "UP" })));
    let error = sites(&OrchestratorOptions {
        drain: -1.0,
        ..OrchestratorOptions::default()
    });
    let text = error.unwrap_err().to_string();
    assert!(
        text.starts_with("option `orchestrator-drain`: -1 is not a rate"),
        "{text}"
    );
}

/// What a fixed conversation is told.
async fn conversation(seed: u64) -> Vec<Value> {
    let options = OrchestratorOptions {
        seed,
        faults: vec![crate::demo::orchestrator::fault("failed_events=20%").unwrap()],
        ..OrchestratorOptions::default()
    };
    let running = start(options).await;
    let mut client = running.connect().await;
    let mut log = Vec::new();
    for count in 1..20 {
        let answer = submit(&mut client, count).await;
        log.push(json!([answer.text, answer.took.as_millis() as u64]));
    }
    log
}

#[tokio::test(start_paused = true)]
async fn a_seed_fixes_times_and_failures() {
    let first = conversation(11).await;
    assert_eq!(first, conversation(11).await);
    assert_ne!(first, conversation(12).await);
    assert!(json!(first).to_string().contains("injected failure"));
}
