//! Lua source as tokens with their places: enough to find a key, a name or an expression for a message. Not a parser.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// A string in any quotes.
    Text,
    /// A number.
    Number,
    /// An operator or a bracket.
    Symbol,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As written.
    pub text: &'a str,
    /// 1-based.
    pub line: u32,
    /// Where it begins in the source, in bytes.
    pub start: usize,
}

/// Words that cannot be names.
const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
    "repeat", "return", "then", "true", "until", "while",
];

/// Symbols of more than one character, longest first; those of other languages too, because people write them.
const LONG: [&str; 19] = [
    "...", "..", "==", "~=", "<=", ">=", "::", "//", "!=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "->", "=>",
];

impl<'a> Token<'a> {
    /// Whether it is a name, not a keyword.
    #[must_use]
    pub fn is_name(&self) -> bool {
        self.kind == Kind::Word && !KEYWORDS.contains(&self.text)
    }

    /// Whether it is this symbol or word.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Word | Kind::Symbol)
    }

    /// Where it ends in the source.
    #[must_use]
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// What a string in plain quotes holds, escapes of quotes undone.
    #[must_use]
    pub fn string(&self) -> Option<String> {
        let inside = self.text.strip_prefix(['"', '\''])?;
        let inside = inside.strip_suffix(['"', '\'']).unwrap_or(inside);
        (self.kind == Kind::Text).then(|| inside.replace("\\\"", "\"").replace("\\'", "'"))
    }
}

/// The tokens of a source, comments left out. Any text gives some.
#[must_use]
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut all = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < source.len() {
        let rest = &source[at..];
        let (length, kind) = next(rest);
        if let Some(kind) = kind {
            all.push(Token {
                kind,
                text: &rest[..length],
                line,
                start: at,
            });
        }
        let breaks = rest[..length].bytes().filter(|byte| *byte == b'\n').count();
        line += u32::try_from(breaks).unwrap_or(0);
        at += length;
    }
    all
}

/// The length of what a text begins with, and what it is; white space and comments are nothing.
fn next(text: &str) -> (usize, Option<Kind>) {
    let first = text.chars().next().unwrap_or(' ');
    let run = |belongs: fn(char) -> bool| text.find(|c| !belongs(c)).unwrap_or(text.len());
    if first.is_whitespace() {
        return (run(char::is_whitespace), None);
    }
    if let Some(comment) = text.strip_prefix("--") {
        // `n--` is no comment to those who write it, but it is one to Lua.
        let length = long(comment).unwrap_or_else(|| comment.find('\n').unwrap_or(comment.len()));
        return (2 + length, None);
    }
    if first.is_alphabetic() || first == '_' {
        return (run(|c| c.is_alphanumeric() || c == '_'), Some(Kind::Word));
    }
    if first.is_ascii_digit() {
        return (number(text), Some(Kind::Number));
    }
    if matches!(first, '"' | '\'' | '`') {
        return (quoted(text, first), Some(Kind::Text));
    }
    if let Some(length) = long(text) {
        return (length, Some(Kind::Text));
    }
    let symbol = LONG.iter().find(|symbol| text.starts_with(**symbol));
    (
        symbol.map_or(first.len_utf8(), |symbol| symbol.len()),
        Some(Kind::Symbol),
    )
}

/// The length of a number; `1..2` is a number and two dots.
fn number(text: &str) -> usize {
    let mut length = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
        .unwrap_or(text.len());
    if let Some(dots) = text[..length].find("..") {
        length = dots;
    }
    length.max(1)
}

/// The length of a quoted string; one that is not closed ends with its line.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' if !escaped => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a long bracket, `[[…]]` or `[=[…]=]`, when the text begins with one.
fn long(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('[')?;
    let level = rest.bytes().take_while(|byte| *byte == b'=').count();
    let body = rest[level..].strip_prefix('[')?;
    let close = format!("]{}]", "=".repeat(level));
    let end = body.find(&close).map_or(body.len(), |end| end + close.len());
    Some(level + 2 + end)
}

/// The index after the bracket or block that opens at `open`: `{ … }`, `( … )`, `[ … ]`, `function … end` and its like.
/// The number of tokens when it is not closed.
#[must_use]
pub fn close(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            _ if token.kind == Kind::Text => {}
            "{" | "(" | "[" | "function" | "do" | "if" | "repeat" => depth += 1,
            "}" | ")" | "]" | "end" | "until" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// A part of a source that a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The line where it begins, 1-based.
    pub line: u32,
    /// What it covers of the source, in bytes; may be longer than the line.
    pub bytes: Range<usize>,
}

impl Span {
    /// From the first of some tokens to the last; `None` for none.
    #[must_use]
    pub fn of(tokens: &[Token<'_>]) -> Option<Self> {
        let (first, last) = (tokens.first()?, tokens.last()?);
        Some(Self {
            line: first.line,
            bytes: first.start..last.end(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).iter().map(|token| token.text).collect()
    }

    #[test]
    fn sources_are_cut_into_tokens() {
        // source, tokens
        let table: &[(&str, &[&str])] = &[
            ("a.b:c 'x\\'y' -- z", &["a", ".", "b", ":", "c", "'x\\'y'"]),
            ("x = 1..2 --[[ a\n]] y", &["x", "=", "1", "..", "2", "y"]),
            (
                "[[a]b]] [=[ ]] ]=] t[1]",
                &["[[a]b]]", "[=[ ]] ]=]", "t", "[", "1", "]"],
            ),
            ("a ~= b != c && n++", &["a", "~=", "b", "!=", "c", "&&", "n", "++"]),
            ("\"open\nx", &["\"open", "x"]),
            ("é = \"ü\"", &["é", "=", "\"ü\""]),
            ("0x1f 1e5 1.5", &["0x1f", "1e5", "1.5"]),
        ];
        for (source, expected) in table {
            assert_eq!(texts(source), *expected, "{source}");
        }
        let lines: Vec<u32> = tokens("a\n--[[\n]] b [[\n]]\nc")
            .iter()
            .map(|token| token.line)
            .collect();
        assert_eq!(lines, [1, 3, 3, 5]);
    }

    #[test]
    fn brackets_and_blocks_are_closed() {
        // source, the text of the tokens from the first to its end
        let table = [
            ("{ a = { 1 } } x", "{ a = { 1 } }"),
            (
                "{ f = function() if a then b() end end, c } x",
                "{ f = function ( ) if a then b ( ) end end , c }",
            ),
            (
                "function() for i = 1, 2 do x() end repeat until y end z",
                "function ( ) for i = 1 , 2 do x ( ) end repeat until y end",
            ),
            ("x y", "x"),
            ("'(' y", "'('"),
            ("{ a", "{ a"),
        ];
        for (source, expected) in table {
            let all = tokens(source);
            let inside: Vec<&str> = all[..close(&all, 0)].iter().map(|token| token.text).collect();
            assert_eq!(inside.join(" "), expected, "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}") {
            let all = tokens(&text);
            proptest::prop_assert!(all.iter().all(|token| &text[token.start..token.end()] == token.text));
            let _ = close(&all, 0);
        }

        #[test]
        fn odd_lua_is_survived(parts in proptest::collection::vec(proptest::sample::select(vec!["--", "[[", "]]", "[=[", "\"", "'", "\\", "a=", "[", "]", "\n", "x", "=", "{", "end", "é"]), 0..40)) {
            let source = parts.concat();
            let all = tokens(&source);
            proptest::prop_assert!(all.iter().all(|token| !token.text.is_empty()));
        }
    }
}
