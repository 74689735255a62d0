//! Whole searches in virtual time, against a system that is arithmetic; and that it does not matter where one was killed.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Strategy as _;

use super::Strategy;
use super::*;
use crate::campaign::{levels, range};
use crate::clock;
use crate::metrics::Counts;
use crate::results::{Axis, BrokeReason, Generator, GeneratorVerdict, Offered};

/// Holds what weighs no more than its limit, at random near it; takes half a minute of virtual time for each probe.
struct Fake {
    limit: f64,
    /// How far from the limit chance decides, as a share of it.
    noise: f64,
    /// Every how-manieth probe finds the generator suspect; 0 is never.
    suspect_every: u32,
    /// Breaks for this reason.
    kind: BrokeKind,
    /// Ends before this probe.
    killed_at: Option<u32>,
}

impl Fake {
    fn new(limit: f64) -> Self {
        Self {
            limit,
            noise: 0.0,
            suspect_every: 0,
            kind: BrokeKind::Threshold,
            killed_at: None,
        }
    }

    /// Decided by the load and its attempt alone, as a system's own chance is not: a search that goes on must meet the same.
    fn chance(levels: &Levels, attempt: u32) -> f64 {
        let bits = levels.values().fold(u64::from(attempt), |bits, value| {
            (bits ^ value.to_bits())
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        });
        (bits % 2_000) as f64 / 1_000.0 - 1.0
    }
}

impl Prober for Fake {
    async fn probe(&mut self, cell: &Cell, number: u32, attempt: u32) -> Result<Probe, Halt> {
        if self.killed_at == Some(number) {
            return Err(Halt::Stopped);
        }
        clock::sleep(Duration::from_secs(30)).await;
        let levels = levels_of(cell);
        let weight: f64 = levels.values().sum();
        let limit = self.limit * (1.0 + self.noise * Self::chance(&levels, attempt));
        let held = weight <= limit;
        let reason = BrokeReason {
            kind: self.kind,
            message: "http_req_duration p(95)<2s was 3.40s".to_owned(),
        };
        let suspect = self.suspect_every > 0 && number.is_multiple_of(self.suspect_every);
        let load = Offered {
            has_level: true,
            offered_per_s: weight,
            achieved_per_s: Some(weight.min(self.limit)),
            iterations: Counts::default(),
            waiting: 0,
        };
        Ok(Probe {
            number,
            levels,
            attempt,
            held,
            reasons: if held { Vec::new() } else { vec![reason] },
            started_at: "2026-11-20T10:00:00Z".to_owned(),
            duration_ms: 25_000,
            scenarios: BTreeMap::from([("all".to_owned(), load)]),
            thresholds: Vec::new(),
            errors: None,
            generator: generator(if suspect {
                GeneratorVerdict::Suspect
            } else {
                GeneratorVerdict::Valid
            }),
            warnings: Vec::new(),
            summary: None,
        })
    }
}

fn generator(verdict: GeneratorVerdict) -> Generator {
    Generator {
        verdict,
        start_lag_p99_ms: None,
        cpu_percent: 1.0,
        cpu_wait_percent: None,
        steal_percent: None,
        reasons: Vec::new(),
        dispatch_lag_p99_ms: None,
        loop_lag_p99_ms: None,
        gc_pause_p99_ms: None,
        gc_pause_max_ms: None,
        socket_errors: 0,
        notes: Vec::new(),
    }
}

/// What was on disk after each probe, and how often a probe was told of before it began.
#[derive(Default)]
struct Disk {
    written: Vec<String>,
    begun: Vec<u32>,
}

impl Witness for Disk {
    fn begins(&mut self, _: &Search, _: &Cell, attempt: u32) {
        self.begun.push(attempt);
    }

    fn ends(&mut self, search: &Search, probe: &Probe) -> Result<(), Halt> {
        assert_eq!(search.document().probes.last(), Some(probe));
        self.written.push(serde_json::to_string(search.document()).unwrap());
        Ok(())
    }
}

fn asked(strategy: &Strategy) -> Asked {
    let axes = match strategy {
        Strategy::Levels(axes) | Strategy::Grid(axes) => axes.clone(),
        Strategy::Search(range) => vec![Axis {
            name: range.name.clone(),
            values: vec![range.low, range.high],
        }],
    };
    Asked {
        kind: "search".to_owned(),
        levels: axes,
        tolerance: None,
        stop: Vec::new(),
        settle_ms: 5_000,
        measure_ms: 20_000,
        drain_ms: 5_000,
        rest_ms: 5_000,
        confirm: 1,
        allow_suspect: false,
        scenarios: Vec::new(),
        tags: BTreeMap::new(),
        demo: false,
        threads: 1,
        script_hash: String::new(),
        env_hash: String::new(),
    }
}

fn new(strategy: &Strategy) -> Search {
    let at = "2026-11-20T10:00:00Z".to_owned();
    Search::new(strategy.clone(), asked(strategy), "combined.lua".to_owned(), 1, at)
}

/// Runs a future in virtual time.
fn virtually<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

fn searched(strategy: &Strategy, mut fake: Fake) -> (Search, Disk) {
    let (mut search, mut disk) = (new(strategy), Disk::default());
    virtually(conduct(&mut search, &mut fake, &mut disk)).unwrap();
    (search, disk)
}

fn team() -> Strategy {
    Strategy::Levels(levels("api=50,100,200,500,1000 events=100,500,1000,2000,5000", false).unwrap())
}

#[test]
fn the_verdict_is_one_sentence() {
    let grid = Strategy::Grid(levels("api=50,100,200 events=100,500", true).unwrap());
    let search = Strategy::Search(range("rate=100..20000", 0.05).unwrap());
    // strategy, limit, sentence, exit code
    let table = [
        (
            team(),
            2_500.0,
            "holds api=500 events=2,000; breaks at api=1,000 events=5,000: http_req_duration p(95)<2s was 3.40s",
            0,
        ),
        (
            team(),
            1e9,
            "holds api=1,000 events=5,000, the highest load asked for: nothing broke",
            0,
        ),
        (
            team(),
            10.0,
            "does not hold even api=50 events=100: http_req_duration p(95)<2s was 3.40s",
            99,
        ),
        (
            grid,
            560.0,
            "holds api=200 events=100 and api=50 events=500; breaks at api=100 events=500: \
             http_req_duration p(95)<2s was 3.40s",
            0,
        ),
        (
            search,
            1_234.0,
            "holds rate=1,200; breaks at rate=1,250: http_req_duration p(95)<2s was 3.40s",
            0,
        ),
    ];
    for (strategy, limit, sentence, code) in table {
        let (search, disk) = searched(&strategy, Fake::new(limit));
        let document = search.document();
        assert_eq!(document.verdict, sentence);
        assert_eq!((document.finished, document.exit_code), (true, Some(code)));
        assert_eq!(disk.begun.len(), document.probes.len());
    }
}

#[test]
fn who_gave_out_decides_the_exit_code() {
    let table = [
        (BrokeKind::Threshold, 99, "does not hold even"),
        (BrokeKind::Load, 99, "does not hold even"),
        (BrokeKind::Script, 107, "does not hold even"),
        (BrokeKind::Generator, 113, "nothing is known of the system"),
    ];
    for (kind, code, part) in table {
        let fake = Fake { kind, ..Fake::new(1.0) };
        let (search, _) = searched(&team(), fake);
        assert_eq!(search.document().exit_code, Some(code), "{kind:?}");
        assert!(
            search.document().verdict.starts_with(part),
            "{}",
            search.document().verdict
        );
    }
    let fake = Fake {
        kind: BrokeKind::Generator,
        ..Fake::new(700.0)
    };
    let (search, _) = searched(&team(), fake);
    assert!(search.document().verdict.contains("the system's limit is not known"));
    assert_eq!(search.document().exit_code, Some(0));
}

#[test]
fn what_is_told_while_it_goes_on_is_what_is_known() {
    let strategy = team();
    let (mut search, mut disk) = (new(&strategy), Disk::default());
    assert_eq!(search.document().verdict, "nothing was probed yet");
    let mut fake = Fake {
        killed_at: Some(3),
        ..Fake::new(1e9)
    };
    let ended = virtually(conduct(&mut search, &mut fake, &mut disk));
    assert_eq!(ended, Err(Halt::Stopped));
    let document = search.document();
    assert_eq!(document.verdict, "not finished; so far: holds api=100 events=500");
    assert_eq!(
        (document.finished, document.exit_code, document.probes.len()),
        (false, None, 2)
    );
}

#[test]
fn a_probe_takes_its_time_and_the_next_begins_after_it() {
    let strategy = team();
    let (mut search, mut disk) = (new(&strategy), Disk::default());
    let took = virtually(async {
        let begun = clock::now();
        conduct(&mut search, &mut Fake::new(1e9), &mut disk).await.unwrap();
        begun.elapsed()
    });
    assert_eq!(took, Duration::from_secs(5 * 30));
}

#[test]
fn probes_of_another_search_are_refused() {
    let (search, _) = searched(&team(), Fake::new(600.0));
    let other = Strategy::Levels(levels("api=50,101 events=100,500", false).unwrap());
    let refused = Search::resume(other, search.document().clone()).unwrap_err();
    assert_eq!(refused, Unfit { number: 2 });
    let mut twice = search.document().clone();
    twice.probes.push(twice.probes[0].clone());
    assert!(Search::resume(team(), twice).is_err(), "nothing comes after the end");
}

fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop_oneof![
        Just(team()),
        Just(Strategy::Grid(
            levels("api=50,100,200,500 events=100,500,1000,2000", true).unwrap()
        )),
        (1.0_f64..400.0, 0.002_f64..0.3).prop_map(|(low, tolerance)| {
            let mut range = range("rate=100..20000", tolerance).unwrap();
            range.low = low;
            Strategy::Search(range)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Killed after any probe, a search goes on from what is on disk to the same end.
    #[test]
    fn it_does_not_matter_where_a_search_was_killed(
        strategy in strategies(), limit in 10.0_f64..8_000.0, noise in 0.0_f64..0.2, suspect_every in 0_u32..4,
    ) {
        let fake = || Fake { noise, suspect_every, ..Fake::new(limit) };
        let (whole, disk) = searched(&strategy, fake());
        for text in &disk.written {
            let document: Capacity = serde_json::from_str(text).unwrap();
            let mut search = Search::resume(strategy.clone(), document.clone()).unwrap();
            prop_assert_eq!(search.document(), &document);
            let mut rest = Disk::default();
            virtually(conduct(&mut search, &mut fake(), &mut rest)).unwrap();
            prop_assert_eq!(search.document(), whole.document());
            prop_assert_eq!(document.probes.len() + rest.begun.len(), whole.document().probes.len());
        }
    }
}
