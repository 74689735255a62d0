//! The runs of a results folder, newest first. A small SQLite file beside them, `.history.sqlite`, remembers what their
//! summaries say; it is a copy, made again when it is missing, broken or behind, and nothing fails for want of it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::open::open;
use super::store::{StoreError, read_json};
use super::summary::{Summary, Verdict};
use crate::metrics::MetricSummary;

/// The index's name in a results folder.
const INDEX: &str = ".history.sqlite";

/// Another number makes all of it anew.
const VERSION: i64 = 1;

/// One run, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastRun {
    /// The name of its folder.
    pub name: String,
    /// The script's path as it was given.
    pub script: String,
    /// Start, RFC 3339 in UTC.
    pub started_at: String,
    /// Whether it came to its end; one that did not may still be going on.
    pub ended: bool,
    /// The verdict in one word; `null` when there is nothing to say.
    pub verdict: Option<Verdict>,
    /// The exit code of its process.
    pub exit_code: Option<u8>,
    /// How long its load was.
    pub duration_ms: Option<u64>,
    /// Completed iterations.
    pub iterations: Option<u64>,
    /// Requests of HTTP and calls of gRPC.
    pub requests: Option<u64>,
    /// The 95th percentile of `http_req_duration`; of `grpc_req_duration` where there is no HTTP.
    pub p95_ms: Option<f64>,
    /// The share of requests that failed, as with `p95_ms`.
    pub failed: Option<f64>,
}

/// The runs in `results`, newest first. A folder that cannot be read is no run.
///
/// # Errors
/// [`StoreError`] when `results` cannot be listed.
pub fn history(results: &Path) -> Result<Vec<PastRun>, StoreError> {
    let mut index = Index::open(results);
    let known = index.as_ref().map(Index::all).unwrap_or_default();
    let mut runs = Vec::new();
    let mut fresh = Vec::new();
    for name in names(results)? {
        let folder = results.join(&name);
        let Some(stamp) = stamp(&folder) else { continue };
        if let Some((_, run)) = known.get(&name).filter(|(known, _)| *known == stamp) {
            runs.push(run.clone());
            continue;
        }
        let Some(run) = read(&folder, name) else { continue };
        fresh.push((stamp, run.clone()));
        runs.push(run);
    }
    let is_gone = |name: &&String| !runs.iter().any(|run| run.name == **name);
    let gone: Vec<_> = known.keys().filter(is_gone).cloned().collect();
    if let Some(index) = &mut index
        && let Err(error) = index.update(&fresh, &gone)
    {
        tracing::debug!(target: "kingtide::results", "the index of runs was not written: {error}");
    }
    runs.sort_by(|a, b| (&b.started_at, &b.name).cmp(&(&a.started_at, &a.name)));
    Ok(runs)
}

/// The folder of a run: a path, its name in `results`, or `last`.
///
/// # Errors
/// [`StoreError`] when there is none.
pub fn find(results: &Path, run: &Path) -> Result<PathBuf, StoreError> {
    let missing = |path: &Path, text: String| {
        let source = io::Error::new(io::ErrorKind::NotFound, text);
        StoreError::new("read", path, source)
    };
    let is_run = |path: &Path| path.join("manifest.json").is_file();
    if is_run(run) {
        return Ok(run.to_owned());
    }
    if is_run(&results.join(run)) {
        return Ok(results.join(run));
    }
    if run == Path::new("last") {
        let newest = names(results)?.into_iter().map(|name| results.join(name));
        let started = |path: &PathBuf| {
            read_json::<Manifest>(&path.join("manifest.json"))
                .ok()
                .map(|m| m.started_at)
        };
        let newest = newest.filter_map(|path| Some((started(&path)?, path))).max();
        return newest
            .map(|(_, path)| path)
            .ok_or_else(|| missing(results, "there is no run in it".to_owned()));
    }
    Err(missing(
        run,
        "it is no folder of a run, which has a manifest.json".to_owned(),
    ))
}

/// The folders of runs.
fn names(results: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::new("read", results, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(results).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join("manifest.json").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// Changes when anything does that a run is summed up from.
fn stamp(folder: &Path) -> Option<String> {
    let of = |name: &str| {
        let found = fs::metadata(folder.join(name)).ok()?;
        let at = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{}@{}", found.len(), at.as_nanos()))
    };
    let manifest = of("manifest.json")?;
    let rest = of("summary.json").or_else(|| of("intervals.jsonl"));
    Some(format!("{manifest} {}", rest.unwrap_or_default()))
}

fn read(folder: &Path, name: String) -> Option<PastRun> {
    let manifest: Manifest = read_json(&folder.join("manifest.json")).ok()?;
    // The intervals of a run that has ended are not needed, and long.
    let ended: Option<Summary> = read_json(&folder.join("summary.json")).ok();
    let (summary, ended) = match ended {
        Some(summary) => (Some(summary), true),
        None => (open(folder).ok().and_then(|run| run.summary), false),
    };
    let summary = summary.as_ref();
    Some(PastRun {
        name,
        script: manifest.script.path,
        started_at: manifest.started_at,
        ended,
        verdict: summary.map(|summary| summary.verdict),
        exit_code: summary.map(|summary| summary.exit_code),
        duration_ms: summary.map(|summary| summary.run.duration_ms),
        iterations: summary.map(|summary| summary.scenarios.values().map(|s| s.iterations.completed).sum()),
        requests: summary.map(requests),
        p95_ms: summary.and_then(|summary| first(summary, "req_duration")),
        failed: summary.and_then(|summary| first(summary, "req_failed")),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of requests"
)]
fn requests(summary: &Summary) -> u64 {
    let of = |name: &str| match summary.metrics.get(name) {
        Some(MetricSummary::Counter { count, .. }) => *count as u64,
        _ => 0,
    };
    of("http_reqs") + of("grpc_reqs")
}

/// The headline number of a metric of HTTP, or of gRPC.
fn first(summary: &Summary, ending: &str) -> Option<f64> {
    ["http", "grpc"]
        .iter()
        .find_map(|protocol| match summary.metrics.get(&format!("{protocol}_{ending}"))? {
            MetricSummary::Trend { values, .. } => values.map(|values| values.p95),
            MetricSummary::Rate { rate, .. } => *rate,
            _ => None,
        })
}

/// The file that remembers.
struct Index(Connection);

impl Index {
    /// Opens it, or makes a new one in place of one that cannot be read; `None` where nothing can be written.
    fn open(results: &Path) -> Option<Self> {
        let path = results.join(INDEX);
        Self::at(&path)
            .or_else(|_| {
                let _ = fs::remove_file(&path);
                Self::at(&path)
            })
            .inspect_err(|error| tracing::debug!(target: "kingtide::results", "there is no index of runs: {error}"))
            .ok()
    }

    fn at(path: &Path) -> rusqlite::Result<Self> {
        let index = Connection::open(path)?;
        index.busy_timeout(std::time::Duration::from_secs(2))?;
        let version: i64 = index.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != VERSION {
            index.execute_batch(&format!(
                "DROP TABLE IF EXISTS runs;
                 CREATE TABLE runs (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, run TEXT NOT NULL);
                 PRAGMA user_version = {VERSION};"
            ))?;
        }
        // Fails here, and not later, when it is another table or a broken file.
        index.query_row("SELECT count(name || stamp || run) FROM runs", [], |_| Ok(()))?;
        Ok(Self(index))
    }

    /// By name, with the stamp of when it was read.
    fn all(&self) -> HashMap<String, (String, PastRun)> {
        let read = || -> rusqlite::Result<Vec<(String, String, String)>> {
            let mut rows = self.0.prepare("SELECT name, stamp, run FROM runs")?;
            let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        };
        let rows = read().unwrap_or_default().into_iter();
        rows.filter_map(|(name, stamp, run)| Some((name, (stamp, serde_json::from_str(&run).ok()?))))
            .collect()
    }

    fn update(&mut self, fresh: &[(String, PastRun)], gone: &[String]) -> rusqlite::Result<()> {
        if fresh.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let change = self.0.transaction()?;
        for (stamp, run) in fresh {
            let text = serde_json::to_string(run).unwrap_or_default();
            change.execute(
                "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3)",
                params![run.name, stamp, text],
            )?;
        }
        for name in gone {
            change.execute("DELETE FROM runs WHERE name = ?1", params![name])?;
        }
        change.commit()
    }
}
