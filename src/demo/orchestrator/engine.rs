//! The orchestrator's state, and what becomes of the events of a request. How a request lives is in `front`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::MENU;
use super::batch::Batch;
use super::event;
use super::meters::Meters;
use super::operation::{NANOS_PER_BYTE, Operation, service_times};
use super::options::OrchestratorOptions;
use super::queue::Queue;
use crate::demo::control::System;
use crate::demo::dice;
use crate::demo::fault::Menu;
use crate::demo::front::{Front, Operation as _};
use crate::demo::listener::Connection;
use crate::demo::reply::Reply;
use crate::demo::service_time::ServiceTimes;

/// The purpose of the dice throw that fails events.
const FAILED: u64 = 0x6661_696c_6564_0000;

/// Failures that an answer lists; more are only counted.
const LISTED: usize = 1_000;

/// Everything that the handlers share. The lock is held for a batch and never across an await.
#[derive(Debug)]
pub(super) struct Orchestrator {
    seed: u64,
    front: Front,
    times: ServiceTimes,
    queue: Mutex<Queue>,
    full: StatusCode,
    meters: Meters,
}

impl Orchestrator {
    /// Must be called inside a runtime: the front's pacer is a task.
    pub(super) fn new(options: &OrchestratorOptions) -> Self {
        let front = Front::new(options.seed, &Operation::NAMES, options.faults.clone());
        let meters = Meters::new(&front);
        Self {
            seed: options.seed,
            front,
            times: service_times(options.seed),
            queue: Mutex::new(Queue::new(options.drain, options.queue)),
            full: options.refusal(),
            meters,
        }
    }

    /// Serves one request with events.
    pub(super) async fn submit(&self, connection: &Connection, operation: Operation, body: &[u8]) -> Response {
        let began = self.front.now();
        let per_byte = Duration::from_nanos(body.len() as u64 * NANOS_PER_BYTE);
        self.front
            .serve(
                connection,
                operation,
                |ticket| Ok(self.times.draw(operation.index(), ticket.number) + per_byte),
                |now, _| match operation.form().read(body) {
                    Ok(batch) => self.take(&batch, now, now - began),
                    Err(refused) => refused,
                },
            )
            .await
    }

    /// Judges each event and puts the good ones into the queue, all of them or none.
    fn take(&self, batch: &Batch, now: Duration, took: Duration) -> Reply {
        let mut queue = self.settled(now);
        let share = self.front.faults.failed_events(now);
        let first = self.meters.received.inc_by(batch.events.len() as u64);
        let mut failures = Vec::new();
        let mut failed = 0;
        for (index, event) in batch.events.iter().enumerate() {
            let verdict = event::check(event).and_then(|()| {
                let unlucky = dice::unit(self.seed, FAILED, first + index as u64) < share;
                if unlucky {
                    Err("injected failure".to_owned())
                } else {
                    Ok(())
                }
            });
            if let Err(reason) = verdict {
                failed += 1;
                if failures.len() < LISTED {
                    let id = event::correlation_id(event);
                    failures.push(json!({ "index": index, "correlationId": id, "reason": reason }));
                }
            }
        }
        let total = batch.events.len() as u64;
        let successful = total - failed;
        self.meters.skipped.inc_by(batch.skipped);
        if let Err(there) = queue.offer(successful) {
            self.meters.refused.inc_by(total);
            let text = format!("the queue is full: it has {there} of {} events", queue.bound());
            return Reply::error(self.full, text);
        }
        self.meters.processed.inc_by(successful);
        self.meters.failed.inc_by(failed);
        Reply::new(
            StatusCode::ACCEPTED,
            json!({
                "total": total,
                "successful": successful,
                "failed": failed,
                "failures": failures,
                "durationMs": took.as_millis() as u64,
            }),
        )
    }

    /// One row for each queue, of which there is one.
    pub(super) fn queues(&self) -> Reply {
        let depth = self.settled(self.front.now()).depth();
        Reply::ok(json!([{
            "queue_name": "orchestrator-events",
            "messages_available": depth.available,
            "messages_in_flight": depth.in_flight,
        }]))
    }

    /// The queue with everything routed that is due.
    fn settled(&self, now: Duration) -> MutexGuard<'_, Queue> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let before = queue.routed();
        queue.advance(now, &self.front.faults, |took| {
            self.meters.routing_time.observe(took.as_secs_f64());
        });
        self.meters.routed.inc_by(queue.routed() - before);
        queue
    }
}

impl System for Orchestrator {
    fn front(&self) -> &Front {
        &self.front
    }

    fn menu(&self) -> &'static Menu {
        &MENU
    }

    fn counts(&self) -> Value {
        let queue = self.settled(self.front.now());
        let depth = queue.depth();
        json!({
            "events": {
                "received": self.meters.received.get(),
                "successful": self.meters.processed.get(),
                "failed": self.meters.failed.get(),
                "refused": self.meters.refused.get(),
                "routed": queue.routed(),
            },
            "linesSkipped": self.meters.skipped.get(),
            "queue": { "available": depth.available, "inFlight": depth.in_flight, "deepest": queue.deepest() },
        })
    }

    fn metrics(&self) -> String {
        let depth = self.settled(self.front.now()).depth();
        self.meters.depth.set(depth.total() as i64);
        self.meters.text()
    }
}
