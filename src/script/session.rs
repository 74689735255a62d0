//! What all VMs of one run share: the script's text, variables, metrics, data, errors and switches. No Lua values.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use crate::clock::Instant;
use crate::control::Control;
use crate::failures::Failures;
use crate::failures::redact::Redactor;
use crate::metrics::Registry;
use crate::net::Pools as Connections;

use super::commons::Commons;
use super::errors::ErrorLog;
use super::flow::Flows;
use super::meeting::Meetings;
use super::names::Names;
use super::pool::Pools;
use super::protos::Reflected;
use super::revision::Revision;
use super::secrets::Secrets;
use super::trace::Trace;
use super::waits::Waits;

/// Process-wide state of a run, behind an [`Arc`]; everything in it is off the per-sample path.
#[derive(Debug)]
pub struct Session {
    /// The script as the user named it.
    pub script: PathBuf,
    /// `-e NAME=value`.
    pub vars: BTreeMap<String, String>,
    /// The run's seed.
    pub seed: u64,
    /// Metric definitions; journeys add their own while they load.
    pub registry: Registry,
    /// Uncaught script errors, counted.
    pub errors: ErrorLog,
    /// The first requests of each kind that have failed.
    pub failed: Arc<Failures>,
    /// Reasons given to `kt.fail`, counted.
    pub failures: ErrorLog,
    /// Where virtual users wait for each other.
    pub meetings: Meetings,
    /// What was started and is awaited, across virtual users.
    pub flows: Flows,
    /// The names of polls and flows.
    pub waits: Waits,
    /// Rows that virtual users claim.
    pub pools: Pools,
    /// What `kt.shared` keeps.
    pub commons: Arc<Commons>,
    /// HTTP connections that all virtual users share, where the plan says so.
    pub connections: Arc<Connections>,
    /// What servers have told of their services.
    pub reflected: Reflected,
    limits: Mutex<BTreeSet<Limit>>,
    /// The switches of the run.
    pub control: Arc<Control>,
    /// From when on `kt.time.monotonic` counts.
    pub created: Instant,
    /// When the load began; unset before.
    pub started: OnceLock<Instant>,
    /// What `setup` returned.
    pub setup: OnceLock<serde_json::Value>,
    /// Who hears of each step; nobody in a load.
    pub trace: OnceLock<Trace>,
    revision: watch::Sender<Arc<Revision>>,
    /// The number of `revision`, readable without its lock.
    newest: AtomicU32,
    /// Users who were cut off in the `vu_init` of an edited script.
    never_ready: AtomicU64,
    secrets: Arc<Secrets>,
    exhausted: Mutex<BTreeSet<String>>,
    unset: Mutex<BTreeSet<String>>,
    pub(super) names: Names,
    failed_as: Mutex<HashSet<u32>>,
}

/// What gRPC calls waited for: the address of the server, and the number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// `max_in_flight` of the client.
    Cap(String, usize),
    /// The streams that the server allows on a connection.
    Streams(String, usize),
}

impl Session {
    /// A session for `script`.
    #[must_use]
    pub fn new(script: &Path, vars: BTreeMap<String, String>, seed: u64, control: Arc<Control>) -> Self {
        let revision = Revision::first(script, false);
        let secrets = Arc::<Secrets>::default();
        Self {
            script: script.to_owned(),
            vars,
            seed,
            registry: Registry::veiled(secrets.veil()),
            errors: ErrorLog::default(),
            failed: Arc::default(),
            failures: ErrorLog::default(),
            meetings: Meetings::default(),
            flows: Flows::default(),
            waits: Waits::default(),
            pools: Pools::default(),
            commons: Arc::default(),
            connections: Arc::default(),
            reflected: Reflected::default(),
            limits: Mutex::default(),
            control,
            created: crate::clock::now(),
            started: OnceLock::new(),
            setup: OnceLock::new(),
            trace: OnceLock::new(),
            newest: AtomicU32::new(revision.number),
            revision: watch::Sender::new(Arc::new(revision)),
            never_ready: AtomicU64::new(0),
            secrets,
            exhausted: Mutex::default(),
            unset: Mutex::default(),
            names: Names::default(),
            failed_as: Mutex::new(HashSet::new()),
        }
    }

    /// The same for a run that follows changes of its script: samples carry the number of their revision.
    #[must_use]
    pub fn watched(self) -> Self {
        self.adopt(Arc::new(Revision::first(&self.script, true)));
        self
    }

    /// A session in which `revision` is tried: what it declares, opens and asks of the run stays there. Its secrets are this
    /// one's too, because they may be in what is told of it.
    #[must_use]
    pub fn aside(&self, revision: &Arc<Revision>) -> Self {
        let aside = Self {
            registry: self.registry.fork(),
            secrets: Arc::clone(&self.secrets),
            ..Self::new(&self.script, self.vars.clone(), self.seed, Arc::new(Control::new()))
        };
        aside.adopt(Arc::clone(revision));
        aside
    }

    /// The newest revision of the script.
    #[must_use]
    pub fn revision(&self) -> Arc<Revision> {
        Arc::clone(&self.revision.borrow())
    }

    /// Its number; cheap enough to ask before each iteration.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.newest.load(Ordering::Acquire)
    }

    /// Makes `revision` the newest: virtual users take it up before their next iteration.
    pub fn adopt(&self, revision: Arc<Revision>) {
        let number = revision.number;
        self.revision.send_replace(revision);
        self.newest.store(number, Ordering::Release);
    }

    /// Waits until another revision than that one is the newest.
    pub async fn newer(&self, number: u32) {
        let mut newest = self.revision.subscribe();
        if newest.wait_for(|newest| newest.number != number).await.is_err() {
            // Nobody can make one.
            std::future::pending().await
        }
    }

    /// A user was cut off in the `vu_init` of an edited script.
    pub fn miss_user(&self) {
        self.never_ready.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    #[must_use]
    pub fn never_ready(&self) -> u64 {
        self.never_ready.load(Ordering::Relaxed)
    }

    /// Remembers a value that must never be shown.
    pub fn add_secret(&self, value: &str) {
        self.secrets.add(value);
    }

    /// `text` with every known secret replaced, however it is escaped.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redactor().secrets(text).into_owned()
    }

    /// Takes every known secret out of texts that are kept, and what goes by a telling name.
    #[must_use]
    pub fn redactor(&self) -> Arc<Redactor> {
        self.secrets.redactor()
    }

    /// Every row of that data set has been given out; true when nobody has said so before.
    pub fn exhaust(&self, name: &str) -> bool {
        let mut exhausted = self.exhausted.lock().unwrap_or_else(PoisonError::into_inner);
        exhausted.insert(name.to_owned())
    }

    /// The data sets whose rows were all given out to users who would have taken more.
    #[must_use]
    pub fn exhausted(&self) -> Vec<String> {
        let exhausted = self.exhausted.lock().unwrap_or_else(PoisonError::into_inner);
        exhausted.iter().cloned().collect()
    }

    /// A gRPC call has waited for a limit.
    pub fn waited(&self, limit: Limit) {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).insert(limit);
    }

    /// The limits that gRPC calls have waited for.
    #[must_use]
    pub fn waited_for(&self) -> Vec<Limit> {
        let limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.iter().cloned().collect()
    }

    /// A script has asked for a variable that is not set, and has no other value for it.
    pub fn miss(&self, variable: &str) {
        let mut unset = self.unset.lock().unwrap_or_else(PoisonError::into_inner);
        unset.insert(variable.to_owned());
    }

    /// The variables that scripts have asked for in vain.
    #[must_use]
    pub fn missed(&self) -> Vec<String> {
        let unset = self.unset.lock().unwrap_or_else(PoisonError::into_inner);
        unset.iter().cloned().collect()
    }

    /// Whether no request of this run has failed with this `error_code` before.
    #[must_use]
    pub fn is_first_failure(&self, code: u32) -> bool {
        self.failed_as
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(code)
    }

    /// Looks a variable up: `-e` first, then the process environment.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned().or_else(|| std::env::var(name).ok())
    }
}
