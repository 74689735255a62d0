//! Which paths are served where: everything on `BASE_URL`, and each service on a port of its own.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::engine::Shop;
use super::operation::Service;
use super::routes;
use crate::demo::control::{self, System as _};

/// Everything on one listener: `/actuator/health` for the whole, `/<service>/actuator/health` for each.
pub(super) fn everything() -> Router<Arc<Shop>> {
    let mut router = with_health("/actuator/health".to_owned(), &Service::NAMES).merge(control::routes());
    for service in Service::ALL {
        let path = format!("/{}/actuator/health", service.name());
        router = router.merge(routes::of(service)).merge(with_health(path, own(service)));
    }
    control::closed(router)
}

/// One service on a port of its own.
pub(super) fn only(service: Service) -> Router<Arc<Shop>> {
    let health = with_health("/actuator/health".to_owned(), own(service));
    control::closed(health.merge(control::routes()).merge(routes::of(service)))
}

fn own(service: Service) -> &'static [&'static str] {
    std::slice::from_ref(&Service::NAMES[service as usize])
}

fn with_health(path: String, services: &'static [&'static str]) -> Router<Arc<Shop>> {
    Router::new().route(
        &path,
        get(move |State(shop): State<Arc<Shop>>| async move { shop.front().health(services).await }),
    )
}
