//! The repository as the rules see it: every file's path, and the text of those that are text. No rule lives here.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// Folders that are not the project's own text.
const SKIPPED: &[&str] = &["target", ".git", ".tools", "node_modules"];

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the root of the repository, with `/`.
    pub path: String,
    /// 1-based.
    pub line: usize,
    /// What it is about, in a form that an exception can name.
    pub what: String,
    /// What to do instead.
    pub advice: String,
}

impl Finding {
    /// A finding at a place.
    pub fn new(path: &str, line: usize, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            what: what.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.what, self.advice)
    }
}

/// Paths and texts; files that are not UTF-8 have an empty text.
#[derive(Debug)]
pub struct Repo {
    files: BTreeMap<String, String>,
}

impl Repo {
    /// Reads the repository that this test belongs to.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = BTreeMap::new();
        walk(root, "", &mut files);
        assert!(files.contains_key("Cargo.toml"), "nothing found in {}", root.display());
        Self { files }
    }

    /// A made-up repository, for self-tests.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(p, t)| ((*p).into(), (*t).into())).collect();
        Self { files }
    }

    /// All files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files below a folder (with a trailing `/`; "" for all) whose names end in a suffix.
    pub fn under(&self, folder: &str, suffix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files()
            .filter(move |(path, _)| path.starts_with(folder) && path.ends_with(suffix))
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a path is a file or a folder of the repository.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&folder))
    }
}

/// Collects the files below `dir`, whose path from the root is `prefix`.
fn walk(dir: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let entry = entry.expect("a folder entry is readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        // Runs leave their folders in results/; only its README is the project's.
        if SKIPPED.contains(&name.as_str()) || (prefix == "results/" && name != "README.md") {
            continue;
        }
        let kind = entry.file_type().expect("a folder entry has a type");
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
}

#[test]
fn folders_and_files_are_found_and_others_are_not() {
    let repo = Repo::of(&[("src/exec/mod.rs", ""), ("src/exec-notes.md", ""), ("README.md", "")]);
    // path, there
    let table = [
        ("src/exec", true),
        ("src/exec/", true),
        ("src/exec/mod.rs", true),
        ("src/exe", false),
        ("src/exec/open.rs", false),
        ("README.md", true),
    ];
    for (path, there) in table {
        assert_eq!(repo.has(path), there, "{path}");
    }
}
