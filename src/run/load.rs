//! From a script's path, or from one request, to a validated test: everything that can be checked before any load. Reading
//! the command line is not here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::api;
use crate::control::Control;
use crate::direct::Call;
use crate::metrics::{Catalog, Recorder, Selector};
use crate::net::ConfigError;
use crate::plan::overrides::Overrides;
use crate::plan::{Limits, Plan};
use crate::script::fields::FieldError;
use crate::script::vu::{Loaded, load as evaluate};
use crate::script::{Host, Kind, Revision, ScriptError, Session, VuContext, plan_reader};

use super::edit;

/// What to load, and with which values.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The script.
    pub script: PathBuf,
    /// `-e NAME=value`.
    pub vars: BTreeMap<String, String>,
    /// The seed of the run.
    pub seed: u64,
    /// The command line's short forms.
    pub overrides: Overrides,
    /// Follow changes of the script while it runs.
    pub watch: bool,
}

/// A test that is ready to run. Bound to its thread.
pub struct Test {
    /// What all users of the run share.
    pub session: Arc<Session>,
    /// The validated plan.
    pub plan: Arc<Plan>,
    /// Which series are kept.
    pub catalog: Catalog,
    /// Samples of `setup` and `teardown`.
    pub recorder: Recorder,
    /// What virtual users do.
    pub work: Work,
    /// The thresholds of scenarios that do not run, each with the reason why it is not judged.
    pub left_out: Vec<String>,
}

/// What virtual users do. Everything else of a run is the same for all.
pub enum Work {
    /// They run the journeys of a script.
    Script(Box<Script>),
    /// They send a request.
    Call(Arc<Call>),
}

/// A script that was evaluated outside of the load, for what runs before and after it.
pub struct Script {
    /// The VM of `setup`, `teardown` and `summary`.
    pub host: Rc<Host>,
    /// The script, evaluated in that VM.
    pub loaded: Loaded,
    /// The virtual user of `setup`, `teardown` and `summary`.
    pub context: Rc<VuContext>,
    /// What changes the plan of every revision.
    pub(super) overrides: Overrides,
}

impl Test {
    /// A test without a script: users send `call` as `plan` has it.
    ///
    /// # Errors
    /// [`LoadError`] when thresholds name what is no metric.
    pub fn of_call(call: Call, plan: Plan, control: Arc<Control>) -> Result<Self, LoadError> {
        // Nothing is random that the seed could repeat.
        let session = Session::new(Path::new(&call.name()), BTreeMap::new(), 1, control);
        Self::assemble(Arc::new(session), plan, Work::Call(Arc::new(call)))
    }

    fn assemble(session: Arc<Session>, mut plan: Plan, work: Work) -> Result<Self, LoadError> {
        let running: Vec<&str> = plan.scenarios.iter().map(|scenario| &*scenario.name).collect();
        let left_out = edit::without_others(&mut plan.thresholds, &running).into_iter();
        let left_out = left_out.map(|change| {
            let why = change.refused.unwrap_or_default();
            format!("{} is left out: {why}", change.what)
        });
        let left_out = left_out.collect();
        let thresholds = plan.thresholds.iter();
        let selectors: Vec<Selector> = thresholds.map(|threshold| threshold.selector.clone()).collect();
        let catalog = Catalog::new(&session.registry, &selectors).map_err(wrong)?;
        let recorder = Recorder::new(&session.registry, &catalog);
        if let Work::Script(script) = &work {
            let _ = script.host.recorder.set(recorder.clone());
        }
        Ok(Self {
            session,
            plan: Arc::new(plan),
            catalog,
            recorder,
            work,
            left_out,
        })
    }

    /// Replaces the plan by another of the same script, before the run.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = Arc::new(plan);
    }

    /// The script, if there is one.
    #[must_use]
    pub fn script(&self) -> Option<&Script> {
        match &self.work {
            Work::Script(script) => Some(script),
            Work::Call(_) => None,
        }
    }
}

/// Why a script cannot be run, as people read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct LoadError {
    /// Message, place, source line and hint.
    pub text: String,
}

/// Evaluates a script and validates its plan. Must be called on a `LocalSet`.
///
/// # Errors
/// [`LoadError`] with the place of the first mistake.
pub async fn load(options: LoadOptions, control: Arc<Control>) -> Result<Test, LoadError> {
    let session = Session::new(&options.script, options.vars, options.seed, control);
    let session = Arc::new(if options.watch { session.watched() } else { session });
    let revision = session.revision();
    let read = read(&session, &revision, &options.overrides, Limits::default()).await?;
    let script = Script {
        host: read.host,
        loaded: read.loaded,
        context: read.context,
        overrides: options.overrides,
    };
    Test::assemble(session, read.plan, Work::Script(Box::new(script)))
}

impl Test {
    /// Takes up the newest revision of the script for what runs after the load.
    ///
    /// # Errors
    /// Why it stays the one that it is, as people read it.
    pub(super) async fn renew(&mut self) -> Result<(), String> {
        let Work::Script(script) = &mut self.work else {
            return Ok(());
        };
        let newest = self.session.revision();
        let number = script.loaded.revision.number;
        if newest.number == number {
            return Ok(());
        }
        let read = read(&self.session, &newest, &script.overrides, self.plan.limits).await;
        let read =
            read.map_err(|error| format!("teardown and summary are those of revision {number}: {}", error.text))?;
        let _ = read.host.recorder.set(self.recorder.clone());
        script.host = read.host;
        script.loaded = read.loaded;
        script.context = read.context;
        Ok(())
    }
}

/// A revision that was evaluated, and its plan.
pub(super) struct Read {
    pub(super) host: Rc<Host>,
    pub(super) context: Rc<VuContext>,
    pub(super) loaded: Loaded,
    pub(super) plan: Plan,
}

/// Evaluates a revision of the session's script in a VM of its own, and reads its plan.
///
/// # Errors
/// [`LoadError`] with the place of the first mistake.
pub(super) async fn read(
    session: &Arc<Session>,
    revision: &Arc<Revision>,
    overrides: &Overrides,
    limits: Limits,
) -> Result<Read, LoadError> {
    let script = |mut error: ScriptError| {
        if error.kind == Kind::Aborted {
            error.message = format!("the top level of the file called `kt.run.abort`: {}", error.message);
        }
        LoadError {
            text: session.redact(&error.render(&revision.sources)),
        }
    };
    revision.sources.read(&session.script).map_err(wrong)?;
    let host = Host::new(Arc::clone(session), limits, api::OPEN)
        .map_err(|error| wrong(format!("the script VM cannot start: {error}")))?;
    let context = VuContext::new(&host, 0, None);
    context.follow(revision).map_err(wrong)?;
    let loaded = evaluate(&context).await.map_err(script)?;
    let field = |error: FieldError| LoadError {
        text: session.redact(&error.render(&session.script, &revision.sources)),
    };
    let plan = plan_reader::read(&loaded, session, overrides).map_err(field)?;
    let http = |error: ConfigError| wrong(session.redact(&error.to_string()));
    host.follow(&plan).map_err(http)?;
    Ok(Read {
        host,
        context,
        loaded,
        plan,
    })
}

/// An error that has no place.
fn wrong(error: impl std::fmt::Display) -> LoadError {
    LoadError {
        text: format!("error: {error}"),
    }
}
