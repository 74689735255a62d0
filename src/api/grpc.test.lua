local kt = require "kt"
local check = kt.check

kt.grpc.load({ "lab.proto" }, { import_paths = { "../../tests/lua/fixtures" } })

local address = kt.env "TEST_GRPC"
local client = kt.grpc.connect(address, { plaintext = true })

local reqs = recorded "grpc_reqs"
local ok_reqs = recorded "grpc_reqs{method:lab.v1.Lab/Echo,name:lab.v1.Lab/Echo,status:OK}"
local named = recorded "grpc_reqs{name:mine,shard:7}"
local failed = recorded "grpc_req_failed"
local duration = recorded "grpc_req_duration"
local response_time = recorded "grpc_req_response_time"
local blocked = recorded "grpc_req_blocked"
local waited = recorded "grpc_reqs_waited_for_cap"
local streams = recorded "grpc_streams{status:OK}"
local cancelled = recorded "grpc_streams{status:CANCELLED,expected_response:true}"
local untold = recorded "grpc_streams{name:mine,shard:7,method:third.Service/Talk,status:UNAVAILABLE}"
local stream_duration = recorded "grpc_stream_duration"
local msgs_sent = recorded "grpc_streams_msgs_sent"
local msgs_received = recorded "grpc_streams_msgs_received"

local function eq(got, wanted)
  if got ~= wanted then error(("got %s, wanted %s"):format(tostring(got), tostring(wanted)), 2) end
end

test("a message comes back as it was sent", function()
  local res = client:call("lab.v1.Lab/Echo", {
    text = "grüße",
    id = "9007199254740993",
    payload = { a = "1", b = "2" },
    tags = { "x", "y" },
    colour = "GREEN",
    blob = kt.encoding.base64_encode "\0\255",
    number = 0,
    at = "2026-01-31T12:00:00.5Z",
    took = 1.5,
    extra = { ["@type"] = "type.googleapis.com/lab.v1.Order", code = 3 },
    free = { any = { 1, "two", true } },
    maybe = "0",
    inner = { inner = { text = "deep" } },
  })
  eq(res.error, nil)
  eq(res.status, "OK")
  eq(res.code, 0)
  eq(res.ok, true)
  local m = res.message
  eq(m.text, "grüße")
  eq(m.id, "9007199254740993")
  eq(m.payload.b, "2")
  eq(m.tags[2], "y")
  eq(m.colour, "GREEN")
  eq(kt.encoding.base64_decode(m.blob), "\0\255")
  eq(m.number, 0)
  eq(m.word, nil)
  eq(m.at, "2026-01-31T12:00:00.500Z")
  eq(m.took, "1.500s")
  eq(m.extra["@type"], "type.googleapis.com/lab.v1.Order")
  eq(m.extra.code, 3)
  eq(m.extra.text, "")
  eq(m.free.any[2], "two")
  eq(m.maybe, "0")
  eq(m.inner.inner.text, "deep")
  eq(m.inner.id, "0")
  eq(#m.inner.tags, 0)
  eq(m, res.message)
end)

test("nothing is an empty message, and camelCase is taken", function()
  local res = client:call "lab.v1.Lab/Echo"
  eq(res.message.text, "")
  eq(res.message.colour, "NONE")
  eq(client:call("/lab.v1.Lab/Echo", {}).ok, true)
end)

test("calls are measured", function()
  client:call("lab.v1.Lab/Echo", {})
  client:call("lab.v1.Lab/Echo", {}, { name = "mine", tags = { shard = 7 } })
  client:call("lab.v1.Lab/Fail", { code = 5 })
  eq(reqs "count", 3)
  eq(ok_reqs "count", 1)
  eq(named "count", 1)
  eq(failed "rate", 1 / 3)
  eq(duration "count", 3)
  eq(response_time "count", 1)
  eq(blocked "count", 3)
end)

test("a call that timed out before it went out has a response time, and no duration", function()
  local silent = kt.grpc.connect(kt.env "SILENT")
  eq(silent:call("lab.v1.Lab/Echo", {}, { timeout = "20ms" }).status, "DEADLINE_EXCEEDED")
  client:call("lab.v1.Lab/Echo", {})
  eq(duration "count", 1)
  eq(response_time "count", 1)
  assert(response_time "min" >= 20)
end)

test("a status is an answer, not a raise", function()
  local res = client:call("lab.v1.Lab/Fail", { code = 7, text = "keep out: ä" })
  eq(res.status, "PERMISSION_DENIED")
  eq(res.code, 7)
  eq(res.ok, false)
  eq(res.error, "keep out: ä")
  eq(res.error_code, nil)
  eq(res.message, nil)
  eq(res.trailers["X-Why"] or res.headers["x-why"], "asked")
  eq(client:call("lab.v1.Lab/Fail", { code = 14 }).error, "UNAVAILABLE")
end)

test("what is expected can be said", function()
  eq(client:call("lab.v1.Lab/Fail", { code = 5 }, { expect = "NOT_FOUND" }).ok, true)
  eq(client:call("lab.v1.Lab/Fail", { code = 6 }, { expect = { 0, "ALREADY_EXISTS" } }).ok, true)
  eq(client:call("lab.v1.Lab/Echo", {}, { expect = 5 }).ok, false)
  eq(failed "rate", 1 / 3)
end)

test("a deadline ends a call", function()
  local res = client:call("lab.v1.Lab/Wait", { count = 10000 }, { timeout = "50ms" })
  eq(res.status, "DEADLINE_EXCEEDED")
  eq(res.ok, false)
  check(res, { ["it took its limit"] = res.timings.duration >= 40 and res.timings.duration < 5000 })
end)

test("metadata goes both ways", function()
  local mine = kt.grpc.connect(
    address,
    { plaintext = true, metadata = { ["x-one"] = "client", ["x-many"] = "all" }, user_agent = "me/1" }
  )
  local res = mine:call("lab.v1.Lab/Echo", {}, {
    metadata = { ["x-one"] = 1, ["X-Many"] = { "a", "b" }, ["x-any-bin"] = "\0\1\255" },
    timeout = "3s",
  })
  eq(res.headers["echo-x-one"], "1")
  eq(res.headers["Echo-X-Many"], "a, b")
  eq(res.headers["echo-x-any-bin"], "\0\1\255")
  eq(res.headers["echo-grpc-timeout"] ~= nil, true)
  eq(res.headers["echo-user-agent"]:find("me/1", 1, true), 1)
end)

test("messages are compressed when that is asked for", function()
  local res = client:call("lab.v1.Lab/Echo", { text = ("x"):rep(10000) }, { compress = "gzip" })
  eq(#res.message.text, 10000)
  eq(res.headers["echo-grpc-encoding"], "gzip")
  local always = kt.grpc.connect(address, { plaintext = true, compress = "gzip" })
  eq(always:call("lab.v1.Lab/Echo", {}).headers["echo-grpc-encoding"], "gzip")
  eq(always:call("lab.v1.Lab/Echo", {}, { compress = false }).headers["echo-grpc-encoding"], nil)
end)

test("messages have a limit in both directions", function()
  local small = kt.grpc.connect(address, { plaintext = true, max_receive_size = "1KB" })
  local res = small:call("lab.v1.Lab/Echo", { text = ("x"):rep(2000) })
  eq(res.status, "RESOURCE_EXHAUSTED")
  eq(small:call("lab.v1.Lab/Echo", { text = "x" }).ok, true)
  local terse = kt.grpc.connect(address, { plaintext = true, max_send_size = 100 })
  eq(terse:call("lab.v1.Lab/Echo", { text = ("x"):rep(200) }).status, "RESOURCE_EXHAUSTED")
  local large = client:call("lab.v1.Lab/Echo", { text = ("x"):rep(3000000) })
  eq(#large.message.text, 3000000)
end)

test("an answer can be dropped", function()
  local res = client:call("lab.v1.Lab/Echo", { text = "x" }, { discard_message = true })
  eq(res.ok, true)
  eq(res.message, nil)
end)

test("an answer that is no message is INTERNAL", function()
  local res = client:call("lab.v1.Lab/Garble", {})
  eq(res.status, "INTERNAL")
  eq(res.ok, false)
  eq(res.error, "the answer is no lab.v1.Note: `Note.text`: it ends in the middle of a field")
  eq(res.message, nil)
end)

test("a server that is not there is UNAVAILABLE", function()
  local gone = kt.grpc.connect((kt.env("REFUSED_URL"):gsub("^http://", "")), { plaintext = true })
  local res = gone:call("lab.v1.Lab/Echo", {})
  eq(res.status, "UNAVAILABLE")
  eq(res.error_code, 1212)
  eq(res.message, nil)
  eq(duration "count", nil)
  eq(failed "rate", 1)
end)

test("a response has timings and a peer, and no other fields", function()
  local res = client:call("lab.v1.Lab/Echo", {})
  eq(type(res.timings.waiting), "number")
  eq(res.remote_addr, address)
  eq(res.trace_id, nil)
  raises("response: there is no field `mesage`; did you mean `message`?", function() return res.mesage end)
end)

test("requests that do not fit are raised with their field", function()
  raises(
    "client:call: `Note.payload` is map<string,string>, got number at key `value`",
    function() client:call("lab.v1.Lab/Echo", { payload = { value = 1 } }) end
  )
  raises("`Note` has no field `txt`; did you mean `text`?", function() client:call("lab.v1.Lab/Echo", { txt = 1 }) end)
  raises(
    '`Note.inner.colour` is Colour, got "BLUE"; it has NONE, RED, GREEN',
    function() client:call("lab.v1.Lab/Echo", { inner = { colour = "BLUE" } }) end
  )
  raises("`Note.kind` is a oneof", function() client:call("lab.v1.Lab/Echo", { word = "a", number = 1 }) end)
  raises("`Note` is a message, got string", function() client:call("lab.v1.Lab/Echo", "x") end)
  eq(reqs "count", 0)
end)

test("misuse is raised with what was meant", function()
  raises("did you mean", function() client:call("lab.v1.Lab/Ekko", {}) end)
  raises("client:call: `method` must be a string, got nil", function() client:call() end)
  raises("`lab.v1.Lab/Talk` is a stream; use `client:stream(…)`", function() client:call("lab.v1.Lab/Talk", {}) end)
  raises(
    "unknown option `timout`; did you mean `timeout`?",
    function() client:call("lab.v1.Lab/Echo", {}, { timout = 1 }) end
  )
  raises(
    '`expect`: "NOT_FUND" is no status; did you mean `NOT_FOUND`?',
    function() client:call("lab.v1.Lab/Echo", {}, { expect = "NOT_FUND" }) end
  )
  raises("metadata", function() client:call("lab.v1.Lab/Echo", {}, { metadata = { ["a b"] = "x" } }) end)
  raises(
    "the option `compress` is",
    function() client:call("lab.v1.Lab/Echo", {}, { metadata = { ["grpc-encoding"] = "gzip" } }) end
  )
  raises("call it with a colon", function() client.call("lab.v1.Lab/Echo", {}) end)
  raises("a client has no `cal`; did you mean `call`?", function() client:cal() end)
  raises(
    "grpc.connect: unknown option `plain_text`; did you mean `plaintext`?",
    function() kt.grpc.connect(address, { plain_text = true }) end
  )
  raises("`address` must be a string, got 5", function() kt.grpc.connect(5) end)
  raises("grpc.connect:", function() kt.grpc.connect "no address" end)
  raises("`share` must be a whole number of at least 1, got 0", function() kt.grpc.connect(address, { share = 0 }) end)
  raises("grpc.load: there is no file", function() kt.grpc.load "gone.proto" end)
  raises("grpc.load_descriptor_set: there is no file", function() kt.grpc.load_descriptor_set "gone.binpb" end)
  raises("`import_paths` names", function() kt.grpc.load("a.proto", { import_paths = { "nowhere" } }) end)
end)

test("methods can be asked of the server", function()
  local asking = kt.grpc.connect(address, { plaintext = true, reflect = true })
  local res = asking:call("grpc.health.v1.Health/Check", { service = "" })
  eq(res.error, nil)
  eq(res.message.status, "SERVING")
  eq(asking:call("grpc.health.v1.Health/Check", {}).ok, true)
  raises("Chek", function() asking:call("grpc.health.v1.Health/Chek", {}) end)
  raises("reflection", function() asking:call("no.Such/Method", {}) end)
  raises("`nonsense` is no method", function() asking:call("nonsense", {}) end)
end)

test("reflection of a server that is not there is a failed call", function()
  local gone = kt.grpc.connect((kt.env("REFUSED_URL"):gsub("^http://", "")), { plaintext = true, reflect = true })
  local res = gone:call("other.Service/Call", {})
  eq(res.status, "UNAVAILABLE")
  eq(res.ok, false)
  eq(reqs "count", 1)
end)

test("a stream whose method cannot be asked for is over, and has failed", function()
  local gone = kt.grpc.connect((kt.env("REFUSED_URL"):gsub("^http://", "")), { plaintext = true, reflect = true })
  local s = gone:stream("third.Service/Talk", { name = "mine", tags = { shard = 7 } })
  eq(s:send { any = "thing" }, false)
  eq(s:recv(), nil)
  s:close_send()
  local res = s:finish()
  eq(res.status, "UNAVAILABLE")
  eq(res.error_code, 1212)
  eq(res.ok, false)
  eq(untold "count", 1)
  raises("the stream is over: it was finished or cancelled", function() s:recv() end)
  eq(gone:stream("third.Service/Talk", { expect = "UNAVAILABLE" }):cancel().ok, true)
  eq(failed "rate", 0.5)
  eq(reqs "count", 0)
end)

test("asking for a method is part of the call", function()
  local silent = kt.grpc.connect(kt.env "SILENT", { plaintext = true, reflect = true, timeout = "60s" })
  local res = silent:call("other.Service/Call", {}, { timeout = "20ms", name = "mine", tags = { shard = 7 } })
  eq(res.status, "DEADLINE_EXCEEDED")
  eq(res.error, "timed out after 20ms while asking the server for its schema")
  eq(res.error_code, 1050)
  eq(named "count", 1)
  assert(response_time "min" >= 20 and response_time "max" < 10000)
  eq(silent:call("other.Service/Call", {}, { timeout = "1ms", expect = 4 }).ok, true)
  raises("unknown option `timout`", function() silent:call("other.Service/Call", {}, { timout = 1 }) end)
end)

test("health is what the server says", function()
  local res = client:health()
  eq(res.ok, true)
  eq(res.message.status, "SERVING")
  eq(client:health("lab.v1.Lab").ok, true)
  local asleep = client:health("lab.v1.Asleep")
  eq(asleep.status, "OK")
  eq(asleep.message.status, "NOT_SERVING")
  eq(asleep.ok, false)
  eq(client:health("no.Such").status, "NOT_FOUND")
  eq(client:health("no.Such", { expect = "NOT_FOUND", timeout = "5s" }).ok, true)
  raises("client:health: unknown option `compress`", function() client:health("", { compress = "gzip" }) end)
end)

test("a server can send many messages", function()
  local s = client:stream "lab.v1.Lab/Count"
  eq(s:send { text = "n", count = 3 }, true)
  for n = 1, 3 do
    local note = s:recv()
    eq(note.text, "n")
    eq(note.id, tostring(n))
  end
  eq(s:recv(), nil)
  local res = s:finish()
  eq(res.status, "OK")
  eq(res.ok, true)
  eq(streams "count", 1)
  eq(stream_duration "count", 1)
  eq(msgs_sent "count", 1)
  eq(msgs_received "count", 3)
  eq(reqs "count", 0)
end)

test("a client can send many messages", function()
  local s = client:stream "lab.v1.Lab/Sum"
  for n = 1, 100 do
    eq(s:send { text = "x", id = n }, true)
  end
  s:close_send()
  local res = s:finish()
  eq(res.status, "OK")
  eq(res.message.id, "5050")
  eq(msgs_sent "count", 100)
end)

test("both can send many messages", function()
  local s = client:stream("lab.v1.Lab/Talk", { name = "chat", timeout = "20s" })
  for n = 1, 5 do
    s:send { id = n }
    eq(s:recv().id, tostring(n))
  end
  s:close_send()
  eq(s:recv(), nil)
  eq(s:finish().ok, true)
end)

test("a stream that fails says so at its end", function()
  local s = client:stream "lab.v1.Lab/Count"
  s:send { count = 2, code = 15 }
  eq(s:recv().id, "1")
  eq(s:recv().id, "2")
  eq(s:recv(), nil)
  local res = s:finish()
  eq(res.status, "DATA_LOSS")
  eq(res.error, "in the end")
  eq(failed "rate", 1)
  local sum = client:stream "lab.v1.Lab/Sum"
  sum:send { text = "stop" }
  eq(sum:recv(), nil)
  eq(sum:send { text = "more" }, false)
  eq(sum:finish().status, "ABORTED")
end)

test("a stream has a deadline too", function()
  local s = client:stream("lab.v1.Lab/Count", { timeout = "50ms" })
  s:send { code = -1 }
  eq(s:recv(), nil)
  eq(s:finish().status, "DEADLINE_EXCEEDED")
end)

test("a stream without an end can be given up", function()
  local s = client:stream "lab.v1.Lab/Count"
  s:send { count = 1, code = -1 }
  eq(s:recv().id, "1")
  local res = s:cancel()
  eq(res.status, "CANCELLED")
  eq(res.ok, true)
  eq(cancelled "count", 1)
  raises("stream:recv: the stream is over", function() s:recv() end)
  raises("stream:cancel: the stream is over", function() s:cancel() end)
end)

test("a stream that has failed has failed, whoever gives it up", function()
  local late = client:stream("lab.v1.Lab/Count", { timeout = "20ms" })
  late:send { code = -1 }
  kt.sleep "25ms"
  local res = late:cancel()
  eq(res.status, "DEADLINE_EXCEEDED")
  eq(res.ok, false)
  eq(failed "rate", 1)
  eq(cancelled "count", nil)
end)

test("misuse of a stream is raised", function()
  local s = client:stream "lab.v1.Lab/Talk"
  raises("stream:send: `Note.text` is string, got number", function() s:send { text = 1 } end)
  raises("a stream has no `receive`", function() s:receive() end)
  raises("call it with a colon", function() s.send {} end)
  s:finish()
  raises("the stream is over: it was finished or cancelled", function() s:send {} end)
  raises("the stream is over: it was finished or cancelled", function() s:close_send() end)
end)

test("a stream that is left open is given up", function()
  local s = client:stream "lab.v1.Lab/Count"
  s:send { code = -1 }
end)

test("calls wait for the cap", function()
  local capped = kt.grpc.connect(address, { plaintext = true, share = 1, max_in_flight = 1 })
  local s = capped:stream "lab.v1.Lab/Talk"
  s:send {}
  s:recv()
  local res = capped:call("lab.v1.Lab/Echo", {}, { timeout = "50ms" })
  eq(res.status, "DEADLINE_EXCEEDED")
  eq(waited "count", 1)
  s:finish()
  eq(capped:call("lab.v1.Lab/Echo", {}).ok, true)
end)

test("a closed client is closed", function()
  local mine = kt.grpc.connect(address, { plaintext = true })
  eq(mine:call("lab.v1.Lab/Echo", {}).ok, true)
  mine:close()
  raises("client:call: the client is closed", function() mine:call("lab.v1.Lab/Echo", {}) end)
  eq(client:call("lab.v1.Lab/Echo", {}).ok, true)
end)

test("a poll may call", function()
  local tries = 0
  local done = kt.poll {
    name = "echo",
    every = "1ms",
    timeout = "5s",
    call = function()
      tries = tries + 1
      return client:call("lab.v1.Lab/Echo", { id = tries })
    end,
    done = function(res) return res.message.id == "3" end,
  }
  eq(done.done, true)
  eq(reqs "count", 3)
  eq(duration "count", nil)
end)
