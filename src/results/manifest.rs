//! `kingtide.manifest/1`: what is needed to do a run again. What it has shown is in `summary`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The value of [`Manifest::schema`].
pub const MANIFEST_SCHEMA: &str = "kingtide.manifest/1";

/// What is needed to do a run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_SCHEMA`].
    pub schema: String,
    /// `kingtide` and what else matters, by name.
    pub versions: BTreeMap<String, String>,
    /// The script.
    pub script: FileHash,
    /// The modules that it required, without those that are built in.
    #[serde(default)]
    pub modules: Vec<FileHash>,
    /// The data files that it read.
    pub data: Vec<FileHash>,
    /// The options in force, as the caller writes them; secrets left out.
    pub options: serde_json::Value,
    /// The seed of the run.
    pub seed: u64,
    /// The machine.
    pub host: Host,
    /// RFC 3339 in UTC.
    pub started_at: String,
    /// The same; `null` while the run goes on, and for ever when it was killed.
    pub ended_at: Option<String>,
    /// The revision of the repository that the script is in, if it is in one.
    #[serde(default)]
    pub git: Option<GitRevision>,
}

/// A state of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitRevision {
    /// The commit's hash, in full.
    pub commit: String,
    /// Files that git knows differ from that commit.
    pub dirty: bool,
}

/// A file and its content's fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// The path as it was given.
    pub path: String,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

impl FileHash {
    /// Reads the file piece by piece and hashes it.
    ///
    /// # Errors
    /// What reading gives.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Self::new(path, &hasher.finalize(), bytes))
    }

    /// Hashes content that was read before.
    #[must_use]
    pub fn of_content(path: &Path, content: &[u8]) -> Self {
        Self::new(path, &Sha256::digest(content), content.len() as u64)
    }

    fn new(path: &Path, hash: &[u8], bytes: u64) -> Self {
        let sha256 = hash.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self {
            path: path.display().to_string(),
            sha256,
            bytes,
        }
    }
}

/// The machine that a run ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// For example `linux`.
    pub os: String,
    /// For example `x86_64`.
    pub arch: String,
    /// CPUs that the process may use.
    pub cpus: usize,
}

impl Host {
    /// This machine.
    #[must_use]
    pub fn this() -> Self {
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standard() {
        // FIPS 180-2, appendix B, and the well-known hash of nothing.
        let table: [(&[u8], &str); 2] = [
            (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                b"abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        for (content, sha256) in table {
            std::fs::write(&path, content).unwrap();
            let hash = FileHash::of(&path).unwrap();
            assert_eq!((hash.sha256.as_str(), hash.bytes), (sha256, content.len() as u64));
            assert_eq!(FileHash::of_content(&path, content), hash);
        }
        assert!(FileHash::of(&folder.path().join("missing")).is_err());
    }
}
