//! Finds where a plan key is written in the source, because Lua tables do not remember where they were made. A hint for
//! people, by tokens; what is computed is not found.

use std::ops::Range;

use super::tokens::{Kind, Span, Token, close, tokens};

/// Where a key of the plan is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The key.
    pub key: Span,
    /// Its value, unless only the table around the wanted key was found.
    pub value: Option<Span>,
}

/// One `key = value` of a table constructor, as places in the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `name`, or `[2]` for the second of a list.
    pub name: String,
    /// The key's tokens; those of the value for an item of a list.
    pub key: Range<usize>,
    /// The value's tokens.
    pub value: Range<usize>,
}

/// The last of `path` that is written in the plan that `source` returns.
#[must_use]
pub fn find(source: &str, path: &[String]) -> Option<Found> {
    let tokens = tokens(source);
    let found = match plan(&tokens) {
        Some(open) => descend(&tokens, open, path),
        None => None,
    };
    found.or_else(|| anywhere(&tokens, path))
}

/// Where the constructor of the returned table opens.
pub(super) fn plan(tokens: &[Token<'_>]) -> Option<usize> {
    let mut at = 0;
    let mut returned = None;
    while at < tokens.len() {
        if tokens[at].is("return") {
            returned = Some(at + 1);
        }
        at = close(tokens, at).max(at + 1);
    }
    table_at(tokens, returned?)
}

/// The table constructor that the value at `at` is, or the last one that its name was given.
pub(super) fn table_at(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let value = tokens.get(at)?;
    if value.is("{") {
        return Some(at);
    }
    let goes_on = tokens
        .get(at + 1)
        .is_some_and(|next| matches!(next.kind, Kind::Text) || [".", ":", "(", "[", "{", ".."].contains(&next.text));
    if !value.is_name() || goes_on {
        return None;
    }
    (0..at).rev().find(|&n| {
        let assigned = tokens[n].is("{") && n >= 2 && tokens[n - 1].is("=") && tokens[n - 2].text == value.text;
        let a_field = n >= 3 && [".", ":"].contains(&tokens[n - 3].text);
        assigned && !a_field
    })
}

/// The entries of the table constructor that opens at `open`.
pub(super) fn entries(tokens: &[Token<'_>], open: usize) -> Vec<Entry> {
    let end = close(tokens, open);
    let (mut at, mut place) = (open + 1, 0);
    let mut all = Vec::new();
    while at < end && !tokens[at].is("}") {
        let (name, value) = match key(tokens, at) {
            Some((name, length)) => (name, at + length + 1),
            None => {
                place += 1;
                (format!("[{place}]"), at)
            }
        };
        let mut last = value;
        while last < end && ![",", ";", "}"].iter().any(|mark| tokens[last].is(mark)) {
            last = close(tokens, last).max(last + 1);
        }
        let last = last.min(end);
        let key = if value > at { at..value - 1 } else { value..last };
        all.push(Entry {
            name,
            key,
            value: value..last,
        });
        at = last + usize::from(tokens.get(last).is_some_and(|mark| !mark.is("}")));
    }
    all
}

/// The key that is written at `at` with a `=` after it, and the number of its tokens.
fn key(tokens: &[Token<'_>], at: usize) -> Option<(String, usize)> {
    let assigned = |at: usize| tokens.get(at).is_some_and(|token| token.is("="));
    let first = tokens.get(at)?;
    if first.is_name() && assigned(at + 1) {
        return Some((first.text.to_owned(), 1));
    }
    let inside = tokens.get(at + 1).filter(|_| first.is("["))?;
    if !tokens.get(at + 2)?.is("]") || !assigned(at + 3) {
        return None;
    }
    match inside.kind {
        Kind::Number => Some((format!("[{}]", inside.text), 3)),
        _ => Some((inside.string()?, 3)),
    }
}

fn descend(tokens: &[Token<'_>], open: usize, path: &[String]) -> Option<Found> {
    let (wanted, rest) = path.split_first()?;
    let Some(entry) = entries(tokens, open).into_iter().find(|entry| entry.name == *wanted) else {
        // A list of tables may be between the two.
        let mut inside = open + 1..close(tokens, open);
        let (at, length) = inside.find_map(|at| {
            let (name, length) = key(tokens, at)?;
            (name == *wanted).then_some((at, length))
        })?;
        return Some(Found {
            key: Span::of(&tokens[at..at + length])?,
            value: None,
        });
    };
    let found = Found {
        key: Span::of(&tokens[entry.key])?,
        value: Span::of(&tokens[entry.value.clone()]).filter(|_| rest.is_empty()),
    };
    let inner = table_at(tokens, entry.value.start).filter(|_| !rest.is_empty());
    Some(inner.and_then(|open| descend(tokens, open, rest)).unwrap_or(found))
}

/// The keys of `path`, each after the one before it, where the returned table is not written in one piece. The plan is
/// usually at the end, so the outermost key is looked for from there.
fn anywhere(tokens: &[Token<'_>], path: &[String]) -> Option<Found> {
    let keys: Vec<(usize, String, usize)> = (0..tokens.len())
        .filter_map(|at| key(tokens, at).map(|(name, length)| (at, name, length)))
        .collect();
    let mut found: Option<usize> = None;
    for wanted in path {
        let next = match found {
            None => keys.iter().rposition(|(_, name, _)| name == wanted),
            Some(last) => (last + 1..keys.len()).find(|index| keys[*index].1 == *wanted),
        };
        let Some(next) = next else { break };
        found = Some(next);
    }
    let (at, _, length) = &keys[found?];
    Some(Found {
        key: Span::of(&tokens[*at..at + length])?,
        value: None,
    })
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
            c = { rate = 1, exec = function() local y = 1 end,\n\
              duration = 3 },\n\
            d = { stages = { { duration = 1 }, { duration =\n 2 } } },\n\
          },\n\
          thresholds = { [\"m{name:x}\"] = 'p(95)<1', n = { { abortOnFail = 1 } } },\n\
        }\n";

    type Row = (&'static [&'static str], Option<(u32, &'static str)>);

    /// The line and the text of what is found.
    fn found<'a>(source: &'a str, path: &[&str]) -> Option<(u32, &'a str)> {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        let key = find(source, &path)?.key;
        Some((key.line, &source[key.bytes]))
    }

    #[test]
    fn nested_keys_are_found_and_comments_and_strings_are_not() {
        // path, the line and text of what is found
        let table: &[Row] = &[
            (&["scenarios"], Some((6, "scenarios"))),
            (&["scenarios", "a b", "duration"], Some((7, "duration"))),
            (&["scenarios", "a b", "exec"], Some((7, "['a b']"))),
            (&["scenarios", "c", "duration"], Some((9, "duration"))),
            (&["scenarios", "c", "nowhere"], Some((8, "c"))),
            (&["scenarios", "d", "stages", "[2]", "duration"], Some((10, "duration"))),
            (
                &["scenarios", "d", "stages", "[1]", "target"],
                Some((10, "{ duration = 1 }")),
            ),
            (&["thresholds", "m{name:x}"], Some((13, "[\"m{name:x}\"]"))),
            (&["thresholds", "n", "abortOnFail"], Some((13, "abortOnFail"))),
            (&["nowhere"], None),
        ];
        for (path, expected) in table {
            assert_eq!(found(SOURCE, path), *expected, "{path:?}");
        }
    }

    #[test]
    fn names_are_followed_to_their_tables() {
        let source = "local browse = { rate = 1 }\nlocal plan = { scenarios = { a = browse } }\nreturn plan\n";
        assert_eq!(found(source, &["scenarios", "a", "rate"]), Some((1, "rate")));
        assert_eq!(found(source, &["scenarios", "a", "gone"]), Some((2, "a")));
        let built = "local plan = {}\nplan.scenarios = { a = { rate = 1 } }\nreturn plan\n";
        assert_eq!(
            found(built, &["scenarios", "a", "rate"]),
            Some((2, "rate")),
            "not in one piece"
        );
        assert_eq!(
            found("return make { scenarios = 1 }", &["scenarios"]),
            Some((1, "scenarios"))
        );
    }

    #[test]
    fn values_are_known_too() {
        let nested = "local kt = require \"kt\"\nlocal function go() end\nreturn {\n  scenarios = { a = { executor = \"x\", exec = go() } },\n}";
        let path: Vec<String> = ["scenarios", "a", "exec"].map(str::to_owned).into();
        let value = find(nested, &path).unwrap().value.unwrap();
        assert_eq!(&nested[value.bytes], "go()");
        let path = ["exec".to_owned()];
        let source = "return { exec = go(1, { 2 }), http = {} }";
        let value = find(source, &path).unwrap().value.unwrap();
        assert_eq!(&source[value.bytes], "go(1, { 2 })");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}", key in "[a-z]{1,3}") {
            let _ = find(&text, &[key]);
        }

        #[test]
        fn odd_lua_is_survived(parts in proptest::collection::vec(proptest::sample::select(vec!["--", "[[", "]]", "[=[", "\"", "'", "\\", "a=", "[", "]", "\n", "x", "=", "{", "}", "return ", "end", ","]), 0..40)) {
            let _ = find(&parts.concat(), &["a".into(), "x".into()]);
        }
    }
}
