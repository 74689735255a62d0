//! How long files and functions may be, and that each file opens with what it is for.

use crate::repo::{Finding, Repo};
use crate::rust::{close, item_end, mask, reads, tokens};

/// Files over this are listed.
pub const SOFT_CAP: usize = 400;
/// Files over this fail.
const HARD_CAP: usize = 600;
/// Lines of code in a function; blank lines, comments and the inside of strings do not count.
const FUNCTION_CAP: usize = 60;

/// Rust and Lua files with the number of their lines.
fn lengths(repo: &Repo) -> impl Iterator<Item = (&str, usize)> {
    repo.files()
        .filter(|(path, _)| path.ends_with(".rs") || path.ends_with(".lua"))
        .map(|(path, text)| (path, text.lines().count()))
}

/// Files between the soft and the hard cap.
pub fn over_the_soft_cap(repo: &Repo) -> Vec<(String, usize)> {
    lengths(repo)
        .filter(|(_, lines)| (SOFT_CAP + 1..=HARD_CAP).contains(lines))
        .map(|(path, lines)| (path.to_owned(), lines))
        .collect()
}

/// Files over the hard cap.
pub fn files(repo: &Repo) -> Vec<Finding> {
    lengths(repo)
        .filter(|(_, lines)| *lines > HARD_CAP)
        .map(|(path, lines)| {
            Finding::new(
                path,
                lines,
                "length",
                format!("{lines} lines, over {HARD_CAP}: split by noun"),
            )
        })
        .collect()
}

/// Functions that are too long.
pub fn functions(repo: &Repo) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, text) in repo.under("", ".rs") {
        let masked = mask(text);
        let lines: Vec<&str> = masked.lines().collect();
        let tokens = tokens(&masked);
        for at in (0..tokens.len()).filter(|at| tokens[*at].text == "fn") {
            // `fn(` is a pointer type and `fn $name` a macro's; a declaration without a body is short.
            let Some(name) = tokens
                .get(at + 1)
                .filter(|t| t.text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
            else {
                continue;
            };
            let last = item_end(&tokens, at + 1) - 1;
            let body = &lines[tokens[at].line - 1..tokens[last].line];
            let code = body.iter().filter(|line| !line.trim().is_empty()).count();
            if code > FUNCTION_CAP {
                let advice = format!("{code} lines of code, over {FUNCTION_CAP}");
                out.push(Finding::new(path, name.line, name.text, advice));
            }
        }
    }
    out
}

/// Files that do not open with `//!`.
pub fn headers(repo: &Repo) -> Vec<Finding> {
    repo.under("", ".rs")
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| {
            Finding::new(
                path,
                1,
                "header",
                "opens with `//!`: one sentence of purpose, then what is not here",
            )
        })
        .collect()
}

/// A function's text with a number of statements.
#[cfg(test)]
fn sample(name: &str, statements: usize) -> String {
    format!(
        "fn {name}(x: [u8; 2]) -> Vec<u8>\n{{\n{}}}\n",
        "    f();\n".repeat(statements)
    )
}

#[test]
fn long_files_are_found() {
    let (long, soft, short) = ("x\n".repeat(601), "x\n".repeat(600), "x\n".repeat(400));
    let repo = Repo::of(&[("a.rs", &long), ("b.lua", &soft), ("c.rs", &short), ("d.md", &long)]);
    assert_eq!(
        files(&repo).iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
        ["a.rs"]
    );
    assert_eq!(over_the_soft_cap(&repo), [("b.lua".to_owned(), 600)]);
}

#[test]
fn long_functions_are_found() {
    let source = format!(
        "trait T {{ fn declared(); }}\ntype P = fn(u8);\n{}// {{\n\n{}impl A {{ {} }}",
        sample("fits", 57),
        sample("long", 58),
        sample("inner", 70).replace("f();", "// only a comment")
    );
    let found = functions(&Repo::of(&[("a.rs", &source)]));
    assert_eq!(
        found.iter().map(|f| f.what.as_str()).collect::<Vec<_>>(),
        ["long"],
        "{found:?}"
    );
}

#[test]
fn missing_headers_are_found() {
    let repo = Repo::of(&[("a.rs", "//! Purpose."), ("b.rs", "use x;"), ("c.rs", "// Purpose.")]);
    assert_eq!(
        headers(&repo).iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
        ["b.rs", "c.rs"]
    );
}

#[test]
fn a_function_ends_where_its_body_closes() {
    let tokens = tokens("fn a() { if x { y } } fn b() {}");
    let open = tokens
        .iter()
        .position(|t| t.text == "{")
        .expect("the sample has a body");
    assert!(reads(&tokens, close(&tokens, open), &["fn", "b"]));
}
