//! What a Prometheus server would scrape from the shop. Buckets are approximate; exact quantiles are in `stats`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::ledger::{SagaOutcome, Settled};
use crate::demo::front::Front;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SagaLabels {
    outcome: &'static str,
}

/// The shop's metrics and their registry.
#[derive(Debug)]
pub(super) struct Meters {
    registry: Registry,
    sagas: Family<SagaLabels, Counter>,
    saga_duration: Histogram,
    pub orders: Counter,
    pub customers: Counter,
    pub stock_depleted: Counter,
    pub rate_limited: Counter,
    pub saga_backlog: Gauge,
    pub orders_pending: Gauge,
    pub breaker_open: Gauge,
    pub faults_active: Gauge,
}

impl Meters {
    /// With the service times of `front` among them.
    pub(super) fn new(front: &Front) -> Self {
        let mut meters = Self {
            registry: Registry::default(),
            sagas: Family::default(),
            // 0.25 s to 64 s in steps of 15 %: waits from a lone saga to a hopeless queue.
            saga_duration: Histogram::new(exponential_buckets(0.25, 1.15, 40)),
            orders: Counter::default(),
            customers: Counter::default(),
            stock_depleted: Counter::default(),
            rate_limited: Counter::default(),
            saga_backlog: Gauge::default(),
            orders_pending: Gauge::default(),
            breaker_open: Gauge::default(),
            faults_active: Gauge::default(),
        };
        front.register(&mut meters.registry);
        meters.register();
        meters
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("sagas", "Sagas that ended", self.sagas.clone());
        to.register(
            "saga_duration_seconds",
            "Acceptance of an order until its saga ended",
            self.saga_duration.clone(),
        );
        to.register("orders", "Orders accepted", self.orders.clone());
        to.register("customers", "Customers created", self.customers.clone());
        to.register(
            "stock_depleted",
            "Reservations refused for want of stock",
            self.stock_depleted.clone(),
        );
        to.register(
            "rate_limited",
            "Writes refused by the gateway",
            self.rate_limited.clone(),
        );
        to.register("saga_backlog", "Sagas waiting or under way", self.saga_backlog.clone());
        to.register(
            "orders_pending",
            "Orders whose status is PENDING",
            self.orders_pending.clone(),
        );
        to.register("breaker_open", "1 while no saga advances", self.breaker_open.clone());
        to.register("faults_active", "Faults in effect", self.faults_active.clone());
    }

    pub(super) fn saga(&self, settled: Settled) {
        let outcome = match settled.outcome {
            SagaOutcome::Confirmed => "confirmed",
            SagaOutcome::Cancelled => "cancelled",
            SagaOutcome::Failed => "failed",
        };
        self.sagas.get_or_create(&SagaLabels { outcome }).inc();
        self.saga_duration.observe(settled.took.as_secs_f64());
    }

    /// The OpenMetrics text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
