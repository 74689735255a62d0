//! The hundred products in eight categories, with descriptions that share a vocabulary, so that "similar" means something.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::demo::ids::{self, Kind};
use crate::demo::shop::money::Cents;
use crate::demo::shop::options::DEFAULT_STOCK;

/// One product, as preloaded and as `products.json` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::demo) struct ProductRow {
    pub id: Uuid,
    pub sku: String,
    pub name: String,
    pub category: &'static str,
    pub description: String,
    pub price: Cents,
}

impl ProductRow {
    /// The row as one would POST it, with the id that it has in a fresh shop.
    pub(super) fn json(&self) -> Value {
        json!({
            "productId": self.id.to_string(),
            "sku": self.sku,
            "name": self.name,
            "category": self.category,
            "description": self.description,
            "price": self.price.to_string(),
            "quantityOnHand": DEFAULT_STOCK,
        })
    }
}

/// The words that descriptions share: first for whom, then what for. Lower case; similarity counts these alone.
pub(in crate::demo) const VOCABULARY: [&str; 32] = [
    "developers",
    "gamers",
    "students",
    "designers",
    "remote workers",
    "data scientists",
    "video editors",
    "musicians",
    "travellers",
    "small offices",
    "system administrators",
    "content creators",
    "long coding sessions",
    "video calls",
    "late-night gaming",
    "lectures",
    "colour work",
    "backups",
    "streaming",
    "recording",
    "meetings",
    "rendering",
    "home offices",
    "server rooms",
    "quiet",
    "fast",
    "portable",
    "durable",
    "ergonomic",
    "compact",
    "wireless",
    "energy-saving",
];

const AUDIENCES: usize = 12;
const USES: usize = 12;
const QUALITIES: usize = 8;

struct Category {
    code: &'static str,
    name: &'static str,
    count: usize,
    /// Lowest and highest price in cents.
    prices: (u64, u64),
    /// What the things are called; `series` comes before.
    nouns: [&'static str; 4],
    feature: &'static str,
}

const SERIES: [&str; 8] = [
    "Tern", "Heron", "Plover", "Osprey", "Curlew", "Gannet", "Petrel", "Kestrel",
];

const CATEGORIES: [Category; 8] = [
    Category {
        code: "LAP",
        name: "Laptops",
        count: 13,
        prices: (64_999, 299_999),
        nouns: ["Laptop", "Ultrabook", "Workstation", "Notebook"],
        feature: "The battery lasts a whole working day",
    },
    Category {
        code: "PER",
        name: "Peripherals",
        count: 13,
        prices: (1_999, 24_999),
        nouns: ["Keyboard", "Mouse", "Webcam", "Graphics Tablet"],
        feature: "It works without a driver on every system",
    },
    Category {
        code: "STO",
        name: "Storage",
        count: 12,
        prices: (2_999, 89_999),
        nouns: ["SSD", "External Drive", "NAS", "Memory Card"],
        feature: "Contents are encrypted in hardware",
    },
    Category {
        code: "NET",
        name: "Networking",
        count: 12,
        prices: (2_499, 79_999),
        nouns: ["Router", "Switch", "Access Point", "Mesh Kit"],
        feature: "Setting it up takes five minutes",
    },
    Category {
        code: "AUD",
        name: "Audio",
        count: 12,
        prices: (1_999, 59_999),
        nouns: ["Headphones", "Microphone", "Speakers", "Audio Interface"],
        feature: "The sound is balanced and clear",
    },
    Category {
        code: "ACC",
        name: "Accessories",
        count: 13,
        prices: (999, 14_999),
        nouns: ["USB Hub", "Laptop Sleeve", "Charger", "Cable Set"],
        feature: "It fits into every bag",
    },
    Category {
        code: "DIS",
        name: "Displays",
        count: 12,
        prices: (12_999, 179_999),
        nouns: ["Monitor", "Ultrawide Monitor", "Portable Display", "Projector"],
        feature: "The panel is calibrated at the factory",
    },
    Category {
        code: "FUR",
        name: "Furniture",
        count: 13,
        prices: (4_999, 129_999),
        nouns: ["Desk", "Chair", "Monitor Arm", "Shelf"],
        feature: "It is assembled without tools",
    },
];

/// All rows, in the order of their numbers.
pub(in crate::demo) fn products() -> Vec<ProductRow> {
    let in_category = CATEGORIES
        .iter()
        .flat_map(|category| (0..category.count).map(move |k| (category, k)));
    in_category
        .enumerate()
        .map(|(n, (category, k))| {
            let name = format!(
                "{} {} {}",
                SERIES[n % SERIES.len()],
                category.nouns[k % 4],
                100 + 10 * k
            );
            ProductRow {
                id: ids::id(Kind::Product, n as u64),
                sku: format!("{}-{:03}", category.code, k + 1),
                description: description(category, n, &name),
                name,
                category: category.name,
                price: price(category, k),
            }
        })
        .collect()
}

/// Evenly from the lowest to the highest price of the category, always ending in .99.
fn price(category: &Category, k: usize) -> Cents {
    let (low, high) = category.prices;
    let step = (high - low) * k as u64 / (category.count as u64 - 1);
    Cents(low + step / 100 * 100)
}

/// Two, three or four sentences in turn. The strides are coprime to what they walk, so that all words come up.
fn description(category: &Category, n: usize, name: &str) -> String {
    let audience = |k: usize| VOCABULARY[k % AUDIENCES];
    let purpose = |k: usize| VOCABULARY[AUDIENCES + k % USES];
    let quality = |k: usize| VOCABULARY[AUDIENCES + USES + k % QUALITIES];
    let mut text = format!(
        "{name} is made for {} and {}. {} and {}, it is at its best in {}.",
        audience(n * 5),
        audience(n * 5 + 1 + n % 3),
        capitalised(quality(n * 3)),
        quality(n * 3 + 1 + n % 2),
        purpose(n * 7),
    );
    if n % 3 >= 1 {
        text.push_str(&format!(" {}.", category.feature));
    }
    if n % 3 == 2 {
        text.push_str(&format!(
            " Many {} choose it for {}.",
            audience(n * 5 + 4),
            purpose(n * 7 + 3)
        ));
    }
    text
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_hundred_in_eight_categories() {
        let rows = products();
        assert_eq!(rows.len(), 100);
        let expected = [
            ("LAP", 13),
            ("PER", 13),
            ("STO", 12),
            ("NET", 12),
            ("AUD", 12),
            ("ACC", 13),
            ("DIS", 12),
            ("FUR", 13),
        ];
        let mut from = 0;
        for (code, count) in expected {
            for (k, row) in rows[from..from + count].iter().enumerate() {
                assert_eq!(row.sku, format!("{code}-{:03}", k + 1));
            }
            from += count;
        }
        assert_eq!(
            rows.iter().map(|row| &row.name).collect::<HashSet<_>>().len(),
            100,
            "no name twice"
        );
    }

    #[test]
    fn prices_reach_from_9_99_to_2999_99() {
        let prices: Vec<Cents> = products().iter().map(|row| row.price).collect();
        assert_eq!(prices.iter().min(), Some(&Cents(999)));
        assert_eq!(prices.iter().max(), Some(&Cents(299_999)));
        assert!(prices.iter().all(|price| price.0 % 100 == 99), "{prices:?}");
    }

    #[test]
    fn descriptions_have_two_to_four_sentences_of_shared_words() {
        let mut used = HashSet::new();
        for row in products() {
            let sentences = row.description.matches('.').count();
            assert!(
                (2..=4).contains(&sentences) && row.description.ends_with('.'),
                "{}",
                row.description
            );
            let words: Vec<&str> = VOCABULARY
                .into_iter()
                .filter(|word| row.description.to_lowercase().contains(word))
                .collect();
            assert!(words.len() >= 5, "{}", row.description);
            used.extend(words);
        }
        assert_eq!(used.len(), VOCABULARY.len(), "every word is shared");
    }
}
