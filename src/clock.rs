//! The only place that reads the monotonic clock and sleeps; everything else asks here. No schedules, no calendars.
//!
//! Under `tokio::time::pause` (tests) the same calls follow virtual time.
#![expect(clippy::disallowed_methods, reason = "this module is what the ban points to")]

use std::future::Future;
use std::time::{Duration, SystemTime};

pub use tokio::time::Instant;
pub use tokio::time::error::Elapsed;

mod timer;

pub use timer::Timer;

/// The current instant; virtual when the runtime's time is paused.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps for `duration` with the runtime's 1 ms resolution: think time, timeouts, periods. Arrivals use [`Timer`].
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Sleeps until `at` with the runtime's 1 ms resolution.
pub async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at).await;
}

/// Runs `future`, giving up after `duration`.
///
/// # Errors
/// [`Elapsed`] when the time is over first.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    tokio::time::timeout(duration, future).await
}

/// The wall clock, for time stamps that people read.
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
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
