//! `application/x-www-form-urlencoded` (WHATWG URL, section 5): pairs in, text out.

use bytes::Bytes;

/// The content type of [`form`].
pub const FORM_CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// Encodes pairs in their order; names may repeat.
pub fn form<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Bytes {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    out.extend_pairs(pairs);
    Bytes::from(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encodes_as_browsers_do() {
        for (pairs, expected) in [
            (vec![], ""),
            (vec![("a", "1")], "a=1"),
            (vec![("a", "1"), ("a", "2")], "a=1&a=2"),
            (vec![("q", "a b&c=d+e%")], "q=a+b%26c%3Dd%2Be%25"),
            (vec![("ü", "é")], "%C3%BC=%C3%A9"),
        ] {
            assert_eq!(form(pairs), expected);
        }
    }

    proptest! {
        #[test]
        fn parses_back(pairs in proptest::collection::vec((".*", ".*"), 0..6)) {
            let encoded = form(pairs.iter().map(|(k, v)| (k, v)));
            let parsed: Vec<(String, String)> = url::form_urlencoded::parse(&encoded).into_owned().collect();
            prop_assert_eq!(parsed, pairs);
        }
    }
}
