//! The shop's state, and what it puts into the life of a request: the gateway and service times. What the work is stands
//! in `routes`, how a request lives in `front`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::MENU;
use super::breaker::Breaker;
use super::catalog::Catalog;
use super::customers::Customers;
use super::ledger::Ledger;
use super::limiter::WriteLimit;
use super::meters::Meters;
use super::operation::Operation;
use super::options::{BreakerMode, ShopOptions};
use super::saga::SagaProfile;
use super::service_time::service_times;
use crate::demo::control::System;
use crate::demo::fault::Menu;
use crate::demo::front::{Front, Ticket};
use crate::demo::listener::Connection;
use crate::demo::reply::Reply;
use crate::demo::service_time::ServiceTimes;
use crate::demo::{data, dice};

/// Purposes of dice throws; any distinct numbers do.
mod purpose {
    pub(super) const GATEWAY: u64 = 0x6761_7465_7700;
    pub(super) const STUCK: u64 = 0x7374_7563_6b00;
}

/// Everything that the handlers share. Locks are held for microseconds and never across an await.
#[derive(Debug)]
pub(super) struct Shop {
    seed: u64,
    front: Front,
    times: ServiceTimes,
    limit: Mutex<WriteLimit>,
    customers: Mutex<Customers>,
    catalog: Mutex<Catalog>,
    ledger: Mutex<(Ledger, Breaker)>,
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
        let front = Front::new(options.seed, &Operation::NAMES, options.initial_faults());
        let meters = Meters::new(&front);
        Self {
            seed: options.seed,
            front,
            times: service_times(options.seed),
            limit: Mutex::default(),
            customers: Mutex::new(Customers::preloaded(data::customers::customers())),
            catalog: Mutex::new(Catalog::preloaded(data::products::products(), options.stock)),
            ledger: Mutex::new((
                Ledger::new(options.seed, profile, options.pending_timeout),
                Breaker::default(),
            )),
            meters,
        }
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

    /// Serves one request whose body has been read. `work` runs when the service time is over.
    pub(super) async fn serve(
        &self,
        connection: &Connection,
        operation: Operation,
        work: impl FnOnce(&Self, Duration) -> Reply,
    ) -> Response {
        let admit = |ticket: Ticket| {
            if !connection.gateway {
                return Ok(self.times.draw(operation.index(), ticket.number));
            }
            if operation.is_write() && !self.admit() {
                self.meters.rate_limited.inc();
                let text = "the gateway passes 20 writes per second";
                return Err(Reply::error(StatusCode::TOO_MANY_REQUESTS, text));
            }
            // 2–5 ms on top, as the first team's gateway.
            let more = Duration::from_secs_f64(0.002 + 0.003 * ticket.throw(purpose::GATEWAY));
            Ok(self.times.draw(operation.index(), ticket.number) + more)
        };
        self.front
            .serve(connection, operation, admit, |now, _| work(self, now))
            .await
    }

    /// Whether order `number`'s saga is one of the stuck share.
    pub(super) fn is_stuck(&self, number: u64, share: f64) -> bool {
        dice::unit(self.seed, purpose::STUCK, number) < share
    }

    /// Brings the gauges and saga counters up to date.
    pub(super) fn settle(&self) {
        let now = self.front.now();
        let mode = self.front.faults.on_saga(now).breaker;
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
        self.meters.faults_active.set(self.front.faults.active(now) as i64);
    }

    fn admit(&self) -> bool {
        let now = self.front.now();
        self.limit.lock().unwrap_or_else(PoisonError::into_inner).admit(now)
    }
}

impl System for Shop {
    fn front(&self) -> &Front {
        &self.front
    }

    fn menu(&self) -> &'static Menu {
        &MENU
    }

    fn counts(&self) -> Value {
        self.settle();
        json!({
            "orders": self.meters.orders.get(),
            "ordersPending": self.meters.orders_pending.get(),
            "sagaBacklog": self.meters.saga_backlog.get(),
            "customersCreated": self.meters.customers.get(),
            "stockDepleted": self.meters.stock_depleted.get(),
            "rateLimited": self.meters.rate_limited.get(),
        })
    }

    fn metrics(&self) -> String {
        self.settle();
        self.meters.text()
    }
}
