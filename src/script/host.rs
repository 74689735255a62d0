//! One Luau VM and what its functions need: the current virtual user, host operations, the sandbox and the limits. The
//! modules that scripts see are in `api`; how a call is driven is in `bridge`.

use std::cell::{OnceCell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};

use crate::failures;
use crate::metrics::Recorder;
use crate::net;
use crate::plan::{Limits, Plan};
use crate::samples;

use super::args::Args;
use super::context::VuContext;
use super::dataset::Dataset;
use super::errors::ScriptError;
use super::functions::{Pending, Reply};
use super::internal::Internal;
use super::loader::Source;
use super::names::Met;
use super::raw::{self, Pinned};
use super::revision::Revision;
use super::session::Session;
use super::value::{ArrayMark, Json};
use super::watch::Watch;

/// What a host function may answer instead of a result.
#[derive(Debug)]
pub enum ApiError {
    /// Raised as a string at the line of the script that called.
    Text(String),
    /// Raised as it is.
    Value(Value),
}

impl From<mlua::Error> for ApiError {
    fn from(error: mlua::Error) -> Self {
        Self::Text(ScriptError::from_vm(&error).message)
    }
}

impl From<String> for ApiError {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<super::fields::FieldError> for ApiError {
    fn from(error: super::fields::FieldError) -> Self {
        Self::Text(error.message)
    }
}

/// A VM with its sandbox, pinned to one thread.
pub struct Host {
    /// The VM.
    pub lua: Lua,
    /// What all VMs share.
    pub session: Arc<Session>,
    /// Where samples go; unset until the plan is known.
    pub recorder: OnceCell<Recorder>,
    names: Met,
    http_samples: OnceCell<samples::Http>,
    grpc_samples: OnceCell<samples::Grpc>,
    /// Which failed requests are kept.
    pub failed: failures::Watch,
    /// What the operation that has just been started is doing; taken by whoever resumed its coroutine.
    pub(super) pending: RefCell<Option<Pending>>,
    /// What it has given; taken by its second half when the coroutine goes on.
    pub(super) reply: RefCell<Option<Result<Reply, ApiError>>>,
    /// A writer of JSON that is used again and again.
    pub json: RefCell<Json>,
    /// Watches for scripts that never yield.
    pub watch: Rc<Watch>,
    pub(super) prelude: Table,
    internal: Internal,
    current: RefCell<Option<Rc<VuContext>>>,
    modules: RefCell<HashMap<String, Value>>,
    net: RefCell<Option<Rc<net::Shared>>>,
    of_revision: RefCell<OfRevision>,
    environment_meta: OnceCell<Table>,
    make_environment: OnceCell<Function>,
    setup: OnceCell<(Value, Pinned)>,
}

/// What a VM keeps of one revision of the script.
#[derive(Default)]
struct OfRevision {
    number: u32,
    /// Compiled sources, by name.
    chunks: HashMap<String, Function>,
    /// What modules keep, by module.
    kept: HashMap<&'static str, Table>,
}

/// Opens the modules that scripts see; given by `api`.
pub type OpenModules = fn(&Rc<Host>) -> mlua::Result<Vec<(String, Value)>>;

/// Names that scripts must not have, or that differ between virtual users.
const REMOVED: [&str; 10] = [
    "_G",
    "require",
    "print",
    "getfenv",
    "setfenv",
    "loadstring",
    "newproxy",
    "gcinfo",
    "collectgarbage",
    "dofile",
];

impl Host {
    /// A VM with all modules opened and the sandbox closed.
    ///
    /// # Errors
    /// When the VM cannot be set up, which only a memory limit that is far too small can cause.
    pub fn new(session: Arc<Session>, limits: Limits, open: OpenModules) -> mlua::Result<Rc<Self>> {
        let options = LuaOptions::new();
        let lua = Lua::new_with(StdLib::ALL_SAFE, options)?;
        super::collector::tune(&lua);
        ArrayMark::install(&lua)?;
        let internal = Internal::default();
        let prelude: Table = internal
            .function(&lua, include_str!("prelude.luau"))?
            .call(raw::mark_value())?;
        let watch = Rc::new(Watch::new(limits.cpu, session.control.kill_token().clone()));
        let host = Rc::new(Self {
            json: RefCell::default(),
            pending: RefCell::default(),
            reply: RefCell::default(),
            prelude,
            internal,
            failed: failures::Watch::new(&session.failed),
            session,
            recorder: OnceCell::new(),
            names: Met::default(),
            http_samples: OnceCell::new(),
            grpc_samples: OnceCell::new(),
            net: RefCell::default(),
            watch,
            current: RefCell::default(),
            modules: RefCell::default(),
            of_revision: RefCell::default(),
            environment_meta: OnceCell::new(),
            make_environment: OnceCell::new(),
            setup: OnceCell::new(),
            lua,
        });
        let forget = host.function("coroutine.resume", |host, _| {
            drop(host.pending.take());
            Ok(())
        })?;
        host.prelude.set("forget", forget)?;
        let modules = open(&host)?;
        host.modules.borrow_mut().extend(modules);
        host.close_sandbox()?;
        raw::set_interrupt(&host.lua)?;
        raw::remember_texts(&host.lua)?;
        host.set_limits(limits)?;
        Ok(host)
    }

    /// The tag `name` of a request for `url` to which the script gives none.
    #[must_use]
    pub fn automatic_name(&self, url: &str) -> Rc<str> {
        self.names.name(url, &self.session.names, || self.session.redactor())
    }

    /// Changes the limits, for the VM that has read them from the plan itself.
    ///
    /// # Errors
    /// Never in Luau, which can always limit its memory.
    pub fn set_limits(&self, limits: Limits) -> mlua::Result<()> {
        self.watch.set_limit(limits.cpu);
        let memory = usize::try_from(limits.memory).unwrap_or(usize::MAX);
        self.lua.set_memory_limit(memory).map(|_| ())
    }

    fn close_sandbox(&self) -> mlua::Result<()> {
        let globals = self.lua.globals();
        let print: Option<Function> = self.prelude.get("print")?;
        for name in REMOVED {
            globals.set(name, Value::Nil)?;
        }
        if let Some(print) = print {
            globals.set("print", print)?;
        }
        self.lua.sandbox(true)?;
        let meta = self.lua.create_table()?;
        meta.set("__index", self.lua.globals())?;
        meta.set("__metatable", "locked")?;
        meta.set_readonly(true);
        let _ = self.environment_meta.set(meta);
        Ok(())
    }

    /// The function that scripts know as `print`; called while modules open.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn set_print(&self, function: &Function) -> mlua::Result<()> {
        self.prelude.set("print", function)
    }

    /// A module by the name that `require` uses.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<Value> {
        self.modules.borrow().get(name).cloned()
    }

    /// The names of all modules.
    #[must_use]
    pub fn module_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.modules.borrow().keys().cloned().collect();
        names.sort();
        names
    }

    /// The virtual user whose script is running.
    ///
    /// # Errors
    /// When none is, which would be a mistake in the driver.
    pub fn current(&self) -> Result<Rc<VuContext>, ApiError> {
        self.current
            .borrow()
            .clone()
            .ok_or_else(|| ApiError::Text("no virtual user is running here".into()))
    }

    /// Makes `context` the running virtual user until the guard is dropped.
    pub(super) fn enter<'a>(&'a self, context: &Rc<VuContext>) -> Running<'a> {
        self.watch.begin();
        Running {
            host: self,
            before: self.current.borrow_mut().replace(Rc::clone(context)),
            watched: raw::watch(Some(Rc::clone(&self.watch) as Rc<dyn raw::Interrupt>)),
        }
    }

    /// Runs Lua code of ours while modules open; `args` are its `...`.
    ///
    /// # Errors
    /// When the code is wrong, which its tests show.
    pub fn run_internal<R: mlua::FromLuaMulti>(&self, code: &str, args: impl mlua::IntoLuaMulti) -> mlua::Result<R> {
        self.internal.function(&self.lua, code)?.call(args)
    }

    /// A fresh instance of a source: compiled once per VM and revision, with its own upvalues and `environment`.
    ///
    /// # Errors
    /// The syntax error, with its place.
    pub fn instantiate(&self, revision: &Revision, source: &Source, environment: &Table) -> mlua::Result<Function> {
        let known = self.of_revision(revision).chunks.get(&source.name).cloned();
        let chunk = match known {
            Some(chunk) => chunk,
            None => {
                let chunk = self
                    .lua
                    .load(&*source.text)
                    .set_name(format!("@{}", source.name))
                    .set_mode(ChunkMode::Text)
                    .into_function()?;
                let name = source.name.clone();
                self.of_revision(revision).chunks.insert(name, chunk.clone());
                chunk
            }
        };
        let instance = chunk.deep_clone()?;
        instance.set_environment(environment.clone())?;
        Ok(instance)
    }

    /// A data file of the script that is being evaluated. Reading it is not the script's own computing.
    ///
    /// # Errors
    /// Where it was looked for, or what is wrong with it.
    pub fn data_file(&self, file: &str) -> Result<Arc<Dataset>, ApiError> {
        let revision = self.current()?.revision();
        let path = revision.find_data(file).map_err(ApiError::Text)?;
        let set = revision.data.file(&path);
        self.watch.forgive();
        set.map_err(|error| ApiError::Text(error.to_string()))
    }

    /// What `module` keeps in this VM for as long as the revision that is being evaluated lasts.
    ///
    /// # Errors
    /// When the VM is out of memory, or nothing is evaluated.
    pub fn kept(&self, module: &'static str) -> Result<Table, ApiError> {
        let revision = self.current()?.revision();
        let mut own = self.of_revision(&revision);
        if let Some(table) = own.kept.get(module) {
            return Ok(table.clone());
        }
        let table = self.lua.create_table()?;
        own.kept.insert(module, table.clone());
        Ok(table)
    }

    /// What is kept of `revision`. What was kept of another one is dropped: it is used no more, or by a last iteration.
    fn of_revision(&self, revision: &Revision) -> RefMut<'_, OfRevision> {
        let mut own = self.of_revision.borrow_mut();
        if own.number != revision.number {
            *own = OfRevision {
                number: revision.number,
                ..OfRevision::default()
            };
        }
        own
    }

    /// An environment for one virtual user: its own globals over the frozen ones, and its own `require`.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn environment(self: &Rc<Self>) -> mlua::Result<Table> {
        let make = match self.make_environment.get() {
            Some(make) => make,
            None => {
                // The environment is an argument: a function of Rust that held it would keep it for ever.
                let find = self.function("require", |host, args| {
                    let environment = args.table(2, "environment")?;
                    host.find_module(args, &environment)
                })?;
                let environments: Function = self.prelude.get("environments")?;
                let make = environments.call((find, self.environment_meta.get()))?;
                self.make_environment.get_or_init(|| make)
            }
        };
        let environment: Table = make.call(())?;
        environment.set_safeenv(true);
        Ok(environment)
    }

    fn find_module(&self, args: &Args<'_, '_>, environment: &Table) -> Result<(&'static str, Value), ApiError> {
        let Ok(name) = args.text(1, "name") else {
            return Err(args.error(format!("a module name is a string, got {}", args.describe(1))));
        };
        if let Some(value) = self.module(&name) {
            return Ok(("value", value));
        }
        if name == "kt" || name.starts_with("kt.") {
            let names = self.module_names();
            let hint = super::fields::suggest(&name, names.iter().map(String::as_str));
            return Err(args.error(format!("there is no built-in module `{name}`{hint}")));
        }
        let folder = self
            .session
            .script
            .parent()
            .map(std::path::Path::to_owned)
            .unwrap_or_default();
        let revision = self.current()?.revision();
        let source = revision
            .sources
            .module(&name, &folder)
            .map_err(|error| args.error(error))?;
        Ok(match self.instantiate(&revision, &source, environment) {
            Ok(chunk) => ("chunk", Value::Function(chunk)),
            Err(error) => {
                let text = ScriptError::from_vm(&error).to_string();
                ("broken", Value::String(self.lua.create_string(text)?))
            }
        })
    }

    /// What `setup` returned, frozen, one table for all VUs of this VM.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn setup_value(&self) -> mlua::Result<Value> {
        self.setup().map(|(value, _)| value.clone())
    }

    /// [`Host::setup_value`], pinned.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub(super) fn setup_pinned(&self) -> mlua::Result<&Pinned> {
        self.setup().map(|(_, pinned)| pinned)
    }

    fn setup(&self) -> mlua::Result<&(Value, Pinned)> {
        if let Some(known) = self.setup.get() {
            return Ok(known);
        }
        let tree = self.session.setup.get().unwrap_or(&serde_json::Value::Null);
        let value = super::value::from_tree(&self.lua, tree).map_err(mlua::Error::external)?;
        super::value::freeze(&value);
        let value = if value == Value::NULL { Value::Nil } else { value };
        let pinned = Pinned::new(&self.lua, &value)?;
        Ok(self.setup.get_or_init(|| (value, pinned)))
    }

    /// The core's HTTP resources.
    ///
    /// # Errors
    /// While the file loads.
    pub fn net(&self) -> Result<Rc<net::Shared>, ApiError> {
        self.net
            .borrow()
            .clone()
            .ok_or_else(|| ApiError::Text("no requests while the file loads".into()))
    }

    /// Gives the VM what a plan asks for: limits, and HTTP resources where they differ from those that it has.
    ///
    /// # Errors
    /// HTTP options that cannot work.
    pub fn follow(&self, plan: &Plan) -> Result<(), net::ConfigError> {
        // Luau can always limit its memory.
        let _ = self.set_limits(plan.limits);
        let config = &plan.http.config;
        let known = self.net.borrow().clone();
        let next = match known {
            Some(net) if net.config() == config => return Ok(()),
            Some(net) => net.follow(config.clone())?,
            None => net::Shared::among(config.clone(), &self.session.connections)?,
        };
        *self.net.borrow_mut() = Some(next);
        Ok(())
    }

    /// Where samples go.
    ///
    /// # Errors
    /// While the file loads, because nothing is measured then.
    pub fn recorder(&self) -> Result<&Recorder, ApiError> {
        self.recorder
            .get()
            .ok_or_else(|| ApiError::Text("nothing can be measured while the file loads, nor in an invariant".into()))
    }

    /// Where the samples of HTTP requests go.
    ///
    /// # Errors
    /// As [`Host::recorder`].
    pub fn http_samples(&self) -> Result<&samples::Http, ApiError> {
        let recorder = self.recorder()?;
        Ok(self.http_samples.get_or_init(|| samples::Http::new(recorder)))
    }

    /// Where the samples of gRPC calls go.
    ///
    /// # Errors
    /// As [`Host::recorder`].
    pub fn grpc_samples(&self) -> Result<&samples::Grpc, ApiError> {
        let recorder = self.recorder()?;
        Ok(self.grpc_samples.get_or_init(|| samples::Grpc::new(recorder)))
    }
}

/// While it lives, a virtual user's script is running.
pub(super) struct Running<'a> {
    host: &'a Host,
    before: Option<Rc<VuContext>>,
    watched: Option<Rc<dyn raw::Interrupt>>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        raw::watch(self.watched.take());
        *self.host.current.borrow_mut() = self.before.take();
    }
}
