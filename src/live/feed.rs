//! The stream of server-sent events that the page lives on. Each reader goes through the history at its own pace and waits
//! at its end for news, so that a slow one holds up nobody and costs nothing but its place.
//!
//! Events: `header` once (of a run without a load, at its end), `interval` for each point, whose `id` is where to go on after a lost connection, and `end` with
//! the summary. A comment keeps quiet connections open.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;

use super::history::{History, Merge, Point};
use crate::clock;

/// More is sent in several pieces, each when the one before is on its way.
const PIECE: usize = 256 << 10;

/// A connection on which nothing was sent for so long gets a comment.
const QUIET: Duration = Duration::from_secs(15);

/// More readers than people look at a run.
pub(super) const MAX_READERS: usize = 64;

/// What is told to all readers.
#[derive(Debug)]
pub(super) struct Feed {
    story: Mutex<Story>,
    news: watch::Sender<()>,
    readers: Arc<()>,
}

#[derive(Debug)]
struct Story {
    header: Option<Bytes>,
    history: History,
    end: Option<Bytes>,
}

impl Feed {
    pub(super) fn new(merge: Merge) -> Self {
        let story = Story {
            header: None,
            history: History::new(merge),
            end: None,
        };
        Self {
            story: Mutex::new(story),
            news: watch::Sender::new(()),
            readers: Arc::new(()),
        }
    }

    /// What the run is, as JSON on one line; before its first interval.
    pub(super) fn header(&self, json: Bytes) {
        self.story().header = Some(json);
        self.news.send_replace(());
    }

    pub(super) fn push(&self, point: Point) {
        self.story().history.push(point);
        self.news.send_replace(());
    }

    /// The summary, as JSON on one line; nothing comes after it.
    pub(super) fn end(&self, json: Bytes) {
        self.story().end = Some(json);
        self.news.send_replace(());
    }

    /// The stream for a reader that has seen the seconds before `next`; nothing when there are too many readers.
    pub(super) fn read(
        self: &Arc<Self>,
        next: u64,
    ) -> Option<impl Stream<Item = Result<Bytes, std::convert::Infallible>> + use<>> {
        let seat = Arc::clone(&self.readers);
        if Arc::strong_count(&seat) > MAX_READERS + 1 {
            return None;
        }
        let reader = Reader {
            feed: Arc::clone(self),
            news: self.news.subscribe(),
            next,
            header: false,
            end: false,
            _seat: seat,
        };
        Some(stream::unfold(reader, async |mut reader| {
            let piece = reader.piece().await?;
            Some((Ok(piece), reader))
        }))
    }

    fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far somebody has read.
struct Reader {
    feed: Arc<Feed>,
    news: watch::Receiver<()>,
    /// The second that comes next.
    next: u64,
    header: bool,
    end: bool,
    _seat: Arc<()>,
}

impl Reader {
    /// The next piece, as soon as there is one; nothing after the end.
    async fn piece(&mut self) -> Option<Bytes> {
        loop {
            if self.end {
                return None;
            }
            self.news.mark_unchanged();
            let piece = self.unread();
            if !piece.is_empty() {
                return Some(piece.into());
            }
            // The sender is never gone: the feed is held here.
            tokio::select! {
                _ = self.news.changed() => {}
                () = clock::sleep(QUIET) => return Some(Bytes::from_static(b":\n\n")),
            }
        }
    }

    fn unread(&mut self) -> String {
        let mut piece = String::new();
        let (header, points, end) = self.copy();
        if let Some(header) = header {
            self.header = true;
            event(&mut piece, "header", None, &header);
        }
        for point in points {
            // One that was merged from what this reader has seen in part would be counted twice.
            if point.first >= self.next {
                event(&mut piece, "interval", Some(point.end), &point.text);
            }
            self.next = point.end;
        }
        if let Some(end) = end {
            self.end = true;
            event(&mut piece, "end", None, &end);
        }
        piece
    }

    /// What is next, without its texts being copied while others wait for the lock.
    fn copy(&self) -> (Option<Bytes>, VecDeque<Point>, Option<Bytes>) {
        let story = self.feed.story();
        let header = story.header.clone().filter(|_| !self.header);
        let mut points = VecDeque::new();
        let mut size = 0;
        let mut unread = story.history.after(self.next);
        let is_all = loop {
            let Some(point) = unread.next() else { break true };
            size += point.text.len();
            points.push_back(point.clone());
            if size >= PIECE {
                break unread.next().is_none();
            }
        };
        (header, points, story.end.clone().filter(|_| is_all))
    }
}

fn event(out: &mut String, name: &str, id: Option<u64>, json: &[u8]) {
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}");
    }
    // JSON is UTF-8 and has no bare line breaks.
    let _ = write!(out, "event: {name}\ndata: {}\n\n", String::from_utf8_lossy(json));
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt as _;

    use super::*;

    fn point(first: u64, text: &str) -> Point {
        Point {
            first,
            end: first + 1,
            text: text.to_owned().into(),
        }
    }

    async fn text(
        stream: &mut (impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Unpin),
    ) -> Option<String> {
        let Ok(piece) = stream.next().await?;
        Some(String::from_utf8(piece.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_reader_gets_all_at_once_and_then_one_by_one() {
        let feed = Arc::new(Feed::new(|_, _| None));
        feed.header("{}".into());
        feed.push(point(0, "[0]"));
        feed.push(point(1, "[1]"));
        let mut late = pin!(feed.read(0).unwrap());
        let start =
            "event: header\ndata: {}\n\nid: 1\nevent: interval\ndata: [0]\n\nid: 2\nevent: interval\ndata: [1]\n\n";
        assert_eq!(text(&mut late).await.unwrap(), start);
        assert_eq!(text(&mut late).await.unwrap(), ":\n\n", "still there");
        feed.push(point(2, "[2]"));
        assert_eq!(text(&mut late).await.unwrap(), "id: 3\nevent: interval\ndata: [2]\n\n");
        let mut again = pin!(feed.read(2).unwrap());
        feed.end("{\"verdict\":\"pass\"}".into());
        let rest = "event: header\ndata: {}\n\nid: 3\nevent: interval\ndata: [2]\n\nevent: end\ndata: {\"verdict\":\"pass\"}\n\n";
        assert_eq!(text(&mut again).await.unwrap(), rest, "goes on where it was");
        assert_eq!(text(&mut again).await, None);
        assert_eq!(
            text(&mut late).await.unwrap(),
            "event: end\ndata: {\"verdict\":\"pass\"}\n\n"
        );
        assert_eq!(text(&mut late).await, None);
    }

    #[tokio::test]
    async fn much_comes_in_pieces_and_readers_are_limited() {
        let feed = Arc::new(Feed::new(|_, _| None));
        let large = "x".repeat(PIECE / 2);
        (0..5).for_each(|first| feed.push(point(first, &large)));
        feed.end("{}".into());
        let pieces: Vec<_> = feed.read(0).unwrap().collect().await;
        let counts: Vec<_> = pieces
            .into_iter()
            .map(|Ok(piece)| String::from_utf8(piece.to_vec()).unwrap().matches("event: ").count())
            .collect();
        assert_eq!(counts, [2, 2, 2], "the end comes with the last of them");
        let readers: Vec<_> = (0..MAX_READERS).map_while(|_| feed.read(0)).collect();
        assert_eq!(readers.len(), MAX_READERS);
        assert!(feed.read(0).is_none());
        drop(readers);
        assert!(feed.read(0).is_some());
    }
}
