//! The endpoints that are not the shop's business: health, faults, statistics, metrics. A stall does not hold the last
//! three, or nobody could look.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::engine::Shop;
use super::fault_spec::FaultSpec;
use super::operation::Service;
use super::reply::Reply;
use super::routes;

type Site = State<Arc<Shop>>;

/// Everything on one listener: `/actuator/health` for the whole, `/<service>/actuator/health` for each.
pub(super) fn everything() -> Router<Arc<Shop>> {
    let mut router = common(&Service::ALL);
    for service in Service::ALL {
        let path = format!("/{}/actuator/health", service.name());
        router = router.merge(routes::of(service)).route(
            &path,
            get(move |State(shop): Site| async move { shop.health(&[service]).await }),
        );
    }
    closed(router)
}

/// One service on a port of its own.
pub(super) fn only(service: Service) -> Router<Arc<Shop>> {
    const EACH: [[Service; 1]; 4] = [
        [Service::Account],
        [Service::Inventory],
        [Service::Order],
        [Service::Payment],
    ];
    closed(common(&EACH[service as usize]).merge(routes::of(service)))
}

fn common(services: &'static [Service]) -> Router<Arc<Shop>> {
    Router::new()
        .route(
            "/actuator/health",
            get(move |State(shop): Site| async move { shop.health(services).await }),
        )
        .route("/__fault", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/__stats", get(stats).delete(reset_stats))
        .route("/metrics", get(metrics))
}

/// Answers for everything else, in JSON too. Comes last: it reaches only the routes that are there already.
fn closed(router: Router<Arc<Shop>>) -> Router<Arc<Shop>> {
    router
        .fallback(async || Reply::error(StatusCode::NOT_FOUND, "no such path"))
        .method_not_allowed_fallback(async || {
            Reply::error(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods")
        })
}

async fn list_faults(State(shop): Site) -> Reply {
    Reply::ok(shop.faults.list(shop.now()))
}

async fn add_fault(State(shop): Site, body: Bytes) -> Reply {
    match FaultSpec::from_json(&body) {
        Ok(fault) => Reply::created(shop.faults.add(shop.now(), fault)),
        Err(error) => Reply::error(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

async fn clear_faults(State(shop): Site) -> StatusCode {
    shop.faults.clear();
    StatusCode::NO_CONTENT
}

async fn stats(State(shop): Site) -> Reply {
    shop.settle();
    Reply::ok(json!({
        "uptimeMs": shop.now().as_millis() as u64,
        "unit": "ms",
        "operations": shop.stats.report(),
        "orders": shop.meters.orders.get(),
        "ordersPending": shop.meters.orders_pending.get(),
        "sagaBacklog": shop.meters.saga_backlog.get(),
        "customersCreated": shop.meters.customers.get(),
        "stockDepleted": shop.meters.stock_depleted.get(),
        "rateLimited": shop.meters.rate_limited.get(),
    }))
}

async fn reset_stats(State(shop): Site) -> StatusCode {
    shop.stats.reset();
    StatusCode::NO_CONTENT
}

async fn metrics(State(shop): Site) -> Response {
    shop.settle();
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], shop.meters.text()).into_response()
}
