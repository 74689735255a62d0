//! `kt.data.pool`, a part of `data.rs`: rows that virtual users claim and release. Who has what is kept in `script::pool`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Table, Value};

use super::args::Args;
use super::data::{build, fresh};
use super::shared::stored;
use crate::clock;
use crate::script::commons::Stored;
use crate::script::fields::{Fields, describe};
use crate::script::held::Held;
use crate::script::pool::{ClaimId, Pool};
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _, Lifecycle};

/// The face of a pool in Lua. `raw` has functions that answer `(true, …)` or `(false, message)`. A row that is a table is
/// known by its identity, so that a script may change it and release it all the same.
const POOL: &str = r#"
local name, size, raw, finish = ...
local type, error, tostring = type, error, tostring
local pool, methods, claims = {}, {}, setmetatable({}, { __mode = "k" })
local function checked(self, method)
  if self ~= pool then
    error("data.pool: call it with a colon: `pool:" .. method .. "(…)`", 3)
  end
end
function methods.claim(self, options)
  checked(self, "claim")
  local wait = finish(raw.wait_of(options))
  local row, claim
  if wait then
    row, claim = finish(raw.claim_within(wait))
  else
    row, claim = finish(raw.claim())
  end
  if type(row) == "table" then
    claims[row] = claim
  end
  return row, claim
end
function methods.release(self, row, claim)
  checked(self, "release")
  if type(row) == "table" and claims[row] ~= nil then
    claim, claims[row] = claims[row], false
    if not claim then
      error("data.pool: this row of `" .. name .. "` has been released already", 2)
    end
  end
  return finish(raw.release(row, claim))
end
function methods.free(self)
  checked(self, "free")
  return finish(raw.free())
end
function methods.size(self)
  checked(self, "size")
  return size
end
return setmetatable(pool, {
  __metatable = "locked",
  __len = function() return size end,
  __index = function(_, key)
    local method = methods[key]
    if not method then
      error("data.pool: a pool has no `" .. tostring(key) .. "`; it has claim, free, release and size", 2)
    end
    return method
  end,
  __newindex = function()
    error("data.pool: `" .. name .. "` cannot be changed: all virtual users share it", 2)
  end,
})"#;

/// `data.pool`; the faces that this VM has opened are in `opened`.
pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Function> {
    let opened = host.lua.create_table()?;
    let raw = host.raw_fn(move |host, values| pool(host, &Args::new("data.pool", values), &opened))?;
    // In Lua, so that a builder runs as ordinary code of the script.
    let code = r#"
local raw, finish = ...
return function(options)
  local face, build = finish(raw(options))
  if face then return face end
  return finish(raw(options, true, build()))
end"#;
    host.run_internal(code, (raw, host.finish_fn()?))
}

/// What a script asks for.
struct Wanted {
    /// For messages.
    name: String,
    /// In the session.
    key: String,
    source: Source,
    expire: Option<Duration>,
}

enum Source {
    File(String),
    Rows(Value),
}

const EXAMPLE: &str =
    "write `data.pool { file = \"accounts.json\" }` or `data.pool { name = \"accounts\", rows = { … } }`";

fn wanted(args: &Args) -> Result<Wanted, ApiError> {
    let known = ["file", "name", "rows", "expire"];
    let Some(fields) = Fields::new("data.pool", Vec::new(), &args.get(0), &known)? else {
        return Err(args.error(EXAMPLE));
    };
    let expire = fields.duration("expire")?;
    if expire.is_some_and(|expire| expire.is_zero()) {
        return Err(fields.error("expire", "must be longer than zero").into());
    }
    let (file, name) = (fields.string("file")?, fields.string("name")?);
    if name.as_ref().is_some_and(String::is_empty) {
        return Err(fields.error("name", "must not be empty").into());
    }
    let rows = fields.get("rows");
    let (source, name, key) = match (file, rows, name) {
        (Some(file), Value::Nil, Some(name)) => (Source::File(file), name.clone(), format!("name:{name}")),
        (Some(file), Value::Nil, None) => (Source::File(file.clone()), file.clone(), format!("file:{file}")),
        (None, rows @ (Value::Table(_) | Value::Function(_)), Some(name)) => {
            (Source::Rows(rows), name.clone(), format!("name:{name}"))
        }
        (None, Value::Table(_) | Value::Function(_), None) => {
            let what = "is missing: it tells all virtual users that these rows are one pool";
            return Err(fields.error("name", what).into());
        }
        (Some(_), _, _) => return Err(fields.error("rows", "and `file` exclude each other").into()),
        (None, Value::Nil, _) => return Err(args.error(EXAMPLE)),
        (None, other, _) => {
            let what = format!(
                "must be a list of rows, or a function that returns one, got {}",
                describe(&other)
            );
            return Err(fields.error("rows", &what).into());
        }
    };
    Ok(Wanted {
        name,
        key,
        source,
        expire,
    })
}

/// Options and, once they are built, true and the rows. Answers the face; or nil and the builder that is to be called first.
fn pool(host: &Rc<Host>, args: &Args, opened: &Table) -> ApiResult {
    let wanted = wanted(args)?;
    if host.current()?.lifecycle.get() != Lifecycle::Load {
        return Err(args.error("open pools at the top of the file, so that a missing file is found before the run"));
    }
    let face_key = format!("{}\0{:?}", wanted.key, wanted.expire);
    let known: Value = opened.raw_get(face_key.as_str())?;
    if known != Value::Nil {
        return Ok(known.into_multi(&host.lua)?);
    }
    let revision = host.current()?.revision();
    let data = &revision.data;
    let set_name = format!("pool:{}", wanted.key);
    let set = match wanted.source {
        Source::File(file) => args.within(host.data_file(&file))?,
        Source::Rows(rows) => match (data.built(&set_name), rows) {
            (Some(set), _) => set,
            (None, Value::Function(builder)) if args.get(1) == Value::Nil => {
                return Ok((Value::Nil, builder).into_multi(&host.lua)?);
            }
            (None, Value::Function(_)) => data.add_built(&set_name, build(host, args, &wanted.name, &args.get(2))?),
            (None, rows) => data.add_built(&set_name, build(host, args, &wanted.name, &rows)?),
        },
    };
    let (pool, differs) = host.session.pools.open(&wanted.key, &set);
    if differs {
        tracing::warn!(
            target: "kingtide::script",
            "the pool `{}` keeps the rows that it began with; new ones count from the next run on",
            wanted.name
        );
    }
    let face = face(host, &wanted.name, &pool, wanted.expire)?;
    opened.raw_set(face_key, &face)?;
    Ok(face.into_multi(&host.lua)?)
}

fn face(host: &Rc<Host>, name: &str, pool: &Arc<Pool>, expire: Option<Duration>) -> mlua::Result<Value> {
    let raw = host.lua.create_table()?;
    raw.raw_set("wait_of", host.raw_fn(wait_of)?)?;
    let own = Arc::clone(pool);
    let claim = host.raw_fn(move |host, _| {
        let claimed = own.claim(expire);
        hand_out(host, &host.current()?.held, &own, claimed)
    })?;
    raw.raw_set("claim", claim)?;
    let own = Arc::clone(pool);
    let claim_within = host.raw_op_fn("data.pool:claim", move |vu, values| {
        let own = Arc::clone(&own);
        async move {
            let wait = Args::new("data.pool:claim", values).duration(0, "wait")?;
            let before = clock::now();
            let claimed = own.claim_within(wait, expire).await;
            vu.slept.set(vu.slept.get() + (clock::now() - before));
            hand_out(&vu.host, &vu.held, &own, claimed)
        }
    })?;
    raw.raw_set("claim_within", claim_within)?;
    let own = Arc::clone(pool);
    let label = name.to_owned();
    let release = host.raw_fn(move |host, values| {
        let args = Args::new("data.pool:release", values);
        let held = &host.current()?.held;
        let claim = claim_of(host, &args, held, &own, &label)?;
        held.forget(&own, claim);
        Ok(own.release(claim).into_multi(&host.lua)?)
    })?;
    raw.raw_set("release", release)?;
    let own = Arc::clone(pool);
    raw.raw_set(
        "free",
        host.raw_fn(move |host, _| Ok(own.free().into_multi(&host.lua)?))?,
    )?;
    host.run_internal(POOL, (name, pool.rows().len(), raw, host.finish_fn()?))
}

/// How long to wait for a row, in seconds; nil for not at all.
fn wait_of(host: &Rc<Host>, values: mlua::MultiValue) -> ApiResult {
    let args = Args::new("data.pool:claim", values);
    if let Some(when) = host.current()?.lifecycle.get().still() {
        return Err(args.error(format!(
            "cannot be used {when}; call it in setup, vu_init or the journey"
        )));
    }
    let fields = Fields::new("data.pool:claim", Vec::new(), &args.get(0), &["wait"])?;
    let wait = fields.map(|fields| fields.duration("wait")).transpose()?.flatten();
    let wait = wait.filter(|wait| !wait.is_zero()).map(|wait| wait.as_secs_f64());
    Ok(wait.into_multi(&host.lua)?)
}

/// The row and the number of its claim.
fn hand_out(host: &Host, held: &Held, pool: &Arc<Pool>, claimed: Option<(ClaimId, usize)>) -> ApiResult {
    let Some((claim, index)) = claimed else {
        return Ok(Value::Nil.into_multi(&host.lua)?);
    };
    // Held before anything can fail, so that it comes back in any case.
    held.claimed(pool, claim);
    let row = fresh(host, pool.rows().row(index))?;
    if !matches!(row, Value::Table(_)) {
        held.name(pool, claim, stored(host, &row).unwrap_or(Stored::Nil));
    }
    Ok((row, claim).into_multi(&host.lua)?)
}

/// Which claim is meant by a row and, perhaps, the number that came with it.
fn claim_of(host: &Host, args: &Args, held: &Held, pool: &Arc<Pool>, name: &str) -> Result<ClaimId, ApiError> {
    let (row, claim) = (args.get(0), args.get(1));
    if claim != Value::Nil {
        let number = args.integer(1, "claim")?;
        return ClaimId::try_from(number).map_err(|_| args.wrong("claim", "the number that `claim` gave", &claim));
    }
    match row {
        Value::Nil => Err(args.wrong("row", "what `claim` gave", &row)),
        Value::Table(_) => Err(args.error(format!(
            "this table is no row that a script got here from `{name}` by `claim`; a copy of such a row is released with \
             the number that `claim` gave besides it"
        ))),
        row => {
            let claim = stored(host, &row).ok().and_then(|row| held.claim_on(pool, &row));
            claim.ok_or_else(|| {
                args.error(format!(
                    "this virtual user has not claimed {} from `{name}`, or has released it already",
                    describe(&row)
                ))
            })
        }
    }
}
