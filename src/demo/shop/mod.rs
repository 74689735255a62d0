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
//! `fault_spec`. Everything random follows from [`ShopOptions::seed`] and the number of the request of its operation,
//! so that the same requests in the same order are answered alike.

mod breaker;
mod catalog;
mod control;
mod customers;
mod engine;
mod fault_spec;
mod fault_value;
mod faults;
mod ledger;
mod limiter;
mod listener;
mod meters;
pub(in crate::demo) mod money;
mod operation;
pub(in crate::demo) mod options;
mod pacer;
mod reply;
mod request;
mod routes;
mod saga;
mod service_time;
mod stats;
#[cfg(test)]
mod tests;

use std::future::{Future, IntoFuture};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::sync::watch;

use engine::Shop;
use listener::{Connection, LoopbackListener};
use operation::Service;

pub use fault_spec::{FaultError, FaultSpec};
pub use options::{BreakerMode, ShopOptions};

/// How long requests under way may take to end after shutdown begins.
const GRACE: Duration = Duration::from_secs(1);

/// Why the shop did not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// An option's value makes no sense.
    #[error("option `{name}`: {reason}")]
    Option {
        /// The field of [`ShopOptions`].
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The port is taken, or the system refuses.
    #[error("cannot listen on 127.0.0.1:{port}: {source}; `--port 0` takes free ports")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}

/// Runs the shop on the current runtime (I/O and time enabled; one thread is enough) until `shutdown` completes, and
/// then for at most a second more.
///
/// `on_ready` is called once, when every port listens, with what a journey needs to know as (name, value):
/// `BASE_URL`, then `ACCOUNT_URL`, `INVENTORY_URL`, `ORDER_URL` and `PAYMENT_URL` where services have ports.
///
/// # Errors
/// [`DemoError`] before `on_ready`, never after.
pub async fn serve(
    options: ShopOptions,
    shutdown: impl Future<Output = ()>,
    on_ready: impl FnOnce(&[(String, String)]),
) -> Result<(), DemoError> {
    if let Some((name, reason)) = options.problem() {
        return Err(DemoError::Option { name, reason });
    }
    let mut sites = vec![(
        "BASE_URL".to_owned(),
        options.port,
        options.gateway,
        control::everything(),
    )];
    if options.service_ports {
        for (offset, service) in (1..).zip(Service::ALL) {
            let port = if options.port == 0 { 0 } else { options.port + offset };
            let name = format!("{}_URL", service.name().to_uppercase());
            sites.push((name, port, false, control::only(service)));
        }
    }
    let mut names = Vec::new();
    let mut listening = Vec::new();
    for (name, port, gateway, router) in sites {
        let bound = LoopbackListener::bind(port, gateway).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| DemoError::Listen { port, source })?;
        names.push((name, format!("http://{address}")));
        listening.push((listener, router));
    }

    let shop = Arc::new(Shop::new(&options));
    let (stop, stopping) = watch::channel(false);
    let servers = listening
        .into_iter()
        .map(|(listener, router)| run(listener, router.with_state(Arc::clone(&shop)), stopping.clone()));
    let servers = futures_util::future::join_all(servers);
    let end = async {
        shutdown.await;
        let _ = stop.send(true);
        crate::clock::sleep(GRACE).await;
    };
    on_ready(&names);
    tokio::select! {
        _ = servers => {}
        () = end => {}
    }
    Ok(())
}

async fn run(listener: LoopbackListener, router: Router, mut stopping: watch::Receiver<bool>) {
    let service = router.into_make_service_with_connect_info::<Connection>();
    let stopped = async move {
        // An error means that the sender is gone, and that is the end too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    // axum's server ends with Ok whenever it ends.
    let _ = axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .into_future()
        .await;
}
