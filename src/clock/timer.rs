//! A timer that is precise to some tens of microseconds, for arrivals. Ordinary sleeps stay with the runtime.
//!
//! On Linux in real time it is a `timerfd` on the runtime's own poll; elsewhere, and whenever the runtime's time is
//! paused, it is tokio's timer.

use super::Instant;

/// Wakes its task at an instant. One per driver; reused for every arrival.
#[derive(Debug)]
pub struct Timer {
    #[cfg(target_os = "linux")]
    fd: Option<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>>,
}

impl Timer {
    /// A precise timer where the platform has one and time is real; must be called inside a runtime.
    #[must_use]
    pub fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            fd: linux::open(),
        }
    }

    /// Returns at `at`, at once if that has passed.
    pub async fn sleep_until(&mut self, at: Instant) {
        #[cfg(target_os = "linux")]
        if let Some(fd) = &self.fd
            && linux::wait(fd, at).await.is_ok()
        {
            return;
        }
        if at > super::now() {
            super::sleep_until(at).await;
        }
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! The timerfd behind [`super::Timer`].

    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::Instant;

    #[expect(
        deprecated,
        reason = "deprecated because a type may lie about its descriptor; OwnedFd cannot, and the successor is unsafe"
    )]
    pub(super) fn open() -> Option<AsyncFd<OwnedFd>> {
        if time_is_virtual() {
            return None;
        }
        let fd = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )
        .ok()?;
        AsyncFd::with_interest(fd, Interest::READABLE).ok()
    }

    /// tokio does not tell whether its clock is paused, but a paused clock does not move between two readings that are
    /// separated by a reading of the real one.
    fn time_is_virtual() -> bool {
        let virtual_start = tokio::time::Instant::now();
        let real_start = std::time::Instant::now();
        while real_start.elapsed() < Duration::from_micros(2) {
            std::hint::spin_loop();
        }
        tokio::time::Instant::now() == virtual_start
    }

    /// Each expiration is an event of its own, read or not, so that nothing is read. An event that an earlier wait has left
    /// behind is told by the time.
    pub(super) async fn wait(fd: &AsyncFd<OwnedFd>, at: Instant) -> io::Result<()> {
        loop {
            let wait = at.saturating_duration_since(crate::clock::now());
            if wait == Duration::ZERO {
                return Ok(());
            }
            let spec = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec {
                    tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: i64::from(wait.subsec_nanos()),
                },
            };
            timerfd_settime(fd.get_ref(), TimerfdTimerFlags::empty(), &spec)?;
            fd.readable().await?.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_virtual_time_exactly() {
        let start = crate::clock::now();
        let mut timer = Timer::new();
        for step in 1..=5_u32 {
            let due = start + Duration::from_micros(1_700) * step;
            timer.sleep_until(due).await;
            assert!(crate::clock::now() >= due);
        }
        assert!(
            crate::clock::now() - start < Duration::from_millis(20),
            "virtual time only moved as far as asked"
        );
    }

    #[tokio::test]
    async fn never_wakes_early_in_real_time() {
        let mut timer = Timer::new();
        for _ in 0..20 {
            let due = crate::clock::now() + Duration::from_micros(300);
            timer.sleep_until(due).await;
            assert!(crate::clock::now() >= due);
        }
    }

    #[tokio::test]
    async fn a_past_instant_returns_at_once() {
        let due = crate::clock::now();
        Timer::new().sleep_until(due).await;
    }
}
