//! `kt.check`: named conditions on a value. It never stops anything; thresholds decide.

use std::rc::Rc;

use mlua::Value;

use super::args::Args;
use crate::script::fields::describe;
use crate::script::trace::{self, Mark, Step};
use crate::script::{ApiError, Host, IntoMulti as _};

/// In Lua, so that a condition may wait.
const CODE: &str = r#"
local note, finish = ...
local next, pairs, type, error = next, pairs, type, error
return function(value, checks, tags)
  if type(checks) ~= "table" then
    error("check: the second argument must be a table of named conditions, got " .. type(checks), 2)
  end
  if next(checks) == nil then
    error("check: the table of conditions is empty; one whose value is nil is not in it: compare, as in `x ~= nil`", 2)
  end
  local all = true
  for name, condition in pairs(checks) do
    if type(condition) == "function" then
      condition = condition(value) and true or false
    end
    finish(note(name, condition, tags))
    all = all and condition
  end
  return all
end"#;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let note = host.raw_fn(|host, values| {
        let args = Args::new("check", values);
        let name = args.string(0, "name")?;
        let Value::Boolean(passed) = args.get(1) else {
            let got = describe(&args.get(1));
            return Err(ApiError::Text(format!(
                "check: `{}` must be true, false or a function, got {got}",
                name.to_string_lossy()
            )));
        };
        let vu = host.current()?;
        let tags = vu.tags_with(&args.tags(2)?)?;
        host.recorder()?.check(&name.to_string_lossy(), passed, &tags);
        trace::tell(&vu, || {
            let mark = if passed { Mark::Passed } else { Mark::Broken };
            Step::new(mark, format!("check: {}", name.to_string_lossy()))
        });
        Ok(().into_multi(&host.lua)?)
    })?;
    host.run_internal(CODE, (note, host.finish_fn()?))
}
