local kt = require "kt"
local http = kt.http

local base = kt.env("TEST_URL", "")
local reqs, failed = recorded "http_reqs", recorded "http_req_failed"
local duration = recorded "http_req_duration"
local named = recorded "http_req_duration{name:GET /json}"
local response_time = recorded "http_req_response_time"

---What the server saw.
---@param res kt.http.Response
---@return { method: string, path: string, query: string, headers: table<string, string>, body: string, bytes: integer }
local function seen(res)
  assert(res.status == 200, res.error or res.status)
  return res:json()
end

test("an answer has its status, headers, body and timings", function()
  local res = http.get "/json"
  assert(res.status == 200 and res.ok and res.error == nil and res.error_code == nil)
  assert(res.headers["content-type"] == "application/json" and res.headers["Content-Type"] == "application/json")
  assert(res.headers["x-none"] == nil)
  assert(res.proto == "HTTP/1.1" and res.url == base .. "/json")
  assert("http://" .. res.remote_addr == base)
  assert(res.trace_id == nil and seen(http.get "/echo").headers.traceparent == nil)
  assert(string.find(res.body or "", "kingtide", 1, true))
  local t = res.timings
  assert(t.waiting > 0 and math.abs(t.duration - t.sending - t.waiting - t.receiving) < 1e-6)
  assert(t.blocked == 0 and t.tls_handshaking == 0 and t.dns >= 0 and t.connecting >= 0)
end)

test("json reads the body or a part of it", function()
  local res = http.get "/json"
  assert(res:json().name == "kingtide" and res:json "name" == "kingtide")
  assert(res:json "order.items.2.sku" == "B-2")
  assert(res:json "id" == "9007199254740993")
  assert(res:json "none" == nil and res:json "no.such.path" == nil and res:json "list.9" == nil)
  assert(#res:json "list" == 3 and #res:json "empty" == 0)
  res:json().name = "changed"
  assert(res:json "name" == "kingtide")
end)

test("json of something else is nil and says why", function()
  local value, problem = http.get("/text"):json()
  assert(value == nil and string.find(problem or "", "the body is not JSON", 1, true), problem)
  value, problem = http.get("/json", { discard_body = true }):json "name"
  assert(value == nil and problem == "the body was discarded: `discard_body` is set", problem)
  value, problem = http.head("/json"):json()
  assert(value == nil and problem == "the body is empty", problem)
end)

test("every method is sent as itself", function()
  for _, name in ipairs { "get", "post", "put", "patch", "delete", "options" } do
    local res = (http --[[@as any]])[name] "/echo"
    assert(seen(res).method == string.upper(name), name)
  end
  local head = http.head "/echo"
  assert(head.status == 200 and head.body == "")
  assert(seen(http.request("purge", "/echo")).method == "PURGE")
  assert(http.get("/echo").ok and http.post("/echo").ok and http.put("/echo").ok)
  assert(http.patch("/echo").ok and http.delete("/echo").ok and http.options("/echo").ok)
end)

test("URLs are absolute or relative to the plan's", function()
  assert(seen(http.get(base .. "/echo/a")).path == "/echo/a")
  assert(seen(http.get "echo/b").path == "/echo/b")
end)

test("headers and queries are sent; the plan's headers too, unless they are set", function()
  local echo = seen(http.get("/echo?x=1", {
    headers = { ["X-One"] = "1", ["x-two"] = { "a", "b" }, ["x-n"] = 5 },
    query = { q = "a b&c", list = { 1, true } },
  }))
  assert(echo.headers["x-one"] == "1" and echo.headers["x-two"] == "a, b" and echo.headers["x-n"] == "5")
  assert(echo.headers["x-plan"] == "from the plan")
  assert(echo.query == "x=1&list=1&list=true&q=a+b%26c", echo.query)
  assert(string.find(echo.headers["user-agent"], "kingtide/", 1, true))
  assert(seen(http.get("/echo", { headers = { ["X-Plan"] = "mine" } })).headers["x-plan"] == "mine")
end)

test("a body is text, JSON or a form, with its content type", function()
  local echo = seen(http.post("/echo", { body = "a\0b" }))
  assert(echo.body == "a\0b" and echo.bytes == 3 and echo.headers["content-type"] == nil)
  echo = seen(http.post("/echo", { json = { a = { 1, 2 } } }))
  assert(echo.body == '{"a":[1,2]}' and echo.headers["content-type"] == "application/json")
  echo = seen(http.post("/echo", { form = { a = "x y", b = { 1, 2 } } }))
  assert(echo.body == "a=x+y&b=1&b=2", echo.body)
  assert(echo.headers["content-type"] == "application/x-www-form-urlencoded")
  echo = seen(http.put("/echo", { json = {}, headers = { ["content-type"] = "application/vnd.x+json" } }))
  assert(echo.headers["content-type"] == "application/vnd.x+json" and echo.body == "{}")
end)

test("what is no UTF-8 is sent byte for byte", function()
  local echo = seen(http.post("/echo/\xFF?u=\xFE", {
    query = { ["q\xFD"] = "\xFC" },
    form = { ["f\xFB"] = { "\xFA", "\xC3\xA9" } },
    headers = { ["x-bytes"] = "\xF9" },
    cookies = { c = "\xF8" },
    auth = { bearer = "\xF7" },
  }))
  assert(echo.path == "/echo/%FF" and echo.query == "u=%FE&q%FD=%FC", echo.path .. "?" .. echo.query)
  assert(echo.body == "f%FB=%FA&f%FB=%C3%A9", echo.body)
  -- The server tells each byte of a header as a character.
  assert(echo.headers["x-bytes"] == "ù" and echo.headers.cookie == "c=ø", echo.headers.cookie)
  assert(echo.headers.authorization == "Bearer ÷")
  local token = function() return "\xF7" end
  assert(seen(http.get("/echo", { auth = { bearer = token } })).headers.authorization == "Bearer ÷")
end)

test("multipart holds fields and files", function()
  local echo = seen(http.post("/echo", {
    multipart = {
      field = "text",
      made = { content = "<p>", filename = "a.html", content_type = "text/html" },
      file = { path = "../../tests/lua/fixtures/people.csv", content_type = "text/csv" },
    },
  }))
  local boundary = string.match(echo.headers["content-type"], "^multipart/form%-data; boundary=(.+)$")
  assert(boundary and string.find(echo.body, "--" .. boundary, 1, true) == 1)
  local function has(text) assert(string.find(echo.body, text, 1, true), text .. " is not in " .. echo.body) end
  has 'name="field"\r\n\r\ntext\r\n'
  has 'name="made"; filename="a.html"\r\ncontent-type: text/html\r\n\r\n<p>\r\n'
  has 'name="file"; filename="people.csv"'
  has "00501,"
end)

test("a body can be compressed", function()
  local text = string.rep("kingtide ", 100)
  for _, codec in ipairs { "gzip", "deflate", "br", "zstd" } do
    local echo = seen(http.post("/echo", {
      body = text,
      compress = codec --[[@as any]],
    }))
    assert(echo.headers["content-encoding"] == codec and echo.bytes < 200, codec .. ": " .. echo.bytes)
  end
end)

test("compressed answers are decoded", function()
  for _, codec in ipairs { "gzip", "deflate", "br", "zstd" } do
    local res = http.get("/encoded/" .. codec)
    assert(res:json "name" == "kingtide" and res.headers["content-encoding"] == codec, codec)
  end
end)

test("auth is basic, a token, or a function that makes one", function()
  assert(http.get("/basic-auth").status == 401)
  assert(http.get("/basic-auth", { auth = { basic = { "user", "secret" } } }).status == 200)
  local sent = seen(http.get("/echo", { auth = { bearer = "abc" } })).headers.authorization
  assert(sent == "Bearer abc")
end)

test("a function that makes a token may ask for it, and may end the iteration", function()
  local function token() return (http.get "/json"):json "name" end
  assert(seen(http.get("/echo", { auth = { bearer = token } })).headers.authorization == "Bearer kingtide")
  assert(reqs "count" == 2)
  local err = raises("no token", function()
    http.get("/echo", { auth = { bearer = function() kt.fail "no token" end } })
  end)
  assert(type(err) == "table" and reqs "count" == 2)
end)

test("cookies are kept for the iteration, and a request may bring its own", function()
  assert(#http.get("/two-cookies").headers["set-cookie"] == 2)
  local jar = http.get("/cookies"):json()
  assert(jar.a == "1" and jar.b == "2")
  jar = http.get("/cookies", { cookies = { a = "mine", c = 3 } }):json()
  assert(jar.a == "mine" and jar.b == "2" and jar.c == "3")
  assert(http.get("/cookies"):json("c") == nil)
  assert(http.get("/set-cookie?a=new").headers["set-cookie"] == "a=new; Path=/")
  assert(http.get("/cookies"):json("a") == "new")
end)

test("a cookie header is sent in the place of all cookies, and alone", function()
  assert(http.get("/set-cookie?a=jar").ok)
  local jar = http.get("/cookies", { headers = { Cookie = "b=2; c=3" } }):json()
  assert(jar.a == nil and jar.b == "2" and jar.c == "3")
  raises(
    "`cookies` and a `cookie` among `headers` cannot go together",
    function() http.get("/cookies", { headers = { Cookie = "b=2" }, cookies = { c = 3 } }) end
  )
end)

test("the next iteration has an empty jar", function() assert(next(http.get("/cookies"):json()) == nil) end)

test("redirects are followed and measured one by one", function()
  local res = http.get("/redirect/2", { name = "GET /json" })
  assert(res.status == 200 and res:json "name" == "kingtide" and res.url == base .. "/json")
  assert(reqs "count" == 3 and named "count" == 3 and failed "rate" == 0)
end)

test("redirects can be left alone or limited", function()
  local res = http.get("/redirect/2", { redirects = false })
  assert(res.status == 302 and res.headers.location == "/redirect/1" and res.ok)
  assert(http.get("/redirect/1", { redirects = 0 }).status == 302)
  res = http.get("/redirect/3", { redirects = 1 })
  assert(not res.ok and string.find(res.error or "", "redirects", 1, true), res.error)
end)

test("a redirect to nowhere is the answer, and as good as that", function()
  assert(not http.get("/status/302", { expect = 200 }).ok and failed "rate" == 1)
  assert(http.get("/status/302", { expect = 302 }).ok and failed "rate" == 0.5)
end)

test("a redirect keeps the method as its status says", function()
  local echo = seen(http.post("/redirect-to?code=307&to=/echo", { body = "x" }))
  assert(echo.method == "POST" and echo.body == "x")
  echo = seen(http.post("/redirect-to?code=303&to=/echo", { body = "x" }))
  assert(echo.method == "GET" and echo.body == "")
end)

test("what is expected decides `ok` and http_req_failed", function()
  -- status, expect, ok
  local rows = {
    { 200, nil, true },
    { 404, nil, false },
    { 500, nil, false },
    { 404, 404, true },
    { 200, 404, false },
    { 201, { 200, 201 }, true },
    { 204, "200-299", true },
    { 299, "2xx", true },
    { 404, { "2xx", 404 }, true },
    { 304, "2xx", false },
  }
  local wrong = 0
  for n, row in ipairs(rows) do
    local res = http.get("/status/" .. row[1], { expect = row[2], redirects = 0 })
    assert(res.status == row[1] and res.ok == row[3], n)
    if not row[3] then wrong = wrong + 1 end
  end
  assert(reqs "count" == #rows and failed "passes" == wrong, failed "passes")
  assert(http.get("/status/404").error_code == 1404)
end)

test("a request that fails is an answer", function()
  local refused = http.get(kt.env("REFUSED_URL", ""))
  assert(refused.status == 0 and refused.ok == false and refused.error_code == 1212, refused.error_code)
  assert(string.find(refused.error or "", "refused", 1, true))
  assert(refused.body == nil and next(refused.headers) == nil and refused.proto == nil)
  assert(refused.timings.duration == 0)
  assert(refused:json "id" == nil)
  local closed = http.get(kt.env("CLOSING_URL", ""))
  assert(closed.status == 0 and not closed.ok and closed.error)
  local late = http.get("/delay/2000", { timeout = "20ms" })
  assert(late.status == 0 and late.error_code == 1050, late.error)
  local name = http.get "http://no-such-host.invalid/"
  assert(name.status == 0 and name.error_code >= 1100 and name.error_code < 1200, name.error)
  assert(reqs "count" == 4 and failed "rate" == 1)
end)

test("a bad URL is a failed request, because it may come from data", function()
  for _, url in ipairs { "http://", "ftp://x/", "http://a b/", "mailto:x", "http://h:99999/" } do
    local res = http.get(url)
    assert(res.status == 0 and res.error_code == 1020, url .. ": " .. tostring(res.error))
    assert(res.url == url)
  end
  assert(reqs "count" == 5 and failed "rate" == 1)
end)

test("a bad URL that is put together from nil is misuse", function()
  local any = http --[[@as any]]
  raises("http.get: `url` must be a string, got nil", function() any.get() end)
  raises("http.post: `url` must be a string, got a table", function() any.post {} end)
end)

test("a body can be discarded", function()
  local res = http.get("/bytes/100000", { discard_body = true })
  assert(res.status == 200 and res.body == "")
  assert(#http.get("/bytes/100000").body == 100000)
end)

test("a request is measured under its name", function()
  http.get("/json", { name = "GET /json" })
  assert(named "count" == 1 and duration "count" == 1 and reqs "count" == 1 and failed "rate" == 0)
  assert(named "min" > 0 and named "max" == duration "max")
end)

local by_url = recorded("http_req_duration{name:" .. base .. "/json}")
local by_path = recorded "http_req_duration{name:/json}"
local by_status = recorded "http_reqs{status:404,method:GET,error_code:1404,expected_response:false}"
local by_tag = recorded "http_reqs{op:x,n:1,scenario:test}"
local by_group = recorded "http_reqs{group:::cart}"
local by_code = recorded "http_reqs{error_code:1302}"
local sent, received = recorded "data_sent", recorded "data_received"

test("without a name the URL is the name as it was written, and the query is not in it", function()
  http.get(base .. "/json?id=1")
  http.get(base .. "/json?id=2#top")
  assert(by_url "count" == 2 and by_path "count" == nil)
  http.get "/json?id=3"
  assert(by_path "count" == 1)
end)

test("a password in a URL is sent, and is not in the name", function()
  local url = string.gsub(base, "//", "//user:secret@")
  assert(http.get(url .. "/basic-auth").status == 200)
  http.get(url .. "/json")
  assert(by_url "count" == 1)
end)

test("a status has an error code where it was not expected, and only there", function()
  assert(http.get("/status/404", { expect = 404 }).error_code == nil and by_status "count" == nil)
  assert(http.get("/redirect/1", { expect = 200, redirects = false }).error_code == 1302 and by_code "count" == 1)
  assert(http.get("/redirect/1", { expect = 200 }).error_code == nil and by_code "count" == 1)
end)

test("samples have tags for status, method, error and group, and those given", function()
  http.get "/status/404"
  http.get("/json", { tags = { op = "x", n = 1 } })
  kt.group("cart", function() http.get "/json" end)
  assert(by_status "count" == 1 and by_tag "count" == 1 and by_group "count" == 1)
end)

test("bytes count", function()
  http.post("/echo", { body = string.rep("x", 5000) })
  assert(sent "count" > 5000 and sent "count" < 6000, sent "count")
  assert(received "count" > 5000, received "count")
end)

test("only the first request of an iteration has a response time", function()
  kt.sleep "20ms"
  http.get "/json"
  http.get "/json"
  assert(response_time "count" == 1 and response_time "min" >= 20)
end)

test("a request that was never written has no duration", function()
  http.get(kt.env("REFUSED_URL", ""))
  assert(duration "count" == nil and reqs "count" == 1)
end)

test("one that timed out before it went out has a response time, and no duration", function()
  local late = http.get("https://" .. kt.env("SILENT", ""), { timeout = "20ms" })
  assert(string.find(late.error or "", "TLS handshake", 1, true), late.error)
  http.get "/json"
  assert(duration "count" == 1 and response_time "count" == 1 and response_time "min" >= 20)
end)

local polled = recorded "http_reqs{poll:true}"

test("the requests of a poll stay out of the headline", function()
  kt.poll {
    name = "job",
    call = function() return http.get("/json", { name = "GET /json" }) end,
    done = function(res) return res.ok end,
  }
  assert(polled "count" == 1 and duration "count" == nil and named "count" == 1)
end)

test("a batch answers under the keys of its requests", function()
  local from = kt.run.elapsed
  local answers = http.batch {
    "/json",
    { "/echo", { query = { a = 1 } } },
    slow = "/delay/250",
    slower = { "GET", "/delay/250" },
    post = { "POST", "/echo", { json = { x = 1 }, name = "POST /echo" } },
  }
  assert(kt.run.elapsed - from < 0.49, "not at once: " .. kt.run.elapsed - from)
  assert(answers[1].status == 200 and seen(answers[2]).query == "a=1")
  assert(answers.slow.body == "late" and answers.slower.body == "late")
  assert(seen(answers.post).body == '{"x":1}')
  assert(reqs "count" == 5)
end)

test("a batch may fail in part, and may be empty", function()
  local answers = http.batch { good = "/json", bad = kt.env("REFUSED_URL", "") }
  assert(answers.good.ok and not answers.bad.ok)
  assert(next(http.batch {}) == nil)
end)

test("a batch may have more requests than a call has room for", function()
  for _, count in ipairs { 19, 50, 300 } do
    local answers = http.batch(table.create(count, base .. "/json"))
    assert(#answers == count)
    for _, res in ipairs(answers) do
      assert(res.ok and res:json "name" == "kingtide")
    end
  end
end)

local busy = recorded "group_duration_busy{group:::token}"

test("functions for the tokens of a batch are called one after the other", function()
  local calls, inside = 0, 0
  local function bearer()
    assert(inside == 0, "two at once")
    inside = inside + 1
    local token = kt.group("token", function()
      local made = kt.shared.once("batch token", { ttl = "1ns" }, function()
        http.get "/delay/5"
        calls = calls + 1
        return "t" .. calls
      end)
      return made
    end)
    inside = inside - 1
    return token
  end
  local request = { "/echo", { auth = { bearer = bearer } } }
  local answers = http.batch { request, request, request }
  for i, res in ipairs(answers) do
    assert(seen(res).headers.authorization == "Bearer t" .. i)
  end
  assert(calls == 3 and busy "count" == 3 and busy "min" >= 5, busy "min")
end)

test("requests work inside pcall and coroutines", function()
  local ok, res = pcall(http.get, "/json")
  assert(ok and res.status == 200)
  local co = coroutine.wrap(function() return http.get("/json").status end)
  assert(co() == 200)
end)

test("an unknown option names the one that was meant", function()
  local any = http --[[@as any]]
  raises("http.get: unknown option `heders`; did you mean `headers`?", function() any.get("/", { heders = {} }) end)
  raises("http.get: unknown option `zzz`; known are", function() any.get("/", { zzz = 1 }) end)
  raises("http.get: 1 is not an option name", function() any.get("/", { "x" }) end)
  raises("kt.http has no `gett`; did you mean `get`?", function() any.gett "/" end)
end)

test("a wrong type is raised where it is written", function()
  local any = http --[[@as any]]
  -- options, the message
  local rows = {
    { 5, "http.post: `options` must be a table, got 5" },
    { { headers = "x" }, 'http.post: `headers` must be a table of strings, got "x"' },
    { { headers = { ["a b"] = "x" } }, "http.post: `a b` is no header name" },
    { { headers = { a = "x\ny" } }, "the value of header `a` holds a character that headers cannot carry" },
    { { headers = { a = print } }, "http.post: `headers.a` must be a string, got a function" },
    { { query = { "x" } }, "http.post: `query` must be a table with names as keys, got 1" },
    {
      { query = { filter = { status = "open" } } },
      "http.post: `query.filter` must be a string, got a table with names or holes, where a list is wanted",
    },
    { { form = { a = { b = 1 } } }, "http.post: `form.a` must be a string, got a table with names" },
    { { headers = { a = { v = 1 } } }, "http.post: `headers.a` must be a string, got a table with names" },
    { { name = 5 }, "http.post: `name` must be a string, got 5" },
    { { tags = "x" }, "http.post: `tags` must be a table of strings" },
    {
      { tags = { poll = "" } },
      "http.post: tag `poll` is the engine's own: it keeps polls out of the durations of requests",
    },
    { { timeout = "soon" }, "http.post: `timeout` is wrong" },
    { { timeout = 0 }, "http.post: `timeout` must be longer than zero" },
    { { redirects = true }, "http.post: `redirects` must be a number from 0 to 100, or false, got true" },
    { { expect = "ok" }, 'http.post: `expect` must be a status, a range as "200-299" or "2xx", or a list of them' },
    { { expect = {} }, "http.post: `expect` must be a status" },
    { { expect = 20 }, "http.post: `expect` must be a status" },
    { { discard_body = 1 }, "http.post: `discard_body` must be true or false, got 1" },
    { { compress = "lzma", body = "x" }, 'http.post: `compress`: unknown compression "lzma"' },
    { { body = {} }, "http.post: `body` must be a string, got a table" },
    { { json = print }, "http.post: `json`: a function cannot be JSON" },
    { { json = {}, body = "x" }, "cannot go together: a request has one body" },
    { { auth = "x" }, 'http.post: `auth` must be a table, got "x"' },
    { { auth = {} }, "http.post: `auth` is `{ basic = { user, password } }` or `{ bearer = token }`" },
    { { auth = { basic = {} } }, "`auth` is `{ basic = { user, password } }`" },
    {
      { auth = { bearer = "a", digest = 1 } },
      "http.post: `auth`: unknown option `digest`; known are `basic`, `bearer`",
    },
    { { auth = { bearer = function() return 5 end } }, "http.post: `auth.bearer` must return a string, got 5" },
    { { auth = { bearer = function() error "broken" end } }, "http.post: `auth.bearer`: src/api/http.test.lua:" },
    { { multipart = { f = {} } }, "`multipart.f` is a string, or { path = … } or { content = …, filename = … }" },
    { { multipart = { f = { path = "no-such.png" } } }, "`multipart.f`: there is no file" },
    {
      { multipart = { f = { content = "x", file_name = "y" } } },
      "unknown option `file_name`; did you mean `filename`?",
    },
  }
  for _, row in ipairs(rows) do
    raises(row[2], function() any.post("/echo", row[1]) end)
  end
  assert(reqs "count" == 0)
end)

test("other misuse is raised where it is written", function()
  local any = http --[[@as any]]
  raises("http.request: `method` must be a string, got nil", function() any.request() end)
  raises("http.request: `A B` is no HTTP method", function() any.request("A B", "/") end)
  raises("http.batch: `requests` must be a table, got nil", function() any.batch() end)
  local forms = "http.batch: a request is a URL, { url, options } or { method, url, options }, "
  raises(forms .. "got 5", function() any.batch { 5 } end)
  -- What would be sent without is not sent at all.
  local rows = {
    {},
    { url = "/echo" },
    { method = "GET", url = "/echo" },
    { "/echo", name = "x", json = { a = 1 } },
    { "/echo", {}, {} },
    { "POST", "/echo", nil, { json = {} } },
    { "POST", "/echo", {}, "more" },
    { "POST", nil, {} },
  }
  for _, row in ipairs(rows) do
    raises(forms .. "by position, without keys", function() any.batch { row } end)
  end
  raises("http.batch: `url` must be a string, got 5", function() any.batch { { 5 } } end)
  raises("http.batch: `options` must be a table, got 5", function() any.batch { { "POST", "/echo", 5 } } end)
  raises("http.batch: unknown option `jsn`", function() any.batch { { "POST", "/echo", { jsn = {} } } } end)
  raises("json: call it with a colon: `res:json(path)`", function() any.get("/json").json() end)
  raises("json: `path` must be a string, got 5", function() any.get("/json"):json(5) end)
end)

test("a field that a response does not have is raised with what was meant", function()
  local res = http.get "/json" --[[@as any]]
  raises("response: there is no field `stauts`; did you mean `status`?", function() return res.stauts end)
  assert(res.error == nil and res.error_code == nil and res[1] == nil)
  raises("timings: there is no field `durtion`; did you mean `duration`?", function() return res.timings.durtion end)
  assert(res.timings[1] == nil)
  local phases = 0
  for _ in pairs(res.timings) do
    phases = phases + 1
  end
  assert(phases == 8)
end)

test("an address without a scheme is no path", function()
  for _, address in ipairs { "127.0.0.1:1", "localhost:8080/x", "[::1]:80?a=b" } do
    raises("http.get: `" .. address .. "` has no scheme; write http://" .. address, function() http.get(address) end)
  end
  assert(reqs "count" == 0)
  assert(http.get("echo").ok and http.get("/echo?at=12:30").ok)
end)
