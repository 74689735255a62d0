//! Runs a `*.test.lua` file: each `test(name, fn)` in it is one iteration of a scenario made up for it, so that requests,
//! metrics and data work as in a journey. Finding files and printing results is the caller's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Table, Value};

use crate::clock;
use crate::metrics::{Aggregation, Catalog, Recorder, Registry, Selector, Totals, derived};
use crate::plan::{Executor, HttpPlan, Limits, OnSaturation, OnScriptError, Plan, Scenario};
use crate::schedule::{Shape, Spacing};
use crate::vu::{Iteration, Part};

use super::args::Args;
use super::bridge;
use super::context::{Lifecycle, VuContext};
use super::errors::{Kind, ScriptError};
use super::host::{ApiError, Host, OpenModules};
use super::session::Session;
use super::vu;

/// What `kt.scenario.name` is in a test.
pub const SCENARIO: &str = "test";

/// The stub of the globals that only test files have.
pub const STUB: &str = include_str!("testing.d.lua");

/// `raises(part, body)`, in Lua, so that the body may wait.
const RAISES: &str = r#"
local pcall, error, type, tostring = pcall, error, type, tostring
local find, match, info = string.find, string.match, debug.info
return function(part, body)
  if type(part) ~= "string" or type(body) ~= "function" then
    error('raises: write `raises("part of the message", function() … end)`', 2)
  end
  local ok, err = pcall(body)
  if ok then
    error("raises: nothing was raised, wanted: " .. part, 2)
  end
  local message = type(err) == "table" and err.message or err
  if type(message) ~= "string" or not find(message, part, 1, true) then
    error("raises: `" .. part .. "` is not in: " .. tostring(message), 2)
  end
  if type(err) == "string" then
    local file, line = match(err, "^(.-):(%d+): ")
    if file ~= info(body, "s") or tonumber(line) < info(body, "l") then
      error("raises: the message does not begin with a line of the function: " .. err, 2)
    end
  end
  return err
end"#;

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// As the file names it.
    pub name: String,
    /// Whether it returned.
    pub result: Result<(), ScriptError>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What the tests of a file run with.
#[derive(Debug, Clone)]
pub struct Setting {
    /// As in a plan.
    pub http: HttpPlan,
    /// As in a plan.
    pub limits: Limits,
    /// Opens the modules.
    pub open: OpenModules,
    /// Only tests whose names hold this; all for an empty one.
    pub filter: String,
}

/// What the globals of a test file fill and read.
#[derive(Debug, Default)]
struct Bench {
    tests: RefCell<Vec<(String, Function)>>,
    selectors: RefCell<Vec<Selector>>,
    /// What the running test has recorded; unset while the file loads.
    totals: RefCell<Option<Totals>>,
}

/// Evaluates the session's script as a test file and runs its tests, each as one iteration of virtual user 1. Each result
/// is told as it comes.
///
/// # Errors
/// When the file cannot be evaluated; errors of tests are in their results.
pub async fn run(
    session: Arc<Session>,
    setting: Setting,
    told: &mut dyn FnMut(&TestResult),
) -> Result<Vec<TestResult>, ScriptError> {
    let vm = |error: mlua::Error| ScriptError::from_vm(&error);
    let host = Host::new(session, setting.limits, setting.open).map_err(vm)?;
    let context = VuContext::new(&host, 1, Some(0));
    let bench = Rc::new(Bench::default());
    let environment = host.environment().map_err(vm)?;
    add_globals(&host, &bench, &environment).map_err(vm)?;
    let loaded = vu::evaluate(&context, environment).await?;
    let selectors = bench.selectors.take();
    let catalog = equip(&host, &selectors, setting.http, setting.limits)
        .map_err(|message| ScriptError::from_message(Kind::Raised, &message, ""))?;
    let registry = &host.session.registry;
    let mut results = Vec::new();
    let tests = bench.tests.take().into_iter();
    let chosen = tests.filter(|(name, _)| name.contains(&setting.filter));
    for (number, (name, function)) in (0..).zip(chosen) {
        *bench.totals.borrow_mut() = Some(Totals::new(registry, &catalog, 1));
        let started = clock::now();
        context.begin(&iteration(number));
        let result = bridge::call(&context, &loaded.coroutine, &function, ()).await;
        context.end();
        context.held.end(result.is_ok());
        let result = TestResult {
            name,
            result: result.map(drop),
            elapsed: clock::now() - started,
        };
        told(&result);
        results.push(result);
        // What this one recorded is not the next one's.
        drop(host.recorder.get().map(Recorder::take));
    }
    Ok(results)
}

/// An iteration of the one scenario that is due now.
pub(super) fn iteration(number: u64) -> Iteration {
    let now = clock::now();
    Iteration {
        scenario: 0,
        number,
        part: Part::default(),
        begun_at: now,
        scheduled_at: now,
        started_at: now,
    }
}

/// Gives a VM without a plan what it has in a run, now that its file has declared its metrics.
pub(super) fn equip(host: &Host, selectors: &[Selector], http: HttpPlan, limits: Limits) -> Result<Catalog, String> {
    let registry = &host.session.registry;
    let catalog = Catalog::new(registry, selectors).map_err(|error| error.to_string())?;
    let plan = Arc::new(plan(http, limits));
    host.follow(&plan).map_err(|error| error.to_string())?;
    let _ = host.recorder.set(Recorder::new(registry, &catalog));
    let _ = host.session.started.set(clock::now());
    host.session.revision().set_plan(plan);
    Ok(catalog)
}

/// An open scenario, because only those have response times.
fn plan(http: HttpPlan, limits: Limits) -> Plan {
    let minute = Duration::from_mins(1);
    Plan {
        scenarios: vec![Scenario {
            name: SCENARIO.to_owned(),
            executor: Executor::Open {
                shape: Shape::ConstantArrivalRate {
                    rate: 1.0,
                    time_unit: Duration::from_secs(1),
                    duration: minute,
                    arrival: Spacing::Constant,
                },
                pre_allocated_vus: 1,
                max_vus: 1,
                on_saturation: OnSaturation::Queue,
            },
            start_time: Duration::ZERO,
            start_after: None,
            warmup: Duration::ZERO,
            graceful_stop: Duration::ZERO,
            tags: BTreeMap::new(),
            env: BTreeMap::new(),
        }],
        http,
        phases: Vec::new(),
        checkpoints: None,
        measured_until: None,
        thresholds: Vec::new(),
        invariants: Vec::new(),
        traces: None,
        tags: BTreeMap::new(),
        setup_timeout: minute,
        teardown_timeout: minute,
        on_script_error: OnScriptError::Fail,
        limits,
    }
}

fn add_globals(host: &Rc<Host>, bench: &Rc<Bench>, environment: &Table) -> mlua::Result<()> {
    let own = Rc::clone(bench);
    let test = host.function("test", move |host, args| {
        at_load(host, args)?;
        let (Ok(name), Value::Function(body), 2) = (args.text(1, "name"), args.value(2)?, args.count()) else {
            return Err(args.error("write `test(\"what it shows\", function() … end)`"));
        };
        if own.tests.borrow().iter().any(|(known, _)| *known == name) {
            return Err(args.error(format!("there are two tests \"{name}\"")));
        }
        own.tests.borrow_mut().push((name.into_owned(), body));
        Ok(())
    })?;
    environment.raw_set("test", test)?;
    let own = Rc::clone(bench);
    let recorded = host.function("recorded", move |host, args| {
        at_load(host, args)?;
        let text = args.text(1, "selector")?;
        let selector = selector(&host.session.registry, &text).map_err(|message| args.error(message))?;
        own.selectors.borrow_mut().push(selector.clone());
        let own = Rc::clone(&own);
        Ok(host.function("recorded", move |host, args| read(host, &own, &selector, args))?)
    })?;
    environment.raw_set("recorded", recorded)?;
    environment.raw_set("raises", host.run_internal::<Function>(RAISES, ())?)
}

fn at_load(host: &Host, args: &Args<'_, '_>) -> Result<(), ApiError> {
    if host.current()?.lifecycle.get() == Lifecycle::Load {
        return Ok(());
    }
    Err(args.error("call it at the top of the file, not in a test"))
}

/// Reads a selector; the metrics of a poll or a flow are declared by their ending, as thresholds do.
fn selector(registry: &Registry, text: &str) -> Result<Selector, String> {
    let selector = registry.selector(text).map_err(|error| error.to_string())?;
    if registry.find(&selector.metric).is_none() {
        let (kind, unit) = derived(&selector.metric)
            .ok_or_else(|| format!("there is no metric `{}`; declare it above", selector.metric))?;
        registry
            .declare(&selector.metric, kind, unit)
            .map_err(|error| error.to_string())?;
    }
    Ok(selector)
}

fn read(host: &Host, bench: &Bench, selector: &Selector, args: &Args<'_, '_>) -> Result<Option<f64>, ApiError> {
    let registry = &host.session.registry;
    let kind = registry.find(&selector.metric).map(|id| registry.definition(id).kind);
    let parsed = args.text(1, "aggregation").ok();
    let parsed = parsed.and_then(|text| Aggregation::parse(&text));
    let Some(aggregation) = parsed.filter(|aggregation| kind.is_some_and(|kind| aggregation.fits(kind))) else {
        let (got, choices) = (args.describe(1), kind.map_or("none", Aggregation::choices));
        return Err(args.error(format!("{got} is no aggregation of `{selector}`; it has {choices}")));
    };
    let mut totals = bench.totals.borrow_mut();
    let Some(totals) = totals.as_mut() else {
        return Err(args.error("nothing is recorded while the file loads"));
    };
    super::flow::sweep(&host.session.flows, host.recorder()?);
    totals.merge_second(0, &host.recorder()?.take());
    Ok(totals.value(selector, aggregation))
}
