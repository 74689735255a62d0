//! Finds the line of a plan key in the source, because Lua tables do not remember where they were written. A hint for
//! people, by tokens; not a parser.

/// The 1-based line of the last of `path`, when each key is found after the one before it.
#[must_use]
pub fn line_of(source: &str, path: &[String]) -> Option<u32> {
    let keys = keys(source);
    let mut found = None;
    let mut from = 0;
    for wanted in path {
        // The plan is usually at the end: prefer the last place where the outermost key is written.
        let position = if found.is_none() {
            keys.iter().rposition(|(key, _)| key == wanted)
        } else {
            keys[from..]
                .iter()
                .position(|(key, _)| key == wanted)
                .map(|index| index + from)
        };
        let Some(position) = position else { break };
        from = position + 1;
        found = Some(keys[position].1);
    }
    found
}

/// Every `name =` and `["name"] =` with its line, comments and strings passed over.
fn keys(source: &str) -> Vec<(String, u32)> {
    let bytes = source.as_bytes();
    let mut keys = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'-' if bytes[at..].starts_with(b"--") => at = skip_comment(bytes, at),
            b'[' if long_bracket(bytes, at).is_some() => at = skip_long(bytes, at),
            b'[' => {
                if let Some((name, end)) = bracket_key(bytes, at) {
                    keys.push((name, line));
                    at = end;
                } else {
                    at += 1;
                }
            }
            quote @ (b'"' | b'\'') => at = skip_string(bytes, at, quote),
            first if first.is_ascii_alphabetic() || first == b'_' => {
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
                    at += 1;
                }
                if is_assignment(bytes, at) {
                    keys.push((String::from_utf8_lossy(&bytes[start..at]).into_owned(), line));
                }
            }
            _ => at += 1,
        }
        line += u32::try_from(
            bytes[start..at.min(bytes.len())]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count(),
        )
        .unwrap_or(0);
    }
    keys
}

fn is_assignment(bytes: &[u8], at: usize) -> bool {
    let rest = &bytes[at.min(bytes.len())..];
    let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    rest.get(space) == Some(&b'=') && rest.get(space + 1) != Some(&b'=')
}

fn bracket_key(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let quote = *bytes.get(at + 1)?;
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let end = skip_string(bytes, at + 1, quote);
    (bytes.get(end) == Some(&b']') && is_assignment(bytes, end + 1)).then(|| {
        (
            String::from_utf8_lossy(&bytes[at + 2..end - 1]).replace("\\\"", "\""),
            end + 1,
        )
    })
}

fn skip_string(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != quote && bytes[at] != b'\n' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn long_bracket(bytes: &[u8], at: usize) -> Option<usize> {
    let level = bytes[at + 1..].iter().take_while(|byte| **byte == b'=').count();
    (bytes.get(at + 1 + level) == Some(&b'[')).then_some(level)
}

fn skip_long(bytes: &[u8], at: usize) -> usize {
    let level = long_bracket(bytes, at).unwrap_or(0);
    let close: Vec<u8> = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
    let body = at + level + 2;
    bytes[body..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(bytes.len(), |end| body + end + close.len())
}

fn skip_comment(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 2) == Some(&b'[') && long_bracket(bytes, at + 2).is_some() {
        return skip_long(bytes, at + 2);
    }
    bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |end| at + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "local x = { duration = 1 } -- scenarios = { a = 1 }\n\
        --[[ scenarios = {\n ]]\n\
        return {\n\
          http = { duration = 'x = 1' },\n\
          scenarios = {\n\
            ['a b'] = { rate = 1, duration = 2 },\n\
            c = { rate = 1,\n\
              duration = 3 },\n\
          },\n\
          thresholds = { [\"m{name:x}\"] = 'p(95)<1' },\n\
        }\n";

    #[test]
    fn finds_nested_keys_and_ignores_comments_and_strings() {
        let table: [(&[&str], Option<u32>); 6] = [
            (&["scenarios"], Some(6)),
            (&["scenarios", "a b", "duration"], Some(7)),
            (&["scenarios", "c", "duration"], Some(9)),
            (&["thresholds", "m{name:x}"], Some(11)),
            (&["scenarios", "c", "nowhere"], Some(8)),
            (&["nowhere"], None),
        ];
        for (path, line) in table {
            let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(line_of(SOURCE, &path), line, "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}", key in "[a-z]{1,3}") {
            let _ = line_of(&text, &[key]);
        }

        #[test]
        fn odd_lua_is_survived(parts in proptest::collection::vec(proptest::sample::select(vec!["--", "[[", "]]", "[=[", "\"", "'", "\\", "a=", "[", "]", "\n", "x", "="]), 0..40)) {
            let _ = line_of(&parts.concat(), &["a".into()]);
        }
    }
}
