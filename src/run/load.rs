//! From a script's path to a validated test: evaluates it, reads its plan, and checks what can be checked before any load.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use crate::api;
use crate::control::Control;
use crate::metrics::{Catalog, Recorder, Registry, Selector};
use crate::plan::overrides::Overrides;
use crate::plan::{Limits, Plan};
use crate::script::fields::FieldError;
use crate::script::vu::{Loaded, load as evaluate};
use crate::script::{Host, Revision, ScriptError, Session, VuContext, plan_reader};

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
    /// What all VMs share.
    pub session: Arc<Session>,
    /// The validated plan.
    pub plan: Arc<Plan>,
    /// Which series are kept.
    pub catalog: Catalog,
    /// Samples of `setup` and `teardown`.
    pub recorder: Recorder,
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
    /// Replaces the plan by another of the same script, before the run.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = Arc::new(plan);
    }
}

/// Why a script cannot be run, as people read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct LoadError {
    /// Message, place, source line and hint.
    pub text: String,
}

/// What a recorder is made of.
pub(super) struct Parts<'a> {
    pub(super) registry: &'a Registry,
    pub(super) catalog: &'a Catalog,
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
    let selectors: Vec<Selector> = read
        .plan
        .thresholds
        .iter()
        .map(|threshold| threshold.selector.clone())
        .collect();
    let catalog = Catalog::new(&session.registry, &selectors).map_err(wrong)?;
    let recorder = super::recorder(&Parts {
        registry: &session.registry,
        catalog: &catalog,
    });
    let _ = read.host.recorder.set(recorder.clone());
    Ok(Test {
        session,
        plan: Arc::new(read.plan),
        catalog,
        recorder,
        host: read.host,
        loaded: read.loaded,
        context: read.context,
        overrides: options.overrides,
    })
}

impl Test {
    /// Takes up the newest revision of the script for what runs after the load.
    ///
    /// # Errors
    /// [`LoadError`]; everything stays as it was.
    pub(super) async fn renew(&mut self) -> Result<(), LoadError> {
        let newest = self.session.revision();
        if newest.number == self.loaded.revision.number {
            return Ok(());
        }
        let read = read(&self.session, &newest, &self.overrides, self.plan.limits).await?;
        let _ = read.host.recorder.set(self.recorder.clone());
        self.host = read.host;
        self.loaded = read.loaded;
        self.context = read.context;
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
    let script = |error: ScriptError| LoadError {
        text: session.redact(&error.render(&revision.sources)),
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
    host.follow(&plan).map_err(wrong)?;
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
