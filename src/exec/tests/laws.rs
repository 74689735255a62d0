//! What holds for every plan: the stage checks the sums of each run it plays.

use proptest::prelude::*;

use super::*;
use crate::schedule::{Stage as Line, Step, Trace, Wave};

fn executors() -> impl Strategy<Value = Executor> {
    let policy = prop_oneof![
        Just(OnSaturation::Queue),
        Just(OnSaturation::Drop),
        Just(OnSaturation::Abort)
    ];
    prop_oneof![
        1 => (1_u64..6, 0_u64..400).prop_map(|(vus, duration)| looping(vus, duration)),
        1 => (1_u64..6, 0_u64..9, 0_u64..400).prop_map(|(vus, iterations, max)| Executor::PerVuIterations {
            vus,
            iterations,
            max_duration: ms(max),
        }),
        1 => (1_u64..6, 0_u64..40, 0_u64..400).prop_map(|(vus, iterations, max)| Executor::SharedIterations {
            vus,
            iterations,
            max_duration: ms(max),
        }),
        2 => (0_u64..6, proptest::collection::vec((0_u64..150, 0_u64..6), 1..5), 0_u64..200).prop_map(
            |(start_vus, stages, graceful)| Executor::RampingVus {
                start_vus,
                stages: stages.into_iter().map(|(duration, target)| line(duration, target)).collect(),
                graceful_ramp_down: ms(graceful),
            }
        ),
        5 => (shapes(), 0_u64..9, 1_u64..9, policy).prop_map(|(shape, pre, max, policy)| open(shape, (pre, max), policy)),
    ]
}

fn line<T>(duration: u64, target: T) -> Line<T> {
    Line {
        duration: ms(duration),
        target,
        name: None,
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let time_unit = ms(1_000);
    let spacing = || prop_oneof![Just(Spacing::Constant), Just(Spacing::Poisson), Just(Spacing::Burst)];
    let wave = (0_u64..400, 0_u64..9).prop_map(|(at, count)| Wave {
        at: ms(at),
        count,
        name: None,
    });
    prop_oneof![
        (0.5..300.0_f64, 0_u64..400, spacing()).prop_map(move |(rate, duration, arrival)| Shape::ConstantArrivalRate {
            rate,
            time_unit,
            duration: ms(duration),
            arrival,
        }),
        (
            0.0..300.0_f64,
            proptest::collection::vec((0_u64..200, 0.0..300.0_f64), 1..4),
            spacing()
        )
            .prop_map(move |(start_rate, stages, arrival)| Shape::RampingArrivalRate {
                start_rate,
                time_unit,
                stages: stages
                    .into_iter()
                    .map(|(duration, target)| line(duration, target))
                    .collect(),
                arrival,
            }),
        proptest::collection::vec((0_u64..200, 0.0..300.0_f64), 1..4).prop_map(move |steps| Shape::Steps {
            time_unit,
            steps: steps
                .into_iter()
                .map(|(duration, rate)| Step {
                    rate,
                    duration: ms(duration),
                    name: None
                })
                .collect(),
            arrival: Spacing::Constant,
        }),
        proptest::collection::vec(wave, 1..4).prop_map(|waves| Shape::Waves { waves }),
        (0_u64..40).prop_map(|count| Shape::Burst { count }),
        proptest::collection::vec((0_u64..400).prop_map(ms), 0..40).prop_map(|stamps| Shape::Replay {
            trace: Trace::new(String::new(), &stamps),
            speed: 1.5,
        }),
    ]
}

fn scenarios() -> impl Strategy<Value = Vec<Scenario>> {
    let one = (executors(), 0_u64..200, 0_u64..200).prop_map(|(executor, start, graceful)| Scenario {
        start_time: ms(start),
        graceful_stop: ms(graceful),
        ..scenario("any", executor)
    });
    (proptest::collection::vec(one, 1..4), any::<bool>()).prop_map(|(mut scenarios, chained)| {
        for (index, scenario) in scenarios.iter_mut().enumerate() {
            scenario.name = index.to_string();
            scenario.start_after = (chained && index > 0).then(|| (index - 1).to_string());
        }
        scenarios
    })
}

/// Times that scatter, and all outcomes: some retire.
fn scatter(service: u64, retire: u64) -> impl Fn(&Iteration) -> (Duration, Outcome) {
    move |it| {
        let outcome = match it.number {
            n if n >= retire => Outcome::Retired,
            n if n % 5 == 3 => Outcome::Failed,
            _ => Outcome::Completed,
        };
        (ms(1 + it.number * 7 % service), outcome)
    }
}

fn play(stage: Stage) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(stage.play())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn counts_add_up_however_it_ends(
        scenarios in scenarios(),
        stripes in 1_u32..4,
        service in 1_u64..150,
        creation in 0_u64..40,
        retire in prop_oneof![Just(u64::MAX), 0_u64..60],
        stop in proptest::option::of(0_u64..500),
        kill in proptest::option::of(0_u64..500),
    ) {
        let stage = Stage {
            stop: stop.map(ms),
            kill: kill.map(ms),
            ..Stage::new(scenarios, 0).script(scatter(service, retire)).stripes(stripes).creation(creation)
        };
        play(stage);
    }

    #[test]
    fn counts_add_up_under_any_edits(
        scenarios in scenarios(),
        edits in proptest::collection::vec((0_u64..200, 0_usize..3, executors(), 0_u64..200, any::<bool>()), 1..5),
        stripes in 1_u32..4,
        service in 1_u64..150,
        retire in prop_oneof![Just(u64::MAX), 0_u64..60],
        stop in proptest::option::of(0_u64..500),
    ) {
        let stage = Stage::new(scenarios, 0).script(scatter(service, retire)).stripes(stripes);
        let mut stage = Stage { stop: stop.map(ms), ..stage };
        let mut at = 0;
        for (gap, index, executor, time, pause) in edits {
            at += gap;
            stage = stage.edit_at(at, move |scenarios| {
                let index = index % scenarios.len();
                let scenario = &mut scenarios[index];
                // Another kind is refused, and what else is edited then holds all the same.
                scenario.executor = executor.clone();
                scenario.graceful_stop = ms(time);
                scenario.start_time = ms(time / 2);
            });
            if pause {
                stage = stage.tell_at(at, Command::Pause).tell_at(at + gap / 2, Command::Resume);
                at += gap / 2;
            }
        }
        play(stage);
    }

    #[test]
    fn undisturbed_runs_offer_exactly_what_was_planned(
        scenarios in scenarios(),
        stripes in 1_u32..4,
        service in 1_u64..150,
    ) {
        let planned: Vec<_> = scenarios.iter().map(|s| match &s.executor {
            Executor::PerVuIterations { vus, iterations, .. } => Some(vus * iterations),
            Executor::SharedIterations { iterations, .. } => Some(*iterations),
            Executor::Open { shape, on_saturation, .. } => {
                let seed = Shared::new(&plan(Vec::new()), SEED).seed(&s.name);
                (*on_saturation != OnSaturation::Abort)
                    .then(|| shape.arrivals(seed, Stripe::WHOLE).count() as u64)
            }
            Executor::ConstantVus { .. } | Executor::ExternallyControlled { .. } | Executor::RampingVus { .. } => None,
        }).collect();
        let report = play(Stage::new(scenarios, 0).script(scatter(service, u64::MAX)).stripes(stripes));
        if report.saturated.is_empty() {
            for (counts, planned) in report.counts.iter().zip(planned) {
                prop_assert!(planned.is_none_or(|n| n == counts.offered), "{:?} for {:?}", counts, planned);
            }
        }
    }
}
