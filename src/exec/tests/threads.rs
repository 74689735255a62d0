//! The exchange between stripes on real threads in real time: what paused time on one thread cannot show. Asserts no
//! times, only that nothing is lost.

use super::*;

/// Gives way a few times, without a timer.
struct Busy;

impl Vu for Busy {
    async fn run(&mut self, it: &Iteration) -> Outcome {
        for _ in 0..it.number % 7 {
            tokio::task::yield_now().await;
        }
        Outcome::Completed
    }
}

struct BusyFactory;

impl VuFactory for BusyFactory {
    type Vu = Busy;

    async fn create(&self, _scenario: usize, _vu_id: u64) -> Busy {
        Busy
    }
}

/// Runs a plan on `of` threads and returns the counts of its scenario.
fn run(executor: Executor, of: u32) -> Counts {
    let plan = Arc::new(plan(vec![scenario("only", executor)]));
    let registry = Registry::default();
    let catalog = Catalog::new(&registry, &[]).unwrap();
    let shared = Arc::new(Shared::new(&plan, SEED));
    let signals = Signals::new(|reason| panic!("{reason}"));
    let made = std::sync::Barrier::new(of as usize);
    let mut totals = Totals::new(&registry, &catalog, 1);
    std::thread::scope(|scope| {
        let work = |index| {
            let recorder = Recorder::new(&registry, &catalog);
            let stripe = Stripe { index, of };
            let mut core = Core::new(&plan, stripe, Rc::new(BusyFactory), &recorder, &shared, &signals);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            made.wait();
            LocalSet::new().block_on(&runtime, async {
                core.prepare().await;
                core.run(clock::now()).await;
            });
            recorder.take()
        };
        let threads: Vec<_> = (0..of).map(|index| scope.spawn(move || work(index))).collect();
        for thread in threads {
            totals.merge(&thread.join().unwrap());
        }
    });
    assert_eq!((shared.vus_initialised(), shared.progress(0).backlog), (0, 0));
    totals.counts(0)
}

#[test]
fn no_arrival_is_forgotten_between_threads() {
    // Far fewer VUs than stripes want: nearly every arrival goes through the exchange. One that was forgotten there would
    // wait for the graceful stop and be dropped.
    for max_vus in [1, 3] {
        let counts = run(arrivals(50_000.0, 200, (1, max_vus), OnSaturation::Queue), 4);
        assert!(counts.adds_up());
        assert_eq!(
            (counts.offered, counts.completed),
            (10_000, 10_000),
            "cap {max_vus}: {counts:?}"
        );
    }
}

#[test]
fn shared_iterations_are_claimed_once_by_all_threads() {
    let executor = Executor::SharedIterations {
        vus: 8,
        iterations: 20_000,
        max_duration: ms(60_000),
    };
    let counts = run(executor, 4);
    assert_eq!((counts.offered, counts.completed), (20_000, 20_000));
}
