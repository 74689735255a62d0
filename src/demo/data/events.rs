//! Events for the orchestrator: orders of the shop's goods, as many as wanted, each with a correlation id of its own.

use serde_json::json;

use crate::demo::data::products::products;
use crate::demo::dice;
use crate::demo::orchestrator::event::TIERS;
use crate::demo::shop::money::Cents;

/// Purposes of dice throws; any distinct numbers do.
mod purpose {
    pub(super) const KIND: u64 = 0x6b69_6e64;
    pub(super) const SUFFIX: u64 = 0x7375_6666;
    pub(super) const CUSTOMER: u64 = 0x6375_7374;
    pub(super) const TIER: u64 = 0x7469_6572;
    pub(super) const ITEMS: u64 = 0x6974_656d;
    pub(super) const PRODUCT: u64 = 0x7072_6f64;
    pub(super) const QUANTITY: u64 = 0x7175_616e;
}

/// What happened, and what is to be done about it.
const KINDS: [(&str, &str); 4] = [
    ("OrderPlaced", "order-fulfilment"),
    ("PaymentReceived", "payment-settlement"),
    ("ShipmentRequested", "shipment-dispatch"),
    ("OrderReturned", "return-handling"),
];

const MOST_ITEMS: u64 = 4;
const MOST_UNITS: u64 = 5;

/// No order costs more.
const MOST_TOTAL: Cents = Cents(200_000);

/// Sums of several dear things would all be near the most that an order may cost.
const DEAREST: Cents = Cents(30_000);

/// The events of a seed without end, each as one line of JSON with its line break.
pub(in crate::demo) fn lines(seed: u64) -> impl Iterator<Item = String> {
    let goods: Vec<(String, Cents)> = products()
        .into_iter()
        .filter(|row| row.price <= DEAREST)
        .map(|row| (row.sku, row.price))
        .collect();
    (0..).map(move |number| line(seed, number, &goods))
}

fn line(seed: u64, number: u64, goods: &[(String, Cents)]) -> String {
    let pick = |purpose, n: u64, of: u64| (dice::unit(seed, purpose, n) * of as f64) as u64;
    let (kind, orchestration) = KINDS[pick(purpose::KIND, number, KINDS.len() as u64) as usize];
    let tier = match dice::unit(seed, purpose::TIER, number) {
        draw if draw < 0.6 => TIERS[0],
        draw if draw < 0.9 => TIERS[1],
        _ => TIERS[2],
    };
    let mut total = Cents::default();
    let mut items = Vec::new();
    for place in 0..=pick(purpose::ITEMS, number, MOST_ITEMS) {
        let draw = number * MOST_ITEMS + place;
        let (sku, price) = &goods[pick(purpose::PRODUCT, draw, goods.len() as u64) as usize];
        // As many as the order may still cost.
        let fitting = (MOST_TOTAL.0 - total.0) / price.0;
        let quantity = (1 + pick(purpose::QUANTITY, draw, MOST_UNITS)).min(fitting);
        if quantity > 0 {
            total.0 += quantity * price.0;
            items.push(format!(
                r#"{{"sku":{},"quantity":{quantity},"price":{price}}}"#,
                json!(sku)
            ));
        }
    }
    let id = number + 1;
    let customer = 1 + pick(purpose::CUSTOMER, number, 10_000);
    format!(
        "{{\"type\":\"{kind}\",\"correlationId\":\"order-{id:04}-{}\",\"orchestrationName\":\"{orchestration}\",\
         \"context\":{{\"orderId\":\"ORD-{id:06}\",\"customerId\":\"CUST-{customer:05}\",\"customerTier\":\"{tier}\",\
         \"orderTotal\":{total},\"items\":[{}]}}}}\n",
        suffix(seed, number),
        items.join(",")
    )
}

/// Six letters and digits, three of each.
fn suffix(seed: u64, number: u64) -> String {
    let mut rest = (dice::unit(seed, purpose::SUFFIX, number) * 26_f64.powi(3) * 1e3) as u64;
    let digits = rest % 1_000;
    rest /= 1_000;
    let letter = |n: u64| char::from(b'a' + (n % 26) as u8);
    format!("{}{}{}{digits:03}", letter(rest / 676), letter(rest / 26), letter(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::{BTreeMap, HashSet};

    #[test]
    fn events_are_valid_unique_and_within_their_ranges() {
        let (mut ids, mut tiers, mut sizes) = (HashSet::new(), BTreeMap::new(), HashSet::new());
        for line in lines(1).take(20_000) {
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line}");
            let event: Value = serde_json::from_str(&line).unwrap();
            crate::demo::orchestrator::event::check(&event).unwrap();
            let context = &event["context"];
            let items = context["items"].as_array().unwrap();
            let cents = |value: &Value| (value.as_f64().unwrap() * 100.0).round() as u64;
            let sum: u64 = items
                .iter()
                .map(|item| item["quantity"].as_u64().unwrap() * cents(&item["price"]))
                .sum();
            assert_eq!(cents(&context["orderTotal"]), sum, "the total is that of the items");
            assert!((1..=200_000).contains(&sum), "{line}");
            assert!(
                items
                    .iter()
                    .all(|item| (1..=5).contains(&item["quantity"].as_u64().unwrap()))
            );
            sizes.insert(items.len());
            *tiers
                .entry(context["customerTier"].as_str().unwrap().to_owned())
                .or_insert(0) += 1;
            let id = event["correlationId"].as_str().unwrap().to_owned();
            let (order, suffix) = id.rsplit_once('-').unwrap();
            assert!(order.starts_with("order-") && suffix.len() == 6, "{id}");
            assert!(ids.insert(id), "{line}");
        }
        assert!(sizes.contains(&1) && sizes.contains(&4), "{sizes:?}");
        // Of 20,000, three standard deviations are 208, 195 and 128.
        for (tier, expected, off) in [
            ("standard", 12_000, 208),
            ("premium", 6_000, 195),
            ("enterprise", 2_000, 128),
        ] {
            let count: i32 = tiers[tier];
            assert!((count - expected).abs() <= off, "{tier}: {count}");
        }
    }

    #[test]
    fn a_seed_fixes_every_byte() {
        let text = |seed| lines(seed).take(500).collect::<String>();
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
        assert!(text(1).starts_with("{\"type\":"), "{}", &text(1)[..400]);
        let first: Value = serde_json::from_str(&lines(1).next().unwrap()).unwrap();
        let id = first["correlationId"].as_str().unwrap();
        assert!(id.starts_with("order-0001-"), "{id}");
    }
}
