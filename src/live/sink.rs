//! Takes the seconds of a run for the page: they become text on a thread of their own, so that the run does not wait. Who
//! reads them is `feed`'s.

use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::feed::Feed;
use super::history::Point;
use crate::results::{Ending, Header, Interval, OutputReport, Patience, Sink, Summary};

/// Seconds that may wait for their text; the thread would have to stand still for so long.
const QUEUE: usize = 60;

#[derive(Debug)]
enum News {
    Begin(Arc<Header>),
    Second(Arc<Interval>),
}

/// Feeds the page.
#[derive(Debug)]
pub(super) struct FeedSink {
    news: mpsc::Sender<News>,
    end: oneshot::Sender<Bytes>,
    has_begun: bool,
    written: u64,
    dropped: u64,
}

impl FeedSink {
    pub(super) fn start(feed: Arc<Feed>) -> std::io::Result<Self> {
        let (news, inbox) = mpsc::channel(QUEUE);
        let (end, summary) = oneshot::channel();
        on_own_thread("kingtide-page", tell(feed, inbox, summary))?;
        Ok(Self {
            news,
            end,
            has_begun: false,
            written: 0,
            dropped: 0,
        })
    }
}

impl Sink for FeedSink {
    fn begin(&mut self, header: &Arc<Header>) {
        self.has_begun = true;
        // The queue is empty before the first second.
        let _ = self.news.try_send(News::Begin(Arc::clone(header)));
    }

    fn interval(&mut self, interval: &Arc<Interval>) {
        match self.news.try_send(News::Second(Arc::clone(interval))) {
            Ok(()) => self.written += 1,
            Err(_) => self.dropped += 1,
        }
    }

    fn end(mut self: Box<Self>, summary: &Summary, _: &Patience) -> Ending {
        if !self.has_begun {
            // There was no load, and the verdict is all that there is to be shown.
            let run = &summary.run;
            self.begin(&Arc::new(Header::without_load(&run.script, run.seed, &run.started_at)));
        }
        if let Ok(json) = serde_json::to_vec(summary) {
            let _ = self.end.send(json.into());
        }
        // A page that was complete is nothing to report.
        if self.dropped == 0 {
            return Box::pin(std::future::ready(Vec::new()));
        }
        let report = OutputReport {
            kind: "ui".to_owned(),
            written: self.written,
            dropped: self.dropped,
            ..OutputReport::default()
        };
        Box::pin(std::future::ready(vec![report]))
    }
}

/// Tells everything to the feed, and the summary at the end.
async fn tell(feed: Arc<Feed>, mut inbox: mpsc::Receiver<News>, summary: oneshot::Receiver<Bytes>) {
    let mut number = 0;
    while let Some(news) = inbox.recv().await {
        match news {
            News::Begin(header) => {
                if let Ok(json) = serde_json::to_vec(&*header) {
                    feed.header(json.into());
                }
            }
            News::Second(interval) => {
                let Ok(text) = serde_json::to_vec(&*interval) else {
                    continue;
                };
                // Numbers of our own: those of intervals need not be without gaps.
                feed.push(Point {
                    first: number,
                    end: number + 1,
                    text: text.into(),
                });
                number += 1;
            }
        }
    }
    if let Ok(json) = summary.await {
        feed.end(json);
    }
}

/// Runs a future to its end on a thread and runtime of its own.
pub(super) fn on_own_thread(
    name: &str,
    future: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(future))
}
