//! Names of series: `metric` or `metric{key:value,…}`, read and printed. Which series exist is the catalog's to know.

use std::fmt;

/// A metric and the tags that a sample must carry to belong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// The metric's name.
    pub metric: String,
    /// Sorted by key, each key once; empty for the metric as a whole.
    pub tags: Vec<(String, String)>,
}

/// Why a text is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// No name before the braces.
    #[error("`{0}` names no metric; write for example `http_req_duration{{name:\"GET /\"}}`")]
    NoMetric(String),
    /// Braces that do not enclose the rest.
    #[error("the braces in `{0}` are not closed; tags stand between `{{` and `}}` at the end")]
    Braces(String),
    /// A part that is not `key:value`.
    #[error("`{part}` in `{text}` is not `key:value`; put values with commas between quotes")]
    Pair {
        /// The whole text.
        text: String,
        /// The part that is wrong.
        part: String,
    },
    /// The same key twice: both cannot hold.
    #[error("`{key}` occurs twice in `{text}`, and no sample can satisfy both")]
    Twice {
        /// The whole text.
        text: String,
        /// The key.
        key: String,
    },
}

impl Selector {
    /// The metric as a whole.
    #[must_use]
    pub fn root(metric: &str) -> Self {
        Self {
            metric: metric.to_owned(),
            tags: Vec::new(),
        }
    }

    /// Reads a selector. Values may hold balanced braces; quotes (`"` or `'`) allow everything, with `\` as escape.
    ///
    /// # Errors
    /// [`SelectorError`] naming the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let trimmed = text.trim();
        let Some((metric, rest)) = trimmed.split_once('{') else {
            if trimmed.is_empty() {
                return Err(SelectorError::NoMetric(text.to_owned()));
            }
            if trimmed.contains('}') {
                return Err(SelectorError::Braces(text.to_owned()));
            }
            return Ok(Self::root(trimmed));
        };
        let metric = metric.trim();
        if metric.is_empty() {
            return Err(SelectorError::NoMetric(text.to_owned()));
        }
        if metric.contains('}') {
            return Err(SelectorError::Braces(text.to_owned()));
        }
        let inside = rest
            .strip_suffix('}')
            .ok_or_else(|| SelectorError::Braces(text.to_owned()))?;
        let mut tags: Vec<(String, String)> = Vec::new();
        for part in split(inside).ok_or_else(|| SelectorError::Braces(text.to_owned()))? {
            if part.trim().is_empty() {
                continue;
            }
            let (key, value) = pair(part).ok_or_else(|| SelectorError::Pair {
                text: text.to_owned(),
                part: part.trim().to_owned(),
            })?;
            if tags.iter().any(|(known, _)| *known == key) {
                return Err(SelectorError::Twice {
                    text: text.to_owned(),
                    key,
                });
            }
            tags.push((key, value));
        }
        tags.sort();
        Ok(Self {
            metric: metric.to_owned(),
            tags,
        })
    }
}

/// Splits at commas outside quotes and braces; `None` when a quote or a brace stays open.
fn split(inside: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    let mut quote = None;
    let mut escaped = false;
    let mut value_begins = false;
    for (at, c) in inside.char_indices() {
        if let Some(open) = quote {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == open => quote = None,
                _ => {}
            }
            continue;
        }
        match c {
            // A quote opens only where a value begins, so that `it's` needs none.
            '"' | '\'' if value_begins => quote = Some(c),
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        value_begins = c == ':' || (value_begins && c.is_whitespace());
    }
    if quote.is_some() || depth > 0 {
        return None;
    }
    parts.push(&inside[start..]);
    Some(parts)
}

fn pair(part: &str) -> Option<(String, String)> {
    let (key, value) = part.split_once(':')?;
    let (key, value) = (key.trim(), value.trim());
    // What is between braces of a key could not be told from what is between those of the tags.
    if key.is_empty() || key.contains(['{', '}']) || value.is_empty() {
        return None;
    }
    let Some(open) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return Some((key.to_owned(), value.to_owned()));
    };
    let body = value[1..].strip_suffix(open)?;
    let mut text = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next()?),
            _ if c == open => return None,
            _ => text.push(c),
        }
    }
    Some((key.to_owned(), text))
}

impl fmt::Display for Selector {
    /// The canonical key: tags sorted, quotes only where they are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if self.tags.is_empty() {
            return Ok(());
        }
        for (index, (key, value)) in self.tags.iter().enumerate() {
            f.write_str(if index == 0 { "{" } else { "," })?;
            if is_plain(value) {
                write!(f, "{key}:{value}")?;
            } else {
                write!(f, "{key}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))?;
            }
        }
        f.write_str("}")
    }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value.trim() == value
        && !value.contains(['"', '\'', '\\'])
        && split(value).is_some_and(|parts| parts == [value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        // (written, tags, printed)
        type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);
        let table: &[Row] = &[
            ("m", &[], "m"),
            (" m ", &[], "m"),
            ("m{}", &[], "m"),
            (
                "m{name:POST /api/orders}",
                &[("name", "POST /api/orders")],
                "m{name:POST /api/orders}",
            ),
            (
                "m{name:GET /api/orders/{id}}",
                &[("name", "GET /api/orders/{id}")],
                "m{name:GET /api/orders/{id}}",
            ),
            (
                r#"m{name:"GET /a/{id}"}"#,
                &[("name", "GET /a/{id}")],
                "m{name:GET /a/{id}}",
            ),
            // Braces that are not balanced, commas and quotes need quotes.
            (r#"m{a:"}{"}"#, &[("a", "}{")], r#"m{a:"}{"}"#),
            ("m{a:'x,y'}", &[("a", "x,y")], r#"m{a:"x,y"}"#),
            (
                r#"m{a:"say \"hi\" \\"}"#,
                &[("a", r#"say "hi" \"#)],
                r#"m{a:"say \"hi\" \\"}"#,
            ),
            ("m{a:it's, b:2}", &[("a", "it's"), ("b", "2")], r#"m{a:"it's",b:2}"#),
            // A comma within braces belongs to the value; a second colon too.
            (
                "m{url:http://h:1/{a,b}}",
                &[("url", "http://h:1/{a,b}")],
                "m{url:http://h:1/{a,b}}",
            ),
            // Sorted, whatever the order.
            ("m{ b : 2 , a : 1 , }", &[("a", "1"), ("b", "2")], "m{a:1,b:2}"),
        ];
        for (text, tags, printed) in table {
            let selector = Selector::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let tags: Vec<_> = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(selector.tags, tags, "{text}");
            assert_eq!(selector.to_string(), *printed, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let table = [
            ("", "names no metric"),
            ("{a:1}", "names no metric"),
            ("m{a:1", "not closed"),
            ("ma:1}", "not closed"),
            ("m}{a:1}", "not closed"),
            ("m{a:1}}", "not closed"),
            ("m{a:{1}", "not closed"),
            ("m{a:\"1}", "not closed"),
            ("m{a}", "`a` in `m{a}` is not `key:value`"),
            ("m{a:}", "is not `key:value`"),
            ("m{:1}", "is not `key:value`"),
            ("m{{a:}}", "`{a:}` in"),
            ("m{a:1,b}", "`b` in"),
            ("m{a:\"x\"y}", "is not `key:value`"),
            ("m{a:1,a:2}", "`a` occurs twice"),
        ];
        for (text, part) in table {
            let message = Selector::parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn parse_reads_back_what_is_printed(
            tags in prop::collection::btree_map("[a-z_]{1,4}", r#"[ a{}:,"'\\é]{0,6}"#, 0..4),
        ) {
            let selector = Selector { metric: "m".to_owned(), tags: tags.into_iter().collect() };
            prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[m{}:,"'\\ ]{0,12}"#) {
            if let Ok(selector) = Selector::parse(&text) {
                prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
            }
        }
    }
}
