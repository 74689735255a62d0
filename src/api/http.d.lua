---@meta kt.http

---HTTP/1.1 requests, with and without TLS. A request that fails (refused, timed out, a broken answer) is an answer whose
---`error` says why, never a raise; what is raised is misuse: an unknown option, a wrong type. Every request is measured,
---redirects one by one.
---@class kt.http
local http = {}

---A status (`201`), a range (`"200-299"`, `"2xx"`), or a list of them.
---@alias kt.http.Expect integer|string|(integer|string)[]

---@class kt.http.Options
---@field name? string the `name` tag, under which the numbers of several URLs are gathered: `"GET /orders/{id}"`; default the URL without its query, of a relative one the path
---@field tags? kt.Tags more tags on the samples of this request
---@field json? any the body, as JSON
---@field body? string the body, as it is
---@field form? kt.http.Pairs the body, as a form
---@field multipart? table<string, string|number|boolean|kt.http.File> the body, as a form with files
---@field query? kt.http.Pairs added to the URL
---@field headers? kt.http.Pairs a `cookie` among them is sent in the place of all other cookies
---@field cookies? table<string, string|number> sent with this request, over those of the jar; not beside a `cookie` header
---@field auth? kt.http.Auth
---@field timeout? kt.Duration with all redirects; default that of the plan
---@field redirects? integer|false how many are followed, 0 to 100; default that of the plan
---@field expect? kt.http.Expect which statuses are a success, for `ok` and `http_req_failed`; default 200 to 399
---@field discard_body? boolean reads the answer's body and drops it; default that of the plan
---@field compress? "gzip"|"deflate"|"br"|"zstd" compresses the body

---Values by name; a list repeats the name.
---@alias kt.http.Pairs table<string, string|number|boolean|(string|number|boolean)[]>

---`{ basic = { "user", "password" } }` or `{ bearer = "token" }`.
---@class kt.http.Auth
---@field basic? string[]
---@field bearer? string|kt.http.Token a token, or a function that makes one

---Makes a token; called before each request, and may send requests itself. Those of a batch are called one after the other
---before any of it is sent.
---@alias kt.http.Token fun(): string

---A part with `path` (looked up as data files are) or `content`.
---@class kt.http.File
---@field path? string
---@field content? string
---@field filename? string default the last part of `path`
---@field content_type? string

---@class kt.http.Timings
---@field blocked number waiting for a connection slot, in ms
---@field dns number name resolution, in ms
---@field connecting number TCP handshake, in ms
---@field tls_handshaking number TLS handshake, in ms
---@field sending number first to last byte of the request, in ms
---@field waiting number last byte of the request to first byte of the answer, in ms
---@field receiving number first to last byte of the answer, in ms
---@field duration number sending + waiting + receiving, in ms

---The answer to a request, or why there is none.
---@class kt.http.Response
---@field status integer 0 when there is no answer
---@field ok boolean whether the status is one that the request expects
---@field error? string why there is no answer
---@field error_code? integer k6's code for it (1050 timeout, 1101 no such name, 1212 refused, …), or 1000 + a status that was not expected
---@field body? string nil when there is no answer; empty when discarded
---@field headers table<string, string> by name, in any case; values of a repeated one joined by `, ` (several `set-cookie`: a list)
---@field proto? string `HTTP/1.1`
---@field url string of the last request, after redirects
---@field remote_addr? string address and port of the peer
---@field timings kt.http.Timings of the last request
---@field trace_id? string its trace, with those of its redirects, in 32 hexadecimal digits; nil unless the plan or the command line has `traces`
local Response = {}

---Reads the body as JSON, by `kt.json`'s rules: all of it, or what a path leads to (keys and positions with dots between
---them; `null` is nil).
---
---```lua
---local id = res:json "orderId"
---local first = res:json "items.1.sku"
---```
---@param path? string
---@return any value nil when the path leads nowhere, or the body is not JSON
---@return string? problem why there is no JSON: the body is something else, is empty, or was discarded
function Response:json(path) end

---Sends a GET request.
---
---```lua
---local res = kt.http.get("/api/products", { query = { limit = 10 }, name = "GET /api/products" })
---```
---@param url string absolute, or relative to the plan's `http.base_url`
---@param options? kt.Exact<kt.http.Options>
---@return kt.http.Response
function http.get(url, options) end

---Sends a HEAD request.
---
---```lua
---local size = kt.http.head("/file").headers["content-length"]
---```
---@param url string
---@param options? kt.Exact<kt.http.Options>
---@return kt.http.Response
function http.head(url, options) end

---Sends a POST request.
---
---```lua
---local res = kt.http.post("/api/orders", { json = { productId = 1 }, expect = 201 })
---```
---@param url string
---@param options? kt.Exact<kt.http.Options>
---@return kt.http.Response
function http.post(url, options) end

---Sends a PUT request.
---
---```lua
---kt.http.put("/api/orders/1", { json = { quantity = 2 } })
---```
---@param url string
---@param options? kt.Exact<kt.http.Options>
---@return kt.http.Response
function http.put(url, options) end

---Sends a PATCH request.
---
---```lua
---kt.http.patch("/api/orders/1", { json = { quantity = 3 } })
---```
---@param url string
---@param options? kt.Exact<kt.http.Options>
---@return kt.http.Response
function http.patch(url, options) end

---Sends a DELETE request.
---
---```lua
---kt.http.delete("/api/orders/1", { expect = { 204, 404 } })
---```
---@param url string
---@param options? kt.Exact<kt.http.Options>
---@return kt.http.Response
function http.delete(url, options) end

---Sends an OPTIONS request.
---
---```lua
---local allowed = kt.http.options("/api/orders").headers.allow
---```
---@param url string
---@param options? kt.Exact<kt.http.Options>
---@return kt.http.Response
function http.options(url, options) end

---Sends a request with any method.
---
---```lua
---kt.http.request("PURGE", "/cache/1")
---```
---@param method string
---@param url string
---@param options? kt.Exact<kt.http.Options>
---@return kt.http.Response
function http.request(method, url, options) end

---A URL, `{ url, options }`, or `{ method, url, options }`: by position, without keys.
---@alias kt.http.BatchEntry string|{ [1]: string, [2]: kt.http.Options|string|nil, [3]: kt.http.Options? }

---Sends several requests at once, at most 20 at a time, and waits for all of them. Raises before anything is sent when one
---of them is misused.
---
---```lua
---local page = kt.http.batch {
---  style = "/style.css",
---  order = { "POST", "/api/orders", { json = { productId = 1 } } },
---}
---kt.check(page.order, { created = page.order.status == 201 })
---```
---@generic K
---@param requests table<K, kt.http.BatchEntry>
---@return table<K, kt.http.Response> answers under the keys of their requests
function http.batch(requests) end

return http
