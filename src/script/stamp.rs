//! By what a file that was saved is known, without reading it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files, and how they were; `None` for those that were not there.
pub type Files = BTreeMap<PathBuf, Option<Stamp>>;

/// A state of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Device and inode of what the path leads to: another one after saving by renaming, or when a symbolic link on the
    /// way leads elsewhere.
    #[cfg(unix)]
    identity: (u64, u64),
}

impl Stamp {
    /// Of the file that a path leads to now; `None` when there is none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let file = std::fs::metadata(path).ok()?;
        Some(Self {
            length: file.len(),
            modified: file.modified().ok(),
            #[cfg(unix)]
            identity: {
                use std::os::unix::fs::MetadataExt as _;
                (file.dev(), file.ino())
            },
        })
    }
}
