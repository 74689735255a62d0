//! Faults as a client meets them, set by option and over HTTP.

use std::time::Duration;

use serde_json::json;

use super::client::{Client, Running, customer, order_body, product_id, start};
use crate::clock;
use crate::demo::shop::{BreakerMode, ShopOptions, fault};

async fn with_fault(flag: &str) -> (Running, Client) {
    let options = ShopOptions {
        faults: vec![fault(flag).unwrap()],
        ..ShopOptions::default()
    };
    let shop = start(options).await;
    let client = shop.connect().await;
    (shop, client)
}

fn product_path() -> String {
    format!("/api/products/{}", product_id(0))
}

#[tokio::test(start_paused = true)]
async fn faults_are_set_listed_and_cleared_over_http() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    let set = client
        .post(
            "/__fault",
            r#"{"fault":"errors","value":"100%","start":"2s","duration":"3s"}"#,
        )
        .await;
    assert_eq!((set.status, &set.json()["active"]), (201, &json!(false)));
    assert_eq!(client.get(&product_path()).await.status, 200);
    clock::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.get(&product_path()).await.status, 500);
    let list = client.get("/__fault").await.json();
    assert_eq!(
        (&list[0]["fault"], &list[0]["active"]),
        (&json!("errors"), &json!(true))
    );
    clock::sleep(Duration::from_secs(3)).await;
    assert_eq!(client.get(&product_path()).await.status, 200, "it has ended by itself");

    client.post("/__fault", r#"{"fault":"errors","value":1}"#).await;
    assert_eq!(client.get(&product_path()).await.status, 500);
    assert_eq!(client.send("DELETE", "/__fault", "").await.unwrap().status, 204);
    assert_eq!(client.get(&product_path()).await.status, 200);

    let refused = client.post("/__fault", r#"{"fault":"lag","value":1}"#).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text_of("error").contains("faults are latency"),
        "{}",
        refused.text
    );
}

#[tokio::test(start_paused = true)]
async fn latency_is_added() {
    let (_shop, mut client) = with_fault("latency=200ms").await;
    let took = client.get(&product_path()).await.took;
    assert!((200..210).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn errors_come_at_their_rate_and_have_no_effect() {
    let (_shop, mut client) = with_fault("errors=25%").await;
    let mut errors = 0;
    for _ in 0..400 {
        errors += u32::from(client.get(&product_path()).await.status == 500);
    }
    // Binomial(400, 0.25): mean 100, σ 8.7; the seed is fixed, so this cannot flap.
    assert!((75..=125).contains(&errors), "{errors}");
    client.post("/__fault", r#"{"fault":"errors","value":1}"#).await;
    let reserve = format!("{}/stock/reserve", product_path());
    assert_eq!(
        client.post(&reserve, r#"{"quantity":1,"orderId":"o"}"#).await.status,
        500
    );
    client.send("DELETE", "/__fault", "").await.unwrap();
    assert_eq!(
        client.get(&product_path()).await.json()["quantityOnHand"],
        json!(1_000_000)
    );
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_a_reset() {
    let (shop, mut client) = with_fault("reset=1").await;
    let error = client.send("GET", &product_path(), "").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(
        shop.connect().await.get("/actuator/health").await.status,
        200,
        "health is not the business"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stall_freezes_everything_but_the_controls() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    client.post("/__fault", r#"{"fault":"stall","value":"5s"}"#).await;
    let began = clock::now();
    assert_eq!(client.get("/metrics").await.status, 200);
    assert!(clock::now() - began < Duration::from_millis(10));
    assert_eq!(client.get("/actuator/health").await.status, 200);
    let took = clock::now() - began;
    assert!((4_990..5_020).contains(&took.as_millis()), "{took:?}");

    // A request that is under way when the stall begins ends after it.
    client
        .post("/__fault", r#"{"fault":"stall","value":"3s","start":0.005}"#)
        .await;
    let took = client
        .post("/api/orders", &order_body(&customer(0), &product_id(0)))
        .await
        .took;
    assert!((3_000..3_020).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_says_so() {
    let (shop, mut client) = with_fault("down=order").await;
    assert_eq!(client.get("/api/orders/x").await.status, 503);
    assert_eq!(client.get("/order/actuator/health").await.status, 503);
    assert_eq!(client.get("/account/actuator/health").await.status, 200);
    assert_eq!(client.get(&product_path()).await.status, 200);
    let whole = client.get("/actuator/health").await;
    assert_eq!((whole.status, &whole.json()["status"]), (503, &json!("DOWN")));
    let own = Client::connect(&shop.address("ORDER_URL"))
        .await
        .get("/actuator/health")
        .await;
    assert_eq!(own.status, 503);
}

#[tokio::test(start_paused = true)]
async fn stuck_sagas_fail_at_the_pending_timeout() {
    let options = ShopOptions {
        stuck: 1.0,
        pending_timeout: Duration::from_secs(10),
        ..ShopOptions::default()
    };
    let shop = start(options).await;
    let mut client = shop.connect().await;
    let order = client.order(0).await;
    clock::sleep(Duration::from_millis(9_900)).await;
    assert_eq!(client.status(&order).await, "PENDING");
    clock::sleep(Duration::from_millis(200)).await;
    assert_eq!(client.status(&order).await, "FAILED");
}

#[tokio::test(start_paused = true)]
async fn without_stock_reservations_and_sagas_fail_from_the_start() {
    let options = ShopOptions {
        stock: 0,
        ..ShopOptions::default()
    };
    let shop = start(options).await;
    let mut client = shop.connect().await;
    let reserve = format!("{}/stock/reserve", product_path());
    assert_eq!(
        client.post(&reserve, r#"{"quantity":1,"orderId":"o"}"#).await.status,
        409
    );
    let order = client.order(0).await;
    clock::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.status(&order).await, "CANCELLED");
}

#[tokio::test(start_paused = true)]
async fn the_breaker_trips_over_unknown_products() {
    let options = ShopOptions {
        breaker: BreakerMode::Trip,
        ..ShopOptions::default()
    };
    let shop = start(options).await;
    let mut client = shop.connect().await;
    for _ in 0..5 {
        let placed = client.post("/api/orders", &order_body(&customer(0), "stale")).await;
        assert_eq!(placed.status, 201, "found out by the saga only");
    }
    let healthy = client.order(0).await;
    assert!(client.get("/metrics").await.text.contains("\nbreaker_open 1\n"));
    clock::sleep(Duration::from_secs(29)).await;
    assert_eq!(client.status(&healthy).await, "PENDING", "nothing advances");
    clock::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.status(&healthy).await, "FAILED");
    let later = client.order(0).await;
    clock::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.status(&later).await, "CONFIRMED", "closed again after 30 s");
}

#[tokio::test(start_paused = true)]
async fn a_cold_shop_is_slow_at_first() {
    let options = ShopOptions {
        cold_start: Duration::from_secs(10),
        ..ShopOptions::default()
    };
    let shop = start(options).await;
    let mut client = shop.connect().await;
    let cold = client.get(&product_path()).await.took;
    assert!((690..=705).contains(&cold.as_millis()), "{cold:?}");
    clock::sleep(Duration::from_secs(10)).await;
    assert!(client.get(&product_path()).await.took < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn the_gateway_passes_twenty_writes_a_second() {
    let options = ShopOptions {
        gateway: true,
        ..ShopOptions::default()
    };
    let shop = start(options).await;
    let mut client = shop.connect().await;
    let mut refused = 0;
    let began = clock::now();
    while clock::now() - began < Duration::from_secs(3) {
        let placed = client
            .post("/api/orders", &order_body(&customer(0), &product_id(0)))
            .await;
        refused += u32::from(placed.status == 429);
        if placed.status == 429 {
            clock::sleep(Duration::from_millis(10)).await;
        }
    }
    let orders = client.get("/__stats").await.json()["orders"].as_u64().unwrap();
    assert!(
        refused > 10 && (75..=82).contains(&orders),
        "a bucket of 20, then 20/s: {orders}, {refused}"
    );
    assert_eq!(client.get(&product_path()).await.status, 200, "reads pass");
    let mut direct = Client::connect(&shop.address("ORDER_URL")).await;
    for _ in 0..30 {
        direct.order(0).await;
    }
}
