//! Basic authentication (RFC 7617). Bearer tokens are one `format!` away and stay with the caller.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::Url;

/// The value of `authorization` for a user and a password; marked sensitive.
#[must_use]
pub fn basic_auth(user: &str, password: &str) -> HeaderValue {
    basic(format!("{user}:{password}").as_bytes())
}

fn basic(credentials: &[u8]) -> HeaderValue {
    let text = format!("Basic {}", STANDARD.encode(credentials));
    let mut value = HeaderValue::try_from(text).expect("base64 is made of visible characters");
    value.set_sensitive(true);
    value
}

/// The same from a URL's userinfo, if it has any.
pub(super) fn from_userinfo(url: &Url) -> Option<HeaderValue> {
    let (user, password) = userinfo(url)?;
    Some(basic(&[user, password].join(&b':')))
}

/// User and password of a URL, if it has any: what they stand for, decoded.
#[must_use]
pub fn userinfo(url: &Url) -> Option<(Vec<u8>, Vec<u8>)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let password = percent_decode(url.password().unwrap_or_default());
    Some((percent_decode(url.username()), password))
}

/// A percent sign that no two hexadecimal digits follow stands for itself.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|c| char::from(*c).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn userinfo_becomes_basic() {
        for (url, expected) in [
            ("http://h/", None),
            ("http://Aladdin:open%20sesame@h/", Some("Aladdin:open sesame")),
            ("http://user@h/", Some("user:")),
            ("http://:pass@h/", Some(":pass")),
            ("http://a%3Ab:c%zz%4@h/", Some("a:b:c%zz%4")),
            ("http://%C3%BC:x@h/", Some("ü:x")),
        ] {
            let header = from_userinfo(&Url::parse(url).unwrap());
            let expected = expected.map(|text| format!("Basic {}", STANDARD.encode(text)));
            assert_eq!(
                header.as_ref().map(|h| h.to_str().unwrap()),
                expected.as_deref(),
                "{url}"
            );
        }
        // The example of RFC 7617, section 2.
        assert_eq!(
            basic_auth("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }
}
