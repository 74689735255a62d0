//! The hundred customers: names from all over, ten US cities in turn, five e-mail domains with twenty each.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::demo::ids::{self, Kind};

/// One customer, as preloaded and as `customers.json` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::demo) struct CustomerRow {
    pub id: Uuid,
    pub name: String,
    pub email: String,
    pub address: String,
}

impl CustomerRow {
    /// The row as one would POST it, with the id that it has in a fresh shop.
    pub(super) fn json(&self) -> Value {
        json!({ "customerId": self.id.to_string(), "name": self.name, "email": self.email, "address": self.address })
    }
}

/// All rows, in the order of their numbers.
pub(in crate::demo) fn customers() -> Vec<CustomerRow> {
    NAMES
        .iter()
        .enumerate()
        .map(|(n, name)| CustomerRow {
            id: ids::id(Kind::Customer, n as u64),
            name: (*name).to_owned(),
            // Shifted by one every ten rows, so that a city does not always go with the same two domains.
            email: format!("{}@{}", mailbox(name), DOMAINS[(n + n / 10) % DOMAINS.len()]),
            address: format!(
                "{} {}, {}",
                10 + n * 37 % 890,
                STREETS[n * 7 % STREETS.len()],
                CITIES[n % CITIES.len()]
            ),
        })
        .collect()
}

/// `José Álvarez` → `jose.alvarez`.
fn mailbox(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('.'),
            'á' | 'ã' | 'ä' | 'å' => Some('a'),
            'ç' | 'ć' | 'č' => Some('c'),
            'é' | 'è' | 'ë' | 'ê' | 'ę' => Some('e'),
            'í' | 'ı' => Some('i'),
            'ł' => Some('l'),
            'ñ' | 'ń' => Some('n'),
            'ó' | 'ö' | 'ø' | 'ô' => Some('o'),
            'ř' => Some('r'),
            'ş' | 'š' => Some('s'),
            'ú' | 'ü' => Some('u'),
            'a'..='z' => Some(letter),
            _ => None,
        })
        .collect()
}

/// Domains that RFC 2606 and RFC 6761 reserve, so that no mail can ever go out.
const DOMAINS: [&str; 5] = [
    "example.com",
    "example.net",
    "example.org",
    "mail.example.com",
    "post.example.org",
];

/// One with a leading zero in its ZIP code, which must survive.
const CITIES: [&str; 10] = [
    "New York, NY 10001",
    "Los Angeles, CA 90012",
    "Chicago, IL 60601",
    "Houston, TX 77002",
    "Phoenix, AZ 85004",
    "Philadelphia, PA 19103",
    "San Antonio, TX 78205",
    "San Diego, CA 92101",
    "Boston, MA 02108",
    "Seattle, WA 98101",
];

const STREETS: [&str; 12] = [
    "Elm Street",
    "Maple Avenue",
    "Oak Drive",
    "Cedar Lane",
    "Harbor Road",
    "Mill Street",
    "Sunset Boulevard",
    "Lake Avenue",
    "Hill Road",
    "Station Street",
    "Garden Court",
    "River Drive",
];

#[rustfmt::skip]
const NAMES: [&str; 100] = [
    "Aaliyah Washington", "Aarav Sharma", "Abdul Rahman", "Adaeze Okafor", "Agnieszka Wójcik",
    "Ahmed Hassan", "Aiko Tanaka", "Alejandro Reyes", "Amara Diallo", "Amit Patel",
    "Ana Gonçalves", "Anders Lindqvist", "Andrea Rossi", "Anh Nguyen", "Anna Müller",
    "Antonio Ferrari", "Ayesha Khan", "Beatriz Souza", "Benjamin Cohen", "Bjørn Hansen",
    "Carlos Ramírez", "Carmen Delgado", "Catherine Dubois", "Chen Wei", "Chidi Eze",
    "Chloe Anderson", "Christos Papadopoulos", "Claire Moreau", "Daniel Kim", "David Levy",
    "Deepika Iyer", "Diego Morales", "Dmitri Volkov", "Elena Popescu", "Elif Yılmaz",
    "Emeka Nwosu", "Emily Clark", "Emma Johansson", "Erik Nilsson", "Fatima Zahra",
    "Felipe Costa", "Fiona Campbell", "Francesca Bianchi", "Gabriel Silva", "George Baker",
    "Giulia Romano", "Grace Mwangi", "Hana Suzuki", "Hannah Schmidt", "Hassan Ali",
    "Hiroshi Yamamoto", "Hugo Fernández", "Ibrahim Traoré", "Imani Robinson", "Ingrid Larsen",
    "Isabella Torres", "Ivan Petrov", "Jack Murphy", "Jamal Jackson", "Jan de Vries",
    "Jasmine Lee", "Jerzy Kamiński", "Jin Park", "João Pereira", "José Álvarez",
    "Kaori Nakamura", "Karim Benali", "Kateřina Novák", "Kenji Watanabe", "Kwame Mensah",
    "Lars Jensen", "Laura Martínez", "Layla Haddad", "Leila Ahmadi", "Liam O'Connor",
    "Lina Haddad", "Lucía Herrera", "Mai Tran", "Malik Brown", "Marek Dvořák",
    "María López", "Mei Lin", "Michael Thompson", "Mohammed Farah", "Naomi Goldberg",
    "Natalia Kowalska", "Ngozi Adeyemi", "Nikos Georgiou", "Nina Horvat", "Noah Williams",
    "Olga Ivanova", "Omar Abdi", "Priya Singh", "Rachel Green", "Rosa Jiménez",
    "Samuel Tesfaye", "Siobhan Kelly", "Sofia Castillo", "Thabo Dlamini", "Zoë van Dijk",
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
        keys.fold(BTreeMap::new(), |mut counts, key| {
            *counts.entry(key).or_default() += 1;
            counts
        })
    }

    #[test]
    fn a_hundred_from_ten_cities_in_turn() {
        let rows = customers();
        assert_eq!(rows.len(), 100);
        for (n, row) in rows.iter().enumerate() {
            assert!(row.address.ends_with(CITIES[n % 10]), "{n}: {}", row.address);
        }
        let cities = count(rows.iter().map(|row| row.address.split_once(", ").unwrap().1));
        assert_eq!(cities.len(), 10);
        assert!(cities.values().all(|n| *n == 10));
    }

    #[test]
    fn five_domains_with_twenty_each_and_no_address_twice() {
        let rows = customers();
        let domains = count(rows.iter().map(|row| row.email.split_once('@').unwrap().1));
        assert_eq!(domains.len(), 5);
        assert!(domains.values().all(|n| *n == 20), "{domains:?}");
        assert_eq!(rows.iter().map(|row| &row.email).collect::<HashSet<_>>().len(), 100);
    }

    #[test]
    fn every_letter_of_a_name_reaches_the_mailbox() {
        for row in customers() {
            let letters = row.name.chars().filter(|letter| letter.is_alphabetic()).count();
            let mailbox = row.email.split_once('@').unwrap().0;
            assert_eq!(
                mailbox.chars().filter(char::is_ascii_lowercase).count(),
                letters,
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn names_are_diverse() {
        let first: HashSet<&str> = NAMES.iter().map(|name| name.split_once(' ').unwrap().0).collect();
        let last: HashSet<&str> = NAMES.iter().map(|name| name.split_once(' ').unwrap().1).collect();
        assert!(first.len() >= 99 && last.len() >= 99, "{} {}", first.len(), last.len());
        assert!(NAMES.iter().filter(|name| !name.is_ascii()).count() >= 15);
    }
}
