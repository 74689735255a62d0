//! The report and the live page: two documents of the same charts, each one file that asks nobody else for anything. The
//! assets beside this file are put together here; what a page shows is decided in them, and its data are made in `data`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::results::Run;

mod data;
mod failures;
mod plain;
#[cfg(test)]
mod tests;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");

/// In the order in which they build on each other; one scope holds them all.
const SCRIPTS: &[&str] = &[
    include_str!("format.js"),
    include_str!("buckets.js"),
    include_str!("model.js"),
    include_str!("paint.js"),
    include_str!("axis.js"),
    include_str!("draw.js"),
    include_str!("chart.js"),
    include_str!("panels.js"),
    include_str!("head.js"),
    include_str!("traces.js"),
    include_str!("tables.js"),
    include_str!("failures.js"),
    include_str!("live.js"),
    include_str!("main.js"),
];

/// The report of a run: one file that can be opened from a disk or sent to somebody.
#[must_use]
pub fn report_html(run: &Run) -> String {
    let title = match &run.summary {
        Some(summary) => format!(
            "{} – {} – kingtide",
            plain::word(summary.verdict),
            run.manifest.script.path
        ),
        None => format!("{} – kingtide", run.manifest.script.path),
    };
    document(&title, &data::of_run(run), &plain::tables(run), "connect-src 'none'")
}

/// The page of a run that goes on. It listens to `events` beside it: `header`, an `interval` for each second, and `end`
/// with the summary. With `#token=TOKEN` in its address it has the buttons of live control, below `v1/`.
#[must_use]
pub fn live_html() -> String {
    let no_script = "<div><p>This page needs JavaScript: it draws what the run sends it every second. \
                     The report in the run's folder can be read without it.</p></div>";
    document("Live – kingtide", "{\"live\":true}", no_script, "connect-src 'self'")
}

fn document(title: &str, data: &str, no_script: &str, connect: &str) -> String {
    let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPTS.concat());
    // Nothing but the page's own style and script may run, whatever a run's names look like.
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; {connect}; base-uri 'none'; form-action 'none'",
        fingerprint(&script),
        fingerprint(STYLE),
    );
    let parts = [
        ("{{policy}}", policy.as_str()),
        ("{{title}}", &escaped(title)),
        ("{{style}}", STYLE),
        ("{{noscript}}", no_script),
        ("{{data}}", data),
        ("{{script}}", &script),
    ];
    let mut out = String::with_capacity(PAGE.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut rest = PAGE;
    // One place after the other, so that what is put in is not looked at again.
    for (place, text) in parts {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        out.push_str(before);
        out.push_str(text);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// As a content security policy names inline text (CSP level 3, "hash-source").
fn fingerprint(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// Text for HTML, also within quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}
