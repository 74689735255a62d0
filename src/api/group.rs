//! `kt.group`: a named part of a journey, with its duration with and without pauses.

use std::rc::Rc;

use mlua::Value;

use crate::clock;
use crate::metrics::builtin;
use crate::script::Host;
use crate::script::trace::{self, Mark, Step};

/// In Lua, so that the body may wait.
const CODE: &str = r#"
local enter, leave = ...
local pcall, error, type = pcall, error, type
local function left(ok, ...)
  leave()
  if not ok then
    error((...), 0)
  end
  return ...
end
return function(name, body, ...)
  if type(body) ~= "function" then
    error("group: the second argument must be a function, got " .. type(body), 2)
  end
  enter(name)
  return left(pcall(body, ...))
end"#;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let enter = host.function("group", |host, args| {
        let name = args.text(1, "name")?;
        if name.is_empty() || name.contains("::") {
            return Err(args.error("a name must not be empty, nor hold `::`, which separates groups in groups"));
        }
        let vu = host.current()?;
        if let Some(when) = vu.lifecycle.get().still() {
            return Err(args.error(format!("nothing is measured {when}; call it in the journey")));
        }
        vu.open_group(&name, clock::now())?;
        trace::tell(&vu, || Step::new(Mark::Begin, format!("group {name}")));
        Ok(())
    })?;
    let leave = host.function("group", |host, _| {
        let vu = host.current()?;
        let tags = vu.tags()?;
        if let Some(group) = vu.close_group() {
            let whole = clock::now() - group.started;
            let paused = vu.slept.get().saturating_sub(group.slept);
            trace::tell(&vu, || {
                Step::new(
                    Mark::End,
                    format!("group {} in {whole:.1?}", group.path.trim_start_matches("::")),
                )
            });
            let recorder = host.recorder()?;
            recorder.record(builtin::GROUP_DURATION, millis(whole), &tags);
            recorder.record(
                builtin::GROUP_DURATION_BUSY,
                millis(whole.saturating_sub(paused)),
                &tags,
            );
        }
        Ok(())
    })?;
    host.run_internal(CODE, (enter, leave))
}

fn millis(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
