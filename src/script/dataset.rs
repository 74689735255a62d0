//! Data sets for journeys: JSON, JSONL and CSV files, parsed once per process and shared by all VMs. How scripts see them
//! is `api/data.rs`.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

mod formats;
#[cfg(test)]
mod tests;

use self::formats::Rows;

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
        Self::of(rows, &file)
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
            next: AtomicU64::new(0),
            unique: AtomicU64::new(0),
        };
        if set.is_empty() {
            Err(DataError::Empty(name.to_owned()))
        } else {
            Ok(set)
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
        wrap(self.next.fetch_add(1, Ordering::Relaxed), self.len())
    }

    /// A row that nobody has had, or `None` when all are gone; with `recycle` it begins again.
    pub fn unique(&self, recycle: bool) -> Option<usize> {
        let number = self.unique.fetch_add(1, Ordering::Relaxed);
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

/// All data sets of a run, by path or given name, each loaded by whoever asks first.
#[derive(Debug, Default)]
pub struct DataStore {
    sets: Mutex<HashMap<String, Arc<Dataset>>>,
    files: Mutex<BTreeSet<String>>,
}

impl DataStore {
    /// The set of a file.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn file(&self, path: &Path) -> Result<Arc<Dataset>, DataError> {
        let key = path.display().to_string();
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets.get(&key) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(Dataset::load(path)?);
        sets.insert(key.clone(), Arc::clone(&set));
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Ok(set)
    }

    /// The built set of that name, if it was built.
    #[must_use]
    pub fn built(&self, name: &str) -> Option<Arc<Dataset>> {
        self.sets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&built_key(name))
            .cloned()
    }

    /// Adds a built set; the first of a name stays.
    pub fn add_built(&self, name: &str, set: Dataset) -> Arc<Dataset> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sets.entry(built_key(name)).or_insert_with(|| Arc::new(set)))
    }

    /// The files that were loaded.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

fn built_key(name: &str) -> String {
    format!("built:{name}")
}
