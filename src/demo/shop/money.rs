//! Amounts of money: exact cents, written as `"9.99"`. No currencies, no rounding.

/// An amount in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::demo) struct Cents(pub u64);

impl Cents {
    /// Reads `"9.99"`, `"9.9"` or `"9"`; None for anything else, negative or absurdly large amounts included.
    pub(in crate::demo) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 2 || whole.len() > 9 {
            return None;
        }
        let cents = fraction.parse::<u64>().ok()? * if fraction.len() == 1 { 10 } else { 1 };
        Some(Self(whole.parse::<u64>().ok()? * 100 + cents))
    }
}

impl std::fmt::Display for Cents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_amounts() {
        let table = [
            ("9.99", Some(999)),
            ("9.9", Some(990)),
            ("9", Some(900)),
            ("0.05", Some(5)),
            ("2999.99", Some(299_999)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.", None),
            (".5", None),
            ("1.234", None),
            ("1e3", None),
            ("10000000000", None),
        ];
        for (text, cents) in table {
            assert_eq!(Cents::parse(text), cents.map(Cents), "{text}");
        }
        assert_eq!(Cents(999).to_string(), "9.99");
        assert_eq!(Cents(5).to_string(), "0.05");
    }
}
