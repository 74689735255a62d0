//! Deterministic sample data: the same bytes on every machine and in every run. The shop's rows have nothing random, and
//! events follow from a seed; no generated person or address exists.

mod challenge;
pub(in crate::demo) mod customers;
pub(in crate::demo) mod events;
pub(in crate::demo) mod products;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// Why a data file was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct DataError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// The files of `kingtide data shop` as (name, contents): rows of customers and products as one POSTs them, their ids
/// as journeys read them, and the ids again for shell scripts.
#[must_use]
pub fn shop_files() -> Vec<(&'static str, String)> {
    let customers = customers::customers();
    let products = products::products();
    let customer_ids: Vec<String> = customers.iter().map(|row| row.id.to_string()).collect();
    let product_ids: Vec<String> = products.iter().map(|row| row.id.to_string()).collect();
    vec![
        (
            "customers.json",
            rows(customers.iter().map(customers::CustomerRow::json)),
        ),
        ("products.json", rows(products.iter().map(products::ProductRow::json))),
        ("customer-ids.json", rows(customer_ids.iter().map(|id| json!(id)))),
        ("product-ids.json", rows(product_ids.iter().map(|id| json!(id)))),
        ("perf-data-ids.sh", shell(&customer_ids, &product_ids)),
    ]
}

/// Writes [`shop_files`] into `dir`, which is created if need be; each file appears whole or not at all. Returns the
/// paths in the order of [`shop_files`].
///
/// # Errors
/// [`DataError`] naming the file.
pub fn write_shop(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    write_files(dir, shop_files())
}

fn write_files(dir: &Path, files: Vec<(&'static str, String)>) -> Result<Vec<PathBuf>, DataError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DataError { path, source }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    let mut written = Vec::new();
    for (name, contents) in files {
        let path = dir.join(name);
        replace(dir, &path, |file| file.write_all(contents.as_bytes())).map_err(failed(&path))?;
        written.push(path);
    }
    Ok(written)
}

/// What `kingtide data challenge` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChallengeData {
    /// `--users N`: of the demo's users, from the first on.
    pub users: u32,
    /// `--issued-at`: when tokens begin, in seconds since 1970.
    pub issued_at: i64,
    /// `--lifetime`: how long they live.
    pub lifetime: Duration,
}

impl ChallengeData {
    /// The files as (name, contents): users, challenges with their goals, and a token for each user.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let expires_at = self.issued_at.saturating_add(lifetime);
        vec![
            ("users.json", rows(challenge::users(self.users))),
            ("challenges.json", rows(challenge::challenges())),
            (
                "tokens.json",
                rows(challenge::tokens(self.users, self.issued_at, expires_at)),
            ),
        ]
    }

    /// Writes [`Self::files`] into `dir`, as [`write_shop`] does.
    ///
    /// # Errors
    /// [`DataError`] naming the file.
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, DataError> {
        write_files(dir, self.files())
    }
}

/// Writes `count` events of a seed, a line of JSON each.
///
/// # Errors
/// What the writer says.
pub fn stream_events(count: u64, seed: u64, to: &mut impl Write) -> io::Result<()> {
    let mut lines = events::lines(seed);
    for line in (0..count).map_while(|_| lines.next()) {
        to.write_all(line.as_bytes())?;
    }
    to.flush()
}

/// Writes [`stream_events`] to a file, which appears whole or not at all; what is no ordinary file (a pipe, a device) is
/// written to as it is.
///
/// # Errors
/// [`DataError`] naming the file.
pub fn write_events(count: u64, seed: u64, path: &Path) -> Result<(), DataError> {
    let failed = |source| DataError {
        path: path.to_owned(),
        source,
    };
    let stream = |file: &mut File| stream_events(count, seed, &mut BufWriter::new(file));
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
        Ok(there) if !there.is_file() => File::options()
            .write(true)
            .open(path)
            .and_then(|mut file| stream(&mut file))
            .map_err(failed),
        // A link stays one, and what it leads to is replaced.
        Ok(_) => std::fs::canonicalize(path)
            .and_then(|real| replace(parent(&real), &real, stream))
            .map_err(failed),
        Err(_) => replace(parent(path), path, stream).map_err(failed),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes a file beside `path`, in `dir`, and puts it in its place.
fn replace(dir: &Path, path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; data is for everybody whom the umask allows.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir)?;
    write(file.as_file_mut())?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// A JSON array with one row per line, so that differences are readable.
fn rows(values: impl Iterator<Item = Value>) -> String {
    let lines: Vec<String> = values.map(|value| format!("  {value}")).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn shell(customers: &[String], products: &[String]) -> String {
    let mut text = "# Ids of the shop's preloaded rows, for shell scripts: . data/perf-data-ids.sh\n".to_owned();
    for (kind, ids) in [("CUSTOMER", customers), ("PRODUCT", products)] {
        let first = ids.first().map_or("", String::as_str);
        text.push_str(&format!(
            "export PERF_{kind}_IDS=\"{}\"\nexport PERF_FIRST_{kind}_ID=\"{first}\"\nexport PERF_{kind}_COUNT={}\n",
            ids.join(" "),
            ids.len()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_writes_the_same_bytes() {
        assert_eq!(shop_files(), shop_files());
        let dir = tempfile::tempdir().unwrap();
        let first = write_shop(&dir.path().join("new")).unwrap();
        let read = |paths: &[PathBuf]| {
            paths
                .iter()
                .map(|path| std::fs::read(path).unwrap())
                .collect::<Vec<_>>()
        };
        let bytes = read(&first);
        std::fs::write(&first[0], "something else").unwrap();
        assert_eq!(read(&write_shop(&dir.path().join("new")).unwrap()), bytes);
        let left = std::fs::read_dir(dir.path().join("new")).unwrap().count();
        assert_eq!(left, 5, "no temporary files stay");
    }

    #[test]
    fn the_repository_has_what_the_generator_writes() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        for (name, contents) in shop_files() {
            let there = std::fs::read_to_string(data.join(name)).unwrap_or_default();
            assert!(
                there == contents,
                "data/{name} is stale: run `kingtide data shop --out data`"
            );
        }
    }

    const CHALLENGE: ChallengeData = ChallengeData {
        users: 10_000,
        issued_at: 1_767_225_600,
        lifetime: Duration::from_secs(87_600 * 3_600),
    };

    #[test]
    fn the_challenge_system_has_these_users_and_takes_these_tokens() {
        let files = CHALLENGE.files();
        assert_eq!(files, CHALLENGE.files(), "the same bytes each time");
        let parse = |index: usize| serde_json::from_str::<Vec<Value>>(&files[index].1).unwrap();
        let (users, challenges, tokens) = (parse(0), parse(1), parse(2));
        assert_eq!((users.len(), challenges.len(), tokens.len()), (10_000, 10, 10_000));
        assert!(
            challenges
                .iter()
                .all(|row| row["goals"].as_array().unwrap().len() == 50)
        );
        assert_eq!(users[9_999], json!({ "userId": "user-009999", "platform": "PC" }));
        let mint = crate::demo::challenge::token::Mint::new();
        for (number, (user, token)) in (0..).zip(users.iter().zip(&tokens)) {
            assert_eq!(user["userId"], token["userId"]);
            let text = token["token"].as_str().unwrap();
            assert_eq!(mint.user(text, 1_800_000_000.0), Some(number));
            assert_eq!(mint.user(text, 2_100_000_000.0), None, "ten years later");
        }
    }

    #[test]
    fn the_repository_has_users_and_challenges() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        // Tokens are too large to keep, and are made in a moment.
        for (name, contents) in &CHALLENGE.files()[..2] {
            let there = std::fs::read_to_string(data.join(name)).unwrap_or_default();
            assert!(
                there == *contents,
                "data/{name} is stale: run `kingtide data challenge --out data`"
            );
        }
    }

    #[test]
    fn the_repository_has_the_events_of_seed_1() {
        let there = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/events.jsonl")).unwrap_or_default();
        let mut made = Vec::new();
        stream_events(2_500, 1, &mut made).unwrap();
        assert!(made.len() < 1_000_000, "{}", made.len());
        assert!(
            there == made,
            "data/events.jsonl is stale: run `kingtide data events 2500 data/events.jsonl`"
        );
    }

    #[test]
    fn an_events_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("e.jsonl");
        write_events(300, 7, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 300);
        std::fs::write(&path, "old").unwrap();
        let link = dir.path().join("link.jsonl");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_events(300, 7, &link).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "through a link");
        assert!(link.is_symlink());
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 2, "no temporary files stay");
    }

    #[test]
    fn events_that_cannot_be_written_are_an_error_with_the_name() {
        let dir = tempfile::tempdir().unwrap();
        // path, part of the message
        let table = [
            (dir.path().join("none/e.jsonl"), "No such file"),
            (dir.path().to_owned(), "directory"),
            (PathBuf::from("/dev/full"), "No space left"),
        ];
        for (path, part) in table {
            let message = write_events(10, 1, &path).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
            assert!(message.contains(&path.display().to_string()), "{message}");
        }
        assert!(
            std::fs::metadata("/dev/full").is_ok_and(|there| !there.is_file()),
            "a device stays one"
        );
    }

    #[test]
    fn id_files_agree_with_the_rows() {
        let files = shop_files();
        let parse = |index: usize| serde_json::from_str::<Vec<Value>>(&files[index].1).unwrap();
        for (rows, ids, key) in [(0, 2, "customerId"), (1, 3, "productId")] {
            let of_rows: Vec<Value> = parse(rows).iter().map(|row| row[key].clone()).collect();
            assert_eq!(of_rows.len(), 100);
            assert_eq!(of_rows, parse(ids));
        }
        let shell = &files[4].1;
        for id in parse(2).iter().chain(&parse(3)) {
            assert!(shell.contains(id.as_str().unwrap()));
        }
        for line in ["export PERF_CUSTOMER_COUNT=100\n", "export PERF_PRODUCT_COUNT=100\n"] {
            assert!(shell.contains(line), "{line}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_is_an_error_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = write_shop(&file.join("under")).unwrap_err();
        assert!(error.to_string().contains("under"), "{error}");
    }
}
