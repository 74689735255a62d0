//! The shop: four services in one process, on loopback, with a saga behind every order. It keeps nothing on disk.
//!
//! `BASE_URL` serves every path. Each service also has a port of its own with its own paths, unless
//! [`ShopOptions::service_ports`] is cleared; payment has no paths, it works inside sagas.
//!
//! | Path | Service | Answers |
//! |---|---|---|
//! | `POST /api/customers` `{email, name, address}` | account | 201 `customerId`; 409 with the `customerId` that has the e-mail address |
//! | `GET /api/customers/{id}` | account | 200; 404 |
//! | `POST /api/products` `{sku, name, category, description, price, quantityOnHand}` | inventory | 201 `productId` |
//! | `GET /api/products/{id}` | inventory | 200; 404 |
//! | `GET /api/products/{id}/similar?limit=N` | inventory | 200 `similar`, best first (1 to 100, default 5); 404 |
//! | `POST /api/products/{id}/stock/reserve` `{quantity, orderId}` | inventory | 200 `quantityOnHand`; 409 depleted; 404 |
//! | `POST /api/products/{id}/stock/replenish` `{quantity}` | inventory | 200 `quantityOnHand`; 404 |
//! | `POST /api/orders` `{customerId, lineItems: [{productId, quantity, unitPrice}], shippingAddress?}` | order | 201 `orderId`, `status`; 422 unknown ids |
//! | `GET /api/orders/{id}` | order | 200 `status`: PENDING, then CONFIRMED, CANCELLED or FAILED; 404 |
//! | `GET /actuator/health` | each | 200 `{"status":"UP"}`; on `BASE_URL` all four, each also at `/<service>/actuator/health` |
//! | `POST`, `GET`, `DELETE /__fault` | each | set a fault (201, 400 with the reason), list, clear all |
//! | `GET`, `DELETE /__stats` | each | exact service times per operation in ms, nearest rank; start anew |
//! | `GET /metrics` | each | OpenMetrics text |
//!
//! Malformed bodies get 400 with `error` and, where fields are wrong, `fields`. The 100 customers and 100 products of
//! [`super::data`] are there from the start. Unknown ids in an order are refused with 422, because a load test with
//! stale ids should fail at once; [`BreakerMode::Trip`] lets unknown product ids through to the saga and trips over
//! them, as the first team's shop did.
//!
//! Service times are in `service_time`, the saga's queue in `saga`, orders' outcomes in `ledger`, faults in
//! `fault`. Everything random follows from [`ShopOptions::seed`] and the number of the request of its operation,
//! so that the same requests in the same order are answered alike.

mod breaker;
mod catalog;
mod control;
mod customers;
mod engine;
mod ledger;
mod limiter;
mod meters;
pub(in crate::demo) mod money;
mod operation;
pub(in crate::demo) mod options;
mod request;
mod routes;
mod saga;
mod service_time;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use engine::Shop;
use operation::{Operation, Service};

use super::fault::{FaultError, FaultSpec, Menu};
use super::host::{DemoError, Serves, Site};

pub use options::{BreakerMode, ShopOptions};

/// What can go wrong with the shop.
pub(in crate::demo) const MENU: Menu = Menu {
    kinds: &[
        "latency",
        "errors",
        "reset",
        "stall",
        "cold_start",
        "down",
        "stuck",
        "stock",
        "breaker",
    ],
    operations: &Operation::NAMES,
    parts: &Service::NAMES,
};

/// Reads a fault of the shop, as flags have it: `KIND=VALUE[@START][+DURATION]`.
///
/// # Errors
/// [`FaultError`] naming what is wrong.
pub fn fault(flag: &str) -> Result<FaultSpec, FaultError> {
    FaultSpec::from_flag(flag, &MENU)
}

/// Makes the shop and what it serves: `BASE_URL`, then `ACCOUNT_URL`, `INVENTORY_URL`, `ORDER_URL` and `PAYMENT_URL` where
/// services have ports. Must be called inside a runtime.
///
/// # Errors
/// [`DemoError::Option`].
pub(in crate::demo) fn sites(options: &ShopOptions) -> Result<Vec<Site>, DemoError> {
    if let Some((name, reason)) = options.problem() {
        return Err(DemoError::Option { name, reason });
    }
    let shop = Arc::new(Shop::new(options));
    let mut sites = vec![Site {
        name: "BASE_URL".to_owned(),
        port: options.port,
        gateway: options.gateway,
        serves: Serves::Http(control::everything().with_state(Arc::clone(&shop))),
    }];
    if options.service_ports {
        for (offset, service) in (1..).zip(Service::ALL) {
            sites.push(Site {
                name: format!("{}_URL", service.name().to_uppercase()),
                port: if options.port == 0 { 0 } else { options.port + offset },
                gateway: false,
                serves: Serves::Http(control::only(service).with_state(Arc::clone(&shop))),
            });
        }
    }
    Ok(sites)
}
