//! Outputs: the seconds of a run, in the formats that others read, while it lasts. What stays on disk is `results`', and what people
//! read `report`'s.
//!
//! Each output has a file, a variant of [`Spec`] and a thread of its own, which is fed through a bounded queue: one that fails
//! or is slow is retried and counted there, and the load never waits for it.

mod csv;
mod hlog;
mod influx;
mod jsonl;
mod native;
mod otlp;
mod prometheus;
mod push;
mod row;
mod spec;
mod statsd;
mod tally;
mod totals;

use std::sync::Arc;
use std::thread;

use futures_util::future::join_all;
use http::header;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::csv::Csv;
use self::hlog::HlogFile;
use self::influx::Influx;
use self::jsonl::Jsonl;
use self::otlp::Otlp;
use self::prometheus::remote_write::{self, RemoteWrite};
use self::prometheus::scrape::Scrape;
use self::push::{Encoder, Line, push};
use self::statsd::Statsd;
use self::tally::Tally;
use crate::metrics::Tap;
use crate::net::HeaderList;
use crate::results::{Ending, Header, Interval, OutputReport, Patience, Sink, Summary};

pub use self::prometheus::remote_write::Naming;
pub use self::spec::{Spec, listen_addr};

/// Seconds that an output may be behind; then new ones are dropped.
const MOST_BEHIND: usize = 600;

/// What happens to an output.
enum Event {
    Begin(Arc<Header>),
    Interval(Arc<Interval>),
}

/// An output cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("--out {output}: {problem}")]
pub struct OutputError {
    /// Which one, without secrets.
    output: String,
    /// What is the matter with it.
    problem: String,
}

/// An output with what it writes to.
enum Output {
    Csv(Csv),
    Hlog(HlogFile),
    Jsonl(Box<Jsonl>),
    Prometheus(Scrape),
    PrometheusRw(Url, HeaderList, Box<RemoteWrite>),
    Influx(Url, HeaderList, Influx),
    Statsd(Statsd),
    Otlp(Url, HeaderList, Box<Otlp>),
}

impl Output {
    fn open(spec: &Spec, naming: Naming) -> Result<Self, String> {
        let headers = |fixed: &[_]| push::headers(spec.kind(), fixed);
        Ok(match spec {
            Spec::Csv(path) => Self::Csv(Csv::open(path)?),
            Spec::Hlog(path) => Self::Hlog(HlogFile::open(path)?),
            Spec::Jsonl(path) => Self::Jsonl(Box::new(Jsonl::open(path, Tap::new().1)?)),
            Spec::Junit(_) => return Err("it is written of the summary, and not of seconds".to_owned()),
            Spec::Prometheus(addr) => Self::Prometheus(Scrape::bind(*addr)?),
            Spec::PrometheusRw(url) => Self::PrometheusRw(
                url.clone(),
                headers(&remote_write::HEADERS)?,
                Box::new(RemoteWrite::new(naming)),
            ),
            Spec::Influx(url) => Self::Influx(
                url.clone(),
                headers(&[(header::CONTENT_TYPE, "text/plain; charset=utf-8")])?,
                Influx::default(),
            ),
            Spec::Statsd(target) => Self::Statsd(Statsd::connect(target)?),
            Spec::Otlp(url) => Self::Otlp(
                url.clone(),
                headers(&[(header::CONTENT_TYPE, "application/x-protobuf")])?,
                Box::default(),
            ),
        })
    }

    /// Takes away what its file held. Until then nothing is lost to a run that does not start.
    fn empty(&mut self) -> Result<(), String> {
        match self {
            Self::Csv(csv) => csv.empty(),
            Self::Hlog(hlog) => hlog.empty(),
            Self::Jsonl(jsonl) => jsonl.empty(),
            _ => Ok(()),
        }
    }

    /// Lives until the events end, and then until all is written or given up.
    async fn work(self, mut events: mpsc::Receiver<Event>, give_up: &CancellationToken, tally: &Tally) {
        match self {
            Self::Csv(mut csv) => {
                while let Some(event) = events.recv().await {
                    if let Event::Interval(interval) = event {
                        csv.interval(&interval, tally);
                    }
                }
                csv.end(tally);
            }
            Self::Hlog(mut hlog) => {
                while let Some(event) = events.recv().await {
                    match event {
                        Event::Begin(header) => hlog.begin(header, tally),
                        Event::Interval(interval) => hlog.interval(&interval, tally),
                    }
                }
                hlog.end(tally);
            }
            Self::Jsonl(jsonl) => jsonl.work(give_up, tally),
            Self::Statsd(mut statsd) => {
                while let Some(event) = events.recv().await {
                    if let Event::Interval(interval) = event {
                        statsd.interval(&interval, tally);
                    }
                }
            }
            Self::Prometheus(scrape) => {
                if let Err(error) = scrape.serve() {
                    tally.failed(error, false);
                }
                while let Some(event) = events.recv().await {
                    match event {
                        Event::Begin(header) => scrape.begin(&header),
                        Event::Interval(interval) => scrape.interval(&interval),
                    }
                }
                scrape.end(tally);
            }
            Self::PrometheusRw(url, headers, mut encoder) => {
                send((url, headers), &mut *encoder, events, give_up, tally).await;
            }
            Self::Influx(url, headers, mut encoder) => send((url, headers), &mut encoder, events, give_up, tally).await,
            Self::Otlp(url, headers, mut encoder) => send((url, headers), &mut *encoder, events, give_up, tally).await,
        }
    }

    /// Where it takes its samples, if it wants each of them; then it has no use for seconds.
    fn tap(&self) -> Option<Tap> {
        match self {
            Self::Jsonl(jsonl) => Some(jsonl.tapped().tap().clone()),
            _ => None,
        }
    }
}

async fn send(
    (url, headers): (Url, HeaderList),
    encoder: &mut dyn Encoder,
    mut events: mpsc::Receiver<Event>,
    give_up: &CancellationToken,
    tally: &Tally,
) {
    match Line::new(url, headers) {
        Ok(line) => push(&line, encoder, &mut events, give_up, tally).await,
        Err(error) => tally.failed(error, false),
    }
}

/// All outputs of a run.
pub struct Outputs {
    threads: Vec<Handle>,
    /// What is not written by then is given up.
    give_up: CancellationToken,
}

/// An output at work.
struct Handle {
    events: mpsc::Sender<Event>,
    tap: Option<Tap>,
    tally: Tally,
    /// Seconds that found no room in its queue.
    missed: u64,
    done: oneshot::Receiver<()>,
}

impl Outputs {
    /// Opens files and sockets, empties the files once all can be had, and starts the threads. Nothing is sent yet.
    ///
    /// # Errors
    /// The first output that cannot be had.
    pub fn open(specs: &[Spec], naming: Naming) -> Result<Self, OutputError> {
        let failed = |spec: &Spec, problem| OutputError {
            output: spec.to_string(),
            problem,
        };
        let mut outputs: Vec<(&Spec, Output)> = Vec::new();
        for spec in specs {
            let output = Output::open(spec, naming).map_err(|problem| failed(spec, problem))?;
            if output.tap().is_some() && outputs.iter().any(|(_, other)| other.tap().is_some()) {
                let problem = "samples can be written once only; copy the file";
                return Err(failed(spec, problem.to_owned()));
            }
            outputs.push((spec, output));
        }
        for (spec, output) in &mut outputs {
            output.empty().map_err(|problem| failed(spec, problem))?;
        }
        let give_up = CancellationToken::new();
        let start = |(spec, output)| {
            let started = Handle::start(spec, output, give_up.clone());
            started.map_err(|problem| failed(spec, problem))
        };
        let threads = outputs.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Self { threads, give_up })
    }

    /// Whether none was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }
}

impl Handle {
    fn start(spec: &Spec, output: Output, give_up: CancellationToken) -> Result<Self, String> {
        let mut target = spec.target();
        if let Output::Prometheus(scrape) = &output {
            // Port 0 has become one by now, which somebody has to know.
            target = scrape.addr().to_string();
            tracing::info!(target: "kingtide::run", "output prometheus: http://{}/metrics", scrape.addr());
        }
        let (events, inbox) = mpsc::channel(MOST_BEHIND);
        let (tell, done) = oneshot::channel();
        let tally = Tally::new(spec.kind(), target);
        let tap = output.tap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let counts = tally.clone();
        let work = move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, output.work(inbox, &give_up, &counts));
            // Nobody listens any more when it took too long.
            let _ = tell.send(());
        };
        let started = thread::Builder::new().name(format!("out-{}", spec.kind())).spawn(work);
        started.map_err(|error| error.to_string())?;
        Ok(Self {
            events,
            tap,
            tally,
            missed: 0,
            done,
        })
    }

    fn give(&mut self, event: Event) {
        if self.tap.is_none() && self.events.try_send(event).is_err() {
            self.missed += 1;
        }
    }

    /// Waits for it, and reports.
    async fn end(self, patience: &Patience) -> OutputReport {
        drop(self.events);
        if let Some(tap) = &self.tap {
            tap.end();
        }
        let ended = patience.wait(&self.tally.report().name(), self.done).await;
        if let Err(why) = ended {
            self.tally.failed(why.to_string(), false);
        }
        if self.missed > 0 {
            let problem = format!("{} s found no room in the queue of {MOST_BEHIND} s", self.missed);
            self.tally.failed(problem, false);
        }
        let mut report = self.tally.report();
        if let Some(tap) = &self.tap {
            // Exactly, whatever became of its thread.
            report.dropped = tap.total().saturating_sub(report.written);
        }
        report
    }
}

impl Sink for Outputs {
    fn tap(&self) -> Option<Tap> {
        self.threads.iter().find_map(|thread| thread.tap.clone())
    }

    fn begin(&mut self, header: &Arc<Header>) {
        for thread in &mut self.threads {
            thread.give(Event::Begin(Arc::clone(header)));
        }
    }

    fn interval(&mut self, interval: &Arc<Interval>) {
        for thread in &mut self.threads {
            thread.give(Event::Interval(Arc::clone(interval)));
        }
    }

    fn end(self: Box<Self>, _: &Summary, patience: &Patience) -> Ending {
        let patience = patience.clone();
        Box::pin(async move {
            let all = join_all(self.threads.into_iter().map(|thread| thread.end(&patience)));
            let giving_up = async {
                patience.over().await;
                self.give_up.cancel();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                reports = all => reports,
                () = giving_up => Vec::new(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_is_refused_leaves_files_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let kept = [Spec::Csv(file("a")), Spec::Hlog(file("b")), Spec::Jsonl(file("c"))];
        for name in ["a", "b", "c"] {
            std::fs::write(file(name), "old").unwrap();
        }
        for refused in [Spec::Csv(file("none/d")), Spec::Jsonl(file("d"))] {
            let specs = [&kept[..], &[refused]].concat();
            assert!(Outputs::open(&specs, Naming::Kingtide).is_err());
            for name in ["a", "b", "c"] {
                assert_eq!(std::fs::read_to_string(file(name)).unwrap(), "old", "{name}");
            }
        }
        let outputs = Outputs::open(&kept, Naming::Kingtide).unwrap();
        for name in ["a", "b", "c"] {
            assert!(!std::fs::read_to_string(file(name)).unwrap().contains("old"), "{name}");
        }
        drop(outputs);
    }
}
