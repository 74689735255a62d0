//! What the text of the repository may not hold: unsafe code, allowed lints, unwraps in production code, leftovers.

use crate::repo::{Finding, Repo};
use crate::rust::{mask, reads, test_code, test_files, tokens};

/// Uses of `unsafe`.
pub fn unsafe_code(repo: &Repo) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, text) in repo.under("", ".rs") {
        let masked = mask(text);
        let found = tokens(&masked).into_iter().filter(|t| t.text == "unsafe");
        out.extend(found.map(|t| Finding::new(path, t.line, "unsafe", "needs an audited module and an exception")));
    }
    out
}

/// Attributes that allow a lint, in any form.
pub fn allow_attributes(repo: &Repo) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, text) in repo.under("", ".rs") {
        let masked = mask(text);
        let tokens = tokens(&masked);
        for at in 1..tokens.len() {
            // `#[allow(…)]`, `#![allow(…)]`, `#[cfg_attr(…, allow(…))]`; a call of a function `allow` is none of them.
            let opens = tokens[at - 1].text == "[" || (tokens[at - 1].text == "," && in_attribute(&tokens, at));
            if opens && reads(&tokens, at, &["allow", "("]) {
                let advice = "use #[expect(lint, reason = \"…\")]";
                out.push(Finding::new(path, tokens[at].line, "allow", advice));
            }
        }
    }
    out
}

/// Whether the token at `at` stands inside an attribute.
fn in_attribute(tokens: &[crate::rust::Token<'_>], at: usize) -> bool {
    (0..at)
        .rev()
        .take(40)
        .any(|n| reads(tokens, n, &["[", "cfg_attr", "("]) && crate::rust::close(tokens, n) > at)
}

/// `.unwrap()` outside tests.
pub fn unwraps(repo: &Repo) -> Vec<Finding> {
    let tests = test_files(repo);
    let mut out = Vec::new();
    for (path, text) in repo.under("src/", ".rs") {
        if tests.iter().any(|test| test == path) {
            continue;
        }
        let masked = mask(text);
        let tokens = tokens(&masked);
        let in_test = test_code(&tokens);
        for at in 0..tokens.len() {
            if !in_test[at] && reads(&tokens, at, &[".", "unwrap", "(", ")"]) {
                let advice = "return an error, or say in `expect` why it cannot fail";
                out.push(Finding::new(path, tokens[at].line, "unwrap", advice));
            }
        }
    }
    out
}

/// Words and paths that are left over from making the text; split, so that this list does not find itself.
const MARKERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const PHRASES: &[&str] = &[
    concat!("session ", "transcript"),
    concat!("ag", "ent"),
    concat!("ag", "ents"),
];
const PATHS: &[&str] = &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];

/// Leftovers in the repository's own text. Data and lock files are made by programs.
pub fn banned(repo: &Repo) -> Vec<Finding> {
    let mut out = Vec::new();
    let own = |path: &str| path != "Cargo.lock" && !path.starts_with("LICENSE") && !path.starts_with("data/");
    for (path, text) in repo.files().filter(|(path, _)| own(path)) {
        for (n, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            let markers = MARKERS.iter().filter(|word| has_word(line, word));
            let phrases = PHRASES.iter().filter(|word| has_word(&lower, word));
            let paths = PATHS.iter().filter(|path| line.contains(**path));
            for what in markers.chain(phrases).chain(paths) {
                out.push(Finding::new(
                    path,
                    n + 1,
                    *what,
                    "does not belong into the project's text",
                ));
            }
        }
    }
    out
}

/// Whether a line has a word, bounded by what is not a letter or a digit. A user's HTTP client name is no finding.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let bounded = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        bounded && !before.trim_end_matches(['-', '_', ' ']).ends_with("user")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of the findings in a source file.
    fn lines(rule: fn(&Repo) -> Vec<Finding>, source: &str) -> Vec<usize> {
        rule(&Repo::of(&[("src/a.rs", source)]))
            .iter()
            .map(|f| f.line)
            .collect()
    }

    #[test]
    fn unsafe_code_is_found_and_its_mention_is_not() {
        assert_eq!(
            lines(unsafe_code, "// unsafe\nlet a = \"unsafe\";\nunsafe { f() }"),
            [3]
        );
    }

    #[test]
    fn allowed_lints_are_found() {
        let source =
            "#[allow(dead_code)]\n#![allow(x)]\n#[cfg_attr(test, allow(x))]\n#[expect(x)]\nallow(1);\nf(a, allow(b))";
        assert_eq!(lines(allow_attributes, source), [1, 2, 3]);
    }

    #[test]
    fn unwraps_are_found_outside_tests_only() {
        let source = "fn f() { a.unwrap() }\nfn g() { a.unwrap_or(1) }\n#[cfg(test)]\nmod tests { fn t() { a.unwrap() } }\nfn h() { b\n.unwrap() }";
        assert_eq!(lines(unwraps, source), [1, 6]);
        let repo = Repo::of(&[
            ("src/a.rs", "#[cfg(test)]\nmod tests;"),
            ("src/a/tests.rs", "x.unwrap()"),
        ]);
        assert_eq!(unwraps(&repo), []);
    }

    #[test]
    fn leftovers_are_found() {
        let (marker, who, place) = (MARKERS[0], PHRASES[1], PATHS[0]);
        // line, findings
        let table = [
            (format!("// {marker}: later"), 1),
            (format!("// {}", marker.to_lowercase()), 0),
            (format!("MAS{marker}S"), 0),
            (format!("written by an {who}."), 1),
            (
                format!("the user-{who} header, user_{who}, USER_{}", who.to_uppercase()),
                0,
            ),
            (format!("re{who}"), 0),
            (format!("see {place}notes"), 1),
        ];
        for (line, count) in table {
            assert_eq!(banned(&Repo::of(&[("docs/a.md", &line)])).len(), count, "{line}");
        }
        assert_eq!(banned(&Repo::of(&[("Cargo.lock", marker)])), []);
    }
}
