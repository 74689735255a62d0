//! Who takes the seconds of a run while it lasts: the folder on disk, outputs, the live page. What a second holds is in
//! `interval`.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::interval::{Header, Interval};
use super::summary::Summary;
use crate::clock;
use crate::metrics::Tap;

/// Takes the seconds of a run. It is called on the thread that folds samples, which all cores wait for in the end: it never
/// blocks, but hands over to a thread or task of its own through a bounded queue, and counts what it has to drop.
pub trait Sink {
    /// Where it takes each sample, if it wants them.
    fn tap(&self) -> Option<Tap> {
        None
    }
    /// The load begins.
    fn begin(&mut self, header: &Arc<Header>);
    /// A second has passed, and every core has reported it.
    fn interval(&mut self, interval: &Arc<Interval>);
    /// The run is over. What comes back waits for what is still under way, as long as `patience` has it.
    fn end(self: Box<Self>, summary: &Summary, patience: &Patience) -> Ending;
}

/// The end of a [`Sink`].
pub type Ending = Pin<Box<dyn Future<Output = Vec<OutputReport>>>>;

/// How long the end of a run waits for its sinks, and for which of them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Patience {
    over: CancellationToken,
    waiting: Rc<RefCell<Vec<String>>>,
}

/// What a sink that has heard of the end has to tell its counts.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Nobody waits any longer for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwaited {
    /// It took too long.
    #[error("the end of the run did not wait for it any longer")]
    TooLong,
    /// It will never come.
    #[error("its thread panicked")]
    Never,
}

impl Patience {
    /// Nothing is waited for any longer.
    pub fn end(&self) {
        self.over.cancel();
    }

    /// Comes when [`Patience::end`] has been called.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Waits for what `done` brings, and says meanwhile that it waits for `name`.
    ///
    /// # Errors
    /// [`Unwaited`] when it does not come, or not in time.
    pub async fn wait<T>(&self, name: &str, done: oneshot::Receiver<T>) -> Result<T, Unwaited> {
        self.waiting.borrow_mut().push(name.to_owned());
        let too_long = async {
            self.over().await;
            clock::sleep(LAST_WORDS).await;
        };
        let done = tokio::select! {
            biased;
            done = done => done.map_err(|_| Unwaited::Never),
            () = too_long => Err(Unwaited::TooLong),
        };
        let mut waiting = self.waiting.borrow_mut();
        if let Some(at) = waiting.iter().position(|waited| waited == name) {
            waiting.remove(at);
        }
        done
    }

    /// What is waited for now.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        self.waiting.borrow().clone()
    }
}

/// What became of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputReport {
    /// What was written before the `=` of `--out`, such as `csv`; `results` and `ui` for what a run has of its own.
    #[serde(default)]
    pub kind: String,
    /// Where it goes, without secrets.
    // Runs of older versions have kind and target in one text.
    #[serde(default, alias = "output")]
    pub target: String,
    /// What it has passed on: lines, samples or points, as is usual for its kind.
    pub written: u64,
    /// What it could not, because it was too slow or failed.
    #[serde(default)]
    pub dropped: u64,
    /// How often it has tried again.
    #[serde(default)]
    pub retries: u64,
    /// How often it failed, whether it was tried again or not.
    #[serde(default)]
    pub failures: u64,
    /// What the last failure was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl OutputReport {
    /// Kind and target as they are given to `--out`.
    #[must_use]
    pub fn name(&self) -> String {
        match (&*self.kind, &*self.target) {
            (kind, "") => kind.to_owned(),
            ("", target) => target.to_owned(),
            (kind, target) => format!("{kind}={target}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_older_runs_are_read() {
        let old = r#"{"output":"csv=a.csv","written":3,"dropped":0,"failures":1,"error":"full"}"#;
        let old: OutputReport = serde_json::from_str(old).unwrap();
        assert_eq!((old.name().as_str(), old.failures, old.retries), ("csv=a.csv", 1, 0));
        let new = OutputReport {
            kind: "csv".to_owned(),
            target: "a.csv".to_owned(),
            ..OutputReport::default()
        };
        assert_eq!(new.name(), old.name());
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_named_and_left() {
        let patience = Patience::default();
        let (slow, gone) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        drop(gone.0);
        let waits = async { tokio::join!(patience.wait("slow", slow.1), patience.wait("gone", gone.1)) };
        let ends = async {
            clock::sleep(Duration::from_secs(1)).await;
            let waiting = patience.waiting();
            patience.end();
            waiting
        };
        let (got, waiting) = tokio::join!(waits, ends);
        assert_eq!(got, (Err(Unwaited::TooLong), Err(Unwaited::Never)));
        assert_eq!(waiting, ["slow"]);
        assert!(patience.waiting().is_empty());
    }
}
