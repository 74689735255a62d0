//! Keeps the seconds of a run on disk while it lasts: `intervals.jsonl` and `latency.hlog`, on a thread of its own. What
//! cannot be written is counted and told once; the load never waits for the disk.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::Serialize;
use tokio::sync::oneshot;

use super::hlog::Hlog;
use super::interval::{Header, Interval};
use super::pieces::PieceFile;
use super::sink::{Ending, OutputReport, Patience, Sink};
use super::store::StoreError;
use super::summary::Summary;

/// How many seconds may wait for the disk; what comes then is lost.
const WAITING: usize = 60;

/// Writes each second into the folder of a run.
#[derive(Debug)]
pub struct Keeper {
    seconds: Option<SyncSender<Piece>>,
    done: oneshot::Receiver<OutputReport>,
    dropped: u64,
}

enum Piece {
    Header(Arc<Header>),
    Interval(Arc<Interval>),
}

impl Keeper {
    /// Makes the files in the folder.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be made.
    pub fn new(folder: &Path) -> Result<Self, StoreError> {
        let make = |name: &'static str| {
            let path = folder.join(name);
            let file = File::create(&path).map_err(|source| StoreError::new("create", &path, source))?;
            Ok(Kept::new(name, file))
        };
        let (intervals, latency) = (make("intervals.jsonl")?, make("latency.hlog")?);
        let (seconds, inbox) = sync_channel(WAITING);
        let (tell, done) = oneshot::channel();
        std::thread::Builder::new()
            .name("kingtide-results".to_owned())
            .spawn(move || {
                // Nobody listens any more when it took too long.
                let _ = tell.send(keep(&inbox, intervals, latency));
            })
            .map_err(|source| StoreError::new("write", folder, source))?;
        Ok(Self {
            seconds: Some(seconds),
            done,
            dropped: 0,
        })
    }

    fn pass(&mut self, piece: Piece) {
        let passed = self.seconds.as_ref().map(|seconds| seconds.try_send(piece));
        if !matches!(passed, Some(Ok(()))) {
            self.dropped += 1;
        }
    }
}

impl Sink for Keeper {
    fn begin(&mut self, header: &Arc<Header>) {
        self.pass(Piece::Header(Arc::clone(header)));
    }

    fn interval(&mut self, interval: &Arc<Interval>) {
        self.pass(Piece::Interval(Arc::clone(interval)));
    }

    /// Nothing is told of files that are whole.
    fn end(mut self: Box<Self>, _: &Summary, patience: &Patience) -> Ending {
        drop(self.seconds.take());
        let patience = patience.clone();
        Box::pin(async move {
            let report = patience.wait("results", self.done).await;
            let mut report = report.unwrap_or_else(|why| OutputReport {
                failures: 1,
                error: Some(why.to_string()),
                ..report_of("intervals.jsonl")
            });
            report.dropped += self.dropped;
            let is_whole = report.dropped == 0 && report.failures == 0;
            if is_whole { Vec::new() } else { vec![report] }
        })
    }
}

/// Writes until nothing more comes.
fn keep(inbox: &Receiver<Piece>, mut intervals: Kept, mut latency: Kept) -> OutputReport {
    let mut hlog = None;
    while let Ok(piece) = inbox.recv() {
        match piece {
            Piece::Header(header) => {
                intervals.begin(|text| line(&*header, text));
                latency.begin(|text| Hlog::new(text, &header).map(|_| ()));
                hlog = Some(header);
            }
            Piece::Interval(interval) => {
                intervals.write(|text| line(&*interval, text));
                if let Some(header) = &hlog {
                    latency.write(|text| Hlog::resume(text, header).interval(&interval));
                }
            }
        }
    }
    intervals.end();
    latency.end();
    OutputReport {
        written: intervals.written,
        dropped: intervals.lost,
        failures: intervals.lost + latency.lost,
        error: intervals.error.or(latency.error),
        ..report_of(intervals.name)
    }
}

fn report_of(file: &str) -> OutputReport {
    OutputReport {
        kind: "results".to_owned(),
        target: file.to_owned(),
        ..OutputReport::default()
    }
}

fn line(value: &impl Serialize, text: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *text, value)?;
    text.push(b'\n');
    Ok(())
}

/// A file of the folder, and what became of it.
#[derive(Debug)]
struct Kept {
    name: &'static str,
    file: PieceFile,
    written: u64,
    lost: u64,
    /// The first failure.
    error: Option<String>,
    text: Vec<u8>,
}

impl Kept {
    fn new(name: &'static str, file: File) -> Self {
        Self {
            name,
            file: PieceFile::new(file),
            written: 0,
            lost: 0,
            error: None,
            text: Vec::new(),
        }
    }

    /// Writes what the file begins with, now or before the first second that the disk takes.
    fn begin(&mut self, make: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        let mut head = Vec::new();
        let begun = make(&mut head).and_then(|()| self.file.begin(head));
        match begun {
            Ok(()) => self.written += 1,
            Err(error) => self.failed(&error),
        }
    }

    fn write(&mut self, make: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        let had_begun = self.file.has_begun();
        self.text.clear();
        let made = make(&mut self.text);
        match made.and_then(|()| self.file.append(&self.text)) {
            Ok(()) => self.written += if had_begun { 1 } else { 2 },
            Err(error) => {
                self.lost += 1;
                self.failed(&error);
            }
        }
    }

    /// Nothing more comes.
    fn end(&mut self) {
        self.lost += u64::from(!self.file.has_begun());
    }

    fn failed(&mut self, error: &io::Error) {
        if self.error.is_none() {
            let text = format!("cannot write {}: {error}", self.name);
            tracing::warn!(target: "kingtide::results", "{text}; the run goes on, and what is lost is counted");
            self.error = Some(text);
        }
    }
}
