//! Just enough of Rust's lexical grammar to read source without being fooled by comments and strings. Not a parser.

use crate::repo::Repo;

/// A word, `::`, or one other character of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// As written.
    pub text: &'a str,
    /// 1-based.
    pub line: usize,
}

/// Source with comments, strings and character literals blanked; line breaks and offsets are kept.
pub fn mask(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = blank_end(source, at);
        if end > at {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else {
            at += word_len(&bytes[at..]).max(1);
        }
    }
    String::from_utf8(out).expect("blanking replaces whole characters by spaces")
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts there.
fn blank_end(source: &str, at: usize) -> usize {
    let rest = &source[at..];
    if rest.starts_with("//") {
        return at + rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return at + block_comment_len(rest);
    }
    // b"…", c"…", r#"…"#, br"…": the prefix, the hashes, the quote.
    let prefix = ["br", "cr", "b", "c", "r", ""]
        .into_iter()
        .find(|p| {
            let after = rest.strip_prefix(p).map(|r| r.trim_start_matches('#'));
            after.is_some_and(|r| r.starts_with('"'))
        })
        .filter(|p| p.ends_with('r') || rest[p.len()..].starts_with('"'));
    if let Some(prefix) = prefix {
        return at + string_len(rest, prefix);
    }
    if let Some(body) = rest.strip_prefix('\'') {
        return at + char_len(body).map_or(0, |len| len + 1);
    }
    at
}

/// The length of a nested block comment.
fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a string literal, raw or not, with its prefix.
fn string_len(rest: &str, prefix: &str) -> usize {
    let hashes = rest[prefix.len()..].bytes().take_while(|b| *b == b'#').count();
    let start = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        return rest[start..]
            .find(&close)
            .map_or(rest.len(), |n| start + n + close.len());
    }
    quoted_len(&rest[start..], b'"').map_or(rest.len(), |n| start + n)
}

/// The length up to and with the closing quote, backslashes heeded.
fn quoted_len(body: &str, quote: u8) -> Option<usize> {
    let mut escaped = false;
    for (n, byte) in body.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return Some(n + 1),
            _ => {}
        }
    }
    None
}

/// The length of a character literal after its first quote; `None` for a lifetime.
fn char_len(body: &str) -> Option<usize> {
    let first = body.chars().next()?;
    if first == '\\' {
        return quoted_len(body, b'\'');
    }
    body[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8() + 1)
}

/// The length of the word at the start of some bytes; 0 when there is none.
fn word_len(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || !b.is_ascii())
        .count()
}

/// The tokens of masked source.
pub fn tokens(masked: &str) -> Vec<Token<'_>> {
    let (mut out, mut line, mut at) = (Vec::new(), 1, 0);
    while at < masked.len() {
        let rest = &masked.as_bytes()[at..];
        let len = match word_len(rest) {
            0 if rest.starts_with(b"::") => 2,
            0 => 1,
            n => n,
        };
        if rest[0] == b'\n' {
            line += 1;
        }
        if !rest[0].is_ascii_whitespace() {
            let text = &masked[at..at + len];
            out.push(Token { text, line });
        }
        at += len;
    }
    out
}

/// Whether the tokens from `at` on read as given.
pub fn reads(tokens: &[Token<'_>], at: usize, words: &[&str]) -> bool {
    tokens.len() >= at + words.len() && words.iter().zip(&tokens[at..]).all(|(w, t)| *w == t.text)
}

/// The index after the bracket that closes the one at `open`.
pub fn close(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0usize;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return n + 1;
        }
    }
    tokens.len()
}

/// The index after the item that starts at `at`: its `;` or its body.
pub fn item_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].text {
            ";" => return at + 1,
            "{" => return close(tokens, at),
            "(" | "[" => at = close(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// For each token, whether it belongs to an item under `#[cfg(test)]`.
pub fn test_code(tokens: &[Token<'_>]) -> Vec<bool> {
    let mut out = vec![false; tokens.len()];
    let mut at = 0;
    while at < tokens.len() {
        if !is_cfg_test(tokens, at) {
            at += 1;
            continue;
        }
        let end = item_end(tokens, after_attributes(tokens, at));
        out[at..end].fill(true);
        at = end;
    }
    out
}

/// Whether an attribute `#[cfg(test)]` or `#[cfg(all(test, …))]` starts at `at`.
fn is_cfg_test(tokens: &[Token<'_>], at: usize) -> bool {
    reads(tokens, at, &["#", "[", "cfg", "("]) && {
        let inside = &tokens[at + 4..close(tokens, at + 1)];
        inside.iter().any(|t| t.text == "test") && !inside.iter().any(|t| t.text == "not" || t.text == "any")
    }
}

/// The index after the attributes that start at `at`.
fn after_attributes(tokens: &[Token<'_>], mut at: usize) -> usize {
    while reads(tokens, at, &["#", "["]) {
        at = close(tokens, at + 1);
    }
    at
}

/// The files that are test code as a whole: they are declared as `#[cfg(test)] mod name;`, or open with `#![cfg(test)]`.
pub fn test_files(repo: &Repo) -> Vec<String> {
    let mut out = Vec::new();
    for (path, text) in repo.under("src/", ".rs") {
        let masked = mask(text);
        let tokens = tokens(&masked);
        if reads(&tokens, 0, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
            out.push(path.to_owned());
        }
        for at in (0..tokens.len()).filter(|at| is_cfg_test(&tokens, *at)) {
            let item = after_attributes(&tokens, at);
            if reads(&tokens, item, &["mod"]) && reads(&tokens, item + 2, &[";"]) {
                let folder = match path.strip_suffix("/mod.rs").or(path.strip_suffix("/lib.rs")) {
                    Some(folder) => folder,
                    None => path.trim_end_matches(".rs"),
                };
                let module = format!("{folder}/{}", tokens[item + 1].text);
                let inside = format!("{module}/");
                let files = repo.under("src/", ".rs").map(|(p, _)| p);
                out.extend(
                    files
                        .filter(|p| *p == format!("{module}.rs") || p.starts_with(&inside))
                        .map(String::from),
                );
            }
        }
    }
    out
}

#[test]
fn comments_and_literals_are_blanked() {
    // source, what is left of it without white space
    let table = [
        ("a // b\nc", "ac"),
        ("a /* b /* c */ d */ e", "ae"),
        (r#"a("b \" c", d)"#, "a(,d)"),
        (r###"a(r#"b " c"#, br"d\", c"e")"###, "a(,,)"),
        (r"f('{', '\'', '\u{7b}', b'}')", "f(,,,b)"),
        ("fn f<'a>(x: &'a str)", "fnf<'a>(x:&'astr)"),
        ("r#type.bar(\"é {\")", "r#type.bar()"),
        ("'é'; for_r\"x\"", ";for_r"),
    ];
    for (source, left) in table {
        let squeezed: String = mask(source).split_whitespace().collect();
        assert_eq!(squeezed, left, "{source}");
        assert_eq!(mask(source).len(), source.len());
    }
}

#[test]
fn test_items_are_told_from_the_rest() {
    let source =
        "fn a() {} #[cfg(test)] #[x] mod t { fn b() {} } #[cfg(not(test))] fn c() {} #[cfg(test)] use d; fn e() {}";
    let tokens = tokens(source);
    let tests = test_code(&tokens);
    // word, in test code
    for (word, expected) in [("a", false), ("b", true), ("c", false), ("d", true), ("e", false)] {
        let at = tokens.iter().position(|t| t.text == word).expect("the sample has it");
        assert_eq!(tests[at], expected, "{word}");
    }
}

#[test]
fn files_declared_for_tests_are_test_files() {
    let repo = Repo::of(&[
        ("src/a/mod.rs", "mod b;\n#[cfg(test)]\nmod tests;"),
        ("src/a/b.rs", "#[cfg(test)] mod t;"),
        ("src/a/b/t.rs", ""),
        ("src/a/c.rs", "//! Purpose.\n#![cfg(test)]\nuse x;"),
        ("src/a/tests.rs", ""),
    ]);
    assert_eq!(test_files(&repo), ["src/a/b/t.rs", "src/a/c.rs", "src/a/tests.rs"]);
}
