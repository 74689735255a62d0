//! One request in the place of many: the slowest of those whose trace is kept. What a trace is, `net` knows; who looks at it
//! later is outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of a trace, as W3C Trace Context has it: 32 hexadecimal digits, not all of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceId(u128);

/// What is no id of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trace id is 32 hexadecimal digits, not all of them zero")]
pub struct NoTraceId;

impl TraceId {
    /// From its number; `None` for zero.
    #[must_use]
    pub fn new(number: u128) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// Its bytes as they are sent, the first digits first.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for TraceId {
    type Err = NoTraceId;

    fn from_str(text: &str) -> Result<Self, NoTraceId> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
        number.and_then(Self::new).ok_or(NoTraceId)
    }
}

impl From<TraceId> for String {
    fn from(id: TraceId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TraceId {
    type Error = NoTraceId;

    fn try_from(text: String) -> Result<Self, NoTraceId> {
        text.parse()
    }
}

/// The slowest request of a distribution whose trace is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Exemplar {
    /// What it took, in the unit of the metric.
    pub value: f64,
    /// Its trace.
    pub trace_id: TraceId,
    /// When it had its answer, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Exemplar {
    /// The slower of two; of two equally slow ones the earlier, so that the order of merging does not matter.
    #[must_use]
    pub fn slower(self, other: Self) -> Self {
        let by_value = self.value.total_cmp(&other.value);
        let earlier = (other.at_ms, other.trace_id).cmp(&(self.at_ms, self.trace_id));
        if by_value.then(earlier).is_lt() { other } else { self }
    }

    /// The slower of what there is.
    #[must_use]
    pub(super) fn of_both(left: Option<Self>, right: Option<Self>) -> Option<Self> {
        match (left, right) {
            (Some(left), Some(right)) => Some(left.slower(right)),
            (left, right) => left.or(right),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_32_digits() {
        let text = "0af7651916cd43dd8448eb211c80319c";
        let id: TraceId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("{text:?}"));
        assert_eq!(
            TraceId::new(1).map(|id| id.to_string()).as_deref(),
            Some("00000000000000000000000000000001")
        );
        let zeros = "0".repeat(32);
        for wrong in ["", "1", &zeros, "+af7651916cd43dd8448eb211c80319c", &text[1..]] {
            assert_eq!(wrong.parse::<TraceId>(), Err(NoTraceId), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn the_slowest_is_found_in_any_order(
            mut all in prop::collection::vec((0_u8..4, 0_u64..3, 1_u128..4), 1..10),
            split in 0_usize..10,
        ) {
            let exemplar = |&(value, at_ms, id): &(u8, u64, u128)| Exemplar {
                value: f64::from(value),
                trace_id: TraceId::new(id).unwrap(),
                at_ms,
            };
            let fold = |all: &[(u8, u64, u128)]| all.iter().map(exemplar).reduce(Exemplar::slower);
            let whole = fold(&all).unwrap();
            let (left, right) = all.split_at(split.min(all.len()));
            prop_assert_eq!(Exemplar::of_both(fold(right), fold(left)), Some(whole));
            all.reverse();
            prop_assert_eq!(fold(&all), Some(whole));
            prop_assert!(all.iter().all(|one| f64::from(one.0) <= whole.value));
        }
    }
}
