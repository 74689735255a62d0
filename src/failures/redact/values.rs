//! Values that must not be shown, found in a text as they are, with percent signs, with the escapes of JSON, and as base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

use super::REDACTED;

/// Characters of base64 that are taken for a value's; fewer would be found by chance.
const LEAST_BASE64: usize = 6;

/// The values, and what base64 makes of them.
#[derive(Debug, Default)]
pub(super) struct Values {
    plain: Vec<String>,
    encoded: Vec<String>,
}

impl Values {
    pub(super) fn new(values: impl IntoIterator<Item = String>) -> Self {
        // What is in the sign for all of them would be found in it over and over.
        let is_hidden = |value: &String| !REDACTED.contains(value.as_str());
        let mut plain: Vec<_> = values.into_iter().filter(is_hidden).collect();
        // One that contains another goes first.
        plain.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let encoded = plain.iter().flat_map(|value| encodings(value.as_bytes())).collect();
        Self { plain, encoded }
    }

    /// As they are, the longest first.
    pub(super) fn plain(&self) -> &[String] {
        &self.plain
    }

    /// Bytes of the longest.
    pub(super) fn longest(&self) -> usize {
        self.plain.first().map_or(0, String::len)
    }

    /// The text with all of them replaced.
    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.plain.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut spans = Vec::new();
        for value in &self.plain {
            spans.extend(text.match_indices(value.as_str()).map(|(at, _)| (at, at + value.len())));
        }
        let views = [
            text.contains('%').then(|| percent(text, false)),
            text.contains('+').then(|| percent(text, true)),
            text.contains('\\').then(|| json(text)),
        ];
        for view in views.iter().flatten() {
            for value in &self.plain {
                view.find(value.as_bytes(), &mut spans);
            }
        }
        for encoded in &self.encoded {
            for (at, _) in text.match_indices(encoded.as_str()) {
                spans.push(run_around(text, at, at + encoded.len()));
            }
        }
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(replaced(text, spans))
    }
}

/// The characters of base64 that only a value decides, wherever in a text of three bytes it begins.
fn encodings(value: &[u8]) -> impl Iterator<Item = String> {
    (0..3_usize).flat_map(move |before| {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        let (first, end) = ((before * 4).div_ceil(3), bytes.len() * 4 / 3);
        let core = |text: String| text.get(first..end).unwrap_or_default().to_owned();
        let both = [
            core(BASE64_STANDARD.encode(&bytes)),
            core(BASE64_URL_SAFE.encode(&bytes)),
        ];
        both.into_iter().filter(|core| core.len() >= LEAST_BASE64)
    })
}

/// All base64 around a part of it.
fn run_around(text: &str, from: usize, to: usize) -> (usize, usize) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let bytes = text.as_bytes();
    let before = bytes[..from].iter().rev().take_while(|byte| is_part(byte)).count();
    let after = bytes[to..].iter().take_while(|byte| is_part(byte)).count();
    (from - before, to + after)
}

fn replaced(text: &str, mut spans: Vec<(usize, usize)>) -> String {
    spans.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let (mut kept, mut spans) = (0, spans.into_iter().peekable());
    while let Some((from, mut to)) = spans.next() {
        while let Some((_, end)) = spans.next_if(|(next, _)| *next < to) {
            to = to.max(end);
        }
        out.push_str(&text[kept..from]);
        out.push_str(REDACTED);
        kept = to;
    }
    out.push_str(&text[kept..]);
    out
}

/// A text as it is read, and where in the text each byte of that comes from.
pub(super) struct View {
    bytes: Vec<u8>,
    /// Where each begins; one more for the end.
    from: Vec<usize>,
}

impl View {
    fn find(&self, value: &[u8], spans: &mut Vec<(usize, usize)>) {
        if value.is_empty() || value.len() > self.bytes.len() {
            return;
        }
        let mut at = 0;
        while let Some(found) = self.bytes[at..].windows(value.len()).position(|part| part == value) {
            let (from, to) = (at + found, at + found + value.len());
            spans.push((self.from[from], self.from[to]));
            at = to;
        }
    }

    /// What is read, as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// With percent signs decoded, and plus signs as spaces if they are.
pub(super) fn percent(text: &str, plus: bool) -> View {
    let hex = |at: usize| {
        text.as_bytes()
            .get(at)
            .and_then(|digit| char::from(*digit).to_digit(16))
    };
    view(text, |at, byte| match byte {
        b'%' => match (hex(at + 1), hex(at + 2)) {
            (Some(high), Some(low)) => Some((vec![(high * 16 + low) as u8], 3)),
            _ => None,
        },
        b'+' if plus => Some((vec![b' '], 1)),
        _ => None,
    })
}

/// With the escapes of JSON decoded.
fn json(text: &str) -> View {
    let unit = |at: usize| {
        text.get(at..at + 4)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    view(text, |at, byte| {
        if byte != b'\\' {
            return None;
        }
        let plain = match text.as_bytes().get(at + 1)? {
            b'u' => {
                let high = unit(at + 2)?;
                let low = (text.get(at + 6..at + 8) == Some("\\u"))
                    .then(|| unit(at + 8))
                    .flatten();
                let (code, length) = match low {
                    Some(low) if (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low) => {
                        (0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12)
                    }
                    _ => (high, 6),
                };
                let c = char::from_u32(code)?;
                return Some((c.to_string().into_bytes(), length));
            }
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            other if other.is_ascii_punctuation() => *other,
            _ => return None,
        };
        Some((vec![plain], 2))
    })
}

/// `read` gives what stands at a place, and how long that is, where it is not the byte itself.
fn view(text: &str, read: impl Fn(usize, u8) -> Option<(Vec<u8>, usize)>) -> View {
    let (mut bytes, mut from) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let (plain, length) = read(at, *byte).unwrap_or_else(|| (vec![*byte], 1));
        from.extend(std::iter::repeat_n(at, plain.len()));
        bytes.extend(plain);
        at += length;
    }
    from.push(text.len());
    View { bytes, from }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hide(secret: &str, text: &str) -> String {
        Values::new([secret.to_owned()]).hide(text).into_owned()
    }

    #[test]
    fn a_value_is_found_however_it_is_written() {
        // secret, text, as shown
        let table = [
            ("hush", "a hush b hush", "a [redacted] b [redacted]"),
            ("a/b c", "?x=a%2Fb%20c&y=a%2fb+c", "?x=[redacted]&y=[redacted]"),
            ("a\"b\\c", r#"{"x":"a\"b\\c"}"#, r#"{"x":"[redacted]"}"#),
            ("é/x", r#"{"x":"\u00e9\/x"}"#, r#"{"x":"[redacted]"}"#),
            ("😀k", r#"{"x":"\ud83d\ude00k"}"#, r#"{"x":"[redacted]"}"#),
            ("hunter22", "Basic bWU6aHVudGVyMjI=", "Basic [redacted]"),
            ("%41", "%41 A", "[redacted] A"),
            ("aaa", "aaaaa", "[redacted]aa"),
            ("", "x", "x"),
            ("redact", "redact [redacted]", "redact [redacted]"),
        ];
        for (secret, text, expected) in table {
            assert_eq!(hide(secret, text), expected, "{secret}: {text}");
        }
        let two = Values::new(["abc".to_owned(), "abcdef".to_owned()]);
        assert_eq!(two.hide("abcdef abc"), "[redacted] [redacted]");
    }

    proptest! {
        #[test]
        fn nothing_of_a_value_stays(
            secret in "[A-Za-z0-9+/=%&\"\\\\ é€\n-]{8,30}", before in "[a-z ]{0,5}", after in "[a-z ]{0,5}",
        ) {
            let all = format!("{before}{secret}{after}");
            let form: String = url::form_urlencoded::byte_serialize(all.as_bytes()).collect();
            let json = serde_json::to_string(&all).unwrap_or_default();
            let texts = [all.clone(), form, json, BASE64_STANDARD.encode(&all), BASE64_URL_SAFE.encode(&all)];
            for text in texts {
                let hidden = hide(&secret, &text);
                let rest = hidden.replace(REDACTED, "");
                prop_assert!(hidden.contains(REDACTED), "{} in {}", secret, text);
                prop_assert!(rest.len() <= before.len() + after.len() + 4 + 2, "{}: {}", secret, hidden);
            }
        }
    }
}
