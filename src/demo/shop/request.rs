//! Request bodies, read strictly: what is wrong is said field by field. Whether the ids exist is looked up elsewhere.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::money::Cents;
use crate::demo::reply::Reply;

#[derive(Debug, PartialEq)]
pub(super) struct NewCustomer {
    pub email: String,
    pub name: String,
    pub address: String,
}

#[derive(Debug, PartialEq)]
pub(super) struct NewProduct {
    pub sku: String,
    pub name: String,
    pub category: String,
    pub description: String,
    pub price: Cents,
    pub quantity: u64,
}

#[derive(Debug, PartialEq)]
pub(super) struct NewOrder {
    pub customer_id: String,
    pub lines: Vec<Line>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub product_id: String,
    pub quantity: u64,
    pub unit_price: Cents,
}

impl NewCustomer {
    /// # Errors
    /// The 400 that names every wrong field; the same for the functions below.
    pub(super) fn read(body: &[u8]) -> Result<Self, Reply> {
        let mut fields = Fields::open(body)?;
        let customer = Self {
            email: fields.email("email"),
            name: fields.text("name"),
            address: fields.text("address"),
        };
        fields.close(customer)
    }
}

impl NewProduct {
    pub(super) fn read(body: &[u8]) -> Result<Self, Reply> {
        let mut fields = Fields::open(body)?;
        let product = Self {
            sku: fields.text("sku"),
            name: fields.text("name"),
            category: fields.text("category"),
            description: fields.text("description"),
            price: fields.price("price"),
            quantity: fields.quantity("quantityOnHand", 0),
        };
        fields.close(product)
    }
}

impl NewOrder {
    pub(super) fn read(body: &[u8]) -> Result<Self, Reply> {
        let mut fields = Fields::open(body)?;
        let customer_id = fields.text("customerId");
        // The address is optional: a shop knows its customers' addresses.
        if fields.object.contains_key("shippingAddress") {
            fields.text("shippingAddress");
        }
        let items = match fields.object.get("lineItems") {
            Some(Value::Array(items)) if !items.is_empty() && items.len() <= 100 => items.clone(),
            _ => {
                fields.wrong("lineItems", "must be an array of 1 to 100 items");
                Vec::new()
            }
        };
        let mut lines = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let mut line = Fields {
                object: item.as_object().cloned().unwrap_or_default(),
                wrong: BTreeMap::new(),
            };
            lines.push(Line {
                product_id: line.text("productId"),
                quantity: line.quantity("quantity", 1),
                unit_price: line.price("unitPrice"),
            });
            for (field, why) in line.wrong {
                fields.wrong.insert(format!("lineItems[{index}].{field}"), why);
            }
        }
        fields.close(Self { customer_id, lines })
    }
}

/// Reads the `quantity` of a stock change; a reservation names its order too.
pub(super) fn read_stock_change(body: &[u8], for_order: bool) -> Result<u64, Reply> {
    let mut fields = Fields::open(body)?;
    let quantity = fields.quantity("quantity", 1);
    if for_order {
        fields.text("orderId");
    }
    fields.close(quantity)
}

/// The 400 for wrong fields, or the 422 for well-formed ids that name nothing.
pub(super) fn refusal(status: StatusCode, message: &str, wrong: &BTreeMap<String, String>) -> Reply {
    Reply::new(status, json!({ "error": message, "fields": wrong }))
}

/// An object under inspection. Wrong fields yield a placeholder and are remembered; `close` then refuses the whole.
struct Fields {
    object: Map<String, Value>,
    wrong: BTreeMap<String, String>,
}

impl Fields {
    fn open(body: &[u8]) -> Result<Self, Reply> {
        let bad = |message: String| Reply::error(StatusCode::BAD_REQUEST, message);
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self {
                object,
                wrong: BTreeMap::new(),
            }),
            Ok(_) => Err(bad("the body must be a JSON object".to_owned())),
            Err(error) => Err(bad(format!("the body is not JSON: {error}"))),
        }
    }

    fn close<T>(self, value: T) -> Result<T, Reply> {
        if self.wrong.is_empty() {
            return Ok(value);
        }
        Err(refusal(StatusCode::BAD_REQUEST, "validation failed", &self.wrong))
    }

    fn wrong(&mut self, field: &str, why: &str) {
        self.wrong.insert(field.to_owned(), why.to_owned());
    }

    fn text(&mut self, field: &str) -> String {
        match self.object.get_mut(field) {
            Some(Value::String(text)) if !text.trim().is_empty() && text.len() <= 2_000 => std::mem::take(text),
            _ => {
                self.wrong(field, "must be a non-empty text");
                String::new()
            }
        }
    }

    fn email(&mut self, field: &str) -> String {
        let text = match self.object.get(field) {
            Some(Value::String(text)) => text.trim().to_lowercase(),
            _ => String::new(),
        };
        let well_formed = text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'));
        if !well_formed || text.contains(char::is_whitespace) {
            self.wrong(field, "must be an e-mail address");
        }
        text
    }

    fn quantity(&mut self, field: &str, least: u64) -> u64 {
        match self.object.get(field).and_then(Value::as_u64) {
            Some(quantity) if (least..=1_000_000_000).contains(&quantity) => quantity,
            _ => {
                self.wrong(field, &format!("must be a whole number of at least {least}"));
                0
            }
        }
    }

    fn price(&mut self, field: &str) -> Cents {
        let price = match self.object.get(field) {
            Some(Value::String(text)) => Cents::parse(text),
            Some(Value::Number(number)) => Cents::parse(&number.to_string()),
            _ => None,
        };
        price.unwrap_or_else(|| {
            self.wrong(field, "must be an amount such as \"9.99\"");
            Cents::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(reply: Reply) -> Vec<String> {
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        reply.body["fields"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn orders() {
        let body = br#"{"customerId":"c","lineItems":[{"productId":"p","quantity":2,"unitPrice":"9.99"}]}"#;
        let line = Line {
            product_id: "p".to_owned(),
            quantity: 2,
            unit_price: Cents(999),
        };
        assert_eq!(
            NewOrder::read(body).unwrap(),
            NewOrder {
                customer_id: "c".to_owned(),
                lines: vec![line]
            }
        );
        let table: [(&str, &[&str]); 6] = [
            ("{}", &["customerId", "lineItems"]),
            (r#"{"customerId":"","lineItems":[]}"#, &["customerId", "lineItems"]),
            (
                r#"{"customerId":"c","lineItems":[{"productId":"p","quantity":0,"unitPrice":"x"}]}"#,
                &["lineItems[0].quantity", "lineItems[0].unitPrice"],
            ),
            (
                r#"{"customerId":"c","lineItems":[7]}"#,
                &[
                    "lineItems[0].productId",
                    "lineItems[0].quantity",
                    "lineItems[0].unitPrice",
                ],
            ),
            (
                r#"{"customerId":"c","lineItems":[{"productId":"p","quantity":1.5,"unitPrice":9.99}]}"#,
                &["lineItems[0].quantity"],
            ),
            (
                r#"{"customerId":"c","shippingAddress":7,"lineItems":[{"productId":"p","quantity":1,"unitPrice":"1"}]}"#,
                &["shippingAddress"],
            ),
        ];
        for (body, wrong) in table {
            assert_eq!(fields(NewOrder::read(body.as_bytes()).unwrap_err()), wrong, "{body}");
        }
    }

    #[test]
    fn customers_products_and_stock() {
        let customer = NewCustomer::read(br#"{"email":" A@Example.com ","name":"A","address":"1 Elm St"}"#).unwrap();
        assert_eq!(customer.email, "a@example.com", "compared without case");
        for email in ["a", "@b.c", "a@b", "a b@c.de", "a@b@c.de"] {
            let body = format!(r#"{{"email":"{email}","name":"A","address":"x"}}"#);
            assert_eq!(
                fields(NewCustomer::read(body.as_bytes()).unwrap_err()),
                ["email"],
                "{email}"
            );
        }
        assert_eq!(
            fields(NewCustomer::read(b"{}").unwrap_err()),
            ["address", "email", "name"]
        );
        assert_eq!(
            fields(NewProduct::read(b"{}").unwrap_err()),
            ["category", "description", "name", "price", "quantityOnHand", "sku"]
        );
        assert_eq!(read_stock_change(br#"{"quantity":3}"#, false), Ok(3));
        assert_eq!(
            fields(read_stock_change(br#"{"quantity":3}"#, true).unwrap_err()),
            ["orderId"]
        );
        assert_eq!(
            fields(read_stock_change(br#"{"quantity":-3}"#, false).unwrap_err()),
            ["quantity"]
        );
    }

    #[test]
    fn bodies_that_are_no_objects() {
        for body in ["", "{", "[]", "null", "\u{feff}{}"] {
            let reply = NewOrder::read(body.as_bytes()).unwrap_err();
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
            assert!(reply.body["error"].as_str().unwrap().contains("body"), "{body}");
        }
    }
}
