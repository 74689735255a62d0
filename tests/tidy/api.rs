//! That the three files of each Lua module agree: the Rust, the stub and the tests. That the opened table has what the
//! stub names is proved at run time, by the API's own tests.

use std::collections::BTreeSet;

use crate::repo::{Finding, Repo};

/// The stub of the table that holds the modules: it has neither Rust nor tests of its own stem, and its functions may be
/// tested with any module.
const ROOT: &str = "kt";

/// The stems of the files right in `src/api/` with a suffix.
fn stems_with<'a>(repo: &'a Repo, suffix: &'a str) -> BTreeSet<&'a str> {
    repo.under("src/api/", suffix)
        .filter_map(|(path, _)| path.strip_prefix("src/api/")?.strip_suffix(suffix))
        .filter(|stem| !stem.contains('/') && *stem != "mod")
        .collect()
}

/// Modules whose files are not all there.
pub fn stems(repo: &Repo) -> Vec<Finding> {
    let mut rust = stems_with(repo, ".rs");
    rust.extend(
        stems_with(repo, ".d.lua")
            .into_iter()
            .filter(|stem| repo.has(&format!("src/api/{stem}/mod.rs"))),
    );
    let (stubs, tests) = (stems_with(repo, ".d.lua"), stems_with(repo, ".test.lua"));
    let all: BTreeSet<&str> = rust.iter().chain(&stubs).chain(&tests).copied().collect();
    let mut out = Vec::new();
    for stem in all.into_iter().filter(|stem| *stem != ROOT) {
        for (set, suffix) in [(&rust, ".rs"), (&stubs, ".d.lua"), (&tests, ".test.lua")] {
            if !set.contains(stem) {
                let advice = "a Lua module is three files with one stem; a helper of several modules is an exception";
                let path = format!("src/api/{stem}{suffix}");
                out.push(Finding::new(&path, 1, "missing", advice));
            }
        }
    }
    out
}

/// Functions of stubs that no test names.
pub fn names(repo: &Repo) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, text) in repo.under("src/api/", ".d.lua") {
        let stem = path.trim_start_matches("src/api/").trim_end_matches(".d.lua");
        let own = format!("src/api/{stem}.test.lua");
        let tests: Vec<String> = repo
            .under("src/api/", ".test.lua")
            .filter(|(path, _)| stem == ROOT || *path == own)
            .map(|(_, text)| mask_lua(text))
            .collect();
        for (line, name) in functions(text) {
            if !tests.iter().any(|test| has_name(test, name)) {
                out.push(Finding::new(path, line, name, format!("is named by no test in {own}")));
            }
        }
    }
    out
}

/// The functions that a stub declares, with their lines: `function m.name(`, `function m:name(` and fields of type `fun`.
fn functions(stub: &str) -> Vec<(usize, &str)> {
    stub.lines()
        .enumerate()
        .filter_map(|(n, line)| Some((n + 1, function(line.trim())?)))
        .collect()
}

/// The function that one line of a stub declares.
fn function(line: &str) -> Option<&str> {
    if let Some(rest) = line.strip_prefix("function ") {
        let name = rest.split('(').next()?;
        return name.rsplit(['.', ':']).next().map(str::trim);
    }
    let mut words = line.strip_prefix("---@field ")?.split_whitespace();
    let name = words.next()?.trim_end_matches('?');
    words
        .next()?
        .trim_start_matches('(')
        .starts_with("fun(")
        .then_some(name)
}

/// Whether some Lua has a name as a word.
fn has_name(lua: &str, name: &str) -> bool {
    lua.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word == name)
}

/// Lua with its comments and the inside of its strings left out, so that naming a function there is not using it.
fn mask_lua(lua: &str) -> String {
    let mut out = String::new();
    let mut rest = lua;
    while let Some(first) = rest.chars().next() {
        let skipped = if let Some(body) = rest.strip_prefix("--") {
            2 + long_len(body).unwrap_or_else(|| body.find('\n').unwrap_or(body.len()))
        } else if first == '"' || first == '\'' {
            quoted_len(rest, first)
        } else {
            long_len(rest).unwrap_or(0)
        };
        if skipped == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.push(' ');
            rest = &rest[skipped..];
        }
    }
    out
}

/// The length of a quoted string with its quotes.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (n, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return n + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `[[…]]` or `[=[…]=]`, when one starts here.
fn long_len(text: &str) -> Option<usize> {
    let level = text.strip_prefix('[')?.bytes().take_while(|b| *b == b'=').count();
    text[1 + level..].starts_with('[').then(|| {
        let close = format!("]{}]", "=".repeat(level));
        text.find(&close).map_or(text.len(), |n| n + close.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_files_are_found() {
        let repo = Repo::of(&[
            ("src/api/mod.rs", ""),
            ("src/api/kt.d.lua", ""),
            ("src/api/whole.rs", ""),
            ("src/api/whole.d.lua", ""),
            ("src/api/whole.test.lua", ""),
            ("src/api/folder/mod.rs", ""),
            ("src/api/folder/part.rs", ""),
            ("src/api/folder.d.lua", ""),
            ("src/api/folder.test.lua", ""),
            ("src/api/bare.rs", ""),
            ("src/api/untested.rs", ""),
            ("src/api/untested.d.lua", ""),
        ]);
        let missing: Vec<String> = stems(&repo).into_iter().map(|f| f.path).collect();
        let expected = [
            "src/api/bare.d.lua",
            "src/api/bare.test.lua",
            "src/api/untested.test.lua",
        ];
        assert_eq!(missing, expected);
    }

    #[test]
    fn untested_functions_are_found() {
        let stub = "---@meta kt.a\n---@field seen fun(): boolean\n---@field unseen? fun()\n---@field size integer\nlocal a = {}\nfunction a.get(x) end\nfunction a:put(x) end\nfunction a.gone() end\n";
        let test = "-- gone\ntest(\"unseen [[\", function()\n  a.get(1)\n  a:put { seen = f }\n  --[[ gone\n ]] local s = [[ gone ]] .. 'gone'\nend)\n";
        let repo = Repo::of(&[
            ("src/api/a.d.lua", stub),
            ("src/api/a.test.lua", test),
            ("src/api/kt.d.lua", "function kt.get() end\nfunction kt.other() end"),
        ]);
        let found: Vec<(usize, String)> = names(&repo).into_iter().map(|f| (f.line, f.what)).collect();
        let expected = [(3, "unseen"), (8, "gone"), (2, "other")].map(|(n, s)| (n, s.to_owned()));
        assert_eq!(found, expected);
    }
}
