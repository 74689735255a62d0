//! The life of one request, the same in every built-in system: stall, service time, faults, work, measurement. What the
//! work is, and what a system keeps, is its own business.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use serde_json::json;

use super::dice;
use super::fault::{FaultSpec, Faults};
use super::listener::Connection;
use super::pacer::Pacer;
use super::reply::Reply;
use super::stats::Stats;
use crate::clock::{self, Instant};

/// Purposes of dice throws; any distinct numbers do.
mod purpose {
    pub(super) const ERROR: u64 = 0x6572_726f_7200;
    pub(super) const RESET: u64 = 0x7265_7365_7400;
}

/// A business operation: the unit of service times, statistics and metrics.
pub(super) trait Operation: Copy {
    /// Its position among the system's operations.
    fn index(self) -> usize;
    /// The name that journeys use too, so that both sides' figures can be laid side by side.
    fn name(self) -> &'static str;
    /// The part of the system that can be down without the others.
    fn part(self) -> &'static str;
}

/// A request's number among those of its operation, from which all its luck follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub number: u64,
    luck: u64,
}

impl Ticket {
    /// A draw for a purpose, uniform in [0, 1).
    pub(super) fn throw(self, purpose: u64) -> f64 {
        dice::unit(self.luck, purpose, self.number)
    }
}

/// What a request meets instead of its work.
#[derive(Debug)]
pub(super) enum Hurdle {
    /// Its connection is to be reset.
    Reset,
    Answer(Reply),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    status: u16,
}

/// What all requests of a system pass.
#[derive(Debug)]
pub(super) struct Front {
    seed: u64,
    started: Instant,
    pacer: Pacer,
    numbers: Vec<AtomicU64>,
    times: Family<Labels, Histogram, fn() -> Histogram>,
    pub(super) faults: Faults,
    pub(super) stats: Stats,
}

impl Front {
    /// For operations of these names. Must be called inside a runtime: the pacer is a task.
    pub(super) fn new(seed: u64, operations: &[&'static str], faults: Vec<FaultSpec>) -> Self {
        let set = Faults::default();
        for fault in faults {
            set.add(Duration::ZERO, fault);
        }
        Self {
            seed,
            started: clock::now(),
            pacer: Pacer::start(),
            numbers: operations.iter().map(|_| AtomicU64::new(0)).collect(),
            times: Family::new_with_constructor(histogram),
            faults: set,
            stats: Stats::new(operations),
        }
    }

    /// Time since the system's start, on which faults and queues count.
    pub(super) fn now(&self) -> Duration {
        clock::now() - self.started
    }

    /// Adds the service times to what `/metrics` shows.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_server_requests_seconds",
            "Service time: request read until response handed over",
            self.times.clone(),
        );
    }

    /// Serves one request whose body has been read. `admit` gives its service time, or refuses it at once; `work` runs
    /// when the service time is over, so that its effects and its answer belong to the same instant.
    pub(super) async fn serve(
        &self,
        connection: &Connection,
        operation: impl Operation,
        admit: impl FnOnce(Ticket) -> Result<Duration, Reply>,
        work: impl FnOnce(Duration, Ticket) -> Reply,
    ) -> Response {
        let began = clock::now();
        let reply = match self.enter(operation, admit).await {
            Ok((now, ticket)) => work(now, ticket),
            Err(Hurdle::Reset) => {
                connection.reset();
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
            Err(Hurdle::Answer(reply)) => reply,
        };
        self.record(operation, reply.status.as_u16(), began);
        reply.into_response()
    }

    /// What comes before a request's work: stalls, its service time, faults. For systems whose work waits for something
    /// else; they [`Self::record`] what became of it.
    ///
    /// # Errors
    /// What the request gets instead of work.
    pub(super) async fn enter(
        &self,
        operation: impl Operation,
        admit: impl FnOnce(Ticket) -> Result<Duration, Reply>,
    ) -> Result<(Duration, Ticket), Hurdle> {
        let began = clock::now();
        let ticket = Ticket {
            number: self.numbers[operation.index()].fetch_add(1, Ordering::Relaxed),
            // Requests of different operations must not share their luck.
            luck: self.seed ^ dice::mix(operation.index() as u64),
        };
        let effects = self.faults.on_request(self.now(), operation.name());

        self.wait_out_stall().await;
        let service = admit(ticket).map_err(Hurdle::Answer)? + effects.latency;
        let stalled = clock::now() - began;
        self.pacer.until(began + stalled + service).await;
        self.wait_out_stall().await;

        if ticket.throw(purpose::RESET) < effects.reset {
            return Err(Hurdle::Reset);
        }
        let now = self.now();
        if self.faults.down(now, operation.part()) {
            let reply = Reply::error(StatusCode::SERVICE_UNAVAILABLE, "the service is down");
            return Err(Hurdle::Answer(reply));
        }
        if ticket.throw(purpose::ERROR) < effects.errors {
            let reply = Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "injected error");
            return Err(Hurdle::Answer(reply));
        }
        Ok((now, ticket))
    }

    /// Returns `by` from now, to a fraction of a millisecond.
    pub(super) async fn pause(&self, by: Duration) {
        self.pacer.until(clock::now() + by).await;
    }

    /// `UP`, unless a fault says otherwise; health answers do not take a service's time, but a stall holds them too.
    pub(super) async fn health(&self, parts: &[&'static str]) -> Reply {
        self.wait_out_stall().await;
        let now = self.now();
        let status = |down| if down { "DOWN" } else { "UP" };
        let down = |part: &&str| self.faults.down(now, part);
        let any = parts.iter().any(down);
        let code = if any {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        };
        let mut body = json!({ "status": status(any) });
        if parts.len() > 1 {
            let each = parts.iter().map(|part| ((*part).to_owned(), status(down(part)).into()));
            body["components"] = each.collect::<serde_json::Map<_, _>>().into();
        }
        Reply::new(code, body)
    }

    /// Returns when no stall holds requests.
    pub(super) async fn wait_out_stall(&self) {
        while let Some(end) = self.faults.stalled_until(self.now()) {
            self.pacer.until(self.started + end).await;
        }
    }

    /// Counts an answer and its service time; `status` is HTTP's, or gRPC's code.
    pub(super) fn record(&self, operation: impl Operation, status: u16, began: Instant) {
        // The server writes the response in the same turn of the loop in which it gets it.
        let took = clock::now() - began;
        self.stats.record(operation.index(), status, took);
        let labels = Labels {
            operation: operation.name(),
            status,
        };
        self.times.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// 0.5 ms to 2.4 s in steps of 10 %, so that a quantile read from the buckets is within 5 %.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 1.1, 90))
}
