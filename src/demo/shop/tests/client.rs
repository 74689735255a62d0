//! What the shop's tests ask for: a shop, its rows, and an order.

use crate::demo::data::{customers, products};
use crate::demo::shop::{ShopOptions, sites};
pub(super) use crate::demo::testing::{Client, Running};

/// A shop on free ports.
pub(super) async fn start(options: ShopOptions) -> Running {
    Running::start(sites(&options).unwrap()).await
}

impl Client {
    /// Places an order of one unit and returns its id.
    pub(super) async fn order(&mut self, product: usize) -> String {
        let placed = self
            .post("/api/orders", &order_body(&customer(0), &product_id(product)))
            .await;
        assert_eq!(placed.status, 201, "{}", placed.text);
        placed.text_of("orderId")
    }

    pub(super) async fn status(&mut self, order: &str) -> String {
        self.get(&format!("/api/orders/{order}")).await.text_of("status")
    }
}

pub(super) fn customer(number: usize) -> String {
    customers::customers()[number].id.to_string()
}

pub(super) fn product_id(number: usize) -> String {
    products::products()[number].id.to_string()
}

pub(super) fn order_body(customer: &str, product: &str) -> String {
    format!(
        r#"{{"customerId":"{customer}","lineItems":[{{"productId":"{product}","quantity":1,"unitPrice":"9.99"}}],"shippingAddress":"1 Elm St"}}"#
    )
}
