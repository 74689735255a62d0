//! Takes credentials out of texts that are kept: by the names that they go by in headers, addresses, forms, JSON and XML, and
//! secrets of the script by their value, however they are escaped. What a name hides, `names` finds; values, `values`.

mod names;
mod values;

use std::borrow::Cow;

use crate::net::CREDENTIALS;

pub use names::is_telling;

/// What stands in the place of a credential.
pub const REDACTED: &str = "[redacted]";

/// Words before a credential that tell nothing about it.
const SCHEMES: [&str; 7] = ["basic", "bearer", "digest", "negotiate", "ntlm", "token", "apikey"];

/// Bytes of a long text that are looked at, so that what is cut off afterwards was whole before.
const WINDOW: usize = 64 << 10;

/// Knows the values that must not be shown.
#[derive(Debug)]
pub struct Redactor {
    secrets: values::Values,
    window: usize,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new([])
    }
}

impl Redactor {
    /// One that also takes these values out.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let secrets = values::Values::new(secrets);
        // Six bytes for each, as `\u00xx`.
        let window = WINDOW.max(8 * secrets.longest());
        Self { secrets, window }
    }

    /// Whether it takes this value out.
    #[must_use]
    pub fn knows(&self, secret: &str) -> bool {
        self.secrets.plain().iter().any(|known| known == secret)
    }

    /// The same, which takes this value out as well.
    #[must_use]
    pub fn with(&self, secret: &str) -> Self {
        Self::new(self.secrets.plain().iter().cloned().chain([secret.to_owned()]))
    }

    /// A text without the values, whatever goes by a telling name.
    #[must_use]
    pub fn secrets<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.secrets.hide(text)
    }

    /// A text without credentials, at most `most` bytes and a sign that there was more. `is_form`: it is
    /// `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn text(&self, text: &str, most: usize, is_form: bool) -> (String, bool) {
        let (seen, was_longer) = beginning(text, most + self.window);
        let (text, is_longer) = self.shown(&names::hide(seen, is_form), most);
        (text, was_longer || is_longer)
    }

    /// A text in which nothing goes by a telling name.
    fn shown(&self, text: &str, most: usize) -> (String, bool) {
        let redacted = self.secrets.hide(text);
        let (shown, is_longer) = beginning(&redacted, most);
        let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        (shown.replace(is_odd, "\u{fffd}"), is_longer)
    }

    /// The same of a text on one line.
    #[must_use]
    pub fn line(&self, text: &str, most: usize) -> String {
        let (text, cut) = self.text(text, most, false);
        if cut { text + "…" } else { text }
    }

    /// The value of a header, of metadata or of a trailer. `is_sensitive`: whoever has set it says so.
    #[must_use]
    pub fn header(&self, name: &str, value: &[u8], is_sensitive: bool, most: usize) -> String {
        let value = String::from_utf8_lossy(value);
        let lower = name.to_ascii_lowercase();
        let value = match lower.as_str() {
            "cookie" => cookies(&value, usize::MAX),
            "set-cookie" => cookies(&value, 1),
            name if is_sensitive || CREDENTIALS.iter().any(|known| known == name) || is_telling(name) => {
                credential(&value)
            }
            _ => return self.line(&value, most),
        };
        self.shown(&value, most).0
    }

    /// The text of a body, if it is text, and whether there is more of it.
    #[must_use]
    pub fn body(&self, body: &[u8], content_type: &str, most: usize) -> (Option<String>, bool) {
        let seen = &body[..body.len().min(most + self.window)];
        let text = match std::str::from_utf8(seen) {
            Ok(text) => text,
            // It ends within a character, which is in what was not looked at.
            Err(error) if error.error_len().is_none() && seen.len() < body.len() => {
                std::str::from_utf8(&seen[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return (None, false),
        };
        if text.contains('\0') {
            return (None, false);
        }
        let is_form = content_type.starts_with("application/x-www-form-urlencoded");
        let (text, cut) = self.text(text, most, is_form);
        (Some(text), cut || seen.len() < body.len())
    }
}

/// The scheme stays, where it is one.
fn credential(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, _)) if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) => format!("{scheme} {REDACTED}"),
        _ => REDACTED.to_owned(),
    }
}

/// The names of so many cookies; of `set-cookie` all that follows the first.
fn cookies(value: &str, most: usize) -> String {
    let part = |(at, part): (usize, &str)| match part.split_once('=') {
        Some((name, _)) if at < most => format!("{name}={REDACTED}"),
        // A value without a name.
        None if at < most => REDACTED.to_owned(),
        _ => part.to_owned(),
    };
    let parts: Vec<_> = value.split("; ").enumerate().map(part).collect();
    parts.join("; ")
}

/// At most so many bytes of a text, and whether there are more.
fn beginning(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, false);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    (&text[..end], true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_credentials_lose_them() {
        let redactor = Redactor::new(["h&sh h\"sh".to_owned()]);
        // name, value, as shown
        let table = [
            ("Authorization", "Bearer abc.def", "Bearer [redacted]"),
            ("authorization", "s3cr3t stuff", "[redacted]"),
            ("Proxy-Authorization", "Basic YTpi", "Basic [redacted]"),
            ("X-Api-Key", "abcdef", "[redacted]"),
            ("x-session-token", "abcdef", "[redacted]"),
            (
                "Cookie",
                "sid=0123; theme=dark; x",
                "sid=[redacted]; theme=[redacted]; [redacted]",
            ),
            (
                "Set-Cookie",
                "sid=0=1; Path=/; HttpOnly",
                "sid=[redacted]; Path=/; HttpOnly",
            ),
            ("www-authenticate", "Basic realm=\"a\"", "Basic realm=\"a\""),
            (
                "location",
                "https://me:pw@h/a?access_token=x&b=c",
                "https://[redacted]@h/a?access_token=[redacted]&b=c",
            ),
            ("content-type", "text/plain", "text/plain"),
            ("x-echo", "h&sh h\"sh", "[redacted]"),
            ("x-echo", "h%26sh+h%22sh", "[redacted]"),
        ];
        for (name, value, expected) in table {
            assert_eq!(
                redactor.header(name, value.as_bytes(), false, 1_000),
                expected,
                "{name}: {value}"
            );
        }
        assert_eq!(redactor.header("x-other", b"hush", true, 1_000), "[redacted]");
        assert_eq!(redactor.header("x-other", b"0123456789", false, 4), "0123…");
    }

    #[test]
    fn bodies_are_cut_after_they_are_redacted() {
        let redactor = Redactor::new(["topsecret".to_owned()]);
        assert_eq!(redactor.body(b"", "", 10), (Some(String::new()), false));
        assert_eq!(redactor.body(b"a\0b", "text/plain", 10), (None, false));
        assert_eq!(redactor.body(b"\xff\xfe", "text/plain", 10), (None, false));
        assert_eq!(
            redactor.body(b"a\x1b[31m", "", 10),
            (Some("a\u{fffd}[31m".to_owned()), false)
        );
        assert_eq!(
            redactor.body("0123éé".as_bytes(), "", 5),
            (Some("0123".to_owned()), true)
        );
        // The secret goes over the edge: its beginning must not stay.
        assert_eq!(
            redactor.body(b"01234topsecret", "", 10),
            (Some("01234[reda".to_owned()), true)
        );
        let long = "é".repeat(1 << 20);
        let (text, cut) = redactor.body(long.as_bytes(), "", 2_048);
        assert_eq!((text.unwrap().len(), cut), (2_048, true));
    }
}
