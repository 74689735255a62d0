//! That every path and link that a document names exists. Addresses outside the repository are not followed.

use crate::repo::{Finding, Repo};

/// A word of a document that starts so names a path of the repository.
const ROOTS: &[&str] = &[
    "src/", "tests/", "docs/", "scripts/", "lib-lua/", "data/", "benches/", "fuzz/", "results/", ".github/", ".ci/",
    "./",
];

/// Characters of placeholders and patterns: a word that has one names no single path.
const PATTERN: &[char] = &['*', '<', '>', '{', '}', '$', '…', '|'];

/// Dead links, dead headings and dead paths.
pub fn dead(repo: &Repo) -> Vec<Finding> {
    let mut out = Vec::new();
    // The changelog tells of what once was.
    for (path, text) in repo.under("", ".md").filter(|(path, _)| *path != "CHANGELOG.md") {
        let mut fence: Option<&str> = None;
        for (n, line) in text.lines().enumerate() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                fence = if fence.is_some() { None } else { Some(language) };
                continue;
            }
            // The paths of a journey's own text are the journey's.
            if fence.is_some_and(|language| language.starts_with("lua")) {
                continue;
            }
            let links = if fence.is_none() { links(line) } else { Vec::new() };
            for link in links.into_iter().filter(|link| !is_alive(repo, path, link)) {
                out.push(Finding::new(path, n + 1, link, "is not there"));
            }
            let named = if fence.is_none() { code_spans(line) } else { vec![line] };
            for word in named.into_iter().flat_map(paths) {
                if !repo.has(word) {
                    out.push(Finding::new(path, n + 1, word, "is named, but is not there"));
                }
            }
        }
    }
    out
}

/// The targets of a line's Markdown links, code spans left out.
fn links(line: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for prose in line.split('`').step_by(2).chain(line.contains("`](").then_some(line)) {
        for (at, _) in prose.match_indices("](") {
            let rest = &prose[at + 2..];
            out.extend(rest.find(')').map(|end| &rest[..end]));
        }
    }
    out.dedup();
    out
}

/// The code spans of a line.
fn code_spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The paths of the repository that some code names, without `./`, line numbers and punctuation.
fn paths(code: &str) -> impl Iterator<Item = &str> {
    code.split_whitespace()
        .filter(|word| ROOTS.iter().any(|root| word.starts_with(root)) && !word.contains(PATTERN))
        .map(|word| word.strip_prefix("./").unwrap_or(word))
        .map(|word| {
            word.split([':', '#', ',', ';', ')'])
                .next()
                .unwrap_or(word)
                .trim_end_matches('.')
        })
        // What a run leaves in results/ is not in the repository.
        .filter(|word| !word.starts_with("results/") || *word == "results/README.md")
}

/// Whether a link of a document leads somewhere.
fn is_alive(repo: &Repo, document: &str, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let Some(target) = resolve(document, file) else {
        return false;
    };
    let found = repo.has(&target);
    match repo
        .text(&target)
        .filter(|_| !heading.is_empty() && target.ends_with(".md"))
    {
        Some(text) => text.lines().any(|line| anchor(line).as_deref() == Some(heading)),
        None => found,
    }
}

/// The path that a relative link means; `None` above the repository.
fn resolve(document: &str, file: &str) -> Option<String> {
    if file.is_empty() {
        return Some(document.to_owned());
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The anchor of a heading, as Markdown viewers make it.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = title.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_paths_and_links_are_found() {
        let guide = "# A `b` title: here\n[up](../README.md) [gone](x.md) [far](https://example.org/x.md)\n";
        // a line of the document docs/a.md, what is found
        let table: &[(&str, &[&str])] = &[
            ("[ok](guide/start.md) and [top](../README.md)", &[]),
            ("[ok](guide/start.md#a-b-title-here) [here](#own)\n# Own", &[]),
            ("[no](guide/start.md#else)", &["guide/start.md#else"]),
            ("[no](src/gone.rs), `[no](link)`", &["src/gone.rs"]),
            ("[`code`](../gone.rs)", &["../gone.rs"]),
            ("[above](../../x)", &["../../x"]),
            (
                "`src/lib.rs:12`, `src/`, `./test.sh --fast`, `src/<name>.rs`, `results/x/summary.json`",
                &[],
            ),
            (
                "`src/gone.rs` and `cargo run -- run scripts/gone.lua --demo`",
                &["src/gone.rs", "scripts/gone.lua"],
            ),
            ("```sh\n./gone.sh\n```", &["gone.sh"]),
            ("```lua\nf \"data/gone.json\"\n```", &[]),
        ];
        for (line, expected) in table {
            let files = [
                ("docs/a.md", *line),
                ("docs/guide/start.md", "# A `b` title: here\n[up](../a.md)"),
                ("README.md", ""),
                ("src/lib.rs", ""),
                ("test.sh", ""),
            ];
            let found: Vec<String> = dead(&Repo::of(&files)).into_iter().map(|f| f.what).collect();
            assert_eq!(found, *expected, "{line}");
        }
        let found = dead(&Repo::of(&[("docs/a.md", guide), ("README.md", "")]));
        assert_eq!(
            found.iter().map(|f| (f.line, f.what.as_str())).collect::<Vec<_>>(),
            [(2, "x.md")]
        );
    }
}
