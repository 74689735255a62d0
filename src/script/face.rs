//! What scripts hold of data sets and pools: userdata, so that nothing takes one for an empty table and goes through no
//! rows in silence. What can be done with it is said in Lua, by who makes it.

use mlua::{IntoLuaMulti, Table, Value};

use super::host::Host;
use super::raw;

/// What is in the userdata.
#[derive(Debug)]
pub struct Face {
    /// What messages call it, the VM's own too.
    pub what: &'static str,
}

impl Face {
    /// A face. `code` gets it and `args` as its `...` and gives the metatable, which is closed then.
    ///
    /// # Errors
    /// When the code is wrong, which its tests show, or the VM is out of memory.
    pub fn make(host: &Host, what: &'static str, code: &str, args: impl IntoLuaMulti) -> mlua::Result<Value> {
        let lua = &host.lua;
        let face = raw::make(lua, |stack| {
            stack.push_object(Box::new(Self { what }));
            Ok::<_, mlua::Error>(())
        })??;
        let mut args = args.into_lua_multi(lua)?;
        args.push_front(face.clone());
        let meta: Table = host.run_internal(code, args)?;
        meta.raw_set("__metatable", "locked")?;
        meta.raw_set("__type", what)?;
        meta.set_readonly(true);
        raw::with_stack(lua, (&face, meta), |stack| stack.set_metatable(1))?;
        Ok(face)
    }
}
