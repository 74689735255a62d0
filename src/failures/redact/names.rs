//! Credentials that go by a telling name: in addresses, forms, JSON, XML, multipart bodies and lines of headers. It reads
//! texts that are cut off, and any that only look like one of these.

use super::REDACTED;

/// Parts of names that tell, with signs and case left out.
const PARTS: [&str; 21] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "apikey",
    "accesskey",
    "privatekey",
    "signature",
    "credential",
    "authorization",
    "authentication",
    "jwt",
    "sessionid",
    "sessid",
    "cookie",
    "assertion",
    "csrf",
    "xsrf",
    "bearer",
];

/// Words of names that tell.
const WORDS: [&str; 12] = [
    "auth",
    "oauth",
    "pwd",
    "pass",
    "sid",
    "sig",
    "otp",
    "pin",
    "cvv",
    "cvc",
    "session",
    "credentials",
];

/// How deep texts within texts are read.
const MAX_DEPTH: usize = 4;

/// Whether what is called so is a credential.
#[must_use]
pub fn is_telling(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    if PARTS.iter().any(|part| plain.contains(part)) {
        return true;
    }
    let mut word = String::new();
    let mut was_lower = false;
    for c in name.chars().chain([' ']) {
        let ends = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && was_lower);
        if ends && WORDS.contains(&word.as_str()) {
            return true;
        }
        if ends {
            word.clear();
        }
        was_lower = c.is_ascii_lowercase();
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
    }
    false
}

/// The text with the values of telling names replaced.
pub(super) fn hide(text: &str, is_form: bool) -> String {
    let mut scan = Scan {
        text,
        at: 0,
        kept: 0,
        out: String::with_capacity(text.len()),
        is_form,
        depth: 0,
    };
    scan.run();
    scan.out
}

/// Walks over a text.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Up to here it is in `out`.
    kept: usize,
    out: String,
    is_form: bool,
    depth: usize,
}

impl Scan<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'"' => self.quoted(),
                b'=' => self.pair(),
                b':' => self.colon(),
                b'>' => self.element(),
                b' ' => self.scheme(),
                _ => self.at += 1,
            }
        }
        self.out.push_str(&self.text[self.kept..]);
    }

    /// Puts something in the place of a part of the text, which begins at or after where it is, and goes on behind it.
    fn replace(&mut self, from: usize, to: usize, with: &str) {
        self.at = to.max(self.at + 1);
        if from < to && from >= self.kept {
            self.out.push_str(&self.text[self.kept..from]);
            self.out.push_str(with);
            self.kept = to;
        }
    }

    /// A text in quotes: a name before a value, or a value.
    fn quoted(&mut self) {
        let (text, open) = (self.text, self.at);
        let close = end_of_string(text, open);
        let inner = &text[open + 1..close];
        let after = (close + 1).min(text.len());
        let value = skip_space(text, after);
        if text[value..].starts_with(':') {
            if is_telling(&unescaped(inner)) {
                let from = skip_space(text, value + 1);
                return self.replace(from, end_of_value(text, from), &format!("\"{REDACTED}\""));
            }
            self.at = value + 1;
            return;
        }
        let is_field = text[..open].ends_with("name=") && is_telling(inner);
        if let Some(head) = text[after..].find("\r\n\r\n").filter(|_| is_field) {
            // A field of a multipart body.
            let from = after + head + 4;
            let to = text[from..].find("\r\n--").map_or(text.len(), |end| from + end);
            return self.replace(from, to, REDACTED);
        }
        if self.depth < MAX_DEPTH && !inner.is_empty() {
            let plain = unescaped(inner);
            let hidden = self.within(&plain);
            if hidden != plain {
                let with = if plain == inner { hidden } else { escaped(&hidden) };
                return self.replace(open + 1, close, &with);
            }
        }
        self.at = after;
    }

    fn within(&self, text: &str) -> String {
        let mut scan = Scan {
            text,
            at: 0,
            kept: 0,
            out: String::with_capacity(text.len()),
            is_form: false,
            depth: self.depth + 1,
        };
        scan.run();
        scan.out
    }

    /// `name=value`, of queries, forms and attributes.
    fn pair(&mut self) {
        let (text, from) = (self.text, self.at + 1);
        if !is_telling(&percent_decoded(name_before(text, self.at))) {
            self.at = from;
            return;
        }
        let rest = &text[from..];
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        match quote {
            Some(quote) => {
                let to = rest[1..].find(quote).map_or(text.len(), |end| from + 1 + end);
                self.replace(from + 1, to, REDACTED);
            }
            None => {
                let ends = |c: char| match self.is_form {
                    true => c == '&',
                    false => c.is_whitespace() || matches!(c, '&' | '"' | '\'' | '<' | '>'),
                };
                let to = rest.find(ends).map_or(text.len(), |end| from + end);
                self.replace(from, to, REDACTED);
            }
        }
    }

    /// User and password before a host, or `Name: value` on a line of its own.
    fn colon(&mut self) {
        let (text, after) = (self.text, self.at + 1);
        if text[after..].starts_with("//") {
            let from = after + 2;
            let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '\\');
            let end = text[from..].find(ends).map_or(text.len(), |end| from + end);
            return match text[from..end].rfind('@') {
                Some(to) => self.replace(from, from + to, REDACTED),
                None => self.at = from,
            };
        }
        let name = name_before(text, self.at);
        let before = text[..self.at - name.len()].trim_end_matches([' ', '\t', '-']);
        let begins = before.is_empty() || before.ends_with(['\n', '{', ',']);
        if begins && is_telling(name) {
            let from = skip_blank(text, after);
            let to = text[from..].find(['\r', '\n']).map_or(text.len(), |end| from + end);
            return self.replace(from, to, REDACTED);
        }
        self.at = after;
    }

    /// `<name>value<`.
    fn element(&mut self) {
        let (text, from) = (self.text, self.at + 1);
        let name = text[..self.at].rfind('<').map(|open| &text[open + 1..self.at]);
        let name = name.and_then(|tag| tag.split_whitespace().next());
        if name.is_some_and(|name| !name.starts_with(['/', '!', '?']) && is_telling(name)) {
            let to = text[from..].find('<').map_or(text.len(), |end| from + end);
            return self.replace(from, to, REDACTED);
        }
        self.at = from;
    }

    /// `Bearer value` and `Basic value`.
    fn scheme(&mut self) {
        /// What is shorter is a word that follows by chance.
        const LEAST: usize = 8;
        let (text, from) = (self.text, self.at + 1);
        let word = name_before(text, self.at).to_ascii_lowercase();
        if word == "bearer" || word == "basic" {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            let to = text[from..].find(|c| !is_part(c)).map_or(text.len(), |end| from + end);
            if to - from >= LEAST {
                return self.replace(from, to, REDACTED);
            }
        }
        self.at = from;
    }
}

/// The name that ends before `at`, if there is one.
fn name_before(text: &str, at: usize) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.[]%$".contains(c);
    text[..at].rfind(|c| !is_part(c)).map_or(&text[..at], |before| {
        let width = text[before..].chars().next().map_or(1, char::len_utf8);
        &text[before + width..at]
    })
}

fn skip_space(text: &str, at: usize) -> usize {
    text[at..]
        .find(|c: char| !c.is_ascii_whitespace())
        .map_or(text.len(), |skip| at + skip)
}

fn skip_blank(text: &str, at: usize) -> usize {
    text[at..]
        .find(|c: char| c != ' ' && c != '\t')
        .map_or(text.len(), |skip| at + skip)
}

/// Where the quote is that ends the text whose quote is at `open`; the end of all where it is cut off.
fn end_of_string(text: &str, open: usize) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(open + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// Where the value of JSON ends that begins at `at`.
fn end_of_value(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (at, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = (end_of_string(text, at) + 1).min(text.len());
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth <= 1 => return at + depth,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => return at,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The text that JSON has in quotes; as it is where that is none.
fn unescaped(inner: &str) -> String {
    if !inner.contains('\\') {
        return inner.to_owned();
    }
    serde_json::from_str(&format!("\"{inner}\"")).unwrap_or_else(|_| inner.replace("\\\"", "\""))
}

fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted[1..quoted.len().max(2) - 1].to_owned()
}

fn percent_decoded(name: &str) -> String {
    super::values::percent(name, false).text()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_tell() {
        for name in [
            "Authorization",
            "X-Auth",
            "auth",
            "access_token",
            "refreshToken",
            "client-secret",
            "PASSWORD",
            "user[password]",
            "x-api-key",
            "apiKey",
            "API_KEY",
            "X-Amz-Signature",
            "userPwd",
            "PIN",
            "sessionId",
            "JSESSIONID",
            "session",
            "sid",
        ] {
            assert!(is_telling(name), "{name}");
        }
        for name in [
            "author",
            "shipping",
            "side",
            "name",
            "key",
            "content-type",
            "inside",
            "www-authenticate",
            "",
            "spin",
            "é",
        ] {
            assert!(!is_telling(name), "{name}");
        }
    }

    #[test]
    fn values_of_telling_names_are_hidden() {
        // text, as shown
        let table = [
            ("http://me:pw@h/p", "http://[redacted]@h/p"),
            ("http://h/p?q=a&token=b%20c&x=1", "http://h/p?q=a&token=[redacted]&x=1"),
            ("http://h/p?to%6Ben=b", "http://h/p?to%6Ben=[redacted]"),
            ("/cb#access_token=abc", "/cb#access_token=[redacted]"),
            (
                "{\"a\":1,\"password\":\"x\\\"y\",\"b\":2}",
                "{\"a\":1,\"password\":\"[redacted]\",\"b\":2}",
            ),
            ("{\"pass\\u0077ord\" : 12 }", "{\"pass\\u0077ord\" : \"[redacted]\" }"),
            (
                "{\"tokens\":[\"a\",{\"b\":\"]\"}],\"c\":1}",
                "{\"tokens\":\"[redacted]\",\"c\":1}",
            ),
            ("{\"secret\":true}", "{\"secret\":\"[redacted]\"}"),
            ("{\"token\":\"cut of", "{\"token\":\"[redacted]\""),
            ("{\"token\":{\"a\":", "{\"token\":\"[redacted]\""),
            (
                "{\"in\":\"{\\\"token\\\":\\\"x\\\"}\"}",
                "{\"in\":\"{\\\"token\\\":\\\"[redacted]\\\"}\"}",
            ),
            (
                "{\"url\":\"http://h/?token=x\"}",
                "{\"url\":\"http://h/?token=[redacted]\"}",
            ),
            ("{\"v\":\"Bearer abcdefgh\"}", "{\"v\":\"Bearer [redacted]\"}"),
            (
                "<a><ns:Password x=\"1\">p&amp;q</ns:Password></a>",
                "<a><ns:Password x=\"1\">[redacted]</ns:Password></a>",
            ),
            ("<user password='x y' id='1'>", "<user password='[redacted]' id='1'>"),
            ("<input token=\"a\">", "<input token=\"[redacted]\">"),
            (
                "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nx\r\ny\r\n--b--",
                "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[redacted]\r\n--b--",
            ),
            (
                "GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\nX: y",
                "GET / HTTP/1.1\r\nAuthorization: [redacted]\r\nX: y",
            ),
            ("password: hunter2\nuser: me", "password: [redacted]\nuser: me"),
            ("a basic idea, a bearer of", "a basic idea, a bearer of"),
            ("the token was wrong: try again", "the token was wrong: try again"),
            ("token=", "token="),
            ("é=1&ü\"ö", "é=1&ü\"ö"),
        ];
        for (text, expected) in table {
            assert_eq!(hide(text, false), expected, "{text}");
        }
        assert_eq!(
            hide("user=me&password=a b;c,d&x=1", true),
            "user=me&password=[redacted]&x=1"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[ -~é\"\\\\:=&<>{}\\[\\]\r\n]{0,200}", is_form in any::<bool>()) {
            let _ = hide(&text, is_form);
        }

        #[test]
        fn json_of_any_kind_keeps_no_value_of_a_telling_name(
            secret in "[A-Za-z0-9\"\\\\/{}\\[\\]:,=& é\n]{1,20}", other in "[a-z\"\\\\ ]{0,8}",
        ) {
            let secret = format!("Q7{secret}Q7");
            let json = serde_json::json!({ "a": other, "list": [{ "api_key": secret, "deep": { "userPassword": [secret] } }], "z": 1 });
            for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap_or_default()] {
                let hidden = hide(&text, false);
                prop_assert!(!hidden.contains("Q7"), "{}", hidden);
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&hidden).map(|v| v["z"].clone()).ok(), Some(1.into()));
            }
        }
    }
}
