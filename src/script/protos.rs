//! The `.proto` files and descriptor sets of a script: compiled once per process and revision, and shared by all VMs. What
//! is called by them is `api/grpc.rs`'.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::clock::{self, Instant};
use crate::net::grpc::{ReflectError, Schema};

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
pub struct Reflected(Mutex<HashMap<(String, String), Arc<Place>>>);

/// Where the schema of a service is, or will be: whoever comes first asks for it, the others wait.
#[derive(Debug, Default)]
pub struct Place {
    schema: OnceLock<Schema>,
    /// How often asking has failed.
    failures: AtomicU64,
    /// Held while somebody asks; why the last one got no answer.
    asking: tokio::sync::Mutex<Option<Arc<ReflectError>>>,
}

impl Place {
    /// The schema. Who waits while somebody asks in vain has the same error, unless that one's time was over, which is nobody
    /// else's.
    ///
    /// # Errors
    /// Why there is none; nothing, if others have asked until `deadline`.
    pub async fn get_or_ask<F: Future<Output = Result<Schema, ReflectError>>>(
        &self,
        deadline: Instant,
        ask: impl FnOnce() -> F,
    ) -> Result<Schema, Option<Arc<ReflectError>>> {
        let before = self.failures.load(Ordering::Acquire);
        let mut failed = clock::timeout_at(deadline, Box::pin(self.asking.lock()))
            .await
            .map_err(|_| None)?;
        if let Some(schema) = self.schema.get() {
            return Ok(schema.clone());
        }
        if self.failures.load(Ordering::Acquire) != before {
            return Err(failed.clone());
        }
        if clock::now() >= deadline {
            return Err(None);
        }
        match ask().await {
            Ok(schema) => Ok(self.schema.get_or_init(|| schema).clone()),
            Err(error) => {
                let error = Arc::new(error);
                if !error.is_timeout() {
                    *failed = Some(Arc::clone(&error));
                    self.failures.fetch_add(1, Ordering::Release);
                }
                Err(Some(error))
            }
        }
    }
}

impl Reflected {
    /// The place for the schema of a service of a server.
    pub fn place(&self, server: &str, service: &str) -> Arc<Place> {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::net::grpc::{Code, Status};

    /// Asks in vain for so long; counts it.
    async fn in_vain(asked: &Cell<u32>, took: Duration, code: Code) -> Result<Schema, ReflectError> {
        asked.set(asked.get() + 1);
        clock::sleep(took).await;
        let status = Status {
            code,
            message: "".into(),
        };
        Err(ReflectError::Call { status, error: None })
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_while_somebody_asks_in_vain_asks_no_more() {
        let (place, asked, start) = (Place::default(), Cell::new(0), clock::now());
        let second = Duration::from_secs(1);
        for times in 1..=2 {
            let users = (0..3).map(|_| {
                place.get_or_ask(clock::later(start, second * 60), || {
                    in_vain(&asked, second, Code::Unavailable)
                })
            });
            for result in futures_util::future::join_all(users).await {
                let error = result.unwrap_err().unwrap();
                assert_eq!(error.to_string(), "reflection: UNAVAILABLE");
            }
            assert_eq!((asked.get(), start.elapsed().as_secs()), (times, u64::from(times)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_has_a_time_of_its_own() {
        let (place, asked, start) = (Place::default(), Cell::new(0), clock::now());
        let second = Duration::from_secs(1);
        let user = |limit: Duration| {
            let (place, asked, deadline) = (&place, &asked, clock::later(start, limit));
            async move {
                let got = place.get_or_ask(deadline, || {
                    let left = deadline.saturating_duration_since(clock::now());
                    in_vain(asked, left, Code::DeadlineExceeded)
                });
                (got.await.unwrap_err().is_some(), start.elapsed().as_secs())
            }
        };
        // The first asks in vain, the second waits for it in vain, the third asks then.
        let users = [second * 2, second, second * 5].map(user);
        let got = futures_util::future::join_all(users).await;
        assert_eq!(got, [(true, 2), (false, 1), (true, 5)]);
        assert_eq!(asked.get(), 2);
    }
}
