//! Which way imports may point and where packages live. The tables are those of docs/ARCHITECTURE.md.

use crate::repo::{Finding, Repo};
use crate::rust::{Token, close, mask, reads, tokens};

/// The layers from the bottom up; the modules of one inner list are joined, those of different lists are siblings that
/// never import each other.
const LAYERS: &[&[&[&str]]] = &[
    &[&["clock"]],
    &[&["schedule"], &["net"], &["metrics"]],
    &[&["plan", "vu"], &["samples"], &["control"], &["results", "failures"]],
    &[
        &["exec"],
        &["script", "api"],
        &["direct"],
        &["output"],
        &["live"],
        &["report"],
    ],
    &[&["run"], &["demo"]],
    &[&["campaign"]],
    &[&["cli", "main"]],
];

/// Packages that live in some modules only.
const HOMES: &[(&str, &[&str])] = &[
    ("mlua", &["script", "api"]),
    ("notify", &["script"]),
    ("hyper", &["net"]),
    ("hyper_util", &["net"]),
    ("http_body_util", &["net"]),
    ("h2", &["net"]),
    ("httparse", &["net"]),
    ("nix", &["net"]),
    ("protox", &["net"]),
    ("snap", &["output"]),
    ("prost", &["net", "api", "demo", "output"]),
    ("prost_reflect", &["net", "api"]),
    ("tonic", &["net", "demo"]),
    ("tonic_prost", &["net", "demo"]),
    ("tonic_reflection", &["net", "demo"]),
    ("tonic_health", &["net", "demo"]),
    ("rustls", &["net"]),
    ("tokio_rustls", &["net"]),
    ("rustls_platform_verifier", &["net"]),
    ("cookie", &["net"]),
    ("cookie_store", &["net"]),
    ("flate2", &["net", "results", "output"]),
    ("brotli", &["net"]),
    ("zstd", &["net"]),
    ("hdrhistogram", &["metrics", "results"]),
    ("axum", &["demo", "live", "output"]),
    ("prometheus_client", &["demo"]),
    ("tonic", &["demo"]),
    ("tonic_prost", &["demo"]),
    ("tonic_reflection", &["demo"]),
    ("tonic_health", &["demo"]),
    ("quick_junit", &["report"]),
    ("rusqlite", &["results", "demo"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli", "main"]),
    ("clap_mangen", &["cli", "main"]),
    ("indicatif", &["cli", "main"]),
    ("ratatui", &["cli", "main"]),
    ("rustyline", &["cli", "main"]),
    ("tracing_subscriber", &["cli", "main"]),
    ("anyhow", &["cli", "main"]),
];

/// The layer of a module and the modules it is joined with.
fn layer(module: &str) -> Option<(usize, &'static [&'static str])> {
    LAYERS.iter().enumerate().find_map(|(n, groups)| {
        let group = groups.iter().find(|group| group.contains(&module))?;
        Some((n, *group))
    })
}

/// The top-level module that a source file belongs to.
fn module_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// How many modules deep a source file is below the crate.
fn depth_of(path: &str) -> usize {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    match inside {
        "lib.rs" | "main.rs" => 0,
        _ if inside.ends_with("/mod.rs") => inside.matches('/').count(),
        _ => inside.matches('/').count() + 1,
    }
}

/// Imports that point up or sideways, and top-level modules without a layer.
pub fn direction(repo: &Repo) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, text) in repo.under("src/", ".rs") {
        let from = module_of(path);
        if from == "lib" {
            continue;
        }
        let Some((own, joined)) = layer(from) else {
            out.push(Finding::new(
                path,
                1,
                from,
                "a module that has no layer in this test's table",
            ));
            continue;
        };
        let masked = mask(text);
        for target in targets(&tokens(&masked), depth_of(path)) {
            let Some((other, _)) = layer(target.text) else { continue };
            if !joined.contains(&target.text) && other >= own {
                let way = if other == own { "sideways" } else { "up" };
                let what = format!("{from} -> {}", target.text);
                out.push(Finding::new(
                    path,
                    target.line,
                    what,
                    format!("points {way}; imports only point down"),
                ));
            }
        }
    }
    out
}

/// The top-level modules that some tokens name: `crate::x`, `crate::{x, y::z}`, `kingtide::x` (the binary's way), and
/// `super::…` as far up as the crate.
fn targets<'a>(tokens: &[Token<'a>], depth: usize) -> Vec<Token<'a>> {
    let mut out = Vec::new();
    // For each open brace, whether it is an inline module's.
    let mut braces = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let starts_path = at == 0 || tokens[at - 1].text != "::";
        match token.text {
            "{" => braces.push(at >= 2 && tokens[at - 2].text == "mod"),
            "}" => {
                braces.pop();
            }
            "crate" | "kingtide" if starts_path && reads(tokens, at + 1, &["::"]) => roots(tokens, at + 2, &mut out),
            "super" if starts_path => {
                let ups = (at..)
                    .step_by(2)
                    .take_while(|n| reads(tokens, *n, &["super", "::"]))
                    .count();
                if ups > 0 && ups == depth + braces.iter().filter(|inline| **inline).count() {
                    roots(tokens, at + 2 * ups, &mut out);
                }
            }
            _ => {}
        }
    }
    out
}

/// The first names of the path or of the group of paths at `at`.
fn roots<'a>(tokens: &[Token<'a>], at: usize, out: &mut Vec<Token<'a>>) {
    if !reads(tokens, at, &["{"]) {
        out.extend(tokens.get(at));
        return;
    }
    let end = close(tokens, at);
    let mut next = at + 1;
    while next + 1 < end {
        out.push(tokens[next]);
        while next + 1 < end && tokens[next].text != "," {
            next = if tokens[next].text == "{" {
                close(tokens, next)
            } else {
                next + 1
            };
        }
        next += 1;
    }
}

/// Packages used outside their homes.
pub fn packages(repo: &Repo) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, text) in repo.under("src/", ".rs") {
        let module = module_of(path);
        let masked = mask(text);
        let tokens = tokens(&masked);
        for (at, token) in tokens.iter().enumerate() {
            let Some((_, homes)) = HOMES.iter().find(|(package, _)| *package == token.text) else {
                continue;
            };
            let before = if at == 0 { "" } else { tokens[at - 1].text };
            // `a::hyper::b` names something else; `::hyper::b` and `use hyper;` name the package.
            let inner = before == "::" && at >= 2 && is_path_end(tokens[at - 2].text);
            let used = reads(&tokens, at + 1, &["::"]) || before == "use" || before == "crate";
            if used && !inner && !homes.contains(&module) {
                let advice = format!("lives only in {}", homes.join(", "));
                out.push(Finding::new(path, token.line, token.text, advice));
            }
        }
    }
    out
}

/// Whether a token can stand before `::` inside a path.
fn is_path_end(text: &str) -> bool {
    text != "use" && text.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(findings: &[Finding]) -> Vec<String> {
        findings
            .iter()
            .map(|f| format!("{}:{} {}", f.path, f.line, f.what))
            .collect()
    }

    /// path, source, what is found
    const DIRECTIONS: &[(&str, &str, &[&str])] = &[
        (
            "src/exec/mod.rs",
            "use crate::vu::Vu;\nuse crate::{clock, plan::{self, Plan}};",
            &[],
        ),
        (
            "src/exec/mod.rs",
            "// use crate::script::Host;\nlet s = \"crate::cli\";",
            &[],
        ),
        (
            "src/exec/mod.rs",
            "use crate::script::Host;",
            &["src/exec/mod.rs:1 exec -> script"],
        ),
        (
            "src/net/h1.rs",
            "\nuse crate::{clock, metrics::{Unit, Kind}};",
            &["src/net/h1.rs:2 net -> metrics"],
        ),
        (
            "src/net/h1.rs",
            "fn f() { crate::run::go() }",
            &["src/net/h1.rs:1 net -> run"],
        ),
        (
            "src/api/http.rs",
            "use crate::script::Host; use crate::net::Client;",
            &[],
        ),
        (
            "src/vu.rs",
            "use super::plan::Plan; use super::results::Run;",
            &["src/vu.rs:1 vu -> results"],
        ),
        (
            "src/vu.rs",
            "mod tests { use super::cli; use super::super::cli; }",
            &["src/vu.rs:1 vu -> cli"],
        ),
        (
            "src/exec/open.rs",
            "use super::script; use super::super::script;",
            &["src/exec/open.rs:1 exec -> script"],
        ),
        (
            "src/main.rs",
            "use kingtide::cli; fn main() { kingtide::run::go() }",
            &[],
        ),
        ("src/run.rs", "use crate::cli;", &["src/run.rs:1 run -> cli"]),
        ("src/lib.rs", "pub mod cli; pub use crate::cli::main;", &[]),
        ("src/odd.rs", "", &["src/odd.rs:1 odd"]),
    ];

    #[test]
    fn imports_that_point_up_or_sideways_are_found() {
        for (path, source, expected) in DIRECTIONS {
            assert_eq!(
                found(&direction(&Repo::of(&[(path, source)]))),
                *expected,
                "{path}: {source}"
            );
        }
    }

    #[test]
    fn packages_away_from_home_are_found() {
        // path, source, what is found
        let table: &[(&str, &str, &[&str])] = &[
            ("src/script/vm.rs", "use mlua::Lua;", &[]),
            ("src/api/http.rs", "#[derive(mlua::FromLua)] struct A;", &[]),
            ("src/exec/mod.rs", "use mlua::Lua;", &["src/exec/mod.rs:1 mlua"]),
            (
                "src/exec/mod.rs",
                "fn f(e: ::hyper::Error) {}",
                &["src/exec/mod.rs:1 hyper"],
            ),
            (
                "src/exec/mod.rs",
                "use std::{fmt, io};\nuse anyhow as a;",
                &["src/exec/mod.rs:2 anyhow"],
            ),
            ("src/exec/mod.rs", "use crate::net::cookie::Jar; let cookie = 1;", &[]),
            ("src/main.rs", "use clap::Parser;", &[]),
        ];
        for (path, source, expected) in table {
            assert_eq!(
                found(&packages(&Repo::of(&[(path, source)]))),
                *expected,
                "{path}: {source}"
            );
        }
    }

    #[test]
    fn a_group_gives_the_first_name_of_each_of_its_paths() {
        let tokens = tokens("crate::{a, b::{c, d}, e::f as g,}; crate::h");
        let names: Vec<&str> = targets(&tokens, 1).iter().map(|t| t.text).collect();
        assert_eq!(names, ["a", "b", "e", "h"]);
    }
}
