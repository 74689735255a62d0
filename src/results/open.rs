//! Reads the folder of a run back, also of one that was killed. Nothing is changed on disk.

use std::path::{Path, PathBuf};

use super::interval::{Header, Interval};
use super::manifest::Manifest;
use super::store::StoreError;
use super::summary::Summary;

/// What a run has left.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its folder.
    pub folder: PathBuf,
    /// What was run.
    pub manifest: Manifest,
    /// What was known before the first second; `None` when it never began, or the run is from before intervals were kept.
    pub header: Option<Header>,
    /// Each second, in order.
    pub intervals: Vec<Interval>,
    /// What came out. Of a run that was killed it is made of the intervals, and says so; `None` when there are none.
    pub summary: Option<Summary>,
    /// Whether the run came to its end and wrote its summary itself.
    pub ended: bool,
    /// Why `header` and `intervals` are missing where there is a summary, and something in their place cannot be read.
    pub unread: Option<String>,
}

/// Reads a run back.
///
/// # Errors
/// [`StoreError`] when the folder is no run's, or a file in it cannot be read that the summary depends on.
pub fn open(folder: &Path) -> Result<Run, StoreError> {
    let manifest = super::store::read_json(&folder.join("manifest.json"))?;
    let summary: Option<Summary> = match super::store::read_json(&folder.join("summary.json")) {
        Ok(summary) => Some(summary),
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let (header, intervals, unread) = match super::intervals::read(&folder.join("intervals.jsonl")) {
        Ok((header, intervals)) => (header, intervals, None),
        // What a run has told itself is whole without them.
        Err(error) if summary.is_some() => (None, Vec::new(), Some(error.to_string())),
        Err(error) => return Err(error),
    };
    let ended = summary.is_some();
    let rebuilt = || {
        header
            .as_ref()
            .map(|header| super::rebuild::summary(header, &intervals))
    };
    let summary = summary.or_else(rebuilt);
    Ok(Run {
        folder: folder.to_owned(),
        manifest,
        header,
        intervals,
        summary,
        ended,
        unread,
    })
}
