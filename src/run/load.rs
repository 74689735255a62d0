//! From a script's path to a validated test: evaluates it, reads its plan, and checks what can be checked before any load.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use crate::api;
use crate::control::Control;
use crate::metrics::{Catalog, Recorder, Registry, Selector};
use crate::net;
use crate::plan::overrides::Overrides;
use crate::plan::{Limits, Plan};
use crate::script::fields::FieldError;
use crate::script::vu::{Loaded, load as evaluate};
use crate::script::{Host, ScriptError, Session, VuContext, plan_reader};

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
    let session = Arc::new(Session::new(&options.script, options.vars, options.seed, control));
    let script = |error: ScriptError| LoadError {
        text: session.redact(&error.render(&session.sources)),
    };
    session.sources.read(&options.script).map_err(|error| LoadError {
        text: format!("error: {error}"),
    })?;
    let host = Host::new(Arc::clone(&session), Limits::default(), api::OPEN).map_err(|error| LoadError {
        text: format!("error: the script VM cannot start: {error}"),
    })?;
    let context = VuContext::new(&host, 0, None);
    let loaded = evaluate(&context).await.map_err(script)?;
    let field = |error: FieldError| LoadError {
        text: session.redact(&error.render(&options.script, &session.sources)),
    };
    let plan = plan_reader::read(&loaded, &session, &options.overrides).map_err(field)?;
    let selectors: Vec<Selector> = plan
        .thresholds
        .iter()
        .map(|threshold| threshold.selector.clone())
        .collect();
    let catalog = Catalog::new(&session.registry, &selectors).map_err(|error| LoadError {
        text: format!("error: {error}"),
    })?;
    let shared = net::Shared::new(plan.http.config.clone()).map_err(|error| LoadError {
        text: format!("error: {error}"),
    })?;
    let plan = Arc::new(plan);
    let recorder = super::recorder(&Parts {
        registry: &session.registry,
        catalog: &catalog,
    });
    host.set_limits(plan.limits).map_err(|error| LoadError {
        text: format!("error: plan.limits: {error}"),
    })?;
    let _ = host.plan.set(Arc::clone(&plan));
    let _ = host.recorder.set(recorder.clone());
    let _ = host.net.set(shared);
    Ok(Test {
        session: Arc::clone(&session),
        plan,
        catalog,
        recorder,
        host,
        loaded,
        context,
    })
}
