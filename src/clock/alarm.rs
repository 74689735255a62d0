//! Deadlines of one thread: thousands of timeouts and sleeps of which hardly any is like an arrival, so that milliseconds
//! do. One task of the runtime sleeps for all of them; setting and dropping one is a few steps without a lock.
//!
//! Precise starts are `timer`'s. What is due when is `wheel`'s.
//!
//! The task belongs to the runtime in which the first alarm was set, and ends with it; the next alarm starts another one. A
//! thread runs one runtime at a time.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use super::wheel::{Key, Wheel};
use super::{Instant, now};

/// How precise alarms are: that of the runtime's own timer.
const TICK: Duration = Duration::from_millis(1);

thread_local! {
    static ALARMS: RefCell<Alarms> = const { RefCell::new(Alarms::new()) };
}

/// All alarms of a thread.
struct Alarms {
    wheel: Wheel<Waker>,
    /// Tick 0.
    origin: Option<Instant>,
    /// The task that sleeps for all, once it has been polled.
    sweeper: Option<Waker>,
    /// Whether there is one.
    swept: bool,
    /// When it looks next.
    looks_at: Option<u64>,
    /// Room for those who are woken.
    due: Vec<Waker>,
}

/// Passes at an instant, up to two ticks late and never early, also where that instant has passed already. Set when it is
/// first polled, without a look at the clock.
#[derive(Debug)]
pub(super) struct Alarm {
    at: Instant,
    key: Option<Key>,
    /// It means nothing to another thread.
    pinned: PhantomData<*const ()>,
}

impl Alarm {
    pub(super) const fn at(at: Instant) -> Self {
        Self {
            at,
            key: None,
            pinned: PhantomData,
        }
    }

    /// Ready once the instant has passed.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(key) = self.key else {
            self.key = Some(set(self.at, cx.waker().clone()));
            return Poll::Pending;
        };
        // A waker that is replaced is dropped outside of the borrow, as it may drop a task that has alarms.
        let (poll, _replaced) = ALARMS.with_borrow_mut(|alarms| match alarms.wheel.get_mut(key) {
            None => (Poll::Ready(()), None),
            Some(waker) if waker.will_wake(cx.waker()) => (Poll::Pending, None),
            Some(waker) => (Poll::Pending, Some(std::mem::replace(waker, cx.waker().clone()))),
        });
        poll
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // At the end of a thread there is nothing left to remove it from.
            let removed = ALARMS.try_with(|alarms| alarms.borrow_mut().wheel.remove(key));
            drop(removed);
        }
    }
}

/// Sets an alarm, and sees to it that somebody will look in time.
fn set(at: Instant, waker: Waker) -> Key {
    let (key, start, wake) = ALARMS.with_borrow_mut(|alarms| {
        let start = !std::mem::replace(&mut alarms.swept, true);
        if alarms.wheel.len() == 0 && start {
            // Another runtime may have another time.
            alarms.wheel = Wheel::new();
            alarms.origin = Some(now());
        }
        let tick = alarms.tick_after(at);
        let key = alarms.wheel.insert(tick, waker);
        let early = alarms.looks_at.is_none_or(|looks_at| tick < looks_at);
        (key, start, early.then(|| alarms.sweeper.clone()).flatten())
    });
    if start {
        tokio::spawn(sweep(End));
    }
    if let Some(sweeper) = wake {
        sweeper.wake();
    }
    key
}

impl Alarms {
    const fn new() -> Self {
        Self {
            wheel: Wheel::new(),
            origin: None,
            sweeper: None,
            swept: false,
            looks_at: None,
            due: Vec::new(),
        }
    }

    /// The first tick that is not before `at`.
    fn tick_after(&self, at: Instant) -> u64 {
        let since = self
            .origin
            .map_or(Duration::ZERO, |origin| at.saturating_duration_since(origin));
        let ticks = since.as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks).unwrap_or(u64::MAX / 2)
    }

    /// The last tick that is not after `at`.
    fn tick_before(&self, at: Instant) -> u64 {
        let since = self
            .origin
            .map_or(Duration::ZERO, |origin| at.saturating_duration_since(origin));
        u64::try_from(since.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX / 2)
    }

    /// Collects who is to be woken at `now`, and gives when to look again.
    fn advance(&mut self, now: Instant, due: &mut Vec<Waker>) -> Option<Instant> {
        let tick = self.tick_before(now);
        self.wheel.advance(tick, |waker| due.push(waker));
        self.looks_at = self.wheel.next();
        let ticks = self.looks_at?;
        let origin = self.origin?;
        // The last part of a wait that no run lives to see is not needed.
        let since = Duration::from_millis(ticks.min(u64::from(u32::MAX)));
        Some(origin + since.max(now.saturating_duration_since(origin)))
    }
}

/// Wakes those whose instant has come, until its runtime ends.
async fn sweep(_end: End) {
    let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
    std::future::poll_fn(|cx| {
        loop {
            let (next, mut due) = ALARMS.with_borrow_mut(|alarms| {
                if alarms.sweeper.as_ref().is_none_or(|known| !known.will_wake(cx.waker())) {
                    alarms.sweeper = Some(cx.waker().clone());
                }
                let mut due = std::mem::take(&mut alarms.due);
                (alarms.advance(now(), &mut due), due)
            });
            due.drain(..).for_each(Waker::wake);
            ALARMS.with_borrow_mut(|alarms| alarms.due = due);
            let Some(next) = next else {
                return Poll::<()>::Pending;
            };
            sleep.as_mut().reset(next);
            ready!(sleep.as_mut().poll(cx));
        }
    })
    .await;
}

/// Takes note of the end of the sweeper.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        let sweeper = ALARMS.try_with(|alarms| {
            let mut alarms = alarms.borrow_mut();
            alarms.swept = false;
            alarms.looks_at = None;
            alarms.sweeper.take()
        });
        drop(sweeper);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::Pin;
    use std::rc::Rc;

    use super::super::{Elapsed, sleep, timeout, timeout_at};
    use super::*;

    /// How many alarms this thread holds.
    fn held() -> usize {
        ALARMS.with_borrow(|alarms| alarms.wheel.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_is_never_done_is_given_up_at_its_limit() {
        for limit in [1_u64, 2, 63, 64, 65, 500, 4_096, 30_000, 3_600_000] {
            let before = now();
            let limit = Duration::from_millis(limit);
            assert_eq!(timeout(limit, std::future::pending::<()>()).await, Err(Elapsed));
            let took = now() - before;
            assert!(took >= limit, "{took:?} is too early for {limit:?}");
            assert!(took <= limit + 2 * TICK, "{took:?} is too late for {limit:?}");
        }
        assert_eq!(held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_in_time_is_not_given_up() {
        let limit = Duration::from_millis(100);
        let done = timeout(limit, async {
            sleep(Duration::from_millis(99)).await;
            7
        });
        assert_eq!(done.await, Ok(7));
        assert_eq!(timeout(Duration::ZERO, async { 8 }).await, Ok(8), "it need not wait");
        assert_eq!(
            timeout(Duration::ZERO, std::future::pending::<()>()).await,
            Err(Elapsed)
        );
        assert_eq!(timeout_at(now(), std::future::pending::<()>()).await, Err(Elapsed));
        assert_eq!(held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_of_nested_limits_counts() {
        let inner = timeout(Duration::from_millis(20), std::future::pending::<()>());
        assert_eq!(timeout(Duration::from_millis(50), inner).await, Ok(Err(Elapsed)));
        let inner = timeout(Duration::from_millis(50), std::future::pending::<()>());
        assert_eq!(timeout(Duration::from_millis(20), inner).await, Err(Elapsed));
        assert_eq!(held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_limit_is_kept_while_a_longer_one_waits() {
        let start = now();
        let set = tokio::task::LocalSet::new();
        let long = set.spawn_local(async { timeout(Duration::from_secs(30), std::future::pending::<()>()).await });
        set.run_until(async {
            tokio::task::yield_now().await;
            let short = timeout(Duration::from_millis(5), std::future::pending::<()>());
            assert_eq!(short.await, Err(Elapsed));
            assert!(now() - start <= Duration::from_millis(7));
            assert_eq!(long.await.expect("it does not panic"), Err(Elapsed));
            assert!(now() - start <= Duration::from_millis(30_002));
        })
        .await;
        assert_eq!(held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn thousands_end_in_their_order() {
        let set = tokio::task::LocalSet::new();
        let (start, last) = (now(), Rc::new(Cell::new(0_u64)));
        for n in 0..10_000_u64 {
            let last = Rc::clone(&last);
            set.spawn_local(async move {
                let ms = 1 + (n * 7_919) % 10_007;
                let over = timeout(Duration::from_millis(ms), std::future::pending::<()>()).await;
                assert_eq!(over, Err(Elapsed));
                assert!(now() - start >= Duration::from_millis(ms));
                assert!(last.replace(ms) <= ms, "in order");
            });
        }
        set.await;
        assert_eq!(held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_dropped_leave_nothing() {
        let mut kept = Vec::new();
        for ms in 1..5_000 {
            let mut waiting = Box::pin(timeout(Duration::from_millis(ms), std::future::pending::<()>()));
            std::future::poll_fn(|cx| {
                assert!(waiting.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            if ms % 2 == 0 {
                kept.push(waiting);
            }
        }
        assert_eq!(held(), kept.len());
        sleep(Duration::from_secs(6)).await;
        drop(kept);
        assert_eq!(held(), 0);
    }

    #[test]
    fn each_runtime_of_a_thread_is_served() {
        for _ in 0..3 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.expect("it starts").block_on(async {
                let left = Box::leak(Box::new(timeout(Duration::from_secs(60), std::future::pending::<()>())));
                let mut left = Pin::new(left);
                std::future::poll_fn(|cx| {
                    assert!(left.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                let before = now();
                let over = timeout(Duration::from_millis(3), std::future::pending::<()>()).await;
                assert_eq!(over, Err(Elapsed));
                assert!(now() - before >= Duration::from_millis(3));
            });
        }
    }
}
