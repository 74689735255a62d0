//! The business endpoints: what each operation does and answers. How long it takes and what may go wrong is `engine`'s and `front`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use super::engine::Shop;
use super::ledger::Fate;
use super::money::Cents;
use super::operation::{Operation, Service};
use super::options::BreakerMode;
use super::request::{NewCustomer, NewOrder, NewProduct, read_stock_change, refusal};
use crate::demo::control::System as _;
use crate::demo::fault::StockLimit;
use crate::demo::listener::Connection;
use crate::demo::reply::Reply;

type Site = State<Arc<Shop>>;
type Peer = ConnectInfo<Connection>;

/// The paths that one service answers. Payment has no callers of its own: it only works inside sagas.
pub(super) fn of(service: Service) -> Router<Arc<Shop>> {
    match service {
        Service::Account => Router::new()
            .route("/api/customers", post(create_customer))
            .route("/api/customers/{id}", get(get_customer)),
        Service::Inventory => Router::new()
            .route("/api/products", post(create_product))
            .route("/api/products/{id}", get(get_product))
            .route("/api/products/{id}/similar", get(similar_products))
            .route("/api/products/{id}/stock/reserve", post(reserve_stock))
            .route("/api/products/{id}/stock/replenish", post(replenish_stock)),
        Service::Order => Router::new()
            .route("/api/orders", post(create_order))
            .route("/api/orders/{id}", get(get_order)),
        Service::Payment => Router::new(),
    }
}

async fn create_customer(State(shop): Site, ConnectInfo(peer): Peer, body: Bytes) -> Response {
    shop.serve(&peer, Operation::CreateCustomer, |shop, _| {
        let new = match NewCustomer::read(&body) {
            Ok(new) => new,
            Err(reply) => return reply,
        };
        match shop.customers().add(new) {
            Ok(id) => {
                shop.meters.customers.inc();
                Reply::created(json!({ "customerId": id }))
            }
            Err(id) => Reply::new(
                StatusCode::CONFLICT,
                json!({ "error": "a customer with this e-mail address exists", "customerId": id }),
            ),
        }
    })
    .await
}

async fn get_customer(State(shop): Site, ConnectInfo(peer): Peer, Path(id): Path<String>) -> Response {
    shop.serve(&peer, Operation::GetCustomer, |shop, _| {
        let customers = shop.customers();
        match customers.find(&id) {
            Some(number) => Reply::ok(customers.describe(number)),
            None => Reply::not_found("customer", &id),
        }
    })
    .await
}

async fn create_product(State(shop): Site, ConnectInfo(peer): Peer, body: Bytes) -> Response {
    shop.serve(&peer, Operation::CreateProduct, |shop, _| {
        match NewProduct::read(&body) {
            Ok(new) => Reply::created(json!({ "productId": shop.catalog().add(new) })),
            Err(reply) => reply,
        }
    })
    .await
}

async fn get_product(State(shop): Site, ConnectInfo(peer): Peer, Path(id): Path<String>) -> Response {
    shop.serve(&peer, Operation::GetProduct, |shop, now| {
        let limit = shop.front().faults.on_saga(now).stock;
        let catalog = shop.catalog();
        match catalog.find(&id) {
            Some(number) => Reply::ok(catalog.describe(number, limit)),
            None => Reply::not_found("product", &id),
        }
    })
    .await
}

async fn similar_products(
    State(shop): Site,
    ConnectInfo(peer): Peer,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    shop.serve(&peer, Operation::SimilarProducts, |shop, _| {
        let limit = query.get("limit").map_or(Ok(5), |text| text.parse::<usize>());
        let Some(limit) = limit.ok().filter(|limit| (1..=100).contains(limit)) else {
            let wrong = BTreeMap::from([("limit".to_owned(), "must be a whole number from 1 to 100".to_owned())]);
            return refusal(StatusCode::BAD_REQUEST, "validation failed", &wrong);
        };
        let catalog = shop.catalog();
        match catalog.find(&id) {
            Some(number) => Reply::ok(json!({ "productId": id, "similar": catalog.similar(number, limit) })),
            None => Reply::not_found("product", &id),
        }
    })
    .await
}

async fn reserve_stock(State(shop): Site, ConnectInfo(peer): Peer, Path(id): Path<String>, body: Bytes) -> Response {
    shop.serve(&peer, Operation::ReserveStock, |shop, now| {
        let quantity = match read_stock_change(&body, true) {
            Ok(quantity) => quantity,
            Err(reply) => return reply,
        };
        let limit = shop.front().faults.on_saga(now).stock;
        let mut catalog = shop.catalog();
        let Some(number) = catalog.find(&id) else {
            return Reply::not_found("product", &id);
        };
        match catalog.reserve(number, quantity, limit) {
            Ok(left) => Reply::ok(json!({ "productId": id, "reserved": quantity, "quantityOnHand": left })),
            Err(available) => {
                shop.meters.stock_depleted.inc();
                Reply::new(
                    StatusCode::CONFLICT,
                    json!({ "error": "insufficient stock", "productId": id, "quantityOnHand": available }),
                )
            }
        }
    })
    .await
}

async fn replenish_stock(State(shop): Site, ConnectInfo(peer): Peer, Path(id): Path<String>, body: Bytes) -> Response {
    shop.serve(&peer, Operation::ReplenishStock, |shop, now| {
        let quantity = match read_stock_change(&body, false) {
            Ok(quantity) => quantity,
            Err(reply) => return reply,
        };
        let limit = shop.front().faults.on_saga(now).stock;
        let mut catalog = shop.catalog();
        match catalog.find(&id) {
            Some(number) => {
                let there = catalog.replenish(number, quantity, limit);
                Reply::ok(json!({ "productId": id, "quantityOnHand": there }))
            }
            None => Reply::not_found("product", &id),
        }
    })
    .await
}

async fn create_order(State(shop): Site, ConnectInfo(peer): Peer, body: Bytes) -> Response {
    shop.serve(&peer, Operation::CreateOrder, |shop, now| {
        NewOrder::read(&body)
            .and_then(|order| place(shop, now, &order))
            .unwrap_or_else(|refused| refused)
    })
    .await
}

fn place(shop: &Shop, now: std::time::Duration, order: &NewOrder) -> Result<Reply, Reply> {
    let effects = shop.front().faults.on_saga(now);
    let customer = shop.customers().find(&order.customer_id);
    let mut guard = shop.ledger();
    let (ledger, breaker) = &mut *guard;
    let mut catalog = shop.catalog();
    let products: Vec<Option<usize>> = order.lines.iter().map(|line| catalog.find(&line.product_id)).collect();

    let mut unknown = BTreeMap::new();
    if customer.is_none() {
        unknown.insert("customerId".to_owned(), "no such customer".to_owned());
    }
    // With a breaker, as in the first team's shop, unknown products are found out by the saga only.
    if effects.breaker == BreakerMode::Off {
        for (index, _) in products.iter().enumerate().filter(|(_, product)| product.is_none()) {
            unknown.insert(format!("lineItems[{index}].productId"), "no such product".to_owned());
        }
    }
    let Some(customer) = customer.filter(|_| unknown.is_empty()) else {
        return Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, "unknown ids", &unknown));
    };

    let open = match effects.breaker {
        BreakerMode::Off => false,
        BreakerMode::Trip => breaker.is_open(now),
        BreakerMode::Open => true,
    };
    let fate = if open || shop.is_stuck(ledger.next_number(), effects.stuck) {
        Fate::Stuck
    } else if reserve_all(&mut catalog, order, &products, effects.stock) {
        Fate::Runs
    } else {
        shop.meters.stock_depleted.inc();
        breaker.failed(now);
        Fate::ReservationFails
    };
    let total = Cents(
        order
            .lines
            .iter()
            .map(|line| line.unit_price.0.saturating_mul(line.quantity))
            .sum(),
    );
    let id = ledger.accept(now, customer, total, fate);
    shop.meters.orders.inc();
    Ok(Reply::created(json!({ "orderId": id, "status": "PENDING" })))
}

/// Reserves every line or none.
fn reserve_all(
    catalog: &mut super::catalog::Catalog,
    order: &NewOrder,
    products: &[Option<usize>],
    limit: Option<StockLimit>,
) -> bool {
    for (index, (line, product)) in order.lines.iter().zip(products).enumerate() {
        let reserved = product.is_some_and(|number| catalog.reserve(number, line.quantity, limit).is_ok());
        if reserved {
            continue;
        }
        for (line, product) in order.lines.iter().zip(products).take(index) {
            if let Some(number) = product {
                catalog.replenish(*number, line.quantity, limit);
            }
        }
        return false;
    }
    true
}

async fn get_order(State(shop): Site, ConnectInfo(peer): Peer, Path(id): Path<String>) -> Response {
    shop.serve(&peer, Operation::GetOrder, |shop, now| {
        match shop.ledger().0.describe(now, &id) {
            Some(order) => Reply::ok(order),
            None => Reply::not_found("order", &id),
        }
    })
    .await
}
