//! `kt.data.pool`, a part of `data.rs`: rows that virtual users claim and release. Who has what is kept in `script::pool`.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Table, Value};

use super::data::{build, put};
use super::shared::stored;
use crate::clock;
use crate::script::commons::Stored;
use crate::script::face::Face;
use crate::script::fields::describe;
use crate::script::held::Held;
use crate::script::pool::{ClaimId, Pool};
use crate::script::raw::{Kind, Stack};
use crate::script::{ApiError, Args, Host, Lifecycle, Results, VuContext};

/// The metatable of a pool's face. A row that is a table is known by its identity, so that a script may change it and release it
/// all the same.
const POOL: &str = r#"
local pool, name, size, raw = ...
local type, error, tostring = type, error, tostring
local methods, claims = {}, setmetatable({}, { __mode = "k" })
local function checked(self, method)
  if self ~= pool then
    error("data.pool: call it with a colon: `pool:" .. method .. "(…)`", 3)
  end
end
function methods.claim(self, options)
  checked(self, "claim")
  local wait = raw.wait_of(options)
  local row, claim
  if wait then
    row, claim = raw.claim_within(wait)
  else
    row, claim = raw.claim()
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
  return raw.release(row, claim)
end
function methods.free(self)
  checked(self, "free")
  return raw.free()
end
function methods.size(self)
  checked(self, "size")
  return size
end
return {
  __iter = function()
    error("data.pool: nobody goes through `" .. name .. "`: rows are claimed by `pool:claim()`", 2)
  end,
  __len = function() return size end,
  __tostring = function() return "a pool of " .. size .. " rows" end,
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
}"#;

/// `data.pool`; the faces that this VM has opened are in `opened`.
pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Function> {
    let opened = host.lua.create_table()?;
    let raw = host.function("data.pool", move |host, args| pool(host, args, &opened))?;
    // In Lua, so that a builder runs as ordinary code of the script.
    let code = r#"
local raw = ...
return function(options)
  local face, build = raw(options)
  if face then return face end
  return raw(options, true, build())
end"#;
    host.run_internal(code, raw)
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

fn wanted(args: &Args<'_, '_>) -> Result<Wanted, ApiError> {
    let known = ["file", "name", "rows", "expire"];
    let Some(options) = args.options(1, &known)? else {
        return Err(args.error(EXAMPLE));
    };
    let expire = options.duration("expire")?;
    if expire.is_some_and(|expire| expire.is_zero()) {
        return Err(options.error("expire", "must be longer than zero"));
    }
    let (file, name) = (options.text("file")?, options.text("name")?);
    if name.as_ref().is_some_and(|name| name.is_empty()) {
        return Err(options.error("name", "must not be empty"));
    }
    let rows = options.value("rows")?;
    let (source, name, key) = match (file, rows, name) {
        (Some(file), Value::Nil, name) => {
            let key = match &name {
                Some(name) => format!("name:{name}"),
                None => format!("file:{file}"),
            };
            let file = file.into_owned();
            let name = name.map_or_else(|| file.clone(), Cow::into_owned);
            (Source::File(file), name, key)
        }
        (None, rows @ (Value::Table(_) | Value::Function(_)), Some(name)) => {
            (Source::Rows(rows), name.to_string(), format!("name:{name}"))
        }
        (None, Value::Table(_) | Value::Function(_), None) => {
            let what = "is missing: it tells all virtual users that these rows are one pool";
            return Err(options.error("name", what));
        }
        (Some(_), _, _) => return Err(options.error("rows", "and `file` exclude each other")),
        (None, Value::Nil, _) => return Err(args.error(EXAMPLE)),
        (None, other, _) => {
            let what = format!(
                "must be a list of rows, or a function that returns one, got {}",
                describe(&other)
            );
            return Err(options.error("rows", &what));
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
fn pool(host: &Rc<Host>, args: &Args<'_, '_>, opened: &Table) -> Result<(Value, Option<Function>), ApiError> {
    let wanted = wanted(args)?;
    if host.current()?.lifecycle.get() != Lifecycle::Load {
        return Err(args.error("open pools at the top of the file, so that a missing file is found before the run"));
    }
    let face_key = format!("{}\0{:?}", wanted.key, wanted.expire);
    let known: Value = opened.raw_get(face_key.as_str())?;
    if known != Value::Nil {
        return Ok((known, None));
    }
    let revision = host.current()?.revision();
    let data = &revision.data;
    let set_name = format!("pool:{}", wanted.key);
    let set = match wanted.source {
        Source::File(file) => args.within(host.data_file(&file))?,
        Source::Rows(rows) => match (data.built(&set_name), rows) {
            (Some(set), _) => set,
            (None, Value::Function(builder)) if args.is_nil(2) => return Ok((Value::Nil, Some(builder))),
            (None, Value::Function(_)) => data.add_built(&set_name, build(host, args, &wanted.name, &args.value(3)?)?),
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
    Ok((face, None))
}

fn face(host: &Rc<Host>, name: &str, pool: &Arc<Pool>, expire: Option<Duration>) -> mlua::Result<Value> {
    const CLAIM: &str = "data.pool:claim";
    let raw = host.lua.create_table()?;
    raw.raw_set("wait_of", host.function(CLAIM, wait_of)?)?;
    let own = Arc::clone(pool);
    let claim = host.function(CLAIM, move |host, _| {
        let vu = host.current()?;
        Ok(Claimed::new(vu, &own, own.claim(expire)))
    })?;
    raw.raw_set("claim", claim)?;
    let own = Arc::clone(pool);
    let claim_within = host.operation(CLAIM, move |vu, args| {
        let (wait, own, vu) = (args.duration(1, "wait")?, Arc::clone(&own), Rc::clone(vu));
        Ok(async move {
            let before = clock::now();
            let claimed = own.claim_within(wait, expire).await;
            vu.slept.set(vu.slept.get() + (clock::now() - before));
            Ok(Claimed::new(vu, &own, claimed))
        })
    })?;
    raw.raw_set("claim_within", claim_within)?;
    let own = Arc::clone(pool);
    let label = name.to_owned();
    let release = host.function("data.pool:release", move |host, args| {
        let held = &host.current()?.held;
        let claim = claim_of(host, args, held, &own, &label)?;
        held.forget(&own, claim);
        Ok(own.release(claim))
    })?;
    raw.raw_set("release", release)?;
    let own = Arc::clone(pool);
    raw.raw_set("free", host.function("data.pool:free", move |_, _| Ok(own.free()))?)?;
    Face::make(host, "pool", POOL, (name, pool.rows().len(), raw))
}

/// How long to wait for a row, in seconds; nil for not at all.
fn wait_of(host: &Rc<Host>, args: &mut Args<'_, '_>) -> Result<Option<f64>, ApiError> {
    if let Some(when) = host.current()?.lifecycle.get().still() {
        return Err(args.error(format!(
            "cannot be used {when}; call it in setup, vu_init or the journey"
        )));
    }
    let wait = match args.options(1, &["wait"])? {
        Some(options) => options.duration("wait")?,
        None => None,
    };
    Ok(wait.filter(|wait| !wait.is_zero()).map(|wait| wait.as_secs_f64()))
}

/// A row that a virtual user has claimed and holds, on its way to the script: the row and the number of the claim, or nil.
struct Claimed {
    vu: Rc<VuContext>,
    pool: Arc<Pool>,
    claimed: Option<(ClaimId, usize)>,
}

impl Claimed {
    /// Held before anything can fail, so that it comes back in any case.
    fn new(vu: Rc<VuContext>, pool: &Arc<Pool>, claimed: Option<(ClaimId, usize)>) -> Self {
        if let Some((claim, _)) = claimed {
            vu.held.claimed(pool, claim);
        }
        let pool = Arc::clone(pool);
        Self { vu, pool, claimed }
    }
}

impl Results for Claimed {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        let Some((claim, index)) = self.claimed else {
            stack.push_nil();
            return Ok(1);
        };
        put(stack, self.pool.rows().row(index)).map_err(|error| error.to_string())?;
        let row = stack.top();
        if stack.kind(row) != Kind::Table {
            let value = stored(&self.vu.host, stack, row).unwrap_or(Stored::Nil);
            self.vu.held.name(&self.pool, claim, value);
        }
        Ok(1 + claim.give(stack)?)
    }
}

/// Which claim is meant by a row and, perhaps, the number that came with it.
fn claim_of(
    host: &Host,
    args: &mut Args<'_, '_>,
    held: &Held,
    pool: &Arc<Pool>,
    name: &str,
) -> Result<ClaimId, ApiError> {
    if !args.is_nil(2) {
        let number = args.integer(2, "claim")?;
        return ClaimId::try_from(number).map_err(|_| args.wrong("claim", "the number that `claim` gave", 2));
    }
    match args.kind(1) {
        Kind::Nil => Err(args.wrong("row", "what `claim` gave", 1)),
        Kind::Table => Err(args.error(format!(
            "this table is no row that a script got here from `{name}` by `claim`; a copy of such a row is released with \
             the number that `claim` gave besides it"
        ))),
        _ => {
            let row = stored(host, args.stack(), 1);
            let claim = row.ok().and_then(|row| held.claim_on(pool, &row));
            claim.ok_or_else(|| {
                args.error(format!(
                    "this virtual user has not claimed {} from `{name}`, or has released it already",
                    args.describe(1)
                ))
            })
        }
    }
}
