//! The `.proto` files and descriptor sets of a script: compiled once per process and revision, and shared by all VMs. What
//! is called by them is `api/grpc.rs`'.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::net::grpc::Schema;

use super::loader::sha256_hex;
use super::stamp::{Files, Stamp};

/// All schemas of a revision, each made by whoever asks first.
#[derive(Debug, Default)]
pub struct ProtoStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    schemas: HashMap<Source, Result<Schema, String>>,
    files: Files,
    /// SHA-256 (hex), by path.
    hashes: HashMap<String, String>,
}

/// What a schema is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// `.proto` files.
    Protos {
        /// The files.
        files: Vec<PathBuf>,
        /// Where what they import is looked for.
        import_paths: Vec<PathBuf>,
    },
    /// A file with descriptors.
    Descriptors(PathBuf),
}

impl ProtoStore {
    /// The schema of a source.
    ///
    /// # Errors
    /// What is wrong with the files, with file and line.
    pub fn schema(&self, source: &Source) -> Result<Schema, String> {
        let mut state = self.lock();
        if let Some(known) = state.schemas.get(source) {
            return known.clone();
        }
        let named = match source {
            Source::Protos { files, .. } => files.as_slice(),
            Source::Descriptors(file) => std::slice::from_ref(file),
        };
        // Before they are read: what is written meanwhile is another state.
        for file in named {
            state.files.insert(file.clone(), Stamp::of(file));
        }
        let made = make(source);
        let mut read: BTreeSet<PathBuf> = named.iter().cloned().collect();
        if let Ok(schema) = &made {
            read.extend(schema.files().map(Path::to_owned));
        }
        for file in read {
            if let Ok(bytes) = std::fs::read(&file) {
                let hash = sha256_hex(&bytes);
                state.hashes.insert(file.display().to_string(), hash);
                state.files.entry(file).or_insert_with_key(|file| Stamp::of(file));
            }
        }
        state.schemas.insert(source.clone(), made.clone());
        made
    }

    /// The files that were read, or could not be.
    #[must_use]
    pub fn files(&self) -> Files {
        self.lock().files.clone()
    }

    /// Path and SHA-256 (hex) of each file that was read.
    #[must_use]
    pub fn hashes(&self) -> Vec<(String, String)> {
        let state = self.lock();
        state
            .hashes
            .iter()
            .map(|(file, hash)| (file.clone(), hash.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What servers have told of their services, each once in a run.
#[derive(Debug, Default)]
pub struct Reflected(Mutex<HashMap<(String, String), Place>>);

/// Where the schema of a service is, or will be.
type Place = Arc<OnceCell<Schema>>;

impl Reflected {
    /// The place for the schema of a service of a server: whoever comes first fills it, the others wait.
    pub fn place(&self, server: &str, service: &str) -> Arc<OnceCell<Schema>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (server.to_owned(), service.to_owned());
        Arc::clone(known.entry(key).or_default())
    }
}

fn make(source: &Source) -> Result<Schema, String> {
    match source {
        Source::Protos { files, import_paths } => {
            Schema::compile(files, import_paths).map_err(|error| error.to_string())
        }
        Source::Descriptors(file) => {
            let bytes = std::fs::read(file).map_err(|error| format!("cannot read `{}`: {error}", file.display()))?;
            Schema::from_descriptor_set(&bytes).map_err(|error| format!("`{}`: {error}", file.display()))
        }
    }
}
