//! The shop's state and the life of one request: gateway, stall, service time, faults, work, measurement. What the work
//! is stands in `routes`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::breaker::Breaker;
use super::catalog::Catalog;
use super::customers::Customers;
use super::faults::Faults;
use super::ledger::Ledger;
use super::limiter::WriteLimit;
use super::listener::Connection;
use super::meters::Meters;
use super::operation::{Operation, Service};
use super::options::{BreakerMode, ShopOptions};
use super::pacer::Pacer;
use super::reply::Reply;
use super::saga::SagaProfile;
use super::service_time::ServiceTimes;
use super::stats::Stats;
use crate::clock::{self, Instant};
use crate::demo::{data, dice};

/// Purposes of dice throws; any distinct numbers do.
mod purpose {
    pub(super) const ERROR: u64 = 0x6572_726f_7200;
    pub(super) const RESET: u64 = 0x7265_7365_7400;
    pub(super) const GATEWAY: u64 = 0x6761_7465_7700;
    pub(super) const STUCK: u64 = 0x7374_7563_6b00;
}

/// Everything that the handlers share. Locks are held for microseconds and never across an await.
#[derive(Debug)]
pub(super) struct Shop {
    seed: u64,
    started: Instant,
    pacer: Pacer,
    times: ServiceTimes,
    numbers: [AtomicU64; Operation::ALL.len()],
    limit: Mutex<WriteLimit>,
    customers: Mutex<Customers>,
    catalog: Mutex<Catalog>,
    ledger: Mutex<(Ledger, Breaker)>,
    pub(super) faults: Faults,
    pub(super) stats: Stats,
    pub(super) meters: Meters,
}

impl Shop {
    /// Must be called inside a runtime: the pacer is a task.
    pub(super) fn new(options: &ShopOptions) -> Self {
        let profile = SagaProfile {
            base: options.saga_base,
            capacity: options.saga_capacity,
            ..SagaProfile::default()
        };
        let faults = Faults::default();
        for fault in options.initial_faults() {
            faults.add(Duration::ZERO, fault);
        }
        Self {
            seed: options.seed,
            started: clock::now(),
            pacer: Pacer::start(),
            times: ServiceTimes::new(options.seed),
            numbers: Default::default(),
            limit: Mutex::default(),
            customers: Mutex::new(Customers::preloaded(data::customers::customers())),
            catalog: Mutex::new(Catalog::preloaded(data::products::products(), options.stock)),
            ledger: Mutex::new((
                Ledger::new(options.seed, profile, options.pending_timeout),
                Breaker::default(),
            )),
            faults,
            stats: Stats::new(),
            meters: Meters::new(),
        }
    }

    /// Time since the shop's start, on which faults and sagas count.
    pub(super) fn now(&self) -> Duration {
        clock::now() - self.started
    }

    pub(super) fn customers(&self) -> MutexGuard<'_, Customers> {
        self.customers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The orders and the breaker. Who needs the catalogue too locks it second.
    pub(super) fn ledger(&self) -> MutexGuard<'_, (Ledger, Breaker)> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one request whose body has been read. `work` runs when the service time is over, so that its effects
    /// and its answer belong to the same instant.
    pub(super) async fn serve(
        &self,
        connection: &Connection,
        operation: Operation,
        work: impl FnOnce(&Self, Duration) -> Reply,
    ) -> Response {
        let began = clock::now();
        let number = self.numbers[operation.index()].fetch_add(1, Ordering::Relaxed);
        // Requests of different operations must not share their luck.
        let luck = self.seed ^ dice::mix(operation.index() as u64);
        let effects = self.faults.on_request(self.now(), operation);

        self.wait_out_stall().await;
        if connection.gateway && operation.is_write() && !self.admit() {
            self.meters.rate_limited.inc();
            let reply = Reply::error(StatusCode::TOO_MANY_REQUESTS, "the gateway passes 20 writes per second");
            return self.answer(operation, began, reply);
        }
        let mut service = self.times.draw(operation, number) + effects.latency;
        if connection.gateway {
            // 2–5 ms on top, as the first team's gateway.
            service += Duration::from_secs_f64(0.002 + 0.003 * dice::unit(luck, purpose::GATEWAY, number));
        }
        let stalled = clock::now() - began;
        self.pacer.until(began + stalled + service).await;
        self.wait_out_stall().await;

        if dice::unit(luck, purpose::RESET, number) < effects.reset {
            connection.reset();
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let now = self.now();
        let reply = if self.faults.down(now, operation.service()) {
            Reply::error(StatusCode::SERVICE_UNAVAILABLE, "the service is down")
        } else if dice::unit(luck, purpose::ERROR, number) < effects.errors {
            Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "injected error")
        } else {
            work(self, now)
        };
        self.answer(operation, began, reply)
    }

    /// `UP`, unless a fault says otherwise; health answers do not take a service's time, but a stall holds them too.
    pub(super) async fn health(&self, services: &[Service]) -> Reply {
        self.wait_out_stall().await;
        let now = self.now();
        let status = |down| if down { "DOWN" } else { "UP" };
        let down = |service: &Service| self.faults.down(now, *service);
        let any = services.iter().any(down);
        let components: serde_json::Map<_, _> = services
            .iter()
            .map(|service| (service.name().to_owned(), status(down(service)).into()))
            .collect();
        let code = if any {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        };
        let mut body = serde_json::json!({ "status": status(any) });
        if services.len() > 1 {
            body["components"] = components.into();
        }
        Reply::new(code, body)
    }

    /// Whether order `number`'s saga is one of the stuck share.
    pub(super) fn is_stuck(&self, number: u64, share: f64) -> bool {
        dice::unit(self.seed, purpose::STUCK, number) < share
    }

    /// Brings the gauges and saga counters up to date.
    pub(super) fn settle(&self) {
        let now = self.now();
        let mode = self.faults.on_saga(now).breaker;
        let mut guard = self.ledger();
        let (ledger, breaker) = &mut *guard;
        for settled in ledger.settle(now) {
            self.meters.saga(settled);
        }
        let open = match mode {
            BreakerMode::Off => false,
            BreakerMode::Trip => breaker.is_open(now),
            BreakerMode::Open => true,
        };
        self.meters.breaker_open.set(i64::from(open));
        self.meters.saga_backlog.set(ledger.queued(now) as i64);
        self.meters.orders_pending.set(ledger.pending() as i64);
        self.meters.faults_active.set(self.faults.active(now) as i64);
    }

    async fn wait_out_stall(&self) {
        while let Some(end) = self.faults.stalled_until(self.now()) {
            self.pacer.until(self.started + end).await;
        }
    }

    fn admit(&self) -> bool {
        let now = self.now();
        self.limit.lock().unwrap_or_else(PoisonError::into_inner).admit(now)
    }

    fn answer(&self, operation: Operation, began: Instant, reply: Reply) -> Response {
        let status = reply.status.as_u16();
        let response = reply.into_response();
        // The server writes the response in the same turn of the loop in which it gets it.
        let took = clock::now() - began;
        self.stats.record(operation, status, took);
        self.meters.request(operation, status, took);
        response
    }
}
