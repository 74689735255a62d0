//! Requests and answers as steps of a trace: lines, headers without credentials, bodies shortened. Only called when somebody
//! asked for a trace.

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::failures::redact::{REDACTED, Redactor, is_telling};
use crate::net::{Address, Exchange, OnSend, Request, Sent};
use crate::script::VuContext;
use crate::script::trace::{Mark, Step, is_on, tell};

/// How much of a body is shown.
const MOST_LINES: usize = 40;
const MOST_BYTES: usize = 4_000;

/// Has a request told when it is sent.
pub(super) fn watch(vu: &Rc<VuContext>, request: &mut Request) {
    if is_on(vu) {
        let vu = Rc::clone(vu);
        request.on_send = Some(OnSend::new(move |sent| {
            tell(&vu, || sending(&vu.host.session.redactor(), sent));
        }));
    }
}

/// Tells how an exchange ended.
pub(super) fn ended(vu: &VuContext, exchange: &Exchange) {
    tell(vu, || received(&vu.host.session.redactor(), exchange));
}

fn sending(redactor: &Redactor, sent: &Sent<'_>) -> Step {
    let shown = |(name, value): &(HeaderName, HeaderValue)| {
        line(redactor, name.as_str(), value.as_bytes(), value.is_sensitive())
    };
    let mut lines: Vec<String> = sent.headers.iter().map(shown).collect();
    lines.extend(body(redactor, sent.body));
    let again = if sent.again { " again, on a new connection" } else { "" };
    Step {
        mark: Mark::Sent,
        title: format!("{} {}{again}", sent.method, address(sent.address)),
        lines,
    }
}

fn received(redactor: &Redactor, exchange: &Exchange) -> Step {
    let duration = exchange.timings.duration();
    let (mark, title, mut lines) = match &exchange.outcome {
        Ok(response) => {
            let reason = StatusCode::from_u16(response.status).ok();
            let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or_default();
            let title = format!("{:?} {} {reason}", response.version, response.status);
            let headers = response.headers.iter();
            let mut lines: Vec<String> = headers
                .map(|(name, value)| line(redactor, name, value, false))
                .collect();
            lines.extend(body(redactor, response.body()));
            (Mark::Received, title, lines)
        }
        Err(error) => {
            let title = format!(
                "{} {}: {} (error_code {})",
                exchange.method,
                address(&exchange.address),
                error.message,
                error.code
            );
            (Mark::Failed, title, Vec::new())
        }
    };
    lines.insert(0, phases(exchange));
    Step {
        mark,
        title: format!("{} in {}", title.trim_end(), millis(duration)),
        lines,
    }
}

fn phases(exchange: &Exchange) -> String {
    let timings = &exchange.timings;
    let connection = if exchange.reused {
        "kept connection"
    } else {
        "new connection"
    };
    let phases = [
        ("blocked", timings.blocked),
        ("dns", timings.dns),
        ("connecting", timings.connecting),
        ("tls", timings.tls_handshaking),
        ("sending", timings.sending),
        ("waiting", timings.waiting),
        ("receiving", timings.receiving),
    ];
    let mut text = format!("({connection}");
    for (name, time) in phases {
        let _ = write!(text, ", {name} {}", millis(time));
    }
    text + ")"
}

fn millis(time: Duration) -> String {
    if time.is_zero() {
        return "0".to_owned();
    }
    format!("{:.2}ms", time.as_secs_f64() * 1e3)
}

fn line(redactor: &Redactor, name: &str, value: &[u8], is_sensitive: bool) -> String {
    let name = name.to_ascii_lowercase();
    format!("{name}: {}", shown(redactor, &name, value, is_sensitive))
}

/// A header's value; credentials are left out, cookies shortened, and secrets taken out before that, so that nothing stays of
/// one. The name is in lower case.
fn shown(redactor: &Redactor, name: &str, value: &[u8], is_sensitive: bool) -> String {
    let text = String::from_utf8_lossy(value);
    let text = redactor.secrets(&text);
    if name == "cookie" || name == "set-cookie" {
        let parts: Vec<String> = text
            .split("; ")
            .enumerate()
            .map(|(n, part)| cookie(part, name == "cookie" || n == 0))
            .collect();
        return parts.join("; ");
    }
    if is_sensitive || is_telling(name) {
        let scheme = text.split_once(' ').filter(|_| name == "authorization");
        let scheme = scheme.map_or(String::new(), |(scheme, _)| format!("{scheme} "));
        return format!("{scheme}[redacted, {} bytes]", value.len());
    }
    text.into_owned()
}

/// A URL whose query holds no credentials.
fn address(address: &Address) -> String {
    let Some(query) = address.url().query() else {
        return address.to_string();
    };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_telling(name) => format!("{name}=[redacted]"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{}?{}", address.without_query(), pairs.join("&"))
}

/// `name=value` with the beginning of the value only.
fn cookie(part: &str, is_value: bool) -> String {
    const SHOWN: usize = 6;
    match part.split_once('=') {
        Some((name, value)) if is_value && value.contains(REDACTED) => format!("{name}={REDACTED}"),
        Some((name, value)) if is_value && value.chars().count() > SHOWN => {
            format!("{name}={}…", value.chars().take(SHOWN).collect::<String>())
        }
        _ => part.to_owned(),
    }
}

/// A body as lines, without secrets, which may go over several: JSON indented, text as it is, anything else by its length. A
/// blank line comes before it.
fn body(redactor: &Redactor, body: &[u8]) -> Vec<String> {
    if body.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    let Ok(text) = std::str::from_utf8(body) else {
        lines.push(format!("({} bytes that are no text)", body.len()));
        return lines;
    };
    let text = &*redactor.secrets(text);
    let is_json = text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let pretty = if is_json { indented(text) } else { text.to_owned() };
    let end = pretty
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at >= MOST_BYTES)
        .unwrap_or(pretty.len());
    let printable = |line: &str| line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
    let shown: Vec<String> = pretty[..end].lines().take(MOST_LINES).map(printable).collect();
    let cut = end < pretty.len() || pretty.lines().count() > shown.len();
    lines.extend(shown);
    if cut {
        lines.push(format!("… ({} bytes in all)", body.len()));
    }
    lines
}

/// JSON with a line for each value, in the order that it has.
fn indented(json: &str) -> String {
    let (mut out, mut depth, mut in_text, mut escaped) = (String::new(), 0_usize, false, false);
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        if in_text {
            out.push(c);
            in_text = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => {
                in_text = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while rest.next_if(|c| c.is_whitespace()).is_some() {}
                if let Some(close) = rest.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_in_its_own_order() {
        // JSON, as shown
        let table = [
            ("{}", "{}"),
            ("[ ]", "[]"),
            (
                "{\"b\":1,\"a\":[true,{\"x\":\"}\\\"{\"}]}",
                "{\n  \"b\": 1,\n  \"a\": [\n    true,\n    {\n      \"x\": \"}\\\"{\"\n    }\n  ]\n}",
            ),
            ("[1, 2]", "[\n  1,\n  2\n]"),
        ];
        for (json, shown) in table {
            assert_eq!(indented(json), shown, "{json}");
        }
    }

    #[test]
    fn credentials_are_left_out_and_cookies_shortened() {
        // name, value, as shown
        let table = [
            ("authorization", "Bearer abc.def", "Bearer [redacted, 14 bytes]"),
            ("x-api-key", "abcdef", "[redacted, 6 bytes]"),
            ("cookie", "sid=0123456789; a=b", "sid=012345…; a=b"),
            (
                "set-cookie",
                "sid=0123456789; Path=/a/long/path",
                "sid=012345…; Path=/a/long/path",
            ),
            ("cookie", "sid=a%2Fsecret; b=c", "sid=[redacted]; b=c"),
            ("set-cookie", "sid=x a/secret; Path=/", "sid=[redacted]; Path=/"),
            ("x-echo", "an a%2fsecret", "an [redacted]"),
            ("authorization", "Bearer a/secret", "Bearer [redacted, 15 bytes]"),
            ("content-type", "text/plain", "text/plain"),
        ];
        let redactor = Redactor::new(["a/secret".to_owned()]);
        for (name, value, expected) in table {
            assert_eq!(shown(&redactor, name, value.as_bytes(), false), expected, "{name}");
        }
        assert_eq!(shown(&redactor, "x-other", b"hush", true), "[redacted, 4 bytes]");
    }

    #[test]
    fn addresses_keep_their_query_without_credentials() {
        let table = [
            (
                "http://h/p?q=a%20b&access_token=x&Signature=y#f",
                "http://h/p?q=a%20b&access_token=[redacted]&Signature=[redacted]",
            ),
            ("http://h/p", "http://h/p"),
        ];
        for (url, expected) in table {
            assert_eq!(address(&Address::parse(url).unwrap()), expected);
        }
    }

    #[test]
    fn bodies_are_shortened() {
        let none = Redactor::default();
        assert!(body(&none, b"").is_empty());
        assert_eq!(body(&none, b"a\nb"), ["", "a", "b"]);
        assert_eq!(body(&none, b"\xff\xfe"), ["", "(2 bytes that are no text)"]);
        assert_eq!(body(&none, b"a\x1b[31m"), ["", "a\u{fffd}[31m"]);
        let long = body(&none, "x\n".repeat(100).as_bytes());
        assert_eq!((long.len(), long[41].as_str()), (42, "… (200 bytes in all)"));
        let wide = body(&none, "é".repeat(5_000).as_bytes());
        assert_eq!(wide.len(), 3);
    }

    #[test]
    fn bodies_lose_secrets_before_they_are_cut() {
        let redactor = Redactor::new(["of two\nlines".to_owned()]);
        assert_eq!(body(&redactor, b"a of two\nlines b"), ["", "a [redacted] b"]);
        assert_eq!(
            body(&redactor, b"{\"a\":\"of two\\nlines\",\"b\":1}"),
            ["", "{", "  \"a\": \"[redacted]\",", "  \"b\": 1", "}"]
        );
        let over_the_edge = format!("{}of two\nlines", "x".repeat(MOST_BYTES - 3));
        assert_eq!(
            body(&redactor, over_the_edge.as_bytes())[1],
            format!("{}[re", "x".repeat(MOST_BYTES - 3))
        );
    }
}
