//! The orchestrator over real loopback sockets in virtual time: endpoints, its queue, faults, measurement. Pure parts are
//! tested beside their code.

mod endpoints;
mod faulty;
mod queueing;

use serde_json::{Value, json};

use super::{OrchestratorOptions, sites};
use crate::demo::data::events;
use crate::demo::testing::{Answer, Client, Running};

const LINES: &str = "/api/orchestrator/events/bulk-ndjson";

/// An orchestrator on a free port.
async fn start(options: OrchestratorOptions) -> Running {
    Running::start(sites(&options).unwrap()).await
}

/// So many events, a line each.
fn lines(count: u64) -> String {
    events::lines(1).take(usize::try_from(count).unwrap()).collect()
}

async fn submit(client: &mut Client, count: u64) -> Answer {
    client.post(LINES, &lines(count)).await
}

/// Total, successful, failed.
fn outcome(answer: &Answer) -> [u64; 3] {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let body = answer.json();
    ["total", "successful", "failed"].map(|key| body[key].as_u64().unwrap())
}

/// Events received, successful, failed, refused, routed.
async fn counted(client: &mut Client) -> [u64; 5] {
    let stats = client.get("/__stats").await.json();
    ["received", "successful", "failed", "refused", "routed"].map(|key| stats["events"][key].as_u64().unwrap())
}

/// Available and in flight.
async fn depth(client: &mut Client) -> (u64, u64) {
    let queues = client.get("/queues").await.json();
    assert_eq!(queues[0]["queue_name"], json!("orchestrator-events"));
    let number = |key: &str| queues[0].get(key).and_then(Value::as_u64).unwrap();
    (number("messages_available"), number("messages_in_flight"))
}
