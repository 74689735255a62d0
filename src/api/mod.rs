//! The modules that scripts see, each three files with one stem: marshalling in Rust, a stub that is its reference, and
//! tests in Lua. What they marshal to is in `net`, `metrics` and `script`.

mod answers;
mod check;
mod crypto;
mod data;
mod encoding;
mod env;
mod fail;
mod flow;
mod group;
mod grpc;
mod http;
mod json;
mod jwt;
mod log;
mod metrics;
mod pace;
mod pairs;
mod poll;
mod pool;
mod random;
mod rendezvous;
mod run;
mod scenario;
mod secret;
mod shared;
mod sleep;
mod time;
mod vu;

use std::rc::Rc;

use mlua::{Table, Value};

use crate::script::host::OpenModules;
use crate::script::raw::{Flow, Stack};
use crate::script::{ApiError, Host};

/// One module: its name below `kt`, how it is opened in a VM, and its stub.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// `http` for `kt.http`.
    pub name: &'static str,
    /// Makes the table, or the function, that scripts get.
    pub open: fn(&Rc<Host>) -> mlua::Result<Value>,
    /// The LuaCATS stub, which is its reference.
    pub stub: &'static str,
}

macro_rules! modules {
    ($($name:ident)*) => {
        &[$(Module { name: stringify!($name), open: $name::open, stub: include_str!(concat!(stringify!($name), ".d.lua")) }),*]
    };
}

/// All modules; a new one is one name here.
pub const MODULES: &[Module] = modules![
    check crypto data encoding env fail flow group grpc http json jwt log metrics pace poll random rendezvous run scenario secret
    shared sleep time vu
];

/// The stub of `kt` itself.
pub const KT_STUB: &str = include_str!("kt.d.lua");

/// Opens everything for a VM; the form that [`Host::new`] takes.
pub const OPEN: OpenModules = open;

fn open(host: &Rc<Host>) -> mlua::Result<Vec<(String, Value)>> {
    let kt = host.lua.create_table()?;
    let mut all = Vec::with_capacity(MODULES.len() + 1);
    for module in MODULES {
        let value = (module.open)(host)?;
        if let Value::Table(table) = &value {
            strict(host, &format!("kt.{}", module.name), table)?;
        }
        kt.raw_set(module.name, &value)?;
        all.push((format!("kt.{}", module.name), value));
    }
    strict(host, "kt", &kt)?;
    all.push(("kt".to_owned(), Value::Table(kt)));
    Ok(all)
}

/// Freezes a module; reading what it does not have names what was meant. `fields`, when the module has a function of that
/// name in its metatable, are computed at each read. All names are in the metatable, for the test that compares them
/// with the stub.
fn strict(host: &Rc<Host>, name: &str, table: &Table) -> mlua::Result<()> {
    let names: Vec<String> = table.pairs::<String, Value>().flatten().map(|(key, _)| key).collect();
    let dynamic: Option<mlua::Function> = table.metatable().and_then(|meta| meta.raw_get("fields").ok());
    let listed: Vec<String> = match table.metatable().map(|meta| meta.raw_get::<Vec<String>>("names")) {
        Some(Ok(more)) => names.into_iter().chain(more).collect(),
        _ => names,
    };
    let owner = name.to_owned();
    let known = listed.clone();
    let missing = host.lua.create_function(move |_, key: Value| {
        let key = crate::script::fields::describe(&key).replace('"', "");
        let hint = crate::script::fields::suggest(&key, listed.iter().map(String::as_str));
        Ok(format!("{owner} has no `{key}`{hint}"))
    })?;
    let code = "local table, missing, fields, names = ...
        return setmetatable(table, { __metatable = 'locked', names = names, __index = function(_, key)
            if fields then
                local known, value = fields(key)
                if known then return value end
            end
            error(missing(key), 2)
        end })";
    host.run_internal::<()>(code, (table, missing, dynamic, known))?;
    table.set_readonly(true);
    Ok(())
}

/// A module table whose `names` are computed by `read` at each access, besides what is put into it. `read` pushes the value.
fn with_fields<F>(host: &Rc<Host>, names: &'static [&'static str], read: F) -> mlua::Result<Table>
where
    F: Fn(&Host, &str, &mut Stack<'_>) -> Result<i32, ApiError> + 'static,
{
    let table = host.lua.create_table()?;
    let meta = host.lua.create_table()?;
    let fields = host.stack_fn(move |host, stack| {
        let name = stack.bytes(1).unwrap_or_default();
        let known = names.iter().find(|known| known.as_bytes() == name);
        stack.push_bool(known.is_some());
        let values = known.map_or(Ok(0), |name| read(host, name, stack))?;
        Ok(Flow::Return(1 + values))
    })?;
    meta.raw_set("fields", fields)?;
    meta.raw_set("names", names.to_vec())?;
    table.set_metatable(Some(meta))?;
    Ok(table)
}
