-- What every VM runs first, before the sandbox closes. `MARK` is a private value: a coroutine that yields it asks the Rust
-- driver to do something; the driver answers by resuming with (true, results...) or (false, message).
local MARK = ...
local yield, resume, create, running = coroutine.yield, coroutine.resume, coroutine.create, coroutine.running
local isyieldable = coroutine.isyieldable
local pack, unpack, error, select, type = table.pack, table.unpack, error, select, type
local xpcall, pcall, traceback, setmetatable = xpcall, pcall, debug.traceback, setmetatable

-- Raises at the line of the script that called the function: finish ← wrapper ← script.
local function finish(ok, ...)
  if ok then
    return ...
  end
  local err = (...)
  if type(err) == "string" then
    error(err, 3)
  end
  error(err, 0)
end

-- A host function that suspends the virtual user while Rust works.
local function op(id, name)
  return function(...)
    if not isyieldable() then
      error(name .. " cannot be called here: sort comparators, gsub callbacks and metamethods cannot wait", 2)
    end
    return finish(yield(MARK, id, ...))
  end
end

-- A host function that answers at once.
local function sync(call)
  return function(...)
    return finish(call(...))
  end
end

-- Host calls inside a script's own coroutine pass through to the driver.
local function co_resume(co, ...)
  local r = pack(resume(co, ...))
  while r[1] and r[2] == MARK do
    r = pack(resume(co, yield(unpack(r, 2, r.n))))
  end
  return unpack(r, 1, r.n)
end
local function unwrap(ok, ...)
  if ok then
    return ...
  end
  error((...), 0)
end
coroutine.resume = co_resume
coroutine.wrap = function(f)
  local co = create(f)
  return function(...)
    return unwrap(co_resume(co, ...))
  end
end

-- The bottom of every call into a script: keeps tables that were raised, and the trace.
local function on_error(err)
  return { err = err, trace = traceback(nil, 2) }
end
local function entry(f, ...)
  return xpcall(f, on_error, ...)
end

-- `require`, one for each virtual user: modules have their own locals in every VU. `find` answers
-- ("value", v) for built-ins, ("chunk", function, key) for files.
local LOADING = {}
local function make_require(find)
  local cache = {}
  return function(name)
    local known = cache[name]
    if known == LOADING then
      error("require: `" .. tostring(name) .. "` requires itself, directly or in a circle", 2)
    elseif known ~= nil then
      return known
    end
    local ok, kind, value = find(name)
    if not ok then
      error(kind, 2)
    end
    if kind == "value" then
      cache[name] = value
      return value
    end
    cache[name] = LOADING
    local loaded, result = pcall(value, name)
    if not loaded then
      cache[name] = nil
      error(result, 0)
    end
    if result == nil then
      result = true
    end
    cache[name] = result
    return result
  end
end

return { op = op, sync = sync, entry = entry, make_require = make_require, finish = finish }
