//! What an event must have. Values are judged, not kept: the queue only counts.
//!
//! | field | must be |
//! |---|---|
//! | `type`, `correlationId`, `orchestrationName` | a text |
//! | `context.orderId`, `context.customerId` | a text |
//! | `context.customerTier` | `standard`, `premium` or `enterprise` |
//! | `context.orderTotal` | a number that is not negative |
//! | `context.items` | a list of at least one item: `sku` a text, `quantity` a whole number from 1 on, `price` a number that is not negative |
//!
//! Other fields are welcome.

use serde_json::{Map, Value};

pub(in crate::demo) const TIERS: [&str; 3] = ["standard", "premium", "enterprise"];

type Object = Map<String, Value>;

/// # Errors
/// The first thing that is wrong with the event, naming the field.
pub(in crate::demo) fn check(event: &Value) -> Result<(), String> {
    let event = object(event, "the event")?;
    for key in ["type", "correlationId", "orchestrationName"] {
        text(event, key, "")?;
    }
    let context = object(event.get("context").unwrap_or(&Value::Null), "context")?;
    for key in ["orderId", "customerId"] {
        text(context, key, "context.")?;
    }
    let tier = context.get("customerTier").and_then(Value::as_str);
    if !tier.is_some_and(|tier| TIERS.contains(&tier)) {
        return Err(format!("context.customerTier: must be {}", TIERS.join(", ")));
    }
    amount(context, "orderTotal", "context.")?;
    let items = context.get("items").and_then(Value::as_array);
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Err("context.items: must be a list of at least one item".to_owned());
    };
    items.iter().enumerate().try_for_each(|(index, item)| {
        let place = format!("context.items[{index}]");
        let item = object(item, &place)?;
        let inside = format!("{place}.");
        text(item, "sku", &inside)?;
        match item.get("quantity").and_then(Value::as_u64) {
            Some(quantity) if quantity > 0 => {}
            _ => return Err(format!("{inside}quantity: must be a whole number of at least 1")),
        }
        amount(item, "price", &inside)
    })
}

/// What names the event in a list of failures.
pub(super) fn correlation_id(event: &Value) -> Option<&str> {
    event.get("correlationId")?.as_str()
}

fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Object, String> {
    value.as_object().ok_or_else(|| format!("{place}: must be an object"))
}

fn text(object: &Object, key: &str, inside: &str) -> Result<(), String> {
    match object.get(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(()),
        _ => Err(format!("{inside}{key}: must be a non-empty text")),
    }
}

fn amount(object: &Object, key: &str, inside: &str) -> Result<(), String> {
    match object.get(key).and_then(Value::as_f64) {
        Some(amount) if amount >= 0.0 => Ok(()),
        _ => Err(format!("{inside}{key}: must be a number that is not negative")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sound() -> Value {
        json!({
            "type": "OrderPlaced", "correlationId": "order-0001-abc123", "orchestrationName": "order-fulfilment",
            "context": {
                "orderId": "o-1", "customerId": "c-1", "customerTier": "premium", "orderTotal": 19.98,
                "items": [{ "sku": "A-1", "quantity": 2, "price": 9.99 }],
            },
        })
    }

    #[test]
    fn a_sound_event_passes_and_may_have_more_fields() {
        assert_eq!(check(&sound()), Ok(()));
        let mut more = sound();
        more["context"]["note"] = json!("fragile");
        assert_eq!(check(&more), Ok(()));
        assert_eq!(correlation_id(&more), Some("order-0001-abc123"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        // pointer, value, what is said
        let table = [
            ("/type", json!(""), "type: must be"),
            ("/correlationId", json!(7), "correlationId: must be"),
            ("/orchestrationName", Value::Null, "orchestrationName: must be"),
            ("/context", json!([]), "context: must be an object"),
            ("/context/orderId", Value::Null, "context.orderId"),
            ("/context/customerTier", json!("gold"), "standard, premium, enterprise"),
            ("/context/orderTotal", json!("5"), "context.orderTotal"),
            ("/context/orderTotal", json!(-1), "not negative"),
            ("/context/items", json!([]), "context.items"),
            ("/context/items/0", json!(1), "context.items[0]: must be an object"),
            ("/context/items/0/sku", Value::Null, "context.items[0].sku"),
            ("/context/items/0/quantity", json!(0), "context.items[0].quantity"),
            ("/context/items/0/quantity", json!(1.5), "whole number"),
            ("/context/items/0/price", json!(true), "context.items[0].price"),
        ];
        for (pointer, value, part) in table {
            let mut event = sound();
            *event.pointer_mut(pointer).unwrap() = value;
            let said = check(&event).unwrap_err();
            assert!(said.contains(part), "{pointer}: {said}");
        }
        for event in [json!(5), json!([]), json!(null), json!("x")] {
            assert_eq!(check(&event).unwrap_err(), "the event: must be an object");
        }
    }
}
