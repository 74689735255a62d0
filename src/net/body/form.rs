//! `application/x-www-form-urlencoded` (WHATWG URL, section 5): pairs in, text out.

use bytes::Bytes;
use url::form_urlencoded::byte_serialize;

/// The content type of [`form`].
pub const FORM_CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// Encodes pairs in their order; names may repeat. Bytes need not be UTF-8.
pub fn form<K: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, V)>) -> Bytes {
    let mut out = String::new();
    append(&mut out, 0, pairs);
    Bytes::from(out)
}

/// Appends pairs to those that begin at `start`, if there are any.
pub(in crate::net) fn append<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    out: &mut String,
    start: usize,
    pairs: impl IntoIterator<Item = (K, V)>,
) {
    for (name, value) in pairs {
        if out.len() > start {
            out.push('&');
        }
        out.extend(byte_serialize(name.as_ref()));
        out.push('=');
        out.extend(byte_serialize(value.as_ref()));
    }
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
        assert_eq!(form([(&b"\xFF"[..], &b"\0\x80 \xC3\xA9"[..])]), "%FF=%00%80+%C3%A9");
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
