//! Where virtual users of all cores wait for each other: the state behind `kt.rendezvous`. Entered once per meeting, never
//! once per request.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock;

/// The meetings of a run, by name.
#[derive(Debug, Default)]
pub struct Meetings(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    /// Those at which somebody waits.
    by_name: HashMap<String, Place>,
    last_ticket: u64,
}

#[derive(Debug)]
struct Place {
    wanted: u64,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// Those who wait at a meeting have another idea of how many are to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("others wait there for {expected} virtual users, not for {got}; all have to name the same number")]
pub struct Disagreement {
    expected: u64,
    got: u64,
}

impl Meetings {
    /// Waits at `name` until `wanted` have come, who then all go on at once, and the next ones form another meeting. False
    /// when that took longer than `timeout`; then the others wait on without this one.
    ///
    /// # Errors
    /// [`Disagreement`] with those who wait already.
    pub async fn meet(&self, name: &str, wanted: u64, timeout: Duration) -> Result<bool, Disagreement> {
        let Some((waiter, released)) = self.arrive(name, wanted)? else {
            return Ok(true);
        };
        if clock::timeout(timeout, released).await.is_ok() {
            return Ok(true);
        }
        // Who is not there any more has been released at the last moment.
        Ok(!waiter.leave())
    }

    /// Joins those who wait; `None` when they were complete by that.
    fn arrive(&self, name: &str, wanted: u64) -> Result<Option<(Waiter<'_>, oneshot::Receiver<()>)>, Disagreement> {
        let mut places = self.lock();
        places.last_ticket += 1;
        let ticket = places.last_ticket;
        let here = places.by_name.get(name);
        if let Some(place) = here.filter(|place| place.wanted != wanted) {
            return Err(Disagreement {
                expected: place.wanted,
                got: wanted,
            });
        }
        let waiting = here.map_or(0, |place| place.waiting.len()) as u64;
        if waiting + 1 >= wanted {
            let complete = places.by_name.remove(name);
            for (_, waiter) in complete.into_iter().flat_map(|place| place.waiting) {
                // One that was interrupted at this moment needs no news.
                let _ = waiter.send(());
            }
            return Ok(None);
        }
        let (release, released) = oneshot::channel();
        let place = places.by_name.entry(name.to_owned()).or_insert_with(|| Place {
            wanted,
            waiting: BTreeMap::new(),
        });
        place.waiting.insert(ticket, release);
        let waiter = Waiter {
            meetings: self,
            name: name.to_owned(),
            ticket,
        };
        Ok(Some((waiter, released)))
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits; leaves when it is interrupted.
struct Waiter<'a> {
    meetings: &'a Meetings,
    name: String,
    ticket: u64,
}

impl Waiter<'_> {
    /// Waits no longer. Returns whether it still did.
    fn leave(&self) -> bool {
        let mut places = self.meetings.lock();
        let Some(place) = places.by_name.get_mut(&self.name) else {
            return false;
        };
        let waited = place.waiting.remove(&self.ticket).is_some();
        if place.waiting.is_empty() {
            places.by_name.remove(&self.name);
        }
        waited
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(10);

    async fn after(wait: Duration, meetings: &Meetings, wanted: u64, timeout: Duration) -> (bool, Duration) {
        let begin = clock::now();
        clock::sleep(wait).await;
        let met = meetings.meet("a", wanted, timeout).await.expect("all agree");
        (met, clock::now() - begin)
    }

    #[tokio::test(start_paused = true)]
    async fn all_go_on_when_the_last_has_come_again_and_again() {
        let meetings = Meetings::default();
        for _ in 0..3 {
            let (a, b, c) = tokio::join!(
                after(Duration::ZERO, &meetings, 3, LATE),
                after(SOON, &meetings, 3, LATE),
                after(SOON * 2, &meetings, 3, LATE)
            );
            assert_eq!([a, b, c], [(true, SOON * 2); 3]);
        }
        assert!(meetings.lock().by_name.is_empty(), "nothing is left");
        assert_eq!(after(Duration::ZERO, &meetings, 1, LATE).await, (true, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_too_long_leaves_and_does_not_count() {
        let meetings = Meetings::default();
        let (a, b, c) = tokio::join!(
            after(Duration::ZERO, &meetings, 2, SOON),
            after(SOON * 2, &meetings, 2, LATE),
            after(SOON * 5, &meetings, 2, LATE)
        );
        assert_eq!(a, (false, SOON));
        assert_eq!([b, c], [(true, SOON * 5); 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_interrupted_does_not_count() {
        let meetings = Meetings::default();
        let cut = clock::timeout(SOON, meetings.meet("a", 2, LATE)).await;
        assert!(cut.is_err());
        assert_eq!(meetings.meet("a", 2, SOON).await, Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn another_number_is_refused_while_somebody_waits() {
        let meetings = Meetings::default();
        let (first, second) = tokio::join!(meetings.meet("a", 2, SOON), meetings.meet("a", 3, SOON));
        assert_eq!(first, Ok(false));
        assert_eq!(second, Err(Disagreement { expected: 2, got: 3 }));
        assert_eq!(meetings.meet("a", 1, SOON).await, Ok(true), "a new meeting");
    }
}
