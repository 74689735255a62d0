//! Where source text comes from: the script, files beside it, and the helpers embedded from `lib-lua/`. Nothing is
//! executed here, and nothing outside these places can be reached by `require`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::stamp::{Files, Stamp};

/// The helper library, in plain Lua.
#[derive(RustEmbed)]
#[folder = "lib-lua/"]
#[include = "*.lua"]
#[exclude = "*.test.lua"]
struct Library;

/// Why a source could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No such file.
    #[error("there is no file `{0}`")]
    Missing(String),
    /// The path is a folder.
    #[error("`{0}` is a folder, not a Lua file")]
    Folder(String),
    /// Not text.
    #[error("`{0}` is not UTF-8 text")]
    NotText(String),
    /// Anything else the system says.
    #[error("cannot read `{0}`: {1}")]
    Io(String, String),
    /// A module name that could leave the project.
    #[error("`{0}` is not a module name: use letters, digits, `_`, `-`, and dots between folders")]
    BadName(String),
    /// `require` found nothing.
    #[error("there is no module `{name}`: looked for {looked}{suggestion}")]
    NoModule {
        /// What was required.
        name: String,
        /// The places, in order.
        looked: String,
        /// ` (did you mean …?)` or nothing.
        suggestion: String,
    },
}

/// A source text under the name that errors show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as the user would write it.
    pub name: String,
    /// The text, ready for the compiler: no byte order mark, no `#!` line.
    pub text: Arc<str>,
}

/// All source texts of a revision, each read once.
#[derive(Debug, Default)]
pub struct Sources {
    texts: Mutex<HashMap<String, Arc<str>>>,
    /// How each file was before it was read; those that were looked for and not there included.
    files: Mutex<Files>,
}

impl Sources {
    /// Reads a file, or gives what was read before.
    ///
    /// # Errors
    /// [`LoadError`] naming the file.
    pub fn read(&self, path: &Path) -> Result<Source, LoadError> {
        let name = path.display().to_string();
        if let Some(text) = self.get(&name) {
            return Ok(Source { name, text });
        }
        self.look_at(path);
        if path.is_dir() {
            return Err(LoadError::Folder(name));
        }
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LoadError::Missing(name.clone()),
            _ => LoadError::Io(name.clone(), error.to_string()),
        })?;
        let text = String::from_utf8(bytes).map_err(|_| LoadError::NotText(name.clone()))?;
        Ok(self.keep(name, &clean(&text)))
    }

    /// Adds a text that is not in a file (tests, generated plans).
    pub fn keep(&self, name: String, text: &str) -> Source {
        let text: Arc<str> = text.into();
        self.texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.clone(), Arc::clone(&text));
        Source { name, text }
    }

    /// The source of module `name` for a script in `folder`.
    ///
    /// # Errors
    /// [`LoadError::NoModule`] with the places that were looked at.
    pub fn module(&self, name: &str, folder: &Path) -> Result<Source, LoadError> {
        let valid =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !name.split('.').all(valid) {
            return Err(LoadError::BadName(name.to_owned()));
        }
        let relative = format!("{}.lua", name.replace('.', "/"));
        let beside = folder.join(&relative);
        if beside.is_file() {
            return self.read(&beside);
        }
        self.look_at(&beside);
        let embedded = format!("lib-lua/{relative}");
        if let Some(text) = self.get(&embedded) {
            return Ok(Source { name: embedded, text });
        }
        if let Some(file) = Library::get(&relative) {
            let text = String::from_utf8_lossy(&file.data).into_owned();
            return Ok(self.keep(embedded, &clean(&text)));
        }
        let known = Library::iter()
            .map(|file| file.trim_end_matches(".lua").replace('/', "."))
            .collect::<Vec<_>>();
        let suggestion = super::fields::suggest(name, known.iter().map(String::as_str));
        Err(LoadError::NoModule {
            name: name.to_owned(),
            looked: format!("`{}` and lib-lua", beside.display()),
            suggestion,
        })
    }

    /// Line `number` (1-based) of a source that was read.
    #[must_use]
    pub fn line(&self, name: &str, number: u32) -> Option<String> {
        let text = self.get(name)?;
        text.lines().nth(number.checked_sub(1)? as usize).map(str::to_owned)
    }

    /// Remembers how a file is that is about to be read, or would be if it were there.
    pub fn look_at(&self, file: &Path) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(file.to_owned(), Stamp::of(file));
    }

    /// The files that were read or looked for.
    #[must_use]
    pub fn files(&self) -> Files {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Name and SHA-256 (hex) of everything that was read, sorted by name.
    #[must_use]
    pub fn hashes(&self) -> Vec<(String, String)> {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = texts
            .iter()
            .map(|(name, text)| (name.clone(), sha256_hex(text.as_bytes())))
            .collect();
        all.sort();
        all
    }

    /// The text of a source that was read.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<str>> {
        self.texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }
}

/// The helpers that are built in: file names and texts.
pub fn library() -> impl Iterator<Item = (String, String)> {
    Library::iter().filter_map(|name| {
        let file = Library::get(&name)?;
        Some((name.into_owned(), String::from_utf8_lossy(&file.data).into_owned()))
    })
}

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Removes what editors and shells put at the top of a file and the compiler refuses; line numbers stay.
fn clean(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.starts_with("#!") {
        format!("--{text}")
    } else {
        text.to_owned()
    }
}

/// Where a relative data file is: beside the script, then in `data/` of the nearest parent folder that has one.
///
/// # Errors
/// The places that were looked at.
pub fn find_data(file: &str, script: &Path) -> Result<PathBuf, String> {
    let path = Path::new(file);
    if path.is_absolute() {
        return if path.is_file() {
            Ok(path.to_owned())
        } else {
            Err(format!("there is no file `{file}`"))
        };
    }
    let folder = script.parent().unwrap_or(Path::new(""));
    let beside = folder.join(path);
    if beside.is_file() {
        return Ok(beside);
    }
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let data = absolute
        .ancestors()
        .map(|parent| parent.join("data"))
        .find(|data| data.is_dir());
    let Some(data) = data else {
        return Err(format!(
            "there is no file `{}`, and no folder `data` in any parent folder{}",
            beside.display(),
            similar(&[&beside])
        ));
    };
    let there = data.join(path);
    if there.is_file() {
        Ok(there)
    } else {
        Err(format!(
            "there is no file `{}` and no `{}`{}",
            beside.display(),
            there.display(),
            similar(&[&beside, &there])
        ))
    }
}

/// `; did you mean …?` for a file beside one of these that is spelled alike, or nothing.
fn similar(missing: &[&Path]) -> String {
    let Some(wanted) = missing.first().and_then(|path| path.file_name()?.to_str()) else {
        return String::new();
    };
    let folders = missing.iter().filter_map(|path| path.parent());
    let names: Vec<String> = folders
        .map(|folder| {
            if folder == Path::new("") {
                Path::new(".")
            } else {
                folder
            }
        })
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    super::fields::suggest(wanted, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_the_first_line_and_keeps_line_numbers() {
        let table = [
            ("\u{feff}return 1", "return 1"),
            ("#!/usr/bin/env x\nreturn 1", "--#!/usr/bin/env x\nreturn 1"),
            ("a", "a"),
        ];
        for (text, cleaned) in table {
            assert_eq!(clean(text), cleaned);
        }
    }

    #[test]
    fn module_names_cannot_leave_the_project() {
        let sources = Sources::default();
        for name in ["../x", "a/../b", "/etc/passwd", "", "a..b", "a.lua/", "x\0"] {
            assert_eq!(
                sources.module(name, Path::new("scripts")),
                Err(LoadError::BadName(name.to_owned())),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_missing_data_file_names_the_places_and_what_is_spelled_alike() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("data/customers.json"), "[1]").unwrap();
        std::fs::write(folder.path().join("j.lua"), "").unwrap();
        let script = folder.path().join("j.lua");
        assert!(find_data("customers.json", &script).is_ok());
        let error = find_data("customer.json", &script).unwrap_err();
        assert!(
            error.contains("data/customer.json") && error.contains("did you mean `customers.json`?"),
            "{error}"
        );
        let error = find_data("zzzz.csv", &script).unwrap_err();
        assert!(!error.contains("did you mean"), "{error}");
    }

    #[test]
    fn a_missing_module_names_the_places() {
        let error = Sources::default()
            .module("nothing.here", Path::new("scripts"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("scripts/nothing/here.lua") && error.contains("lib-lua"),
            "{error}"
        );
    }
}
