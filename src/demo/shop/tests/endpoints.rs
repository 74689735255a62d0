//! What each endpoint answers when nothing disturbs it, and to callers who get it wrong.

use std::time::Duration;

use serde_json::json;

use super::client::{Client, customer, order_body, product_id, start};
use crate::clock;
use crate::demo::host::{DemoError, serve};
use crate::demo::shop::{BreakerMode, ShopOptions, fault, sites};

#[tokio::test(start_paused = true)]
async fn customers_are_created_once() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    let body = r#"{"email":"a@example.com","name":"A","address":"1 Elm St"}"#;
    let created = client.post("/api/customers", body).await;
    assert_eq!(created.status, 201);
    let id = created.text_of("customerId");
    let again = client.post("/api/customers", body).await;
    assert_eq!((again.status, again.text_of("customerId")), (409, id.clone()));
    let read = client.get(&format!("/api/customers/{id}")).await;
    assert_eq!((read.status, read.text_of("email")), (200, "a@example.com".to_owned()));
    let order = client.post("/api/orders", &order_body(&id, &product_id(0))).await;
    assert_eq!(order.status, 201, "a new customer may order");
}

#[tokio::test(start_paused = true)]
async fn every_generated_row_is_there() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    for number in 0..100 {
        for path in [
            format!("/api/customers/{}", customer(number)),
            format!("/api/products/{}", product_id(number)),
        ] {
            assert_eq!(client.get(&path).await.status, 200, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn products_and_their_stock() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    let body =
        r#"{"sku":"X-1","name":"X","category":"X","description":"For gamers.","price":"9.99","quantityOnHand":2}"#;
    let created = client.post("/api/products", body).await;
    assert_eq!(created.status, 201);
    let path = format!("/api/products/{}", created.text_of("productId"));
    let (reserve, replenish) = (format!("{path}/stock/reserve"), format!("{path}/stock/replenish"));
    // path, body, status, units left or there
    let table = [
        (&reserve, r#"{"quantity":2,"orderId":"o"}"#, 200, 0),
        (&reserve, r#"{"quantity":1,"orderId":"o"}"#, 409, 0),
        (&replenish, r#"{"quantity":5}"#, 200, 5),
        (&reserve, r#"{"quantity":1,"orderId":"o"}"#, 200, 4),
    ];
    for (path, body, status, units) in table {
        let answer = client.post(path, body).await;
        assert_eq!(
            (answer.status, &answer.json()["quantityOnHand"]),
            (status, &json!(units)),
            "{path}"
        );
    }
    assert_eq!(client.get(&path).await.json()["price"], json!("9.99"));
    let similar = client.get(&format!("{path}/similar?limit=3")).await;
    assert_eq!(similar.json()["similar"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_pending_until_its_saga_is_done() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    let began = clock::now();
    let order = client.order(0).await;
    let accepted = clock::now();
    assert_eq!(client.status(&order).await, "PENDING");
    let read = client.get(&format!("/api/orders/{order}")).await;
    assert_eq!(read.json()["total"], json!("9.99"));
    while client.status(&order).await == "PENDING" {
        assert!(clock::now() - began < Duration::from_secs(5), "the saga ends");
        clock::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.status(&order).await, "CONFIRMED");
    let took = (clock::now() - accepted).as_secs_f64();
    // One slot of 51 ms and 1.4 s with 5 % spread, seen every 50 ms.
    assert!((1.2..1.9).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_told_what_is_wrong() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    let known = product_id(0);
    let (reserve, similar) = (
        format!("/api/products/{known}/stock/reserve"),
        format!("/api/products/{known}/similar"),
    );
    let unknown = order_body("nobody", "nothing");
    // method, path, body, status, part of the answer
    let table = [
        ("POST", "/api/orders", "{", 400, "not JSON"),
        ("POST", "/api/orders", "{}", 400, "lineItems"),
        ("POST", "/api/orders", &unknown, 422, "lineItems[0].productId"),
        ("POST", "/api/customers", r#"{"email":"x"}"#, 400, "e-mail"),
        ("POST", "/api/products", "[]", 400, "JSON object"),
        ("POST", &reserve, r#"{"quantity":0,"orderId":"o"}"#, 400, "quantity"),
        (
            "POST",
            "/api/products/none/stock/reserve",
            r#"{"quantity":1,"orderId":"o"}"#,
            404,
            "no product `none`",
        ),
        (
            "POST",
            "/api/products/none/stock/replenish",
            r#"{"quantity":1}"#,
            404,
            "no product",
        ),
        ("GET", "/api/products/none", "", 404, "no product"),
        ("GET", "/api/products/none/similar", "", 404, "no product"),
        ("GET", &format!("{similar}?limit=0"), "", 400, "limit"),
        ("GET", &format!("{similar}?limit=all"), "", 400, "limit"),
        ("GET", "/api/customers/none", "", 404, "no customer"),
        ("GET", "/api/orders/none", "", 404, "no order"),
        ("GET", "/nowhere", "", 404, "no such path"),
        ("DELETE", "/api/orders", "", 405, "other methods"),
    ];
    for (method, path, body, status, part) in table {
        let answer = client.send(method, path, body).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
        assert!(answer.text.contains(part), "{method} {path} {body}: {}", answer.text);
        assert!(answer.json()["error"].is_string(), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn each_service_has_its_own_port_paths_and_health() {
    let shop = start(ShopOptions::default()).await;
    let order = format!("/api/products/{}", product_id(0));
    // service, status of a product's path there
    let table = [
        ("ACCOUNT_URL", "/account", 404),
        ("INVENTORY_URL", "/inventory", 200),
        ("ORDER_URL", "/order", 404),
        ("PAYMENT_URL", "/payment", 404),
    ];
    for (name, prefix, status) in table {
        let mut service = Client::connect(&shop.address(name)).await;
        let health = service.get("/actuator/health").await;
        assert_eq!(
            (health.status, health.json()),
            (200, json!({ "status": "UP" })),
            "{name}"
        );
        assert_eq!(service.get(&order).await.status, status, "{name}");
        let through = shop.connect().await.get(&format!("{prefix}/actuator/health")).await;
        assert_eq!(
            (through.status, through.json()),
            (200, json!({ "status": "UP" })),
            "{prefix}"
        );
    }
    let whole = shop.connect().await.get("/actuator/health").await;
    assert_eq!(whole.json()["components"]["payment"], json!("UP"));
}

#[tokio::test(start_paused = true)]
async fn service_ports_can_be_left_out() {
    let options = ShopOptions {
        service_ports: false,
        ..ShopOptions::default()
    };
    let shop = start(options).await;
    assert_eq!(shop.names.len(), 1);
    assert_eq!(shop.connect().await.get("/order/actuator/health").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn only_loopback_and_a_taken_port_is_an_error() {
    let shop = start(ShopOptions::default()).await;
    assert!(
        shop.names.iter().all(|(_, url)| url.starts_with("http://127.0.0.1:")),
        "{:?}",
        shop.names
    );
    let port = shop.address("BASE_URL").split_once(':').unwrap().1.parse().unwrap();
    let options = ShopOptions {
        port,
        service_ports: false,
        ..ShopOptions::default()
    };
    let error = serve(sites(&options).unwrap(), std::future::pending(), |_| {
        panic!("not ready")
    })
    .await
    .unwrap_err();
    assert!(
        matches!(error, DemoError::Listen { port: p, .. } if p == port),
        "{error}"
    );
    let options = ShopOptions {
        stuck: 2.0,
        breaker: BreakerMode::Open,
        ..ShopOptions::default()
    };
    let error = sites(&options).unwrap_err();
    assert_eq!(error.to_string(), "option `stuck`: 2 is not a fraction between 0 and 1");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_idle_connections_at_once_and_others_after_a_moment() {
    let shop = start(ShopOptions::default()).await;
    let mut idle = shop.connect().await;
    assert_eq!(idle.get("/actuator/health").await.status, 200);
    assert!(shop.stop().await < Duration::from_millis(100));
    assert!(idle.send("GET", "/actuator/health", "").await.is_err(), "closed");

    let stalled = ShopOptions {
        faults: vec![fault("stall=1h").unwrap()],
        ..ShopOptions::default()
    };
    let shop = start(stalled).await;
    let mut waiting = shop.connect().await;
    let request = tokio::spawn(async move { waiting.send("GET", "/actuator/health", "").await.map(|_| ()) });
    shop.connect().await.get("/__fault").await;
    let took = shop.stop().await;
    assert!((1_000..1_100).contains(&took.as_millis()), "{took:?}");
    request.abort();
}
