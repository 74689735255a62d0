//! What the hot paths cost, each alone: `cargo bench` for CPU time, `benches/instructions.sh` for instructions. What a whole
//! request costs beside other tools is not measured here.
//!
//! With `--list` this prints the names, and with `--repeat NAME COUNT` it does one thing so many times and nothing else,
//! for a profiler to watch.

mod codec;
mod grpc;
mod samples;
mod schedule;
mod script;

use std::time::Duration;

use criterion::Criterion;

use kingtide::clock;

/// Something to measure.
struct Case {
    /// `room/what`.
    name: &'static str,
    /// Prepares it.
    prepare: fn() -> Repeat,
}

/// Does it so many times.
type Repeat = Box<dyn FnMut(u64)>;

/// Does `once` so many times.
fn each(mut once: impl FnMut() + 'static) -> Repeat {
    Box::new(move |count| (0..count).for_each(|_| once()))
}

fn cases() -> impl Iterator<Item = &'static Case> {
    let rooms = [
        schedule::CASES,
        codec::CASES,
        grpc::CASES,
        samples::CASES,
        script::CASES,
    ];
    rooms.into_iter().flatten()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => list(),
        ["--repeat", name, count] => repeat(name, count.parse().expect("COUNT is a number")),
        _ => measure(),
    }
}

#[expect(clippy::print_stdout, reason = "a bench is its own command line")]
fn list() {
    cases().for_each(|case| println!("{}", case.name));
}

fn repeat(name: &str, count: u64) {
    let case = cases()
        .find(|case| case.name == name)
        .expect("NAME is one that --list prints");
    (case.prepare)()(count);
}

fn measure() {
    let mut criterion = Criterion::default().configure_from_args();
    for case in cases() {
        criterion.bench_function(case.name, |bencher| {
            let mut repeat = (case.prepare)();
            bencher.iter_custom(|count| cpu(|| repeat(count)));
        });
    }
    criterion.final_summary();
}

/// CPU time of this thread, which others on the same machine disturb less than the time on the wall.
fn cpu(work: impl FnOnce()) -> Duration {
    let before = clock::thread_cpu();
    work();
    clock::thread_cpu().saturating_sub(before)
}
