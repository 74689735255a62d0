//! `kt.secret`: a variable whose value never appears in logs and reports.

use std::rc::Rc;

use mlua::Value;

use super::args::Args;
use crate::script::{Host, IntoMulti as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let secret = host.sync_fn(|host, values| {
        let args = Args::new("secret", values);
        let name = args.string(0, "name")?.to_string_lossy();
        let Some(value) = super::env::lookup(host, &name) else {
            return Err(args.error(format!(
                "`{name}` is not set; give it in the environment, or by -e {name}=…"
            )));
        };
        host.session.add_secret(&value);
        Ok(value.into_multi(&host.lua)?)
    })?;
    Ok(Value::Function(secret))
}
