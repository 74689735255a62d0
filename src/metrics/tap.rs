//! A tap on the samples of a run, for those who want each of them: buffers of each core, handed over whole. How samples are
//! written is `output`'s; without a tap a sample costs one branch more.
//!
//! A fixed number of buffers is in circulation. A sample that finds none is counted as lost, by its metric, and nobody waits.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::clock::{self, Instant};

use super::registry::{Definition, MetricId, Registry};
use super::slots::Routes;
use super::tags::TagSet;

/// Samples in a buffer; 98 kB.
const SAMPLES: usize = 4_096;
/// Buffers in circulation: 25 MB, or 9 s of 10,000 requests a second.
const BUFFERS: usize = 256;

/// One sample, as its metric has taken it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was recorded, in microseconds since 1970.
    pub at_us: u64,
    /// Its metric.
    pub metric: MetricId,
    /// Which of [`Samples::sets`] its tags are.
    pub set: u32,
    /// The value; of a rate, 0 or 1.
    pub value: f64,
}

/// Samples of one core, in the order in which it recorded them, with all that is needed to read them.
#[derive(Debug, Default)]
pub struct Samples {
    samples: Vec<Sample>,
    /// Which of `ends` are those of a set: a key's and a value's for each tag.
    sets: Vec<Range<usize>>,
    ends: Vec<usize>,
    text: String,
}

impl Samples {
    /// The samples.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The tags of each set, sorted by key.
    pub fn sets(&self) -> impl Iterator<Item = impl Iterator<Item = (&str, &str)>> {
        self.sets.iter().map(move |set| {
            let mut from = match set.start {
                0 => 0,
                start => self.ends[start - 1],
            };
            self.ends[set.clone()].chunks_exact(2).map(move |ends| {
                let key = &self.text[from..ends[0]];
                from = ends[1];
                (key, &self.text[ends[0]..ends[1]])
            })
        })
    }

    fn clear(&mut self) {
        self.samples.clear();
        self.sets.clear();
        self.ends.clear();
        self.text.clear();
    }

    fn add_set(&mut self, tags: &TagSet) -> u32 {
        let start = self.ends.len();
        for (key, value) in tags.iter() {
            self.text.push_str(key);
            self.ends.push(self.text.len());
            self.text.push_str(value);
            self.ends.push(self.text.len());
        }
        self.sets.push(start..self.ends.len());
        u32::try_from(self.sets.len() - 1).unwrap_or_default()
    }
}

/// Where recorders leave their samples. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tap {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: OnceLock<Registry>,
    /// An instant, and when that was in microseconds since 1970.
    origin: (Instant, u64),
    /// Buffers that may still be made, or are in `free`.
    available: AtomicUsize,
    free: Mutex<Vec<Samples>>,
    full: SyncSender<Handed>,
    handed: AtomicU64,
    /// By metric.
    lost: Mutex<Vec<u64>>,
}

#[derive(Debug)]
enum Handed {
    Samples(Samples),
    End,
}

/// The other end of a tap, for one reader.
#[derive(Debug)]
pub struct Tapped {
    tap: Tap,
    inbox: Receiver<Handed>,
}

impl Tap {
    /// A tap, and who reads from it.
    #[must_use]
    pub fn new() -> (Self, Tapped) {
        Self::with_buffers(BUFFERS)
    }

    /// The same with another number of buffers.
    #[must_use]
    pub fn with_buffers(buffers: usize) -> (Self, Tapped) {
        // There is room for all of them and for the end, so that nobody ever waits.
        let (full, inbox) = sync_channel(buffers + 1);
        let wall = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let tap = Self {
            inner: Arc::new(Inner {
                registry: OnceLock::new(),
                origin: (clock::now(), u64::try_from(wall.as_micros()).unwrap_or_default()),
                available: AtomicUsize::new(buffers),
                free: Mutex::default(),
                full,
                handed: AtomicU64::new(0),
                lost: Mutex::default(),
            }),
        };
        (tap.clone(), Tapped { tap, inbox })
    }

    /// All recorders have been taken from for the last time.
    pub fn end(&self) {
        let _ = self.inner.full.try_send(Handed::End);
    }

    /// How many samples there have been, by the last take of each recorder.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.inner.handed.load(Ordering::Acquire) + self.lost()
    }

    /// How many of them found no buffer.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.inner.lost().iter().sum()
    }

    /// How many samples of each metric found no buffer, where there were any.
    #[must_use]
    pub fn lost_by_metric(&self) -> Vec<(MetricId, u64)> {
        let ids = (0..).map(MetricId::new);
        ids.zip(self.inner.lost().iter().copied())
            .filter(|(_, lost)| *lost > 0)
            .collect()
    }

    fn buffer(&self) -> Option<Samples> {
        let inner = &*self.inner;
        // Looked at first: while the reader stands still, cores need not queue for the lock.
        if inner.available.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut free = inner.free();
        let left = inner.available.load(Ordering::Relaxed).checked_sub(1)?;
        inner.available.store(left, Ordering::Relaxed);
        Some(free.pop().unwrap_or_default())
    }

    fn give_back(&self, mut buffer: Samples) {
        buffer.clear();
        let mut free = self.inner.free();
        free.push(buffer);
        self.inner.available.fetch_add(1, Ordering::Relaxed);
    }
}

impl Inner {
    fn free(&self) -> MutexGuard<'_, Vec<Samples>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self) -> MutexGuard<'_, Vec<u64>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tapped {
    /// Waits for samples; `None` when there will be no more.
    #[must_use]
    pub fn wait(&self) -> Option<Samples> {
        match self.inbox.recv() {
            Ok(Handed::Samples(samples)) => Some(samples),
            Ok(Handed::End) | Err(_) => None,
        }
    }

    /// Puts samples that were read back into circulation.
    pub fn give_back(&self, samples: Samples) {
        self.tap.give_back(samples);
    }

    /// What is known about a metric; there are samples of it.
    #[must_use]
    pub fn definition(&self, metric: MetricId) -> Option<Definition> {
        self.tap
            .inner
            .registry
            .get()
            .map(|registry| registry.definition(metric))
    }

    /// The tap itself.
    #[must_use]
    pub fn tap(&self) -> &Tap {
        &self.tap
    }
}

/// A recorder's side of a tap.
pub(super) struct Outlet {
    tap: Tap,
    buffer: Option<Samples>,
    /// Marks the tag sets that are in the buffer.
    stamp: u64,
    at_us: u64,
    /// By metric, since the last time they were handed over.
    lost: Vec<u64>,
}

impl Outlet {
    pub(super) fn new(tap: &Tap, registry: &Registry) -> Self {
        let _ = tap.inner.registry.set(registry.clone());
        Self {
            tap: tap.clone(),
            buffer: None,
            stamp: 0,
            at_us: 0,
            lost: Vec::new(),
        }
    }

    /// Reads the clock for the samples that follow.
    pub(super) fn look_at_clock(&mut self) {
        let (origin, wall) = self.tap.inner.origin;
        let since = clock::now().saturating_duration_since(origin).as_micros();
        self.at_us = wall + u64::try_from(since).unwrap_or_default();
    }

    /// Takes a sample, or counts it as lost. `stamp` gives numbers that no other buffer of this thread has had.
    #[inline(never)]
    pub(super) fn note(
        &mut self,
        routes: &mut Routes,
        (metric, value): (MetricId, f64),
        tags: &TagSet,
        stamp: fn() -> u64,
    ) {
        if self.buffer.is_none() {
            self.buffer = self.tap.buffer();
            if self.buffer.is_some() {
                self.stamp = stamp();
            }
        }
        let Some(buffer) = &mut self.buffer else {
            return self.lose(metric);
        };
        if routes.tapped.0 != self.stamp {
            routes.tapped = (self.stamp, buffer.add_set(tags));
        }
        buffer.samples.push(Sample {
            at_us: self.at_us,
            metric,
            set: routes.tapped.1,
            value,
        });
        if buffer.samples.len() >= SAMPLES {
            self.hand_over();
        }
    }

    #[cold]
    fn lose(&mut self, metric: MetricId) {
        let index = metric.index() as usize;
        if self.lost.len() <= index {
            self.lost.resize(index + 1, 0);
        }
        self.lost[index] += 1;
    }

    /// Passes on what there is.
    pub(super) fn hand_over(&mut self) {
        let inner = &*self.tap.inner;
        if let Some(buffer) = self.buffer.take() {
            inner.handed.fetch_add(buffer.samples.len() as u64, Ordering::Release);
            // There is room; and a reader that is gone has no use for it.
            let _ = inner.full.try_send(Handed::Samples(buffer));
        }
        if self.lost.iter().any(|lost| *lost > 0) {
            let mut all = inner.lost();
            if all.len() < self.lost.len() {
                all.resize(self.lost.len(), 0);
            }
            for (all, lost) in all.iter_mut().zip(&mut self.lost) {
                *all += std::mem::take(lost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Catalog, Recorder, builtin};

    fn recorder(tap: &Tap) -> Recorder {
        let registry = Registry::new();
        let recorder = Recorder::new(&registry, &Catalog::new(&registry, &[]).unwrap());
        recorder.tap(tap);
        recorder
    }

    /// Metric, value and tags of all samples until the end.
    fn read(tapped: &Tapped) -> Vec<(String, f64, String)> {
        let mut all = Vec::new();
        while let Some(samples) = tapped.wait() {
            let text = |set: Vec<(&str, &str)>| set.iter().map(|(k, v)| format!("{k}={v};")).collect::<String>();
            let sets: Vec<String> = samples.sets().map(|set| text(set.collect())).collect();
            for sample in samples.samples() {
                let name = tapped.definition(sample.metric).unwrap().name.to_string();
                all.push((name, sample.value, sets[sample.set as usize].clone()));
            }
            tapped.give_back(samples);
        }
        all
    }

    #[test]
    fn every_sample_that_was_taken_comes_with_its_tags() {
        let (tap, tapped) = Tap::with_buffers(2);
        let recorder = recorder(&tap);
        let none = recorder.no_tags();
        let tags = recorder.tags(&none, &[("name", "a"), ("größe", "ü")]);
        recorder.record(builtin::HTTP_REQ_DURATION, 1.5, &tags);
        recorder.record(builtin::HTTP_REQ_FAILED, 7.0, &none);
        // Refused: out of range.
        recorder.record(builtin::HTTP_REQ_DURATION, -1.0, &tags);
        recorder.record(builtin::HTTP_REQS, f64::NAN, &tags);
        let _ = recorder.take();
        recorder.check("ok", false, &tags);
        let _ = recorder.take();
        let _ = recorder.take();
        tap.end();
        let expected = [
            ("http_req_duration", 1.5, "größe=ü;name=a;"),
            ("http_req_failed", 1.0, ""),
            ("checks", 0.0, "check=ok;größe=ü;name=a;"),
        ];
        let expected = expected.map(|(metric, value, tags)| (metric.to_owned(), value, tags.to_owned()));
        let mut got = read(&tapped);
        for sample in &mut got {
            let mut tags: Vec<_> = sample.2.split_terminator(';').collect();
            tags.sort_by_key(|tag| tag.starts_with('n'));
            sample.2 = tags.iter().map(|tag| format!("{tag};")).collect();
        }
        assert_eq!(got, expected);
        assert_eq!((tap.total(), tap.lost()), (3, 0));
    }

    #[test]
    fn what_finds_no_buffer_is_counted_by_metric_and_nothing_else_is_lost() {
        let (tap, tapped) = Tap::with_buffers(2);
        let (one, two) = (recorder(&tap), recorder(&tap));
        let tags = one.no_tags();
        let all = 3 * SAMPLES as u64;
        for n in 0..all {
            one.record(builtin::HTTP_REQS, 1.0, &tags);
            if n % 2 == 0 {
                two.record(builtin::DATA_SENT, 1.0, &two.no_tags());
            }
        }
        let (sum, _) = (one.take(), two.take());
        assert_eq!(tap.total(), all + all / 2);
        tap.end();
        let read = read(&tapped);
        assert_eq!(read.len() as u64 + tap.lost(), tap.total());
        let reqs = read.iter().filter(|(metric, ..)| metric == "http_reqs").count() as u64;
        assert_eq!(tap.lost_by_metric()[0], (builtin::HTTP_REQS, all - reqs));
        // What is recorded besides is whole.
        assert!(!sum.series.is_empty());
        // Buffers that came back are used again.
        one.record(builtin::HTTP_REQS, 1.0, &tags);
        let _ = one.take();
        assert_eq!(tap.total(), all + all / 2 + 1);
        assert!(tapped.wait().is_some());
    }
}
