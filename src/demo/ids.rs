//! Ids of the shop's records: UUIDs that carry their own number, so that a lookup is an index and the ids of the
//! preloaded rows are the same on every machine. They are not secret and not unique across systems.

use uuid::Uuid;

use super::dice::mix;

/// What an id names. Orders also depend on the shop's seed, the preloaded rows never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Customer,
    Product,
    Order { seed: u64 },
}

impl Kind {
    fn salt(self) -> u64 {
        match self {
            Self::Customer => 0x6375_7374_6f6d_6572,
            Self::Product => 0x7072_6f64_7563_7400,
            Self::Order { seed } => 0x6f72_6465_7200_0000 ^ mix(seed),
        }
    }
}

/// The number sits in the low 48 bits.
const NUMBER: u64 = (1 << 48) - 1;

/// The id of record `number` (0-based, below 2⁴⁸): a version-8 UUID, the version that RFC 9562 leaves to applications.
pub(super) fn id(kind: Kind, number: u64) -> Uuid {
    let hash = mix(kind.salt() ^ mix(number));
    let high = (hash & !0xf000) | 0x8000;
    let low = (0x8000 | (mix(hash) & 0x3fff)) << 48 | (number & NUMBER);
    Uuid::from_u64_pair(high, low)
}

/// The number that `text` carries, if it is an id of that kind.
pub(super) fn number(kind: Kind, text: &str) -> Option<u64> {
    let candidate = Uuid::try_parse(text).ok()?;
    let number = candidate.as_u64_pair().1 & NUMBER;
    (id(kind, number) == candidate).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_gives_its_number_back_and_no_other_kind_takes_it(n in 0..=NUMBER, seed: u64) {
            for kind in [Kind::Customer, Kind::Product, Kind::Order { seed }] {
                let uuid = id(kind, n);
                prop_assert_eq!(uuid.get_version_num(), 8);
                prop_assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
                prop_assert_eq!(number(kind, &uuid.to_string()), Some(n));
            }
            prop_assert_eq!(number(Kind::Product, &id(Kind::Customer, n).to_string()), None);
        }
    }

    #[test]
    fn foreign_texts_are_no_ids() {
        for text in [
            "",
            "p1",
            "00000000-0000-0000-0000-000000000000",
            "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        ] {
            assert_eq!(number(Kind::Product, text), None, "{text}");
        }
    }
}
