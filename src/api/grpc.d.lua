---@meta kt.grpc

---gRPC without protoc and without code generation: methods come from `.proto` files, descriptor sets or the server itself. A
---call that fails (refused, past its deadline, a status other than OK) is an answer that says so, never a raise; what is
---raised is misuse: a request that does not fit its message, an unknown option.
---
---Messages are tables, by protobuf's JSON mapping: integers of 64 bits arrive as strings and are taken as strings or numbers,
---`bytes` are base64, enumerations are names (numbers are taken too), the keys of maps are strings, `Timestamp` is RFC 3339,
---`Duration` is `"1.5s"` (or a number of seconds), wrappers are the bare value, `Struct` is any table, `Any` has its type in
---`["@type"]`. Fields have their names in the proto; the camelCase names of JSON are taken too. In answers, fields without
---presence always have a value: `0`, `""`, `false`, an empty table.
---@class kt.grpc
local grpc = {}

---@class kt.grpc.LoadOptions
---@field import_paths? string[] folders, beside the script, in which files and what they import are looked for

---@class kt.grpc.Tls
---@field insecure? boolean accepts every certificate of the server
---@field ca? string a PEM file beside the script, with roots that are trusted besides the system's
---@field cert? string a PEM file with the client's certificate
---@field key? string a PEM file with the client's key
---@field server_name? string the name that is asked for and verified, instead of the address

---Values by name; a list repeats the name. Those of names that end in `-bin` may be any bytes; the others are printable ASCII.
---@alias kt.grpc.Metadata table<string, string|number|boolean|(string|number|boolean)[]>

---@class kt.grpc.ConnectOptions
---@field plaintext? boolean HTTP/2 without TLS
---@field reflect? boolean asks the server for the services that were not loaded: each once in a run
---@field share? integer so many connections for the whole run, whatever the number of virtual users; default: one for each virtual user
---@field max_in_flight? integer the most calls in flight at once, over all virtual users; the others wait, which is `grpc_req_blocked`
---@field max_receive_size? kt.Size the largest message to receive, `"16MB"`; default 4 MiB
---@field max_send_size? kt.Size the largest message to send; default none
---@field tls? kt.grpc.Tls
---@field authority? string the `:authority` of calls, and the name that TLS verifies; default the address
---@field compress? "gzip"|false compresses messages; default not
---@field metadata? kt.grpc.Metadata sent with every call
---@field timeout? kt.Duration the deadline of calls that set none; default 60 s
---@field connect_timeout? kt.Duration how long a connection may take to open; default 10 s
---@field user_agent? string

---A status by name (`"NOT_FOUND"`) or number (`5`), or a list of them.
---@alias kt.grpc.Expect string|integer|(string|integer)[]

---@class kt.grpc.CallOptions
---@field timeout? kt.Duration the deadline, waiting for a connection included; the server is told it
---@field metadata? kt.grpc.Metadata over that of the client
---@field name? string the `name` tag; default the method, `pkg.Service/Method`
---@field tags? kt.Tags more tags on the samples of this call
---@field expect? kt.grpc.Expect which statuses are a success, for `ok` and `grpc_req_failed`; default `"OK"`
---@field compress? "gzip"|false
---@field discard_message? boolean drops the message of the answer

---@class kt.grpc.HealthOptions
---@field timeout? kt.Duration the deadline, waiting for a connection included; the server is told it
---@field metadata? kt.grpc.Metadata over that of the client
---@field name? string the `name` tag; default the method
---@field tags? kt.Tags more tags on the samples of this call
---@field expect? kt.grpc.Expect which statuses are a success, for `ok` and `grpc_req_failed`; default `"OK"`

---@class kt.grpc.Client
local Client = {}

---@class kt.grpc.Stream
local Stream = {}

---@class kt.grpc.Response
---@field status string the name of the code: `"OK"`, `"DEADLINE_EXCEEDED"`
---@field code integer the number of the code, 0 to 16
---@field ok boolean whether the status is one that the call expects
---@field message any the answer, mostly a table; nil when there is none
---@field error? string what the server says about the status, or why there is no answer; nil when the status is OK
---@field error_code? integer when the network failed: the code that `kt.http` has for it (1050 timeout, 1212 refused, …)
---@field headers table<string, string> metadata from before the answer, by name, in any case of letters; values of a repeated one joined by `, ` (of `-bin` names: a list)
---@field trailers table<string, string> metadata from after it
---@field timings kt.http.Timings where the time went, in ms
---@field remote_addr? string address and port of the peer
---@field trace_id? string its trace in 32 hexadecimal digits; nil unless the plan or the command line has `traces`

---Loads `.proto` files and what they import; the well-known types (`google/protobuf/…`) are built in. Each is looked for
---beside the script, in `import_paths`, and where data files are. Compiled once for the whole process; an edited file reloads
---the script as an edited script does. What was loaded before stays.
---
---```lua
---kt.grpc.load "event.proto"
---kt.grpc.load({ "shop/v1/shop.proto" }, { import_paths = { "../protos" } })
---```
---@param files string|string[]
---@param options? kt.Exact<kt.grpc.LoadOptions>
function grpc.load(files, options) end

---Loads a descriptor set, as `protoc --include_imports --descriptor_set_out=api.binpb` or `buf build -o api.binpb` writes it.
---
---```lua
---kt.grpc.load_descriptor_set "api.binpb"
---```
---@param file string
function grpc.load_descriptor_set(file) end

---A client of a server. It connects at its first call, so it may be made at the top of the file.
---
---```lua
---local client = kt.grpc.connect("127.0.0.1:6565", { plaintext = true, share = 1, max_in_flight = 500 })
---```
---@param address string `host:port`
---@param options? kt.Exact<kt.grpc.ConnectOptions>
---@return kt.grpc.Client client
function grpc.connect(address, options) end

---Calls a method with one message each way.
---
---```lua
---local res = client:call("EventService/OnMessage", { user_id = "u1", payload = { goal = "7" } }, { timeout = "2s" })
---kt.check(res, { ["accepted"] = res.ok })
---```
---@param method string `pkg.Service/Method`
---@param request? table<string, any>|any the message; nil is an empty one
---@param options? kt.Exact<kt.grpc.CallOptions>
---@return kt.grpc.Response response
function Client:call(method, request, options) end

---Begins a call of several messages, in either direction or both. It is gone through line by line; one that is still open when
---its iteration ends is cancelled. Its `timeout` is the deadline of the whole. Metrics: `grpc_streams`,
---`grpc_stream_duration`, `grpc_streams_msgs_sent`, `grpc_streams_msgs_received`.
---
---```lua
---local s = client:stream "chat.Room/Talk"
---s:send { text = "hello" }
---local answer = s:recv()
---s:close_send()
---local res = s:finish()
---```
---@param method string
---@param options? kt.Exact<kt.grpc.CallOptions>
---@return kt.grpc.Stream stream
function Client:stream(method, options) end

---Asks how a service is, by the standard health check. `ok` says whether it serves; the answer's `message.status` is
---`"SERVING"`, `"NOT_SERVING"` or `"UNKNOWN"`.
---
---```lua
---kt.check(client:health "shop.Orders", { ["serving"] = function(res) return res.ok end })
---```
---@param service? string `pkg.Service`; default the server as a whole
---@param options? kt.Exact<kt.grpc.HealthOptions>
---@return kt.grpc.Response response
function Client:health(service, options) end

---Lets go of the virtual user's own connection; one that is shared stays. The client cannot be used any more.
---
---```lua
---client:close()
---```
function Client:close() end

---Sends a message; waits while the server takes no more. Of a method that takes one message, this was it.
---
---```lua
---local sent = stream:send { text = "hello" }
---```
---@param message? table<string, any>|any
---@return boolean sent false when the call is over: `finish` says why
function Stream:send(message) end

---Says that nothing more will be sent.
---
---```lua
---stream:close_send()
---```
function Stream:close_send() end

---Waits for the next message.
---
---```lua
---local message = stream:recv()
---while message do
---  kt.log.info(message.text)
---  message = stream:recv()
---end
---```
---@return any message nil at the end: `finish` says how it ended
function Stream:recv() end

---Sends nothing more, drops messages that are still to come, and waits for the end. Of a method that answers once, the
---response has the `message`.
---
---```lua
---local res = stream:finish()
---```
---@return kt.grpc.Response response
function Stream:finish() end

---Gives the call up at once: for servers that never end. Its status is `CANCELLED`, which counts as expected; one that has
---ended, or whose deadline has passed, has the status of that.
---
---```lua
---local res = stream:cancel()
---```
---@return kt.grpc.Response response
function Stream:cancel() end

return grpc
