//! Processor time that others had: what a thread waited for while it was ready to run, and what the host of a virtual machine
//! took. Where the system does not tell, there is nothing.

use std::time::Duration;

/// How long the calling thread has been ready to run so far while others had its processor. From Linux's `schedstat`
/// (Documentation/scheduler/sched-stats.rst): time on the processor, time of waiting for it, time slices; nanoseconds.
#[must_use]
pub fn thread_waited() -> Option<Duration> {
    waited(&std::fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

fn waited(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Processor time of the whole machine so far, in ticks of its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// Up to now. From Linux's `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal; what comes
    /// behind is contained in these.
    #[must_use]
    pub fn now() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn read(stat: &str) -> Option<Self> {
        let of_all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks = of_all.split_whitespace().take(8).map(str::parse::<u64>);
        let ticks: Vec<_> = ticks.collect::<Result<_, _>>().ok()?;
        Some(Self {
            all: ticks.iter().sum(),
            stolen: *ticks.get(7)?,
        })
    }

    /// The share of the time since `before` that the host took, from 0 to 1.
    #[must_use]
    pub fn stolen_since(self, before: Self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "ticks of a run are exact in a double")]
        let since = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let all = since(self.all, before.all);
        (all > 0.0).then(|| since(self.stolen, before.stolen) / all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_the_second_number() {
        assert_eq!(waited("1733 6000000 12\n"), Some(Duration::from_millis(6)));
        assert_eq!(waited(""), None);
        assert_eq!(waited("1 x 2"), None);
    }

    #[test]
    fn what_the_host_took_is_a_share_of_all() {
        let read = |text: &str| Ticks::read(text);
        let before = read("cpu  100 0 50 800 10 0 10 30 5 0\ncpu0 1 1 1 1 1 1 1 1\n").unwrap();
        assert_eq!(before, Ticks { all: 1000, stolen: 30 });
        let after = read("cpu  200 0 100 1000 10 0 10 80 9 0\n").unwrap();
        assert_eq!(after.stolen_since(before), Some(0.125));
        assert_eq!(before.stolen_since(before), None);
        assert_eq!(read("cpu  1 2 3\n"), None);
        assert_eq!(read("intr 5\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_both() {
        assert!(thread_waited().is_some());
        assert!(Ticks::now().is_some());
    }
}
