//! The script host: calls from Lua into Rust and back, JSON, data sets, whole iterations. The journeys are in
//! `journeys.lua`.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::Runtime;

use kingtide::control::Control;
use kingtide::metrics::{Catalog, Recorder};
use kingtide::plan::Limits;
use kingtide::plan::overrides::Overrides;
use kingtide::script::{Host, LuaVu, LuaVuFactory, Session, VuContext, plan_reader, vu};
use kingtide::vu::{Iteration, Outcome, Part, Vu as _, VuFactory as _};
use kingtide::{api, clock};

use crate::{Case, Repeat, each};

/// One call does it `count` times.
macro_rules! repeated {
    ($($name:literal $journey:literal;)*) => {
        &[$(Case { name: $name, prepare: || { let mut user = User::new($journey); Box::new(move |count| user.iterate(count)) } },)*
        Case { name: "script/iteration", prepare: || iterations("empty") },
        Case { name: "script/iteration with a check", prepare: || iterations("one_check") }]
    };
}

pub const CASES: &[Case] = repeated! {
    "script/call that yields" "pace";
    "script/check" "check";
    "script/group" "group";
    "script/trend with tags" "trend";
    "script/random number" "random";
    "script/shared counter" "counter";
    "json/decode" "decode";
    "json/decode nested" "decode_nested";
    "json/encode" "encode";
    "json/encode nested" "encode_nested";
    "data/row" "row";
    "data/random row" "random_row";
};

fn iterations(journey: &str) -> Repeat {
    let mut user = User::new(journey);
    let mut number = 0;
    each(move || {
        number += 1;
        user.iterate(number);
    })
}

/// A virtual user of one scenario, and what it needs to live.
struct User {
    vu: LuaVu,
    scenario: usize,
    runtime: Runtime,
}

impl User {
    fn new(journey: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime starts");
        let (vu, scenario) = runtime.block_on(create(journey));
        Self { vu, scenario, runtime }
    }

    /// Runs one iteration of that number. None of the journeys waits for anything, so that no runtime is measured.
    fn iterate(&mut self, number: u64) {
        let _guard = self.runtime.enter();
        let now = clock::now();
        let iteration = Iteration {
            scenario: self.scenario,
            number,
            part: Part::default(),
            begun_at: now,
            scheduled_at: now,
            started_at: now,
        };
        let outcome = self.vu.run(&iteration).now_or_never();
        assert_eq!(outcome, Some(Outcome::Completed));
    }
}

async fn create(journey: &str) -> (LuaVu, usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/micro/journeys.lua");
    let session = Session::new(&script, BTreeMap::new(), 1, Arc::new(Control::new()));
    let session = Arc::new(session);
    // Criterion asks for as many repetitions as take seconds.
    let limits = Limits {
        cpu: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let host = Host::new(Arc::clone(&session), limits, api::OPEN).expect("a VM starts");
    let loaded = vu::load(&VuContext::new(&host, 0, None))
        .await
        .expect("the script loads");
    let plan = plan_reader::read(&loaded, &session, &Overrides::default()).expect("its plan is valid");
    let catalog = Catalog::new(&session.registry, &[]).expect("no selector, no mistake");
    let _ = host.recorder.set(Recorder::new(&session.registry, &catalog));
    host.follow(&plan).expect("its HTTP options are valid");
    let scenario = plan.scenarios.iter().position(|scenario| scenario.name == journey);
    let scenario = scenario.expect("the script has the journey");
    session.revision().set_plan(Arc::new(plan));
    let factory = LuaVuFactory { host: Rc::clone(&host) };
    (factory.create(scenario, 1).await, scenario)
}
