//! Customers: one for each e-mail address. Passwords, sessions and everything personal are not here.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::request::NewCustomer;
use crate::demo::data::customers::CustomerRow;
use crate::demo::ids::{self, Kind};

#[derive(Debug)]
pub(super) struct Customers {
    customers: Vec<NewCustomer>,
    by_email: HashMap<String, usize>,
}

impl Customers {
    pub(super) fn preloaded(rows: Vec<CustomerRow>) -> Self {
        let mut customers = Self {
            customers: Vec::new(),
            by_email: HashMap::new(),
        };
        for row in rows {
            // The rows' addresses are all different, a test of the generator asserts it.
            let _ = customers.add(NewCustomer {
                email: row.email,
                name: row.name,
                address: row.address,
            });
        }
        customers
    }

    /// Adds a customer and returns the id.
    ///
    /// # Errors
    /// The id of the customer who has that e-mail address already.
    pub(super) fn add(&mut self, new: NewCustomer) -> Result<String, String> {
        if let Some(number) = self.by_email.get(&new.email) {
            return Err(id(*number));
        }
        let number = self.customers.len();
        self.by_email.insert(new.email.clone(), number);
        self.customers.push(new);
        Ok(id(number))
    }

    /// The number of an existing customer.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let number = usize::try_from(ids::number(Kind::Customer, id)?).ok()?;
        (number < self.customers.len()).then_some(number)
    }

    pub(super) fn describe(&self, number: usize) -> Value {
        let customer = &self.customers[number];
        json!({
            "customerId": id(number),
            "email": customer.email,
            "name": customer.name,
            "address": customer.address,
        })
    }
}

/// The id of customer `number`.
pub(super) fn id(number: usize) -> String {
    ids::id(Kind::Customer, number as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::data::customers::customers;

    #[test]
    fn an_address_is_taken_once() {
        let mut shop = Customers::preloaded(customers());
        let new = || NewCustomer {
            email: "new@example.com".to_owned(),
            name: "New".to_owned(),
            address: "1 Elm St".to_owned(),
        };
        let added = shop.add(new()).unwrap();
        assert_eq!(added, id(100), "after the hundred that are preloaded");
        assert_eq!(shop.add(new()), Err(added.clone()));
        assert_eq!(shop.find(&added), Some(100));
        assert_eq!(shop.describe(100)["email"], json!("new@example.com"));
        assert_eq!(shop.find(&id(101)), None);
    }
}
