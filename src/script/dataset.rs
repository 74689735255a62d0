//! Data sets for journeys: JSON, JSONL and CSV files, parsed once per process and shared by all VMs. How scripts see them
//! is `api/data.rs`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod formats;
#[cfg(test)]
mod tests;

use self::formats::Rows;

use super::stamp::{Files, Stamp};

/// The largest data file that is loaded, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

/// Why a data file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// It cannot be read.
    #[error("cannot read `{file}`: {reason}")]
    Io {
        /// The file.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// It has no rows.
    #[error("`{0}` is empty; a data set needs at least one row")]
    Empty(String),
    /// It is larger than the limit.
    #[error("`{file}` has {size} bytes; the limit is {MAX_FILE} (1 GiB)")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        size: u64,
    },
    /// It is not what its name says.
    #[error("`{file}`{}: {reason}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Malformed {
        /// The file.
        file: String,
        /// 1-based line, when known.
        line: Option<u64>,
        /// What is wrong.
        reason: String,
    },
    /// No known ending.
    #[error("`{0}`: a data file ends in .json (an array), .jsonl or .csv")]
    Format(String),
}

/// One row, as it is handed out.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// JSON text.
    Json(&'a str),
    /// Names and values.
    Csv(&'a [String], Record<'a>),
}

impl PartialEq for Row<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(a), Self::Json(b)) => a == b,
            (Self::Csv(names, a), Self::Csv(others, b)) => names == others && a.iter().eq(b.iter()),
            _ => false,
        }
    }
}

/// The values of a CSV row.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    text: &'a str,
    from: usize,
    ends: &'a [u32],
}

impl<'a> Record<'a> {
    /// The values in the order of their columns.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut from = self.from;
        self.ends.iter().map(move |end| {
            let value = &self.text[from..*end as usize];
            from = *end as usize;
            value
        })
    }

    /// The value of a column, from 0.
    #[must_use]
    pub fn get(self, column: usize) -> Option<&'a str> {
        self.iter().nth(column)
    }
}

/// A read-only data set with the cursors that all virtual users share.
#[derive(Debug)]
pub struct Dataset {
    rows: Rows,
    /// SHA-256 (hex) of the file that it was loaded from.
    hash: Option<String>,
    cursors: Arc<Cursors>,
}

/// Where the run is in a set; what follows an edited set goes on there.
#[derive(Debug, Default)]
struct Cursors {
    next: AtomicU64,
    unique: AtomicU64,
}

impl Dataset {
    /// Loads a file by its ending.
    ///
    /// # Errors
    /// [`DataError`] naming the file, and the line where there is one.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        let file = path.display().to_string();
        let io = |error: std::io::Error| DataError::Io {
            file: file.clone(),
            reason: error.to_string(),
        };
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > MAX_FILE {
            return Err(DataError::TooLarge { file, size });
        }
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let bytes = std::fs::read(path).map_err(io)?;
        let hash = super::loader::sha256_hex(&bytes);
        let text = String::from_utf8(bytes).map_err(|error| DataError::Malformed {
            file: file.clone(),
            line: Some(
                1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                    .iter()
                    .filter(|b| **b == b'\n')
                    .count() as u64,
            ),
            reason: "not UTF-8 text".to_owned(),
        })?;
        if text.trim_start_matches('\u{feff}').trim().is_empty() {
            return Err(DataError::Empty(file));
        }
        let rows = match ending.as_str() {
            "json" => formats::json(&file, text)?,
            "jsonl" | "ndjson" => formats::jsonl(&file, text)?,
            "csv" => formats::csv(&file, &text)?,
            _ => return Err(DataError::Format(file)),
        };
        Self::of(rows, &file).map(|set| Self {
            hash: Some(hash),
            ..set
        })
    }

    /// A set of values that a script built.
    ///
    /// # Errors
    /// When there are none, or one is not JSON.
    pub fn from_values(name: &str, values: Vec<String>) -> Result<Self, DataError> {
        Self::of(formats::values(name, &values)?, name)
    }

    fn of(rows: Rows, name: &str) -> Result<Self, DataError> {
        let set = Self {
            rows,
            hash: None,
            cursors: Arc::default(),
        };
        if set.is_empty() {
            Err(DataError::Empty(name.to_owned()))
        } else {
            Ok(set)
        }
    }

    /// The same rows with the cursors of `other`, whose place it takes.
    fn following(self, other: Option<&Self>) -> Self {
        match other {
            Some(other) => Self {
                cursors: Arc::clone(&other.cursors),
                ..self
            },
            None => self,
        }
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Json { rows, .. } => rows.len(),
            Rows::Csv { names, ends, .. } => ends.len() / names.len(),
        }
    }

    /// Whether there are none; never true for a loaded set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row `index`, 0-based.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        match &self.rows {
            Rows::Json { text, rows } => {
                let row = rows.get(index)?;
                Some(Row::Json(&text[row.start as usize..row.end as usize]))
            }
            Rows::Csv { names, text, ends } => {
                let first = index.checked_mul(names.len())?;
                let record = Record {
                    text,
                    from: first.checked_sub(1).map_or(0, |before| ends[before] as usize),
                    ends: ends.get(first..first + names.len())?,
                };
                Some(Row::Csv(names, record))
            }
        }
    }

    /// Whether both have the same rows in the same order.
    #[must_use]
    pub fn has_equal_rows(&self, other: &Self) -> bool {
        self.len() == other.len() && (0..self.len()).all(|index| self.row(index) == other.row(index))
    }

    /// The next row of the run's one cursor, from the start again after the last.
    pub fn next(&self) -> usize {
        wrap(self.cursors.next.fetch_add(1, Ordering::Relaxed), self.len())
    }

    /// A row that nobody has had, or `None` when all are gone; with `recycle` it begins again.
    pub fn unique(&self, recycle: bool) -> Option<usize> {
        let number = self.cursors.unique.fetch_add(1, Ordering::Relaxed);
        if recycle || number < self.len() as u64 {
            Some(wrap(number, self.len()))
        } else {
            None
        }
    }
}

fn wrap(number: u64, length: usize) -> usize {
    usize::try_from(number % length as u64).unwrap_or(0)
}

/// All data sets of a revision, by path or given name, each loaded by whoever asks first.
#[derive(Debug, Default)]
pub struct DataStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sets: HashMap<String, Arc<Dataset>>,
    /// By path: how the file was when it was loaded.
    files: Files,
    /// What the revision before this one had.
    before: HashMap<String, (Arc<Dataset>, Option<Stamp>)>,
}

impl DataStore {
    /// The store of the next revision. Sets whose files are as they were are not loaded again.
    #[must_use]
    pub fn next(&self) -> Self {
        let state = self.lock();
        let before = state.sets.iter();
        let before = before.map(|(key, set)| {
            let stamp = state.files.get(Path::new(key)).cloned().flatten();
            (key.clone(), (Arc::clone(set), stamp))
        });
        Self {
            state: Mutex::new(State {
                before: before.collect(),
                ..State::default()
            }),
        }
    }

    /// The set of a file.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn file(&self, path: &Path) -> Result<Arc<Dataset>, DataError> {
        let key = path.display().to_string();
        let mut state = self.lock();
        if let Some(set) = state.sets.get(&key) {
            return Ok(Arc::clone(set));
        }
        // Before it is read: what is written meanwhile is another one.
        let stamp = Stamp::of(path);
        state.files.insert(path.to_owned(), stamp.clone());
        let set = match state.before.get(&key) {
            Some((known, before)) if stamp.is_some() && stamp == *before => Arc::clone(known),
            before => Arc::new(Dataset::load(path)?.following(before.map(|(set, _)| &**set))),
        };
        // Or the rows of an edited file would be there twice.
        state.before.remove(&key);
        state.sets.insert(key, Arc::clone(&set));
        Ok(set)
    }

    /// The built set of that name, if it was built.
    #[must_use]
    pub fn built(&self, name: &str) -> Option<Arc<Dataset>> {
        self.lock().sets.get(&built_key(name)).cloned()
    }

    /// Adds a built set; the first of a name stays.
    pub fn add_built(&self, name: &str, set: Dataset) -> Arc<Dataset> {
        let key = built_key(name);
        let state = &mut *self.lock();
        let before = state.before.remove(&key);
        let add = || Arc::new(set.following(before.as_ref().map(|(set, _)| &**set)));
        Arc::clone(state.sets.entry(key).or_insert_with(add))
    }

    /// The files that were loaded, or could not be.
    #[must_use]
    pub fn files(&self) -> Files {
        self.lock().files.clone()
    }

    /// Path and SHA-256 (hex) of each file that was loaded.
    #[must_use]
    pub fn hashes(&self) -> Vec<(String, String)> {
        let state = self.lock();
        let sets = state.sets.iter();
        sets.filter_map(|(file, set)| Some((file.clone(), set.hash.clone()?)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn built_key(name: &str) -> String {
    format!("built:{name}")
}
