//! The folder of a run: makes it, and writes whole files into it or none. What the files say is in their own modules.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::manifest::Manifest;
use super::summary::{Summary, timestamp_as};

/// Why something could not be stored. A full disk or a folder that cannot be written to ends here, not in a panic.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", .path.display())]
pub struct StoreError {
    /// What was attempted, as a verb.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// `results/<run>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes a new folder in `results`, named by the start (UTC) and the script: `20261120T100000Z-saga`, with `-2` and
    /// so on when several runs start in one second.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be made.
    pub fn create(results: &Path, script: &Path, started: SystemTime) -> Result<Self, StoreError> {
        let name = run_name(script, started);
        fs::create_dir_all(results).map_err(|source| StoreError::new("create", results, source))?;
        let mut path = results.join(&name);
        let mut number = 1;
        loop {
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number += 1;
                    path = results.join(format!("{name}-{number}"));
                }
                Err(source) => return Err(StoreError::new("create", &path, source)),
            }
        }
    }

    /// Removes it again, if nothing is in it: the run has not begun.
    pub fn discard(&self) {
        // What somebody has put there stays.
        let _ = fs::remove_dir(&self.path);
    }

    /// What it is called among the others.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `manifest.json`, replacing one that is there.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; what was there stays.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<PathBuf, StoreError> {
        self.write("manifest.json", manifest)
    }

    /// Writes `summary.json`, replacing one that is there.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; what was there stays.
    pub fn write_summary(&self, summary: &Summary) -> Result<PathBuf, StoreError> {
        self.write("summary.json", summary)
    }

    /// Writes `report.html`, replacing one that is there.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; what was there stays.
    pub fn write_report(&self, html: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join("report.html");
        let written = replace(&path, |mut file| file.write_all(html.as_bytes()));
        written.map_err(|source| StoreError::new("write", &path, source))?;
        Ok(path)
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        write_json(&path, value)?;
        Ok(path)
    }
}

/// What a run is called that began then: `20261120T100000Z-saga`.
#[must_use]
pub fn run_name(script: &Path, started: SystemTime) -> String {
    format!("{}-{}", timestamp_as(started, "%Y%m%dT%H%M%SZ"), stem(script))
}

/// Writes a value as indented JSON, so that a reader sees the whole file or the one before. What is no regular file
/// (a pipe), or is open already (`/dev/stdout`, wherever that goes), is appended to as it is.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let written = match replaceable(path) {
        Some(target) => replace(&target, |file| write_to(file, value)),
        None => fs::File::options()
            .append(true)
            .open(path)
            .and_then(|file| write_to(file, value)),
    };
    written.map_err(|source| StoreError::new("write", path, source))
}

/// More links are a circle (Linux' own limit).
const MOST_LINKS: usize = 40;

/// The file behind all links, whose target is replaced, and not the link; nothing when there is no file to replace. Links of
/// the system stand for what a process has open: others go on writing there, and what it held must stay.
fn replaceable(path: &Path) -> Option<PathBuf> {
    let is_system = |path: &Path| {
        let of_system = |root: &str| path.starts_with(root);
        of_system("/proc") || of_system("/dev") && !of_system("/dev/shm")
    };
    let mut target = std::path::absolute(path).ok()?;
    for _ in 0..MOST_LINKS {
        if is_system(&target) {
            return None;
        }
        let Ok(next) = fs::read_link(&target) else { break };
        target = target.parent()?.join(next);
    }
    let is_special = fs::metadata(&target).is_ok_and(|found| !found.is_file());
    (!is_special).then(|| fs::canonicalize(&target).unwrap_or(target))
}

fn replace(target: &Path, write: impl FnOnce(&fs::File) -> io::Result<()>) -> io::Result<()> {
    // In the same folder, because a file cannot be renamed across file systems.
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kingtide-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: others may read it, as far as the umask lets them.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder)?;
    write(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// Reads what [`write_json`] wrote.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let read = fs::read(path).and_then(|text| Ok(serde_json::from_slice(&text)?));
    read.map_err(|source| StoreError::new("read", path, source))
}

fn write_to(file: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut writer = BufWriter::new(file);
    serde_json::to_writer_pretty(&mut writer, value)?;
    writer.write_all(b"\n")?;
    writer.flush()
}

impl StoreError {
    pub(super) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// The script's name without folders and ending, of characters that every file system and shell takes. Of the URL of a run
/// without a script it is the end, whose dots are before no ending.
fn stem(script: &Path) -> String {
    let name = script.file_name().unwrap_or_default().to_string_lossy();
    let stem = [".lua", ".luau"].iter().find_map(|ending| name.strip_suffix(ending));
    let stem = stem.unwrap_or(&name);
    let plain: String = stem
        .chars()
        .take(60)
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if plain.is_empty() { "run".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_168_800)
    }

    #[test]
    fn folders_are_named_by_time_and_script_and_never_shared() {
        let results = tempfile::tempdir().unwrap();
        let table = [
            ("scripts/shop/saga.lua", "20261120T100000Z-saga"),
            ("saga.lua", "20261120T100000Z-saga-2"),
            ("saga.lua", "20261120T100000Z-saga-3"),
            ("my saga; rm -rf.lua", "20261120T100000Z-my_saga__rm_-rf"),
            ("größe.lua", "20261120T100000Z-gr__e"),
            ("v1.2.lua", "20261120T100000Z-v1_2"),
            ("http://127.0.0.1:8080/", "20261120T100000Z-127_0_0_1_8080"),
            ("", "20261120T100000Z-run"),
        ];
        for (script, name) in table {
            let folder = RunFolder::create(&results.path().join("deep"), Path::new(script), start()).unwrap();
            assert_eq!(folder.path(), results.path().join("deep").join(name));
            assert!(folder.path().is_dir());
        }
    }

    #[test]
    fn files_are_replaced_whole_and_leave_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        for value in [json!({ "run": 1, "long": "x".repeat(100_000) }), json!({ "run": 2 })] {
            write_json(&path, &value).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
            assert!(text.ends_with("}\n"));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_others_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_json(&link, &json!(1)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "1\n");
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&plain), "as any new file");
    }

    #[test]
    fn what_cannot_be_written_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let message = RunFolder::create(&file, Path::new("a.lua"), start())
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("cannot create ") && message.contains("file"),
            "{message}"
        );
        let inside = file.join("summary.json");
        let message = write_json(&inside, &json!(1)).unwrap_err().to_string();
        assert!(
            message.starts_with("cannot write ") && message.contains("summary.json"),
            "{message}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let error = write_to(full, &json!("x".repeat(100_000))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_open_already_is_appended_to() {
        use std::os::fd::AsRawFd as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout.txt");
        // As a shell opens it for stdout.
        let mut stdout = fs::File::create(&path).unwrap();
        stdout.write_all(b"before\n").unwrap();
        let fd = stdout.as_raw_fd();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(format!("/dev/fd/{fd}"), &link).unwrap();
        for name in [
            PathBuf::from(format!("/dev/fd/{fd}")),
            PathBuf::from(format!("/proc/self/fd/{fd}")),
            link,
        ] {
            write_json(&name, &json!(1)).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\n1\n1\n1\n");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "and nothing is beside it"
        );
        let error = write_json(Path::new("/dev/full"), &json!(1)).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_never_replaced() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(write_json(&path, &json!(1)).is_err(), "a socket cannot be opened");
        assert!(fs::metadata(&path).unwrap().file_type().is_socket());
        assert!(
            write_json(folder.path(), &json!(1)).is_err(),
            "nor can a folder be written"
        );
    }
}
