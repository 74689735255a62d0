//! The line of a scenario: always the same parts in the same columns, so that a change is seen where it is. When lines are
//! written is next door.

use std::time::Duration;

use crate::exec;
use crate::plan::Scenario;
use crate::run::Tick;

/// Longer names are cut.
const LONGEST_NAME: usize = 24;

/// What stands out where colours may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Red,
    Yellow,
}

/// Some words of a line.
#[derive(Debug)]
struct Part {
    text: String,
    colour: Option<Colour>,
}

/// `sagas 12s/30s  10.0/s of  10.0/s ·   14 VUs · p95  25.1 ms ·  0.0 % failed ·     0 dropped`, cut to `room` columns.
pub(super) fn line(
    tick: &Tick<'_>,
    index: usize,
    before: Option<&exec::Progress>,
    over: Duration,
    (room, colour): (usize, bool),
) -> String {
    let Some(scenario) = tick.plan.scenarios.get(index) else {
        return String::new();
    };
    let parts = parts(tick, index, scenario, before.copied().unwrap_or_default(), over);
    let mut line = String::new();
    let mut left = room;
    for (at, part) in parts.iter().enumerate() {
        let lead = if at == 0 { "" } else { " · " };
        line.extend(lead.chars().take(left));
        left = left.saturating_sub(lead.chars().count());
        let text: String = part.text.chars().take(left).collect();
        left -= text.chars().count();
        match part.colour.filter(|_| colour && !text.is_empty()) {
            Some(Colour::Red) => line.push_str(&format!("\x1b[31m{text}\x1b[0m")),
            Some(Colour::Yellow) => line.push_str(&format!("\x1b[33m{text}\x1b[0m")),
            None => line.push_str(&text),
        }
    }
    line
}

fn parts(tick: &Tick<'_>, index: usize, scenario: &Scenario, before: exec::Progress, over: Duration) -> Vec<Part> {
    let now = tick.progress.get(index).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
    let rate = |now: u64, before: u64| short(now.saturating_sub(before) as f64 / over.as_secs_f64());
    let achieved = rate(now.started, before.started);
    let is_open = |scenario: &Scenario| scenario.executor.is_open();
    let rates = if is_open(scenario) {
        format!("{achieved:>5}/s of {:>5}/s", rate(now.offered, before.offered))
    } else if tick.plan.scenarios.iter().any(is_open) {
        format!("{achieved:>5}/s{:11}", "")
    } else {
        format!("{achieved:>5}/s")
    };
    let p95 = tick.p95(&scenario.name).map_or_else(|| "-".to_owned(), milliseconds);
    let failed = tick.failed(&scenario.name);
    let percent = failed.map_or_else(|| "-".to_owned(), |failed| format!("{:.1}", failed * 100.0));
    let alarming = |is: bool, colour| Some(colour).filter(|_| is);
    let mut parts = vec![
        plain(format!("{} {rates}", head(tick, index, scenario))),
        plain(format!("{:>4} VUs", count(now.active))),
        plain(format!("p95 {p95:>8}")),
        Part {
            text: format!("{percent:>5} % failed"),
            colour: alarming(failed.is_some_and(|failed| failed > 0.0), Colour::Red),
        },
        Part {
            text: format!("{:>4} dropped", count(now.dropped)),
            colour: alarming(now.dropped > 0, Colour::Yellow),
        },
    ];
    // What should not be takes room only when it is.
    if now.backlog > 0 {
        let text = format!("{:>4} waiting", count(now.backlog));
        parts.push(Part {
            text,
            colour: Some(Colour::Yellow),
        });
    }
    if let Some(errors) = tick.script_errors() {
        let text = format!("{errors} script errors");
        parts.push(Part {
            text,
            colour: Some(Colour::Red),
        });
    }
    parts
}

/// Name and time, as wide as the widest of the plan.
fn head(tick: &Tick<'_>, index: usize, scenario: &Scenario) -> String {
    let names = tick.plan.scenarios.iter().map(|scenario| scenario.name.chars().count());
    let ends = tick.ends.iter().map(|end| end.as_secs().to_string().len());
    let longest = names.max().unwrap_or_default().min(LONGEST_NAME);
    let digits = ends.max().unwrap_or_default();
    let name: String = scenario.name.chars().take(LONGEST_NAME).collect();
    let end = tick.ends.get(index).copied().unwrap_or_default();
    let (elapsed, end) = (tick.elapsed.as_secs(), format!("{}s", end.as_secs()));
    format!("{name:<longest$} {elapsed:>digits$}s/{end:<0$}", digits + 1)
}

fn plain(text: String) -> Part {
    Part { text, colour: None }
}

/// At most five characters up to a hundred thousand million.
fn short(value: f64) -> String {
    match value {
        ..999.95 => format!("{value:.1}"),
        ..99_950.0 => format!("{:.1}k", value / 1e3),
        ..999_500.0 => format!("{:.0}k", value / 1e3),
        ..99_950_000.0 => format!("{:.1}M", value / 1e6),
        _ => format!("{:.0}M", value / 1e6),
    }
}

/// At most four digits, or a few more characters where there are thousands of thousands.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn count(count: u64) -> String {
    if count < 10_000 {
        count.to_string()
    } else {
        short(count as f64)
    }
}

/// At most eight characters up to 10,000 s.
fn milliseconds(ms: f64) -> String {
    match ms {
        ..999.95 => format!("{ms:.1} ms"),
        ..99_950.0 => format!("{:.2} s", ms / 1e3),
        _ => format!("{:.0} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Catalog, Recorder, Registry, Totals, builtin};
    use crate::plan::{Executor, OnSaturation, Plan};
    use crate::schedule::{Shape, Spacing};

    fn closed(minutes: u64) -> Executor {
        Executor::ConstantVus {
            vus: 10,
            duration: Duration::from_secs(60 * minutes),
        }
    }

    fn open(minutes: u64) -> Executor {
        Executor::Open {
            shape: Shape::ConstantArrivalRate {
                rate: 50.0,
                time_unit: Duration::from_secs(1),
                duration: Duration::from_secs(60 * minutes),
                arrival: Spacing::Constant,
            },
            pre_allocated_vus: 1,
            max_vus: 10,
            on_saturation: OnSaturation::Queue,
        }
    }

    /// The lines of a plan in its twelfth second, after ten of which these iterations are.
    fn lines(plan: &Plan, progress: &[exec::Progress], look: (usize, bool)) -> Vec<String> {
        let registry = Registry::new();
        let catalog = Catalog::new(&registry, &[]).unwrap();
        let recorder = Recorder::new(&registry, &catalog);
        let mut totals = Totals::new(&registry, &catalog, 2);
        totals.watch_recent(&crate::run::recent_of(plan));
        // What was in the first second is long past in the twelfth.
        let table = [
            (0, "browse", 900.0, 1.0),
            (11, "browse", 25.14, 0.0),
            (11, "orders_of_customers", 7_500.0, 1.0),
            (11, "orders_of_customers", 7_500.0, 0.0),
            (11, "orders_of_customers", 7_500.0, 0.0),
        ];
        for (second, scenario, duration, failed) in table {
            let tags = recorder.tags(&recorder.no_tags(), &[("scenario", scenario)]);
            recorder.record(builtin::HTTP_REQ_DURATION, duration, &tags);
            recorder.record(builtin::HTTP_REQ_FAILED, failed, &tags);
            totals.merge_second(second, &recorder.take());
        }
        let tick = Tick {
            elapsed: Duration::from_secs(12),
            plan,
            progress: progress.to_vec(),
            ends: [3_600, 60].map(Duration::from_secs).to_vec(),
            totals: &totals,
        };
        let line = |index| line(&tick, index, None, Duration::from_secs(10), look);
        (0..plan.scenarios.len()).map(line).collect()
    }

    fn progress(offered: u64, started: u64, dropped: u64, backlog: u64) -> exec::Progress {
        exec::Progress {
            offered,
            started,
            dropped,
            backlog,
            active: 10,
            ..exec::Progress::default()
        }
    }

    #[test]
    fn lines_stand_in_columns() {
        let scenarios = [
            ("browse", closed(60)),
            ("orders_of_customers", open(1)),
            ("late", closed(1)),
        ];
        let plan = Plan::of(scenarios.map(|(name, executor)| Scenario::of(name, executor)).to_vec());
        let progress = [
            progress(500, 500, 0, 0),
            progress(240_000, 123_456, 17, 0),
            progress(0, 0, 0, 0),
        ];
        assert_eq!(
            lines(&plan, &progress, (120, false)),
            [
                "browse                12s/3600s  50.0/s            ·   10 VUs · p95  25.1 ms ·   0.0 % failed ·    0 dropped",
                "orders_of_customers   12s/60s   12.3k/s of 24.0k/s ·   10 VUs · p95   7.50 s ·  33.3 % failed ·   17 dropped",
                "late                  12s/0s      0.0/s            ·   10 VUs · p95        - ·     - % failed ·    0 dropped",
            ]
        );
    }

    #[test]
    fn what_is_alarming_is_coloured_and_added_and_lines_are_cut() {
        let plan = Plan::of(vec![Scenario::of("orders_of_customers", open(1))]);
        let progress = [progress(500, 400, 17, 83)];
        let name = "orders_of_customers   12s/3600s  40.0/s of  50.0/s ·   10 VUs · p95   7.50 s";
        assert_eq!(
            lines(&plan, &progress, (200, true)),
            [format!(
                "{name} · \x1b[31m 33.3 % failed\x1b[0m · \x1b[33m  17 dropped\x1b[0m · \x1b[33m  83 waiting\x1b[0m"
            )]
        );
        assert_eq!(lines(&plan, &progress, (78, true)), [format!("{name} ·")]);
    }

    #[test]
    fn numbers_keep_to_their_columns() {
        let table = [
            (0.0, "0.0"),
            (999.94, "999.9"),
            (999.96, "1.0k"),
            (99_949.0, "99.9k"),
            (99_951.0, "100k"),
            (999_600.0, "1.0M"),
        ];
        for (value, expected) in table {
            assert_eq!(short(value), expected);
        }
        assert_eq!([9_999, 10_000].map(count), ["9999", "10.0k"]);
        assert_eq!(
            [999.96, 1_234.0, 600_000.0].map(milliseconds),
            ["1.00 s", "1.23 s", "600 s"]
        );
    }
}
