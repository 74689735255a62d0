//! The script host as a whole: scripts in a folder, evaluated, read as plans and run as iterations, with the real modules.

mod commons;
mod errors;
mod executors;
mod invariants;
mod limits;
mod log;
mod mistakes;
mod outcomes;
mod parts;
mod plan;
mod revisions;
mod sandbox;
mod stages;
mod turns;
mod usher;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::MultiValue;

use super::context::{Lifecycle, VuContext};
use super::errors::ScriptError;
use super::fields::FieldError;
use super::host::Host;
use super::session::Session;
use super::vu::{Loaded, LuaVu, LuaVuFactory, load};
use super::{bridge, plan_reader};
use crate::control::Control;
use crate::metrics::{Catalog, Recorder};
use crate::plan::overrides::Overrides;
use crate::plan::{Limits, Plan};
use crate::vu::{Iteration, Outcome, Part, Vu as _, VuFactory as _};
use crate::{api, clock};

/// A folder with `main.lua` and other files, and a VM that has evaluated it.
struct Bed {
    folder: tempfile::TempDir,
    session: Arc<Session>,
    host: Rc<Host>,
    context: Rc<VuContext>,
    loaded: Loaded,
    limits: Limits,
}

impl Bed {
    /// With `main.lua` alone.
    async fn new(main: &str) -> Self {
        Self::with(&[("main.lua", main)], Limits::default()).await
    }

    /// With these files.
    async fn with(files: &[(&str, &str)], limits: Limits) -> Self {
        Self::load(files, limits, 1)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    async fn load(files: &[(&str, &str)], limits: Limits, seed: u64) -> Result<Self, ScriptError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let vars = BTreeMap::from([("SECRET".to_owned(), "hush-hush".to_owned())]);
        let script = folder.path().join("main.lua");
        let session = Arc::new(Session::new(&script, vars, seed, Arc::new(Control::new())));
        let host = Host::new(Arc::clone(&session), limits, api::OPEN).unwrap();
        let context = VuContext::new(&host, 0, None);
        let loaded = load(&context).await?;
        Ok(Self {
            folder,
            session,
            host,
            context,
            loaded,
            limits,
        })
    }

    /// Reads the plan and gives the VM what it has in a run.
    fn ready(&self) -> Result<Plan, FieldError> {
        let plan = self.plan(&Overrides::default())?;
        let registry = &self.session.registry;
        let catalog = Catalog::new(registry, &[]).unwrap();
        let _ = self.host.recorder.set(Recorder::new(registry, &catalog));
        self.host.follow(&plan).unwrap();
        self.host.set_limits(self.limits).unwrap();
        self.session.revision().set_plan(Arc::new(plan.clone()));
        Ok(plan)
    }

    fn plan(&self, overrides: &Overrides) -> Result<Plan, FieldError> {
        plan_reader::read(&self.loaded, &self.session, overrides)
    }

    /// A virtual user of the first scenario.
    async fn vu(&self, id: u64) -> LuaVu {
        self.vu_of(0, id).await
    }

    async fn vu_of(&self, scenario: usize, id: u64) -> LuaVu {
        if self.session.revision().plan().is_none() {
            self.ready().unwrap_or_else(|error| panic!("{error}"));
        }
        let factory = LuaVuFactory {
            host: Rc::clone(&self.host),
        };
        factory.create(scenario, id).await
    }

    /// One iteration of a fresh virtual user.
    async fn once(&self) -> Outcome {
        iterate(&mut self.vu(1).await, 0).await
    }

    /// Calls the function that the script returned, and gives what it returns.
    async fn call(&self) -> Result<MultiValue, ScriptError> {
        self.ready().unwrap_or_else(|error| panic!("{error}"));
        self.context.enter(Lifecycle::Setup);
        let function = self
            .loaded
            .returned
            .as_function()
            .expect("the script returns a function");
        bridge::call(&self.context, &self.loaded.coroutine, function, ()).await
    }

    /// The error that the function raised.
    async fn error(&self) -> ScriptError {
        self.call().await.expect_err("the function raises")
    }

    /// Reasons given to `kt.fail`, each once, in order.
    fn reasons(&self) -> Vec<String> {
        let (all, _) = self.session.failures.all();
        all.into_iter().map(|(error, _)| error.message).collect()
    }

    /// Uncaught errors with their counts.
    fn errors(&self) -> Vec<(ScriptError, u64)> {
        self.session.errors.all().0
    }
}

/// Runs iteration `number`.
async fn iterate(vu: &mut LuaVu, number: u64) -> Outcome {
    vu.run(&iteration(number, 0)).await
}

/// An iteration of the first scenario that is due now.
fn iteration(number: u64, segment: u32) -> Iteration {
    let now = clock::now();
    Iteration {
        scenario: 0,
        number,
        part: Part {
            segment,
            ..Part::default()
        },
        begun_at: now,
        scheduled_at: now,
        started_at: now,
    }
}

/// `main.lua:3`, whatever folder it is in.
fn place(error: &ScriptError) -> String {
    let at = error.at.as_ref().unwrap_or_else(|| panic!("no place: {error:?}"));
    let file = at.file.rsplit('/').next().unwrap_or_default();
    format!("{file}:{}", at.line)
}
