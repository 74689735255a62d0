//! The only place that reads the monotonic clock and sleeps; everything else asks here. No schedules, no calendars.
//!
//! Under `tokio::time::pause` (tests) the same calls follow virtual time.
#![expect(clippy::disallowed_methods, reason = "this module is what the ban points to")]

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

pub use tokio::time::Instant;

mod alarm;
pub mod machine;
mod timer;
mod wheel;

pub use timer::Timer;

use alarm::Alarm;

thread_local! {
    /// What [`now`] said last.
    static RECENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The current instant; virtual when the runtime's time is paused.
#[must_use]
pub fn now() -> Instant {
    let now = Instant::now();
    // At the end of a thread nobody asks any more.
    let _ = RECENT.try_with(|recent| recent.set(Some(now)));
    now
}

/// The instant at which somebody of this thread has looked at the clock last; where nobody has, now.
#[must_use]
pub fn recent() -> Instant {
    RECENT.get().unwrap_or_else(now)
}

/// Sleeps for `duration` with the runtime's 1 ms resolution: think time, timeouts, periods. Arrivals use [`Timer`].
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Sleeps until `at` with the runtime's 1 ms resolution.
pub async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at).await;
}

/// What [`doze`] gives.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Doze(Option<Alarm>);

/// Sleeps from `now` on where thousands do so at once: as cheap as a [`timeout`], and as punctual; nothing is over at once.
/// Stays on the thread that first polls it.
pub fn doze(now: Instant, duration: Duration) -> Doze {
    Doze((!duration.is_zero()).then(|| Alarm::at(later(now, duration))))
}

impl Future for Doze {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Ready(()), |alarm| alarm.poll(cx))
    }
}

/// The time of a [`timeout`] is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time is over")]
pub struct Elapsed;

pin_project_lite::pin_project! {
    /// What [`timeout`] gives.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        alarm: Alarm,
    }
}

/// Runs `future`, giving up after `duration`: never before, and up to 2 ms later. Costs next to nothing where the future
/// is done in time. The future stays on the thread that first polls it.
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    timeout_at(later(now(), duration), future)
}

/// As [`timeout`], but gives up at `at`, for those who have read the clock already.
pub const fn timeout_at<F: Future>(at: Instant, future: F) -> Timeout<F> {
    Timeout {
        future,
        alarm: Alarm::at(at),
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.alarm.poll(cx).map(|()| Err(Elapsed))
    }
}

/// `at + by`, or a time that no run lives to see.
#[must_use]
pub fn later(at: Instant, by: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    at.checked_add(by.min(CENTURY)).unwrap_or(at)
}

/// The wall clock, for time stamps that people read.
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// The instant of a moment that the wall clock has stamped just now; not after now, whatever has been done to that clock.
#[must_use]
pub fn instant_of(stamp: SystemTime) -> Instant {
    // In this order: where the thread loses its core between the two, the moment is told too late, never too early.
    let ago = wall().duration_since(stamp).unwrap_or_default();
    let now = now();
    now.checked_sub(ago).unwrap_or(now)
}

/// CPU time that the calling thread has used so far, user and system.
#[must_use]
pub fn thread_cpu() -> Duration {
    cpu(rustix::time::ClockId::ThreadCPUTime)
}

/// CPU time that this process has used so far on all cores, user and system.
#[must_use]
pub fn process_cpu() -> Duration {
    cpu(rustix::time::ClockId::ProcessCPUTime)
}

fn cpu(of: rustix::time::ClockId) -> Duration {
    let at = rustix::time::clock_gettime(of);
    Duration::new(
        u64::try_from(at.tv_sec).unwrap_or(0),
        u32::try_from(at.tv_nsec).unwrap_or(0),
    )
}
