//! Products and their stock. Prices of orders come from the order, as in the first team's shop, not from here.

use serde_json::{Value, json};

use super::money::Cents;
use super::request::NewProduct;
use crate::demo::data::products::{ProductRow, VOCABULARY};
use crate::demo::fault::StockLimit;
use crate::demo::ids::{self, Kind};

#[derive(Debug)]
struct Product {
    sku: String,
    name: String,
    category: String,
    description: String,
    price: Cents,
    on_hand: u64,
    /// Units reserved under the `stock` fault of that id.
    limited: (u64, u64),
    /// Which words of the vocabulary the description has: a small, honest stand-in for an embedding.
    words: u64,
}

impl Product {
    /// What can still be reserved.
    fn available(&self, limit: Option<StockLimit>) -> u64 {
        match limit {
            None => self.on_hand,
            Some(limit) if limit.id == self.limited.0 => limit.units.saturating_sub(self.limited.1),
            Some(limit) => limit.units,
        }
        .min(self.on_hand)
    }
}

/// All products, by number.
#[derive(Debug)]
pub(super) struct Catalog {
    products: Vec<Product>,
}

impl Catalog {
    /// The generated rows, each with `stock` units.
    pub(super) fn preloaded(rows: Vec<ProductRow>, stock: u64) -> Self {
        let mut catalog = Self { products: Vec::new() };
        for row in rows {
            catalog.add(NewProduct {
                sku: row.sku,
                name: row.name,
                category: row.category.to_owned(),
                description: row.description,
                price: row.price,
                quantity: stock,
            });
        }
        catalog
    }

    /// Adds a product and returns its id.
    pub(super) fn add(&mut self, new: NewProduct) -> String {
        let id = id(self.products.len());
        self.products.push(Product {
            words: words(&new.description),
            sku: new.sku,
            name: new.name,
            category: new.category,
            description: new.description,
            price: new.price,
            on_hand: new.quantity,
            limited: (0, 0),
        });
        id
    }

    /// The number of an existing product.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let number = usize::try_from(ids::number(Kind::Product, id)?).ok()?;
        (number < self.products.len()).then_some(number)
    }

    pub(super) fn describe(&self, number: usize, limit: Option<StockLimit>) -> Value {
        let product = &self.products[number];
        json!({
            "productId": id(number),
            "sku": product.sku,
            "name": product.name,
            "category": product.category,
            "description": product.description,
            "price": product.price.to_string(),
            "quantityOnHand": product.available(limit),
        })
    }

    /// Takes units from stock and returns what is left.
    ///
    /// # Errors
    /// What is available, when that is not enough; nothing is taken then.
    pub(super) fn reserve(&mut self, number: usize, quantity: u64, limit: Option<StockLimit>) -> Result<u64, u64> {
        let product = &mut self.products[number];
        let available = product.available(limit);
        if quantity > available {
            return Err(available);
        }
        product.on_hand -= quantity;
        if let Some(limit) = limit {
            let used = if limit.id == product.limited.0 {
                product.limited.1
            } else {
                0
            };
            product.limited = (limit.id, used + quantity);
        }
        Ok(available - quantity)
    }

    /// Puts units back, also under a `stock` fault, and returns what is there now.
    pub(super) fn replenish(&mut self, number: usize, quantity: u64, limit: Option<StockLimit>) -> u64 {
        let product = &mut self.products[number];
        product.on_hand = product.on_hand.saturating_add(quantity);
        product.limited.1 = product.limited.1.saturating_sub(quantity);
        product.available(limit)
    }

    /// The `count` products whose descriptions share most with product `number`'s, best first.
    pub(super) fn similar(&self, number: usize, count: usize) -> Value {
        let words = self.products[number].words;
        let mut scored: Vec<(u64, usize)> = (0..self.products.len())
            .filter(|other| *other != number)
            .map(|other| (similarity(words, self.products[other].words), other))
            .collect();
        scored.sort_unstable_by_key(|(score, other)| (std::cmp::Reverse(*score), *other));
        scored
            .into_iter()
            .take(count)
            .map(|(score, other)| {
                let product = &self.products[other];
                json!({ "productId": id(other), "name": product.name, "similarity": score as f64 / 1e3 })
            })
            .collect()
    }
}

fn id(number: usize) -> String {
    ids::id(Kind::Product, number as u64).to_string()
}

fn words(description: &str) -> u64 {
    let lower = description.to_lowercase();
    let present = |(bit, word): (usize, &&str)| u64::from(lower.contains(*word)) << bit;
    VOCABULARY.iter().enumerate().map(present).sum()
}

/// Jaccard's index, shared words over all words, in thousandths.
fn similarity(a: u64, b: u64) -> u64 {
    let all = (a | b).count_ones();
    u64::from((a & b).count_ones()) * 1_000 / u64::from(all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::data::products::products;

    fn catalog(stock: u64) -> Catalog {
        Catalog::preloaded(products(), stock)
    }

    #[test]
    fn stock_is_taken_and_put_back() {
        let mut catalog = catalog(5);
        assert_eq!(catalog.reserve(0, 3, None), Ok(2));
        assert_eq!(catalog.reserve(0, 3, None), Err(2), "nothing is taken");
        assert_eq!(catalog.reserve(0, 2, None), Ok(0));
        assert_eq!(catalog.reserve(1, 5, None), Ok(0), "each product has its own");
        assert_eq!(catalog.replenish(0, 4, None), 4);
        assert_eq!(catalog.describe(0, None)["quantityOnHand"], json!(4));
    }

    #[test]
    fn a_stock_fault_limits_while_it_lasts() {
        let mut catalog = catalog(100);
        let first = Some(StockLimit { id: 1, units: 2 });
        assert_eq!(catalog.reserve(0, 2, first), Ok(0));
        assert_eq!(catalog.reserve(0, 1, first), Err(0));
        assert_eq!(catalog.replenish(0, 1, first), 1);
        assert_eq!(catalog.reserve(0, 1, first), Ok(0));
        let second = Some(StockLimit { id: 2, units: 1 });
        assert_eq!(catalog.reserve(0, 1, second), Ok(0), "a new fault counts anew");
        assert_eq!(catalog.reserve(0, 1, second), Err(0));
        assert_eq!(
            catalog.reserve(0, 97, None),
            Ok(0),
            "100 - 2 + 1 - 1 - 1 = 97 were there all along"
        );
    }

    #[test]
    fn similar_products_share_words_and_come_in_a_fixed_order() {
        let catalog = catalog(1);
        let list = catalog.similar(0, 10);
        let scores: Vec<f64> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["similarity"].as_f64().unwrap())
            .collect();
        assert_eq!(scores.len(), 10);
        assert!(scores.is_sorted_by(|a, b| a >= b) && scores[0] > 0.3, "{scores:?}");
        assert_eq!(list, catalog.similar(0, 10));
        assert_eq!(catalog.similar(0, 1_000).as_array().unwrap().len(), 99, "never itself");
    }

    #[test]
    fn only_existing_products_are_found() {
        let mut catalog = catalog(1);
        assert_eq!(catalog.find(&id(99)), Some(99));
        assert_eq!(catalog.find(&id(100)), None, "well-formed, but not there yet");
        assert_eq!(catalog.find("p1"), None);
        let added = catalog.add(NewProduct {
            sku: "X".into(),
            name: "X".into(),
            category: "X".into(),
            description: "X".into(),
            price: Cents(1),
            quantity: 7,
        });
        assert_eq!(catalog.find(&added), Some(100));
        assert_eq!(catalog.reserve(100, 8, None), Err(7));
    }
}
