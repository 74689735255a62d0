//! What a Prometheus server would scrape from the orchestrator. Exact service times are in `/__stats`.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::clock::{self, Instant};
use crate::demo::front::Front;

/// The orchestrator's metrics and their registry.
#[derive(Debug)]
pub(super) struct Meters {
    registry: Registry,
    pub received: Counter,
    pub processed: Counter,
    pub failed: Counter,
    pub refused: Counter,
    pub skipped: Counter,
    pub routed: Counter,
    pub routing_time: Histogram,
    pub depth: Gauge,
    cpu: Gauge<f64, AtomicU64>,
    /// When the CPU was looked at, and how much of it had been used.
    looked: Mutex<(Instant, Duration)>,
}

impl Meters {
    /// With the service times of `front` among them.
    pub(super) fn new(front: &Front) -> Self {
        let mut meters = Self {
            registry: Registry::default(),
            received: Counter::default(),
            processed: Counter::default(),
            failed: Counter::default(),
            refused: Counter::default(),
            skipped: Counter::default(),
            routed: Counter::default(),
            // 1 ms to 9 min in steps of 35 %: from an idle router to a hopeless queue.
            routing_time: Histogram::new(exponential_buckets(0.001, 1.35, 45)),
            depth: Gauge::default(),
            cpu: Gauge::default(),
            looked: Mutex::new((clock::now(), clock::process_cpu())),
        };
        front.register(&mut meters.registry);
        meters.register();
        meters
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        let counters = [
            (
                "orchestrator_events_received",
                "Events of requests that were read",
                &self.received,
            ),
            (
                "orchestrator_events_processed",
                "Events taken into the queue",
                &self.processed,
            ),
            (
                "orchestrator_events_failed",
                "Events that failed one by one",
                &self.failed,
            ),
            (
                "orchestrator_events_refused",
                "Events that did not fit into the queue",
                &self.refused,
            ),
            ("orchestrator_lines_skipped", "Lines that are no JSON", &self.skipped),
            (
                "orchestrator_events_routed",
                "Events that have left the queue",
                &self.routed,
            ),
        ];
        for (name, help, counter) in counters {
            to.register(name, help, counter.clone());
        }
        to.register(
            "orchestrator_routing_time_seconds",
            "Acceptance of an event until it was routed",
            self.routing_time.clone(),
        );
        to.register("orchestrator_queue_depth", "Events in the queue", self.depth.clone());
        to.register(
            "process_cpu_usage",
            "Share of all cores that this process used since the last look",
            self.cpu.clone(),
        );
    }

    /// The OpenMetrics text.
    pub(super) fn text(&self) -> String {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, used) = (clock::now(), clock::process_cpu());
        let elapsed = (now - looked.0).as_secs_f64();
        if elapsed > 0.0 {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let share = used.saturating_sub(looked.1).as_secs_f64() / elapsed / cores as f64;
            self.cpu.set(share.min(1.0));
            *looked = (now, used);
        }
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
