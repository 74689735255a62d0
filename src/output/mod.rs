//! Outputs: the seconds of a run, in the formats that others read, while it lasts. What stays on disk is `results`', and what people
//! read `report`'s.
//!
//! Each output has a file, a variant of [`Spec`] and a thread of its own, which is fed through a bounded queue: one that fails
//! or is slow is retried and counted there, and the load never waits for it.

mod csv;
mod influx;
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
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use http::header;
use tokio::sync::mpsc;
use url::Url;

use self::csv::Csv;
use self::influx::Influx;
use self::otlp::Otlp;
use self::prometheus::remote_write::{self, RemoteWrite};
use self::prometheus::scrape::Scrape;
use self::push::{Encoder, Line, push};
use self::statsd::Statsd;
use self::tally::Tally;
use crate::clock;
use crate::net::HeaderList;
use crate::results::{Header, Interval, OutputReport, Sink, Summary};

pub use self::prometheus::remote_write::Naming;
pub use self::spec::Spec;

/// Seconds that an output may be behind; then new ones are dropped.
const MOST_BEHIND: usize = 600;
/// How long the end of a run waits for all outputs together: longer than any of them waits for its receiver.
const PATIENCE: Duration = Duration::from_secs(15);

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
    Csv(Box<Csv>),
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
            Spec::Csv(path) => Self::Csv(Box::new(Csv::create(path)?)),
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

    /// Lives until the events end.
    async fn work(self, mut events: mpsc::Receiver<Event>, tally: &mut Tally) {
        match self {
            Self::Csv(mut csv) => {
                while let Some(event) = events.recv().await {
                    if let Event::Interval(interval) = event {
                        csv.interval(&interval, tally);
                    }
                }
                csv.end(tally);
            }
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
            Self::PrometheusRw(url, headers, mut encoder) => send(url, headers, &mut *encoder, events, tally).await,
            Self::Influx(url, headers, mut encoder) => send(url, headers, &mut encoder, events, tally).await,
            Self::Otlp(url, headers, mut encoder) => send(url, headers, &mut *encoder, events, tally).await,
        }
    }
}

async fn send(
    url: Url,
    headers: HeaderList,
    encoder: &mut dyn Encoder,
    mut events: mpsc::Receiver<Event>,
    tally: &mut Tally,
) {
    match Line::new(url, headers) {
        Ok(line) => push(&line, encoder, &mut events, tally).await,
        Err(error) => tally.failed(error, false),
    }
}

/// All outputs of a run.
pub struct Outputs {
    threads: Vec<Handle>,
}

/// An output at work.
struct Handle {
    output: String,
    events: mpsc::Sender<Event>,
    /// Seconds that found no room in its queue.
    missed: u64,
    done: Receiver<OutputReport>,
}

impl Outputs {
    /// Opens files and sockets, and starts the threads. Nothing is sent yet.
    ///
    /// # Errors
    /// The first output that cannot be had.
    pub fn open(specs: &[Spec], naming: Naming) -> Result<Self, OutputError> {
        let threads = specs.iter().map(|spec| {
            let failed = |problem| OutputError {
                output: spec.to_string(),
                problem,
            };
            Handle::start(spec, Output::open(spec, naming).map_err(failed)?).map_err(failed)
        });
        let threads = threads.collect::<Result<_, _>>()?;
        Ok(Self { threads })
    }

    /// Whether none was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }
}

impl Handle {
    fn start(spec: &Spec, output: Output) -> Result<Self, String> {
        let mut name = spec.to_string();
        if let Output::Prometheus(scrape) = &output {
            // Port 0 has become one by now, which somebody has to know.
            name = format!("{}={}", spec.kind(), scrape.addr());
            tracing::info!(target: "kingtide::run", "output prometheus: http://{}/metrics", scrape.addr());
        }
        let (events, inbox) = mpsc::channel(MOST_BEHIND);
        let (tell, done) = channel();
        let mut tally = Tally::new(name.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let work = move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, output.work(inbox, &mut tally));
            // Nobody listens any more when it took too long.
            let _ = tell.send(tally.into_report());
        };
        let started = thread::Builder::new().name(format!("out-{}", spec.kind())).spawn(work);
        started.map_err(|error| error.to_string())?;
        Ok(Self {
            output: name,
            events,
            missed: 0,
            done,
        })
    }

    fn give(&mut self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.missed += 1;
        }
    }
}

impl Sink for Outputs {
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

    fn end(self: Box<Self>, _: &Summary) -> Vec<OutputReport> {
        let deadline = clock::now() + PATIENCE;
        // All of them hear of the end before one is waited for.
        let ending: Vec<_> = self.threads.into_iter().map(|h| (h.output, h.missed, h.done)).collect();
        let reports = ending.into_iter().map(|(output, missed, done)| {
            let left = deadline.saturating_duration_since(clock::now());
            let mut report = done.recv_timeout(left).unwrap_or_else(|error| lost(output, error));
            if missed > 0 {
                report.failures += missed;
                report.error = Some(format!("{missed} s found no room in the queue of {MOST_BEHIND} s"));
            }
            report
        });
        reports.collect()
    }
}

fn lost(output: String, error: RecvTimeoutError) -> OutputReport {
    let error = match error {
        RecvTimeoutError::Timeout => format!("it did not end within {} s", PATIENCE.as_secs()),
        RecvTimeoutError::Disconnected => "its thread panicked".to_owned(),
    };
    OutputReport {
        output,
        failures: 1,
        error: Some(error),
        ..OutputReport::default()
    }
}
