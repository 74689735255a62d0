//! One state of a script with everything that it read: texts, data sets, and the plan that came of them. An edited script
//! is another revision; virtual users go from one to the next between iterations. Who makes revisions is `run`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::plan::Plan;

use super::dataset::DataStore;
use super::loader::{self, Sources};
use super::protos::ProtoStore;
use super::stamp::Files;

/// A state of the script, the same for all VMs.
#[derive(Debug)]
pub struct Revision {
    /// From 1; 0 in runs whose script is not watched.
    pub number: u32,
    /// Source texts, each read once, so that all VUs of this revision run the same.
    pub sources: Sources,
    /// Data sets, each parsed once.
    pub data: DataStore,
    /// Services and messages, each compiled once.
    pub protos: ProtoStore,
    script: PathBuf,
    plan: OnceLock<Arc<Plan>>,
}

impl Revision {
    /// The first one.
    #[must_use]
    pub fn first(script: &Path, is_watched: bool) -> Self {
        Self {
            number: u32::from(is_watched),
            sources: Sources::default(),
            data: DataStore::default(),
            protos: ProtoStore::default(),
            script: script.to_owned(),
            plan: OnceLock::new(),
        }
    }

    /// The one after this: everything is read again, except for data files that nobody has touched. Cursors go on where
    /// they are.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            number: self.number + 1,
            sources: Sources::default(),
            data: self.data.next(),
            protos: ProtoStore::default(),
            script: self.script.clone(),
            plan: OnceLock::new(),
        }
    }

    /// The plan in effect; `None` while the file loads.
    #[must_use]
    pub fn plan(&self) -> Option<&Arc<Plan>> {
        self.plan.get()
    }

    /// Says which plan is in effect. Only the first call does anything.
    pub fn set_plan(&self, plan: Arc<Plan>) {
        let _ = self.plan.set(plan);
    }

    /// Where a data file is; the places that were looked at are remembered.
    ///
    /// # Errors
    /// As [`loader::find_data`].
    pub fn find_data(&self, file: &str) -> Result<PathBuf, String> {
        let found = loader::find_data(file, &self.script);
        // What would be taken instead, or at all, if it were there.
        let folder = self.script.parent().unwrap_or(Path::new(""));
        let beside = folder.join(file);
        if found.as_ref() != Ok(&beside) {
            self.sources.look_at(&beside);
        }
        if found.is_err() {
            let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            let parents = absolute.ancestors().map(|parent| parent.join("data"));
            parents.for_each(|data| self.sources.look_at(&data.join(file)));
        }
        found
    }

    /// Every file that another revision could find changed, and how it was: what was read, and what would have been if it
    /// were there.
    #[must_use]
    pub fn files(&self) -> Files {
        let mut files = self.sources.files();
        files.extend(self.data.files());
        files.extend(self.protos.files());
        files
    }

    /// SHA-256 (hex) of each file that was read, by name; helpers that are embedded in the binary included.
    #[must_use]
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let read = self.data.hashes().into_iter().chain(self.protos.hashes());
        self.sources.hashes().into_iter().chain(read).collect()
    }

    /// SHA-256 (hex) over names and contents of everything that was read.
    #[must_use]
    pub fn hash(&self) -> String {
        let all: Vec<String> = self
            .hashes()
            .into_iter()
            .map(|(name, hash)| format!("{hash}  {name}\n"))
            .collect();
        loader::sha256_hex(all.concat().as_bytes())
    }
}
