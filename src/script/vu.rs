//! A virtual user that runs a Lua journey: its environment, its coroutine, and what each end of an iteration means. Who
//! starts iterations is `exec`'s.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Table, Value};

use crate::clock;
use crate::control::Reason;
use crate::metrics::builtin;
use crate::plan::OnScriptError;
use crate::vu::{Iteration, Outcome, Ready, Vu, VuFactory};

use super::bridge;
use super::context::{Lifecycle, VuContext};
use super::errors::{Kind, ScriptError};
use super::host::Host;
use super::near::Places;
use super::plan_reader;
use super::raw::{Coroutine, Pinned};
use super::revision::Revision;
use super::session::Session;
use super::trace::{self, Mark, Step};
use super::usher::Guest;

/// A virtual user with a Lua journey.
pub struct LuaVu {
    context: Rc<VuContext>,
    scenario: String,
    /// The error boxed: it would be the largest part of a user.
    instance: Result<Instance, Box<ScriptError>>,
    /// How long `vu_init` took the last time.
    init_took: Duration,
}

/// One evaluation of the script: functions with their own globals and locals.
#[derive(Debug)]
struct Instance {
    journey: Pinned,
    /// Its address.
    journey_at: usize,
    coroutine: Rc<Coroutine>,
}

/// How long an iteration of a VU that could not start takes, so that a closed scenario does not spin.
const BROKEN_PAUSE: Duration = Duration::from_millis(100);

impl LuaVu {
    async fn new(host: &Rc<Host>, scenario: usize, id: u64) -> Self {
        let context = VuContext::new(host, id, Some(scenario));
        let name = context
            .plan()
            .and_then(|plan| Some(plan.scenarios.get(scenario)?.name.clone()));
        let scenario = name.unwrap_or_default();
        let mut init_took = Duration::ZERO;
        let instance = initialise(&context, &scenario, &mut init_took).await;
        let _ = context.guest.set(Guest::new());
        Self {
            context,
            scenario,
            instance,
            init_took,
        }
    }

    /// Before the journey is called.
    fn begin(&self, iteration: &Iteration, instance: &Instance) {
        self.context.begin(iteration);
        self.context.places.set(Places {
            vu: std::ptr::from_ref(self).addr(),
            journey: instance.journey_at,
            ..Places::default()
        });
        trace::tell(&self.context, || Step::new(Mark::Begin, "the iteration begins"));
    }

    /// After it has come back, or could not be called; gives whether the script's state is good for nothing any more.
    fn end(&self, result: Result<(), ScriptError>) -> (Outcome, bool) {
        let context = &self.context;
        context.end();
        context.held.end(result.is_ok());
        let Err(error) = result else {
            trace::tell(context, || Step::new(Mark::End, "completed"));
            return (Outcome::Completed, false);
        };
        let outcome = self.settle(&error);
        trace::tell(context, || Step::new(Mark::Failed, ended(outcome, &error)));
        (outcome, matches!(error.kind, Kind::Stuck | Kind::Memory))
    }

    /// What an error means for the iteration and the run.
    fn settle(&self, error: &ScriptError) -> Outcome {
        let session = &self.context.host.session;
        match error.kind {
            Kind::Aborted | Kind::Retired | Kind::Interrupted => return Outcome::Retired,
            Kind::Failed => {
                session.failures.add(error);
                return Outcome::Failed;
            }
            Kind::Raised | Kind::Syntax | Kind::Stuck | Kind::Memory => {}
        }
        report(&self.context, error);
        Outcome::Failed
    }
}

/// Counts an uncaught error, tells it at first sight, and stops the run if the plan says so.
pub(super) fn report(context: &VuContext, error: &ScriptError) {
    let session = &context.host.session;
    if let (Ok(recorder), Ok(tags)) = (context.host.recorder(), context.tags()) {
        recorder.record(builtin::SCRIPT_ERRORS, 1.0, &tags);
        if error.kind == Kind::Stuck {
            recorder.record(builtin::INTERRUPTED_SCRIPTS, 1.0, &tags);
        }
    }
    if session.errors.add(error) {
        tracing::error!(target: "kingtide::script", "{}", session.redact(&error.render(&context.revision().sources)));
    }
    if context
        .plan()
        .is_some_and(|plan| plan.on_script_error == OnScriptError::Abort)
    {
        session.control.stop(Reason::ScriptError(error.to_string()));
    }
}

/// How an iteration ended that did not complete.
fn ended(outcome: Outcome, error: &ScriptError) -> String {
    let how = if outcome == Outcome::Failed { "failed" } else { "ended" };
    format!("{how}: {}", error.message)
}

/// Goes over to the newest revision.
fn follow_newest(context: &VuContext) {
    let session = &context.host.session;
    if let Err(error) = context.follow(&session.revision()) {
        // Tried before the revision was adopted; a file has changed since.
        let text = session.redact(&format!("http options of the edited script: {error}"));
        tracing::warn!(target: "kingtide::script", "{text}");
    }
}

/// A user in the `vu_init` of an edited script: dropped, if it never comes out.
struct Unready<'a>(&'a Session);

impl Drop for Unready<'_> {
    fn drop(&mut self) {
        self.0.miss_user();
    }
}

/// As [`instantiate`]; what a newer revision finds unfinished is left, and begun anew with that one.
async fn initialise(
    context: &Rc<VuContext>,
    scenario: &str,
    init_took: &mut Duration,
) -> Result<Instance, Box<ScriptError>> {
    loop {
        let number = context.revision_number();
        tokio::select! {
            biased;
            made = instantiate(context, scenario, init_took) => return made.map_err(Box::new),
            () = context.host.session.newer(number) => {}
        }
        context.held.initialised(false);
        follow_newest(context);
    }
}

/// Evaluates the script for a user and calls its `vu_init`, which takes as long as `init_took` then says.
async fn instantiate(
    context: &Rc<VuContext>,
    scenario: &str,
    init_took: &mut Duration,
) -> Result<Instance, ScriptError> {
    context.end_last();
    let loaded = load(context).await?;
    let journey = plan_reader::journey(&loaded, scenario)
        .map_err(|error| ScriptError::from_message(Kind::Raised, &error.message, ""))?;
    if let Value::Table(plan) = &loaded.returned
        && let Ok(Some(vu_init)) = plan.get::<Option<Function>>("vu_init")
    {
        context.enter(Lifecycle::VuInit);
        context.held.renew();
        let before = clock::now();
        let called = bridge::call(context, &loaded.coroutine, &vu_init, ()).await;
        *init_took = clock::now().saturating_duration_since(before);
        context.held.initialised(called.is_ok());
        called?;
    }
    let journey_at = journey.to_pointer().addr();
    let journey = Pinned::new(&context.host.lua, journey).map_err(|error| ScriptError::from_vm(&error))?;
    let coroutine = Rc::new(loaded.coroutine);
    *context.coroutine.borrow_mut() = Some(Rc::clone(&coroutine));
    Ok(Instance {
        journey,
        journey_at,
        coroutine,
    })
}

/// A script that was evaluated in an environment of its own.
#[derive(Debug)]
pub struct Loaded {
    /// What the file returned.
    pub returned: Value,
    /// Its globals.
    pub environment: Table,
    /// An empty table of the same VM, which stands for the plan of a script that returns a function.
    pub blank: Table,
    /// The coroutine that later calls run on.
    pub coroutine: Coroutine,
    /// The state of the script that it is.
    pub revision: Arc<Revision>,
}

/// Evaluates the run's script for `context`.
///
/// # Errors
/// Syntax errors and whatever the file raises.
pub async fn load(context: &Rc<VuContext>) -> Result<Loaded, ScriptError> {
    let environment = context
        .host
        .environment()
        .map_err(|error| ScriptError::from_vm(&error))?;
    evaluate(context, environment).await
}

/// Evaluates the run's script in `environment`.
///
/// # Errors
/// As [`load`].
pub(super) async fn evaluate(context: &Rc<VuContext>, environment: Table) -> Result<Loaded, ScriptError> {
    let host = &context.host;
    let vm = |error: mlua::Error| ScriptError::from_vm(&error);
    let revision = context.revision();
    let source = revision
        .sources
        .read(&host.session.script)
        .map_err(|error| ScriptError::from_message(Kind::Raised, &error.to_string(), ""))?;
    let chunk = host.instantiate(&revision, &source, &environment).map_err(vm)?;
    let coroutine = Coroutine::new(&host.lua).map_err(vm)?;
    context.enter(Lifecycle::Load);
    let mut results = bridge::call(context, &coroutine, &chunk, ()).await?;
    let blank = host.lua.create_table().map_err(vm)?;
    Ok(Loaded {
        returned: results.pop_front().unwrap_or(Value::Nil),
        environment,
        blank,
        coroutine,
        revision,
    })
}

impl Vu for LuaVu {
    fn init_took(&self) -> Duration {
        self.init_took
    }

    async fn ready(&mut self) -> Ready {
        let session = &self.context.host.session;
        let mut revision = self.context.revision_number();
        let mut took = Duration::ZERO;
        if session.newest() != revision {
            let before = clock::now();
            follow_newest(&self.context);
            let unready = Unready(session);
            // Boxed, as below: every user would hold the room for what hardly any does.
            self.instance = Box::pin(initialise(&self.context, &self.scenario, &mut self.init_took)).await;
            std::mem::forget(unready);
            revision = self.context.revision_number();
            took = clock::now().saturating_duration_since(before);
        }
        Ready { revision, took }
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would hold its arguments twice, and each VU holds its future"
    )]
    fn run(&mut self, iteration: &Iteration) -> impl Future<Output = Outcome> {
        async move {
            let instance = match &self.instance {
                Ok(instance) => instance,
                Err(error) => {
                    report(&self.context, error);
                    Box::pin(clock::sleep(BROKEN_PAUSE)).await;
                    return Outcome::Failed;
                }
            };
            self.begin(iteration, instance);
            let setup = match self.context.host.setup_pinned() {
                Ok(setup) => setup,
                Err(error) => return self.end(Err(ScriptError::from_vm(&error))).0,
            };
            let ended = bridge::run(&self.context, &instance.coroutine, &instance.journey, setup).await;
            let (outcome, is_spoilt) = self.end(ended);
            if is_spoilt {
                // Whatever the script's own state is now, it is replaced by a fresh one.
                self.instance = Box::pin(initialise(&self.context, &self.scenario, &mut self.init_took)).await;
            }
            outcome
        }
    }
}

/// Makes [`LuaVu`]s in one VM.
pub struct LuaVuFactory {
    /// The VM.
    pub host: Rc<Host>,
}

impl VuFactory for LuaVuFactory {
    type Vu = LuaVu;

    async fn create(&self, scenario: usize, vu_id: u64) -> LuaVu {
        LuaVu::new(&self.host, scenario, vu_id).await
    }
}
