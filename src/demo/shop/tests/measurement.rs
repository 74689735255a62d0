//! What the shop says about itself: exact times, Prometheus text, and that a seed fixes all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{customer, order_body, product_id, start};
use crate::clock;
use crate::demo::shop::ShopOptions;

#[tokio::test(start_paused = true)]
async fn the_shop_counts_and_times_what_the_client_sees() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    let mut seen = Vec::new();
    for number in 0..200 {
        let body = order_body(&customer(number % 100), &product_id(number % 100));
        seen.push(client.post("/api/orders", &body).await.took.as_secs_f64() * 1e3);
    }
    client.post("/api/orders", "{}").await;
    seen.sort_by(f64::total_cmp);
    let stats = client.get("/__stats").await.json();
    let orders = &stats["operations"]["POST /api/orders"];
    assert_eq!(orders["count"], json!(201));
    assert_eq!(orders["byStatus"], json!({ "201": 200, "400": 1 }));
    // The client sees the same times, but for the 201st and microseconds cut off.
    for (key, index) in [("p50", 100), ("p95", 190), ("p99", 198)] {
        let own = orders[key].as_f64().unwrap();
        assert!((own - seen[index]).abs() < 1.5, "{key}: {own} {}", seen[index]);
    }
    assert_eq!(stats["orders"], json!(200));
    assert_eq!(client.send("DELETE", "/__stats", "").await.unwrap().status, 204);
    assert_eq!(client.get("/__stats").await.json()["operations"], json!({}));
}

/// The samples of an OpenMetrics text by name and labels. Panics on a line that is none.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "complete");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            let braces = name.matches('{').count() - usize::from(name.contains("{id}"));
            assert!(braces <= 1, "{line}");
            (
                name.to_owned(),
                value.parse().unwrap_or_else(|_| panic!("no number: {line}")),
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn metrics_are_well_formed_and_add_up() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    for number in 0..10 {
        client.order(number).await;
    }
    let early = samples(&client.get("/metrics").await.text);
    assert_eq!(early["orders_total"], 10.0);
    assert_eq!((early["saga_backlog"], early["orders_pending"]), (10.0, 10.0));
    clock::sleep(Duration::from_secs(5)).await;
    client.get(&format!("/api/products/{}", product_id(0))).await;
    let late = samples(&client.get("/metrics").await.text);
    assert_eq!(late["sagas_total{outcome=\"confirmed\"}"], 10.0);
    assert_eq!((late["saga_backlog"], late["orders_pending"]), (0.0, 0.0));
    assert_eq!(late["saga_duration_seconds_count"], 10.0);
    assert!(
        (14.0..20.0).contains(&late["saga_duration_seconds_sum"]),
        "ten of about 1.5 s"
    );
    for operation in [
        "POST /api/orders\",status=\"201",
        "GET /api/products/{id}\",status=\"200",
    ] {
        let labels = format!("operation=\"{operation}\"");
        let count = late[&format!("http_server_requests_seconds_count{{{labels}}}")];
        // Buckets are cumulative, up to +Inf, which is the count.
        let prefix = "http_server_requests_seconds_bucket{le=";
        let mut buckets: Vec<(f64, f64)> = late
            .iter()
            .filter(|(name, _)| name.starts_with(prefix) && name.contains(&labels))
            .map(|(name, value)| {
                (
                    name[prefix.len() + 1..].split('"').next().unwrap().parse().unwrap(),
                    *value,
                )
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.len() > 50, "fine buckets: {buckets:?}");
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1));
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)));
    }
}

/// Statuses and times of a fixed conversation.
async fn conversation(seed: u64) -> Vec<Value> {
    let options = ShopOptions {
        seed,
        error_rate: 0.2,
        stuck: 0.3,
        pending_timeout: Duration::from_secs(3),
        ..ShopOptions::default()
    };
    let shop = start(options).await;
    let mut client = shop.connect().await;
    let mut log = Vec::new();
    let mut placed = Vec::new();
    for number in 0..40 {
        let answer = client
            .post("/api/orders", &order_body(&customer(number), &product_id(number)))
            .await;
        log.push(json!([answer.status, answer.took.as_millis() as u64, answer.text]));
        if answer.status == 201 {
            placed.push(answer.text_of("orderId"));
        }
    }
    clock::sleep(Duration::from_secs(20)).await;
    for order in placed {
        let answer = client.get(&format!("/api/orders/{order}")).await;
        log.push(json!([answer.status, answer.text]));
    }
    log
}

#[tokio::test(start_paused = true)]
async fn a_seed_fixes_times_errors_ids_and_outcomes() {
    let first = conversation(11).await;
    assert_eq!(first, conversation(11).await);
    assert_ne!(first, conversation(12).await);
    let text = json!(first).to_string();
    for part in ["CONFIRMED", "FAILED", "injected error"] {
        assert!(text.contains(part), "{part} occurs");
    }
}

/// The one test in real time. The bound on lateness is for busy machines; idle ones stay below 0.3 ms.
#[tokio::test]
async fn in_real_time_no_answer_is_early_and_most_are_on_time() {
    let shop = start(ShopOptions::default()).await;
    let mut client = shop.connect().await;
    let times = crate::demo::shop::service_time::service_times(1);
    let path = format!("/api/products/{}", product_id(0));
    let mut late = Vec::new();
    for number in 0..100 {
        let drawn = times.draw(crate::demo::shop::operation::Operation::GetProduct.index(), number);
        let took = client.get(&path).await.took;
        assert!(
            took >= drawn,
            "request {number} came early: {took:?} instead of {drawn:?}"
        );
        late.push(took - drawn);
    }
    late.sort();
    assert!(late[50] < Duration::from_millis(5), "{:?}", late[50]);
}
