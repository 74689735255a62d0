//! A prompt's side of the host: one virtual user in whose environment input is evaluated, line by line. Reading lines and
//! writing answers is the command line's.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Table, Value};

use super::bridge;
use super::context::{Lifecycle, VuContext};
use super::errors::{Kind, ScriptError};
use super::host::Host;
use super::loader::Source;
use super::raw::Coroutine;
use super::session::Session;
use super::show::show;
use super::testing::{Setting, equip, iteration};
use super::tokens::{self, tokens};
use super::vu::Loaded;

/// What an input gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Its values, one text each; none of a statement.
    Values(Vec<String>),
    /// It goes on in the next line.
    Incomplete,
}

/// A virtual user at a prompt. Bound to its thread.
pub struct Repl {
    context: Rc<VuContext>,
    environment: Table,
    inputs: u32,
}

/// Modules that are at hand by their own names.
const AT_HAND: [&str; 2] = ["http", "check"];

/// `require` at the prompt: the module is evaluated as everywhere, whatever the input goes on to do with it. `at_load` tells
/// whether something is evaluated; it gives what was told before.
const REQUIRE: &str = r#"
local require, at_load = ...
local pcall, error = pcall, error
return function(name)
  local before = at_load(true)
  local ok, value = pcall(require, name)
  at_load(before)
  if not ok then error(value, 0) end
  return value
end"#;

/// What is declared at the top of a file; input with one of these is evaluated as if it stood there.
const DECLARED: [(&str, &[&str]); 2] = [
    ("data", &["array", "pool"]),
    ("metrics", &["trend", "counter", "rate", "gauge"]),
];

impl Repl {
    /// Without a script.
    ///
    /// # Errors
    /// When the VM cannot be set up.
    pub fn new(session: Arc<Session>, setting: Setting) -> Result<Self, ScriptError> {
        let vm = |error: mlua::Error| ScriptError::from_vm(&error);
        let host = Host::new(session, setting.limits, setting.open).map_err(vm)?;
        equip(&host, &[], setting.http, setting.limits)
            .map_err(|message| ScriptError::from_message(Kind::Raised, &message, ""))?;
        let environment = host.environment().map_err(vm)?;
        Self::within(&host, environment)
    }

    /// With the globals of a script, and what it returned as `plan`.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn of_script(host: &Rc<Host>, loaded: &Loaded) -> Result<Self, ScriptError> {
        let _ = host.session.started.set(crate::clock::now());
        let set = loaded.environment.raw_set("plan", &loaded.returned);
        set.map_err(|error| ScriptError::from_vm(&error))?;
        Self::within(host, loaded.environment.clone())
    }

    fn within(host: &Rc<Host>, environment: Table) -> Result<Self, ScriptError> {
        let context = VuContext::new(host, 1, Some(0));
        context.begin(&iteration(0));
        let give = |name: &str, module: &str| match host.module(module) {
            Some(value) => environment.raw_set(name, value),
            None => Ok(()),
        };
        let given = AT_HAND.iter().try_for_each(|name| give(name, &format!("kt.{name}")));
        given
            .and_then(|()| give("kt", "kt"))
            .and_then(|()| require_at_load(host, &environment))
            .map_err(|error| ScriptError::from_vm(&error))?;
        Ok(Self {
            context,
            environment,
            inputs: 0,
        })
    }

    /// What all of it shares.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.context.host.session
    }

    /// Evaluates an expression or statements. A `local` at the beginning becomes a global, or it would be gone with its
    /// line. Dropping the future cancels what is under way.
    ///
    /// # Errors
    /// Whatever the input raised, with its own text as the source.
    pub async fn eval(&mut self, input: &str) -> Result<Answer, ScriptError> {
        if tokens(input).is_empty() {
            return Ok(Answer::Values(Vec::new()));
        }
        let name = format!("input-{}.lua", self.inputs + 1);
        let function = match self.compile(&name, input)? {
            Some(function) => function,
            None => return Ok(Answer::Incomplete),
        };
        self.inputs += 1;
        self.context.revision().sources.keep(name, input);
        let host = &self.context.host;
        let coroutine = Coroutine::new(&host.lua).map_err(|error| ScriptError::from_vm(&error))?;
        let lifecycle = if declares(input) {
            Lifecycle::Load
        } else {
            Lifecycle::Iteration
        };
        self.context.enter(lifecycle);
        let values = bridge::call(&self.context, &coroutine, &function, ()).await;
        self.context.enter(Lifecycle::Iteration);
        let values = values?;
        Ok(Answer::Values(
            values.iter().map(|value| self.session().redact(&show(value))).collect(),
        ))
    }

    /// The first reading of the input that compiles: as an expression, with its `local` made global, as it is. Nothing
    /// when it only wants another line.
    fn compile(&self, name: &str, input: &str) -> Result<Option<Function>, ScriptError> {
        let readings = [
            Some(format!("return {input}")),
            without_local(input),
            Some(input.to_owned()),
        ];
        let mut last = None;
        let mut incomplete = false;
        for text in readings.into_iter().flatten() {
            let source = Source {
                name: name.to_owned(),
                text: text.into(),
            };
            match self
                .context
                .host
                .instantiate(&self.context.revision(), &source, &self.environment)
            {
                Ok(function) => return Ok(Some(function)),
                Err(error) => {
                    incomplete |= goes_on(&error, input);
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) if !incomplete => {
                self.context.revision().sources.keep(name.to_owned(), input);
                Err(ScriptError::from_vm(&error))
            }
            _ => Ok(None),
        }
    }

    /// Names that can be written, with dots: globals, and the fields of modules and of other tables.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        fields(&self.environment, "", 0, &mut names);
        fields(&self.context.host.lua.globals(), "", 1, &mut names);
        names.sort();
        names.dedup();
        names
    }
}

/// Wraps the `require` of an environment.
fn require_at_load(host: &Rc<Host>, environment: &Table) -> mlua::Result<()> {
    let at_load = host.function("require", |host, args| {
        let lifecycle = &host.current()?.lifecycle;
        let now = if args.stack().is_true(1) {
            Lifecycle::Load
        } else {
            Lifecycle::Iteration
        };
        Ok(lifecycle.replace(now) == Lifecycle::Load)
    })?;
    let require: Function = environment.raw_get("require")?;
    let require: Function = host.run_internal(REQUIRE, (require, at_load))?;
    environment.raw_set("require", require)
}

/// The names below a table, two levels deep.
fn fields(table: &Table, prefix: &str, depth: usize, names: &mut Vec<String>) {
    let computed = table
        .metatable()
        .and_then(|meta| meta.raw_get::<Vec<String>>("names").ok());
    names.extend(computed.into_iter().flatten().map(|name| format!("{prefix}{name}")));
    for (key, value) in table.pairs::<Value, Value>().flatten().take(1_000) {
        let Value::String(key) = key else { continue };
        let name = format!("{prefix}{}", key.to_string_lossy());
        if let Value::Table(inner) = &value
            && depth < 2
            && !name.ends_with("_G")
        {
            fields(inner, &format!("{name}."), depth + 1, names);
        }
        names.push(name);
    }
}

/// `local x = 1` as `x = 1`, in the same columns.
fn without_local(input: &str) -> Option<String> {
    let first = *tokens(input).first()?;
    first.is("local").then(|| {
        let (before, after) = (&input[..first.start], &input[first.end()..]);
        format!("{before}     {after}")
    })
}

/// Whether the input ends in the middle of something.
fn goes_on(error: &mlua::Error, input: &str) -> bool {
    let mlua::Error::SyntaxError {
        message,
        incomplete_input,
    } = error
    else {
        return false;
    };
    let open_text = message.contains("Malformed string") || message.contains("unfinished");
    let long = tokens(input)
        .last()
        .is_some_and(|last| last.kind == tokens::Kind::Text && last.text.starts_with('['));
    *incomplete_input || message.contains("<eof>") || (open_text && long)
}

/// Whether the input opens data or declares a metric.
fn declares(input: &str) -> bool {
    tokens(input).windows(3).any(|three| {
        DECLARED
            .iter()
            .any(|(module, functions)| three[0].is(module) && three[1].is(".") && functions.contains(&three[2].text))
    })
}
