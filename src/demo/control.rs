//! The endpoints that are not a system's business: faults, statistics, metrics. A stall does not hold them, or nobody
//! could look.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::fault::{FaultSpec, Menu};
use super::front::Front;
use super::reply::Reply;

/// What the controls need to know of a system.
pub(super) trait System: Send + Sync + 'static {
    fn front(&self) -> &Front;
    /// The faults that it knows.
    fn menu(&self) -> &'static Menu;
    /// What `/__stats` tells besides the service times; brings the metrics up to date.
    fn counts(&self) -> Value;
    /// Starts those counts anew that a measurement wants to start at none, besides the service times.
    fn reset(&self) {}
    /// The OpenMetrics text.
    fn metrics(&self) -> String;
}

/// `/__fault`, `/__stats` and `/metrics`.
pub(super) fn routes<S: System>() -> Router<Arc<S>> {
    Router::new()
        .route(
            "/__fault",
            get(list_faults::<S>).post(add_fault::<S>).delete(clear_faults::<S>),
        )
        .route("/__stats", get(stats::<S>).delete(reset_stats::<S>))
        .route("/metrics", get(metrics::<S>))
}

/// Answers for everything else, in JSON too. Comes last: it reaches only the routes that are there already.
pub(super) fn closed<S: System>(router: Router<Arc<S>>) -> Router<Arc<S>> {
    router
        .fallback(async || Reply::error(StatusCode::NOT_FOUND, "no such path"))
        .method_not_allowed_fallback(async || {
            Reply::error(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods")
        })
}

async fn list_faults<S: System>(State(system): State<Arc<S>>) -> Reply {
    Reply::ok(system.front().faults.list(system.front().now()))
}

async fn add_fault<S: System>(State(system): State<Arc<S>>, body: Bytes) -> Reply {
    match FaultSpec::from_json(&body, system.menu()) {
        Ok(fault) => {
            // What came before the fault is settled without it.
            let _ = system.counts();
            Reply::created(system.front().faults.add(system.front().now(), fault))
        }
        Err(error) => Reply::error(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

async fn clear_faults<S: System>(State(system): State<Arc<S>>) -> StatusCode {
    let _ = system.counts();
    system.front().faults.clear();
    StatusCode::NO_CONTENT
}

async fn stats<S: System>(State(system): State<Arc<S>>) -> Reply {
    let mut report = json!({
        "uptimeMs": system.front().now().as_millis() as u64,
        "unit": "ms",
        "operations": system.front().stats.report(),
    });
    if let (Some(report), Value::Object(counts)) = (report.as_object_mut(), system.counts()) {
        report.extend(counts);
    }
    Reply::ok(report)
}

async fn reset_stats<S: System>(State(system): State<Arc<S>>) -> StatusCode {
    system.front().stats.reset();
    system.reset();
    StatusCode::NO_CONTENT
}

async fn metrics<S: System>(State(system): State<Arc<S>>) -> Response {
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], system.metrics()).into_response()
}
