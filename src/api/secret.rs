//! `kt.secret`: a variable whose value never appears in logs and reports.

use std::rc::Rc;

use mlua::Value;

use crate::script::Host;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let secret = host.function("secret", |host, args| {
        let name = args.text(1, "name")?;
        let Some(value) = super::env::lookup(host, &name) else {
            return Err(args.error(format!(
                "`{name}` is not set; give it in the environment, or by -e {name}=…"
            )));
        };
        host.session.add_secret(&value);
        Ok(value)
    })?;
    Ok(Value::Function(secret))
}
