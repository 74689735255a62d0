//! A shop as large as the tests of its client need: what an id or a path says is what happens, and nothing is kept but the
//! number of looks at an order. The real one is `kingtide demo`.
//!
//! | first part of the path | what is wrong with it |
//! |---|---|
//! | `well` | nothing; health is `{"status":"up"}` |
//! | `plain` | nothing; health is plain text |
//! | `sick` | a gateway of which inventory and payment are down |
//! | `ill` | health is 503 without a word |
//! | `nobody`, `nothing` | knows no customers, no products |
//! | `broken` | answers 500 to everything but health |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

/// How often each order was looked at.
type Looks = Arc<Mutex<HashMap<String, u32>>>;

pub fn router() -> Router {
    Router::new()
        .route("/{kind}/actuator/health", get(health))
        .route("/{kind}/api/customers", post(create_customer))
        .route("/{kind}/api/customers/{id}", get(customer))
        .route("/{kind}/api/products", post(create_product))
        .route("/{kind}/api/products/{id}", get(product))
        .route("/{kind}/api/products/{id}/similar", get(similar))
        .route("/{kind}/api/products/{id}/stock/reserve", post(reserve))
        .route("/{kind}/api/products/{id}/stock/replenish", post(replenish))
        .route("/{kind}/api/orders", post(place_order))
        .route("/{kind}/api/orders/{id}", get(order))
        .with_state(Looks::default())
}

fn answer(status: u16, body: Value) -> Response {
    let status = StatusCode::from_u16(status).expect("the tests' statuses are statuses");
    (status, Json(body)).into_response()
}

async fn health(Path(kind): Path<String>) -> Response {
    let components = json!({ "account": "UP", "payment": { "status": "DOWN" }, "inventory": "DOWN" });
    match kind.as_str() {
        "plain" => "fine".into_response(),
        "sick" => answer(503, json!({ "status": "DOWN", "components": components })),
        "ill" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => answer(200, json!({ "status": "up" })),
    }
}

/// 409 with an id for an address that begins with `taken`.
async fn create_customer(Path(kind): Path<String>, Json(body): Json<Value>) -> Response {
    let taken = body["email"].as_str().is_some_and(|email| email.starts_with("taken"));
    match kind.as_str() {
        "broken" => answer(500, json!({})),
        _ if taken => answer(409, json!({ "customerId": "c-old", "sent": body })),
        _ => answer(201, json!({ "customerId": "c-new", "sent": body })),
    }
}

async fn customer(Path((kind, id)): Path<(String, String)>) -> Response {
    match kind.as_str() {
        "nobody" => answer(404, json!({})),
        "broken" => answer(500, json!({})),
        _ => answer(200, json!({ "customerId": id })),
    }
}

async fn create_product(Json(body): Json<Value>) -> Response {
    answer(201, json!({ "id": "p-new", "sent": body }))
}

async fn product(Path((kind, id)): Path<(String, String)>) -> Response {
    match kind.as_str() {
        "nothing" => answer(404, json!({})),
        _ => answer(200, json!({ "productId": id })),
    }
}

async fn similar(Path((_, id)): Path<(String, String)>, uri: axum::http::Uri) -> Response {
    answer(200, json!({ "productId": id, "query": uri.query() }))
}

/// 409 for the product `sold-out`.
async fn reserve(Path((kind, id)): Path<(String, String)>, Json(body): Json<Value>) -> Response {
    match (kind.as_str(), id.as_str()) {
        ("broken", _) => answer(500, json!({})),
        (_, "sold-out") => answer(409, json!({ "quantityOnHand": 0 })),
        _ => answer(200, json!({ "productId": id, "sent": body })),
    }
}

async fn replenish(Path((_, id)): Path<(String, String)>, Json(body): Json<Value>) -> Response {
    answer(200, json!({ "productId": id, "sent": body }))
}

/// The customer says which order comes back; `refused` gets none, `short` one whose id is spelled `id`.
async fn place_order(Path(kind): Path<String>, Json(body): Json<Value>) -> Response {
    match (kind.as_str(), body["customerId"].as_str().unwrap_or_default()) {
        ("broken", _) => answer(500, json!({})),
        (_, "refused") => answer(409, json!({ "error": "no credit", "orderId": "o-none" })),
        (_, "short") => answer(201, json!({ "id": "o-short", "sent": body })),
        _ => answer(201, json!({ "orderId": "o-1", "id": "other", "sent": body })),
    }
}

/// An id of the form `STATUS-LOOKS` is PENDING for so many looks; `o-1` is confirmed at once.
async fn order(Path((_, id)): Path<(String, String)>, State(looks): State<Looks>) -> Response {
    let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = looks.entry(id.clone()).or_default();
    *seen += 1;
    let (status, wait) = id.rsplit_once('-').unwrap_or((&id, "0"));
    let status = if status == "o" { "CONFIRMED" } else { status };
    match wait.parse::<u32>() {
        Ok(wait) if id != "o-1" && *seen <= wait => answer(200, json!({ "status": "PENDING" })),
        _ => answer(200, json!({ "status": status })),
    }
}
