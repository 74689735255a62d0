//! Reads the folder of a run back, also of one that was killed. Nothing is changed on disk.

use std::io::ErrorKind;
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
    /// What came out. Of a run that was killed, and of one whose summary cannot be read, it is made of the intervals, and says
    /// so; `None` when there are none.
    pub summary: Option<Summary>,
    /// Whether the run came to its end and wrote its summary itself, and it can be read.
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
    let (summary, broken) = match super::store::read_json::<Summary>(&folder.join("summary.json")) {
        Ok(summary) => (Some(summary), None),
        Err(error) if error.source.kind() == ErrorKind::NotFound => (None, None),
        Err(error) => (None, Some(error)),
    };
    let (header, intervals, unread) = match (super::intervals::read(&folder.join("intervals.jsonl")), &broken) {
        (Ok((header, intervals)), _) => (header, intervals, None),
        // What a run has told itself is whole without them.
        (Err(error), _) if summary.is_some() => (None, Vec::new(), Some(error.to_string())),
        (Err(_), Some(_)) => (None, Vec::new(), None),
        (Err(error), None) => return Err(error),
    };
    let ended = summary.is_some();
    let rebuilt = || {
        header.as_ref().map(|header| {
            let mut summary = super::rebuild::summary(header, &intervals);
            summary.warnings.extend(broken.as_ref().map(ToString::to_string));
            summary
        })
    };
    let summary = match (summary.or_else(rebuilt), broken) {
        (None, Some(error)) => return Err(error),
        (summary, _) => summary,
    };
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
