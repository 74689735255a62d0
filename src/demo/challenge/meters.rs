//! What a Prometheus server would scrape from the challenge system, by the names that its team's dashboards use. Exact
//! service times and counts that start anew are in `/__stats`.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::event::Kind;
use super::operation::Operation;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    path: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    method: &'static str,
    path: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    query_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlatformLabels {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event_type: &'static str,
}

type Times<L> = Family<L, Histogram, fn() -> Histogram>;

/// The challenge system's metrics and their registry.
#[derive(Debug)]
pub(super) struct Meters {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_times: Times<PathLabels>,
    query_times: Times<QueryLabels>,
    pub connections_active: Gauge,
    pub connections_idle: Gauge,
    pub connections_max: Gauge,
    platform_times: Times<PlatformLabels>,
    platform_errors: Family<PlatformLabels, Counter>,
    pub claimed: Counter,
    pub rewards: Counter,
    received: Family<EventLabels, Counter>,
    processed: Family<EventLabels, Counter>,
    dropped: Family<EventLabels, Counter>,
    event_times: Times<EventLabels>,
    pub buffer_size: Gauge,
    flush_time: Histogram,
    flush_rows: Histogram,
}

/// The platform's operation that grants rewards, as dashboards call it.
const GRANT: PlatformLabels = PlatformLabels {
    operation: "grant_reward",
};

impl Meters {
    pub(super) fn new() -> Self {
        let mut meters = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_times: Family::new_with_constructor(times),
            query_times: Family::new_with_constructor(times),
            connections_active: Gauge::default(),
            connections_idle: Gauge::default(),
            connections_max: Gauge::default(),
            platform_times: Family::new_with_constructor(times),
            platform_errors: Family::default(),
            claimed: Counter::default(),
            rewards: Counter::default(),
            received: Family::default(),
            processed: Family::default(),
            dropped: Family::default(),
            event_times: Family::new_with_constructor(times),
            buffer_size: Gauge::default(),
            flush_time: times(),
            // 1 to 131,072 rows.
            flush_rows: Histogram::new(exponential_buckets(1.0, 2.0, 18)),
        };
        // From 0 on, so that a rate over the first of them is right.
        let _ = meters.platform_errors.get_or_create(&GRANT);
        for kind in [Kind::LoggedIn, Kind::StatUpdated] {
            for family in [&meters.received, &meters.processed, &meters.dropped] {
                let _ = family.get_or_create(&labels(kind));
            }
        }
        meters.register_api();
        meters.register_events();
        meters
    }

    fn register_api(&mut self) {
        let to = &mut self.registry;
        to.register("http_requests", "Requests answered", self.requests.clone());
        let help = "Service time: request read until response handed over";
        to.register("http_request_duration_seconds", help, self.request_times.clone());
        let help = "Queries of the database, without the wait for a connection";
        to.register("db_query_duration_seconds", help, self.query_times.clone());
        for (name, help, gauge) in [
            ("db_connections_active", "Connections in use", &self.connections_active),
            (
                "db_connections_idle",
                "Connections open and not in use",
                &self.connections_idle,
            ),
            (
                "db_connections_max",
                "Connections that there may be",
                &self.connections_max,
            ),
        ] {
            to.register(name, help, gauge.clone());
        }
        let help = "Calls to the platform, retries counted apart";
        to.register(
            "ags_platform_request_duration_seconds",
            help,
            self.platform_times.clone(),
        );
        let help = "Calls to the platform that failed or took too long";
        to.register("ags_platform_request_errors", help, self.platform_errors.clone());
        to.register("challenges_claimed", "Claims won", self.claimed.clone());
        to.register("rewards_granted", "Rewards granted, each once", self.rewards.clone());
    }

    fn register_events(&mut self) {
        let to = &mut self.registry;
        to.register("events_received", "Events that were read", self.received.clone());
        to.register(
            "events_processed",
            "Events answered with success",
            self.processed.clone(),
        );
        let help = "Events answered with success that a full buffer lost";
        to.register("events_dropped", help, self.dropped.clone());
        let help = "An event's call read until answered";
        to.register("event_processing_duration_seconds", help, self.event_times.clone());
        let help = "Events that are not in the database yet";
        to.register("event_buffer_size", help, self.buffer_size.clone());
        let help = "Writing the buffer to the database";
        to.register("event_buffer_flush_duration_seconds", help, self.flush_time.clone());
        let help = "Rows that a flush wrote";
        to.register("event_buffer_flush_rows", help, self.flush_rows.clone());
    }

    pub(super) fn request(&self, operation: Operation, status: u16, took: Duration) {
        let (method, path) = operation.request();
        let labels = RequestLabels { method, path, status };
        self.requests.get_or_create(&labels).inc();
        let labels = PathLabels { method, path };
        self.request_times.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(super) fn query(&self, query_type: &'static str, took: Duration) {
        let times = self.query_times.get_or_create(&QueryLabels { query_type });
        times.observe(took.as_secs_f64());
    }

    /// A call for a reward.
    pub(super) fn grant(&self, took: Duration, failed: bool) {
        self.platform_times.get_or_create(&GRANT).observe(took.as_secs_f64());
        if failed {
            self.platform_errors.get_or_create(&GRANT).inc();
        }
    }

    pub(super) fn received(&self, kind: Kind) {
        self.received.get_or_create(&labels(kind)).inc();
    }

    pub(super) fn processed(&self, kind: Kind, took: Duration) {
        self.processed.get_or_create(&labels(kind)).inc();
        self.event_times
            .get_or_create(&labels(kind))
            .observe(took.as_secs_f64());
    }

    pub(super) fn dropped(&self, kind: Kind) {
        self.dropped.get_or_create(&labels(kind)).inc();
    }

    pub(super) fn flush(&self, rows: usize, took: Duration) {
        self.flush_time.observe(took.as_secs_f64());
        self.flush_rows.observe(rows as f64);
    }

    /// The OpenMetrics text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn labels(kind: Kind) -> EventLabels {
    EventLabels {
        event_type: kind.name(),
    }
}

/// 0.1 ms to 13 s in steps of 20 %, so that a quantile read from the buckets is within 10 %.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 1.2, 65))
}
