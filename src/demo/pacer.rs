//! One precise timer for all requests: the runtime's own sleep rounds to 1 ms, which would bend a 1 ms operation out of
//! shape. What the time is for is the caller's business.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use tokio::sync::{mpsc, oneshot};

use crate::clock::{self, Instant, Timer};

/// A request's wish to be woken; the heap hands out the earliest.
struct Alarm {
    at: Instant,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

/// Hands out waits with the precision of [`Timer`]; its task ends when the pacer is dropped.
#[derive(Debug)]
pub(super) struct Pacer {
    alarms: mpsc::UnboundedSender<Alarm>,
}

impl Pacer {
    /// Starts the pacer's task on the current runtime.
    pub(super) fn start() -> Self {
        let (alarms, wishes) = mpsc::unbounded_channel();
        tokio::spawn(ring(wishes));
        Self { alarms }
    }

    /// Returns at `at`, at once if that has passed.
    pub(super) async fn until(&self, at: Instant) {
        if at <= clock::now() {
            return;
        }
        let (wake, woken) = oneshot::channel();
        let _ = self.alarms.send(Alarm { at, wake });
        if woken.await.is_err() {
            // The task is gone only when the runtime is shutting down; waiting imprecisely is then good enough.
            clock::sleep_until(at).await;
        }
    }
}

async fn ring(mut wishes: mpsc::UnboundedReceiver<Alarm>) {
    let mut timer = Timer::new();
    let mut alarms = BinaryHeap::<Alarm>::new();
    loop {
        while let Ok(alarm) = wishes.try_recv() {
            alarms.push(alarm);
        }
        let now = clock::now();
        while alarms.peek().is_some_and(|alarm| alarm.at <= now) {
            if let Some(alarm) = alarms.pop() {
                // A client that went away has dropped its end, and that is all right.
                let _ = alarm.wake.send(());
            }
        }
        let wish = match alarms.peek().map(|alarm| alarm.at) {
            None => wishes.recv().await,
            Some(at) => tokio::select! {
                biased;
                wish = wishes.recv() => wish,
                () = timer.sleep_until(at) => continue,
            },
        };
        match wish {
            Some(alarm) => alarms.push(alarm),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wakes_in_order_of_time_not_of_asking() {
        let start = clock::now();
        let pacer = Pacer::start();
        let wait = async |millis: u64| {
            pacer.until(start + Duration::from_millis(millis)).await;
            (millis, clock::now() - start)
        };
        let (a, b, c) = tokio::join!(wait(30), wait(10), wait(20));
        for (asked, woke) in [a, b, c] {
            assert_eq!(woke, Duration::from_millis(asked));
        }
        pacer.until(start).await;
        assert_eq!(
            clock::now() - start,
            Duration::from_millis(30),
            "a past instant returns at once"
        );
    }

    #[tokio::test]
    async fn never_wakes_early_in_real_time() {
        let pacer = Pacer::start();
        for _ in 0..50 {
            let due = clock::now() + Duration::from_micros(700);
            pacer.until(due).await;
            assert!(clock::now() >= due);
        }
    }
}
