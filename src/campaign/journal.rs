//! Where a search is written down: a folder for each, which one process has at a time, and a file that is replaced whole
//! after every probe. What is in it is `results`'.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::results::{Asked, CAPACITY_SCHEMA, Capacity, RunFolder, StoreError, Summary, write_json};

/// The file of a search.
const FILE: &str = "capacity.json";

/// The folder of a search, which no other process goes on with while this is there.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    _lock: File,
}

/// Why a search cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be made or written to.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder cannot be locked.
    #[error("cannot lock {}: {source}", .folder.display())]
    Lock {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Why a search cannot go on from what was written down.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is nothing to go on with.
    #[error("--resume: no search with {script} is in {}; begin one without --resume", .results.display())]
    None {
        /// The script.
        script: String,
        /// Where searches were looked for.
        results: PathBuf,
    },
    /// Another process goes on with it.
    #[error("--resume: the search in {} is going on in another process", .0.display())]
    Busy(PathBuf),
    /// Something else was asked for.
    #[error("--resume: the search in {} was another one: {changes}; give the same options and files, or begin a new search without --resume", .folder.display())]
    Changed {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        changes: String,
    },
    /// It cannot be locked.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Journal {
    /// A new folder in `results`, named by the start and the script.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be made.
    pub fn create(results: &Path, script: &Path, started: SystemTime) -> Result<Self, JournalError> {
        let stem = script.file_stem().unwrap_or_default().to_string_lossy();
        let name = PathBuf::from(format!("{stem}-capacity.lua"));
        let folder = RunFolder::create(results, &name, started)?.path().to_owned();
        match lock(&folder) {
            Ok(Some(lock)) => Ok(Self { folder, _lock: lock }),
            Ok(None) => Err(JournalError::Lock {
                folder,
                source: std::io::ErrorKind::WouldBlock.into(),
            }),
            Err(source) => Err(JournalError::Lock { folder, source }),
        }
    }

    /// The newest search of the script that asked for the same, one that is not finished before one that is. What the script
    /// and its variables are is not compared here: they are known when it has been loaded.
    ///
    /// # Errors
    /// [`Refused`] when there is none.
    pub fn resume(results: &Path, script: &str, asked: &Asked, seed: Option<u64>) -> Result<(Self, Capacity), Refused> {
        let mut all = searches(results, script);
        all.sort_by_key(|(folder, document)| (document.finished, std::cmp::Reverse(folder.clone())));
        let fits = |document: &Capacity| {
            let loaded = Asked {
                script_hash: document.asked.script_hash.clone(),
                env_hash: document.asked.env_hash.clone(),
                ..asked.clone()
            };
            differences(&document.asked, &loaded)
                .into_iter()
                .chain(other_seed(document, seed))
                .collect::<Vec<_>>()
        };
        let mut busy = None;
        for (folder, document) in all.iter().filter(|(_, document)| fits(document).is_empty()) {
            match lock(folder) {
                Ok(Some(lock)) => {
                    // It may have gone on between the reading and the lock.
                    let document = read(folder, script).unwrap_or_else(|| document.clone());
                    let folder = folder.clone();
                    return Ok((Self { folder, _lock: lock }, document));
                }
                Ok(None) => busy = Some(Refused::Busy(folder.clone())),
                Err(source) => {
                    let folder = folder.clone();
                    return Err(JournalError::Lock { folder, source }.into());
                }
            }
        }
        let newest = all.into_iter().next();
        Err(match (busy, newest) {
            (Some(busy), _) => busy,
            (None, Some((folder, document))) => Refused::Changed {
                folder,
                changes: fits(&document).join(", "),
            },
            (None, None) => Refused::None {
                script: script.to_owned(),
                results: results.to_owned(),
            },
        })
    }

    /// That the script, its data and its variables are those of the search.
    ///
    /// # Errors
    /// [`Refused::Changed`].
    pub fn same(&self, document: &Capacity, asked: &Asked) -> Result<(), Refused> {
        let changes = differences(&document.asked, asked);
        if changes.is_empty() {
            return Ok(());
        }
        Err(Refused::Changed {
            folder: self.folder.clone(),
            changes: changes.join(", "),
        })
    }

    /// Writes all that has been found, so that a reader sees the whole of it or what was there before.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn write(&self, document: &Capacity) -> Result<(), StoreError> {
        write_json(&self.folder.join(FILE), document)
    }

    /// Writes the summary of a probe beside it, and gives the file's name.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn write_summary(&self, number: u32, summary: &Summary) -> Result<String, StoreError> {
        let name = format!("probe-{number:03}.json");
        write_json(&self.folder.join(&name), summary)?;
        Ok(name)
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The lock of a folder, which ends with the process however it ends; `None` when another has it.
fn lock(folder: &Path) -> std::io::Result<Option<File>> {
    let file = File::open(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// All searches with the script, in no order. What cannot be read is none.
fn searches(results: &Path, script: &str) -> Vec<(PathBuf, Capacity)> {
    let folders = std::fs::read_dir(results).into_iter().flatten().flatten();
    folders
        .filter_map(|entry| {
            let folder = entry.path();
            let document = read(&folder, script)?;
            Some((folder, document))
        })
        .collect()
}

fn read(folder: &Path, script: &str) -> Option<Capacity> {
    let text = std::fs::read_to_string(folder.join(FILE)).ok()?;
    let document: Capacity = serde_json::from_str(&text).ok()?;
    (document.schema == CAPACITY_SCHEMA && is_same_file(&document.script, script)).then_some(document)
}

/// Whether two paths lead to one file, however they are written; the same text does where there is none.
fn is_same_file(one: &str, other: &str) -> bool {
    let file = |path: &str| std::fs::canonicalize(path).ok();
    one == other || file(one).is_some_and(|file_of_one| file(other) == Some(file_of_one))
}

/// What differs between two searches, as people read it.
fn differences(before: &Asked, now: &Asked) -> Vec<String> {
    let as_object = |asked: &Asked| match serde_json::to_value(asked) {
        Ok(Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let (before, now) = (as_object(before), as_object(now));
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(*key) != now.get(*key));
    changed
        .map(|key| {
            let shown = |value: Option<&Value>| value.map_or_else(|| "not given".to_owned(), Value::to_string);
            match key.as_str() {
                "script_hash" => "the script or its data have changed".to_owned(),
                "env_hash" => "the variables (-e) have changed".to_owned(),
                key => {
                    let option = key.trim_end_matches("_ms").replace('_', "-");
                    format!("`{option}` was {}, now {}", shown(before.get(key)), shown(now.get(key)))
                }
            }
        })
        .collect()
}

fn other_seed(document: &Capacity, seed: Option<u64>) -> Option<String> {
    let seed = seed.filter(|seed| *seed != document.seed)?;
    Some(format!("`seed` was {}, now {seed}", document.seed))
}

#[cfg(test)]
mod tests;
