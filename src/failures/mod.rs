//! The first few requests of each kind of failure in a run, picked on each core, redacted, and bounded over all of it. What a
//! kept request holds is in `results`; who decides that a request has failed is the caller.
//!
//! A core remembers which kinds it has met, so that a failure of a known kind costs a look into a table and two additions.

mod exchange;
pub mod redact;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::Method;
use rustc_hash::FxHashMap;

use crate::clock::{self, Instant};
use crate::metrics::TagSet;
use crate::results::{FailedCount, FailedRequest, FailedTimings, FailureSummary, millis};

pub use exchange::{Sent, of_exchange};

/// Requests that are kept of a kind.
pub const EACH: u32 = 2;

/// Kinds of which requests are kept.
pub const KINDS: usize = 50;

/// Kinds beyond those that are told apart, so that each is counted once.
const LEFT_OUT: usize = 10_000;

/// How much a core remembers before it forgets all: tags may be made of ids.
const KNOWN: usize = 4_096;

/// Bytes of a body that are kept.
pub const MOST_BODY: usize = 2_048;

/// Bytes of an address, an error or a header's value.
pub const MOST_LINE: usize = 1_024;

/// Headers, metadata or trailers of one message.
pub const MOST_HEADERS: usize = 40;

/// How a request has failed, as far as kinds are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum How {
    /// With an HTTP status that was not expected.
    Status(u16),
    /// Without an answer, with this error code.
    Error(u16),
    /// With a gRPC status, and the error code where that is not the server's.
    Grpc(u8, Option<u16>),
    /// A check of this name did not hold.
    Check(Box<str>),
}

/// Where and when a request has failed.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// `setup`, `teardown` or `vu_init`.
    pub lifecycle: Option<&'static str>,
    /// The virtual user.
    pub vu: u64,
    /// The number of the iteration.
    pub iteration: Option<u64>,
}

/// What all cores have in common.
#[derive(Debug, Default)]
pub struct Failures {
    /// The start of the load.
    origin: OnceLock<Instant>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By what they are.
    numbers: HashMap<Name, usize>,
    kinds: Vec<Met>,
    /// Hashes of those that there was no room for.
    left_out: HashSet<u64>,
    /// How many of them have been taken.
    told: u64,
    /// Requests that have not been taken.
    news: Vec<FailedRequest>,
}

/// What a kind is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name {
    scenario: String,
    lifecycle: String,
    name: String,
    method: Method,
    how: How,
}

/// A kind that was met.
#[derive(Debug)]
struct Met {
    kind: Arc<Kind>,
    first: Option<FailureSummary>,
    /// How much of its count has been taken.
    told: u64,
}

/// A kind that requests are kept of.
#[derive(Debug)]
struct Kind {
    number: u32,
    kept: AtomicU32,
    count: AtomicU64,
}

/// What has come since the last time.
#[derive(Debug, Default, PartialEq)]
pub struct News {
    /// Requests that are kept.
    pub requests: Vec<FailedRequest>,
    /// How many have failed.
    pub counts: Vec<FailedCount>,
    /// Kinds that there was no room for.
    pub left_out: u64,
}

impl Failures {
    /// The load begins at `origin`.
    pub fn begin(&self, origin: Instant) {
        // It begins once.
        let _ = self.origin.set(origin);
    }

    /// Everything since the last take.
    #[must_use]
    pub fn take(&self) -> News {
        let inner = &mut *self.lock();
        let count = |met: &mut Met| {
            let count = met.kind.count.load(Ordering::Relaxed);
            let kind = met.kind.number;
            let count = count - std::mem::replace(&mut met.told, count);
            (count > 0).then_some(FailedCount { kind, count })
        };
        let left_out = inner.left_out.len() as u64;
        News {
            counts: inner.kinds.iter_mut().filter_map(count).collect(),
            requests: std::mem::take(&mut inner.news),
            left_out: left_out - std::mem::replace(&mut inner.told, left_out),
        }
    }

    /// All kinds of the run, the most frequent first, and how many there was no room for.
    #[must_use]
    pub fn summaries(&self) -> (Vec<FailureSummary>, u64) {
        let inner = self.lock();
        let summary = |met: &Met| {
            let count = met.kind.count.load(Ordering::Relaxed);
            Some(FailureSummary {
                count,
                ..met.first.clone()?
            })
        };
        let mut kinds: Vec<_> = inner.kinds.iter().filter_map(summary).collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        (kinds, inner.left_out.len() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kind of that name, unless there is no room for it.
    fn kind(&self, name: Name) -> Option<Arc<Kind>> {
        let inner = &mut *self.lock();
        if let Some(number) = inner.numbers.get(&name) {
            return Some(Arc::clone(&inner.kinds[*number].kind));
        }
        if inner.kinds.len() >= KINDS {
            if inner.left_out.len() < LEFT_OUT {
                let mut hasher = DefaultHasher::new();
                name.hash(&mut hasher);
                inner.left_out.insert(hasher.finish());
            }
            return None;
        }
        let number = inner.kinds.len();
        let kind = Arc::new(Kind {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            kept: AtomicU32::new(0),
            count: AtomicU64::new(0),
        });
        inner.kinds.push(Met {
            kind: Arc::clone(&kind),
            first: None,
            told: 0,
        });
        inner.numbers.insert(name, number);
        Some(kind)
    }

    fn keep(&self, mut request: FailedRequest) {
        let now = clock::now();
        let since = self.origin.get().map(|origin| now.saturating_duration_since(*origin));
        request.at_ms = since.map_or(0, millis);
        let inner = &mut *self.lock();
        if let Some(met) = inner.kinds.get_mut(request.kind as usize) {
            met.first.get_or_insert_with(|| FailureSummary::of(&request));
        }
        inner.news.push(request);
    }
}

/// One core's look at failures.
#[derive(Debug)]
pub struct Watch {
    failures: Arc<Failures>,
    known: RefCell<FxHashMap<Key, Option<Arc<Kind>>>>,
    wants_requests: Cell<bool>,
}

/// What a core tells kinds by. Tags have scenario and name in them, and more.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    /// [`TagSet::id`].
    tags: u64,
    method: Method,
    how: How,
}

impl Key {
    fn of(tags: &TagSet, method: &Method, how: &How) -> Self {
        Self {
            tags: tags.id(),
            method: method.clone(),
            how: how.clone(),
        }
    }
}

impl Watch {
    /// A watch of the calling thread.
    #[must_use]
    pub fn new(failures: &Arc<Failures>) -> Self {
        Self {
            failures: Arc::clone(failures),
            known: RefCell::default(),
            wants_requests: Cell::new(false),
        }
    }

    /// Whether answers should keep what they are the answers to, for a check that may fail.
    #[must_use]
    pub fn wants_requests(&self) -> bool {
        self.wants_requests.get()
    }

    /// A request has failed. `tags` are those of the request; `make` is called if it is one of the first of its kind, and
    /// gives it without what is known here.
    pub fn failed(&self, tags: &TagSet, method: &Method, how: How, make: impl FnOnce() -> FailedRequest) {
        if let Some(kind) = self.kind(tags, method, &how, EACH) {
            self.keep(&kind, tags, how, make());
        }
    }

    /// The same of a check that did not hold; how its name is shown, `make` may say. `has_request`: what was sent is at hand. Of
    /// a kind, one without is kept, and further ones when it is.
    pub fn check_failed(
        &self,
        tags: &TagSet,
        method: &Method,
        (check, has_request): (&str, bool),
        make: impl FnOnce() -> FailedRequest,
    ) {
        let how = How::Check(check.into());
        let kind = self.kind(tags, method, &how, if has_request { EACH } else { 1 });
        let is_full = self.is_full(tags, method, &how);
        self.wants_requests.set(!has_request && !is_full);
        if let Some(kind) = kind {
            self.keep(&kind, tags, how, make());
        }
    }

    fn keep(&self, kind: &Kind, tags: &TagSet, how: How, mut request: FailedRequest) {
        request.kind = kind.number;
        request.scenario = tags.get("scenario").map(str::to_owned);
        describe(&mut request, how);
        self.failures.keep(request);
    }

    /// Whether no more of a kind are kept.
    fn is_full(&self, tags: &TagSet, method: &Method, how: &How) -> bool {
        let known = self.known.borrow();
        let kind = known.get(&Key::of(tags, method, how)).and_then(Option::as_ref);
        kind.is_none_or(|kind| kind.kept.load(Ordering::Relaxed) >= EACH)
    }

    /// Counts a failure; gives its kind where one more of it is to be kept, of so many.
    fn kind(&self, tags: &TagSet, method: &Method, how: &How, most: u32) -> Option<Arc<Kind>> {
        let key = Key::of(tags, method, how);
        let mut known = self.known.borrow_mut();
        if !known.contains_key(&key) {
            self.meet(&mut known, tags, &key);
        }
        let kind = known.get(&key)?.as_ref()?;
        if !tags.is_warmup() {
            kind.count.fetch_add(1, Ordering::Relaxed);
        }
        let one_more = |kept| (kept < most).then_some(kept + 1);
        let is_wanted = kind.kept.load(Ordering::Relaxed) < most
            && kind
                .kept
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
                .is_ok();
        is_wanted.then(|| Arc::clone(kind))
    }

    #[cold]
    fn meet(&self, known: &mut FxHashMap<Key, Option<Arc<Kind>>>, tags: &TagSet, key: &Key) {
        let tag = |name| tags.get(name).unwrap_or_default().to_owned();
        let kind = self.failures.kind(Name {
            scenario: tag("scenario"),
            lifecycle: tag("lifecycle"),
            name: tag("name"),
            method: key.method.clone(),
            how: key.how.clone(),
        });
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(Key::of(tags, &key.method, &key.how), kind);
    }
}

/// Says in a few words what failed.
fn describe(request: &mut FailedRequest, how: How) {
    request.what = match &how {
        How::Status(status) => format!("status {status}"),
        How::Error(code) => format!("error {code}: {}", text_of(*code)),
        How::Grpc(_, error) => {
            let status = request.grpc_status.as_deref().unwrap_or_default();
            match error {
                Some(code) => format!("{status}: {}", text_of(*code)),
                None => status.to_owned(),
            }
        }
        How::Check(name) => format!("check: {}", request.check.as_deref().unwrap_or(name)),
    };
    match how {
        How::Status(status) => request.error_code = Some(1_000 + u32::from(status)),
        How::Error(code) => request.error_code = Some(u32::from(code)),
        How::Grpc(_, code) => request.error_code = code.map(u32::from),
        How::Check(name) => {
            request.check.get_or_insert_with(|| name.into());
        }
    }
}

fn text_of(code: u16) -> &'static str {
    let kinds = crate::net::ErrorKind::ALL.iter();
    let kind = kinds.copied().find(|kind| kind.code() == code);
    kind.map_or("network error", crate::net::ErrorKind::text)
}

/// In milliseconds.
#[must_use]
pub fn timings(timings: &crate::net::Timings) -> FailedTimings {
    let millis = |time: std::time::Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    FailedTimings {
        blocked: millis(timings.blocked),
        dns: millis(timings.dns),
        connecting: millis(timings.connecting),
        tls_handshaking: millis(timings.tls_handshaking),
        sending: millis(timings.sending),
        waiting: millis(timings.waiting),
        receiving: millis(timings.receiving),
    }
}

#[cfg(test)]
mod tests;
