---@meta kt

---Everything that a journey can do. `require "kt"` gives this table, `require "kt.http"` one of its modules.
---
---A journey file is evaluated once for each virtual user, with globals and locals of its own, and returns a function, or a
---plan:
---
---```lua
---local kt = require "kt"
---
---local function journey()
---  kt.http.get("/", { name = "GET /" })
---  kt.sleep "1s"
---end
---
------@type kt.Plan
---local plan = {
---  http = { base_url = kt.env("BASE_URL", "http://127.0.0.1:8080") },
---  scenarios = {
---    visitors = { executor = "constant-arrival-rate", rate = 10, duration = "30s", exec = journey },
---  },
---  thresholds = { http_req_duration = "p(95)<500" },
---}
---return plan
---```
---
---The line `---@type kt.Plan` stands above a local: editors and `emmylua_check` check a table there, not after `return`.
---@class (partial) kt
---@field crypto kt.crypto
---@field data kt.data
---@field encoding kt.encoding
---@field flow kt.flow
---@field grpc kt.grpc
---@field http kt.http
---@field json kt.json
---@field jwt kt.jwt
---@field log kt.log
---@field metrics kt.metrics
---@field random kt.random
---@field run kt.run
---@field scenario kt.scenario
---@field shared kt.shared
---@field time kt.time
---@field vu kt.vu
local kt = {}

---`T` without other keys than it declares.
---@alias kt.Exact<T> T & table<keyof T, any>

---A number of seconds, or text with units: `"200ms"`, `"1m30s"`, `"2h"`.
---@alias kt.Duration number|string

---A number of bytes, or text with a unit: `"16MB"` (powers of 1,024).
---@alias kt.Size integer|string

---Names and values of tags. `scenario`, `stage`, `phase`, `revision`, `warmup`, `lifecycle` and `poll` are the engine's own.
---@alias kt.Tags table<string, string|number|boolean>

---What a scenario runs, called with what `setup` returned.
---@alias kt.Journey fun(state: any): any

---The plan, which a journey file returns. Unknown keys, wrong types and bad durations are refused before any load, with
---their line.
---@class kt.Plan
---@field scenarios? table<string, kt.Scenario> by name; without them `exec` is the one scenario, and the command line gives its shape
---@field exec? kt.Journey the journey of scenarios without one of their own
---@field http? kt.Exact<kt.HttpPlan> what all requests have in common
---@field phases? kt.Exact<kt.Phase>[] named parts of the run over all scenarios, one after the other from its start
---@field checkpoints? kt.Duration sums the load up each time this long has passed, while it goes on; whole seconds
---@field traces? kt.Exact<kt.Traces> requests and calls carry trace ids (W3C `traceparent`)
---@field thresholds? table<string, kt.Threshold|kt.Threshold[]> the conditions on metrics that decide the verdict; keys are `metric` or `metric{tag:value,…}`
---@field invariants? table<string, kt.Invariant> what must hold at any time: looked at each second of the load and at its end
---@field setup? kt.Setup runs once before the load; what it returns is the argument of journeys and of `teardown`
---@field setup_timeout? kt.Duration default 60s
---@field vu_init? kt.VuInit runs once for each virtual user
---@field teardown? kt.Teardown runs once at the end, however the run ended
---@field teardown_timeout? kt.Duration default 60s
---@field summary? kt.SummaryHook makes files of the results
---@field tags? kt.Tags on every sample
---@field on_script_error? "fail"|"count"|"abort" what an uncaught script error means for the run: it goes on and fails (default), it goes on and counts them, it stops
---@field limits? kt.Exact<kt.Limits> limits on scripts

---Returns data: no functions.
---@alias kt.Setup fun(): any
---@alias kt.VuInit fun()
---@alias kt.Teardown fun(state: any)
---Returns whether it holds, and if not, the keys that it does not hold for. It runs in a VM of its own, cannot wait, and
---reads `kt.shared` and `kt.metrics.value`.
---@alias kt.Invariant fun(): boolean, any[]?
---Takes the summary as written by `--summary-json`; returns texts by the path of the file they are written to.
---@alias kt.SummaryHook fun(summary: table): table<string, string>

---Trace ids on requests. The slowest sampled requests are told with their ids.
---@class kt.Traces
---@field sampling? number the share of the requests whose traces are marked as sampled, 0 to 1; default 0.01
---@field url? string where a trace is looked up, with `{trace_id}` for its id: ids are links in the report

---@class kt.Limits
---@field cpu? kt.Duration CPU time that a script may use between two waits; default 2s
---@field memory? kt.Size memory of the scripts of one core; default 4 GB

---One workload; its executor decides when iterations start.
---@alias kt.Scenario kt.Exact<kt.SharedIterations>|kt.Exact<kt.PerVuIterations>|kt.Exact<kt.ConstantVus>|kt.Exact<kt.ExternallyControlled>|kt.Exact<kt.RampingVus>|kt.Exact<kt.ConstantArrivalRate>|kt.Exact<kt.RampingArrivalRate>|kt.Exact<kt.Steps>|kt.Exact<kt.Waves>|kt.Exact<kt.Burst>|kt.Exact<kt.Replay>

---What all scenarios have.
---@class kt.ScenarioOptions
---@field exec? kt.Journey|string the journey, or the name of a global function; default the plan's `exec`
---@field start_time? kt.Duration after the start of the run, or after the end of `start_after`; default 0
---@field start_after? string the scenario that has to end first, its graceful stop included
---@field graceful_stop? kt.Duration how long iterations under way may go on after the end; default 30s
---@field warmup? kt.Duration iterations due this long after the scenario's start are run and left out of the results; default 0
---@field tags? kt.Tags on every sample of the scenario, besides `scenario`
---@field env? kt.Tags what `kt.env` finds in this scenario

---Some virtual users share a number of iterations.
---@class kt.SharedIterations: kt.ScenarioOptions
---@field executor "shared-iterations"
---@field vus? integer default 1
---@field iterations? integer in all; default 1
---@field max_duration? kt.Duration what has not started by then is dropped; default 10m

---Each virtual user runs a number of iterations.
---@class kt.PerVuIterations: kt.ScenarioOptions
---@field executor "per-vu-iterations"
---@field vus? integer default 1
---@field iterations? integer for each virtual user; default 1
---@field max_duration? kt.Duration what has not started by then is dropped; default 10m

---Virtual users run one iteration after the other for some time. A slow system slows them down.
---@class kt.ConstantVus: kt.ScenarioOptions
---@field executor "constant-vus"
---@field vus? integer default 1
---@field duration kt.Duration

---As `constant-vus`, with a number of virtual users that is changed through live control while the run goes on
---(`kingtide ctl vus`).
---@class kt.ExternallyControlled: kt.ScenarioOptions
---@field executor "externally-controlled"
---@field vus? integer at the start, may be 0; default 1
---@field max_vus? integer the most that can be asked for; default `vus`
---@field duration kt.Duration

---As `constant-vus`, with a number of virtual users that goes in straight lines from target to target.
---@class kt.RampingVus: kt.ScenarioOptions
---@field executor "ramping-vus"
---@field start_vus? integer default 1
---@field stages kt.Exact<kt.Stage>[] targets are whole numbers of virtual users
---@field graceful_ramp_down? kt.Duration how long the iteration of a user that is no longer wanted may go on; default 30s

---What scenarios have whose iterations start by a schedule, whatever the system does.
---@class kt.OpenOptions: kt.ScenarioOptions
---@field pre_allocated_vus? integer virtual users made before the start; default as many as start at the same instant, else one second's arrivals, at most 100
---@field max_vus? integer default 10,000
---@field on_saturation? "queue"|"drop"|"abort" when all `max_vus` are busy: starts wait (default), are dropped, or the run ends

---How starts are spread over time: evenly (default), at random with exponential gaps, or all of a `time_unit` at its
---beginning.
---@alias kt.Spacing "constant"|"poisson"|"burst"

---Iterations start at a fixed rate.
---@class kt.ConstantArrivalRate: kt.OpenOptions
---@field executor "constant-arrival-rate"
---@field rate number iterations for each `time_unit`
---@field time_unit? kt.Duration default 1s
---@field duration kt.Duration
---@field arrival? kt.Spacing

---Iterations start at a rate that goes in straight lines from target to target.
---@class kt.RampingArrivalRate: kt.OpenOptions
---@field executor "ramping-arrival-rate"
---@field start_rate? number iterations for each `time_unit` at the beginning; default 0
---@field time_unit? kt.Duration default 1s
---@field stages kt.Exact<kt.Stage>[] targets are iterations for each `time_unit`
---@field arrival? kt.Spacing

---A straight line from the last target to this one.
---@class kt.Stage
---@field duration kt.Duration zero is a jump
---@field target number
---@field name? string the tag `stage` of its samples; default its index from 0

---Iterations start at rates that change without ramps.
---@class kt.Steps: kt.OpenOptions
---@field executor "steps"
---@field steps kt.Exact<kt.Step>[]
---@field time_unit? kt.Duration default 1s
---@field arrival? kt.Spacing

---A plateau.
---@class kt.Step
---@field rate number iterations for each `time_unit`
---@field duration kt.Duration
---@field name? string the tag `stage` of its samples; default its index from 0

---Many iterations start at the same instant, several times.
---@class kt.Waves: kt.OpenOptions
---@field executor "waves"
---@field waves kt.Exact<kt.Wave>[]

---@class kt.Wave
---@field at kt.Duration after the scenario's start
---@field count integer
---@field name? string the tag `stage` of its samples; default its index from 0

---Many iterations start at the same instant.
---@class kt.Burst: kt.OpenOptions
---@field executor "burst"
---@field count integer

---Iterations start as they did when a trace was taken; each has its row as `kt.scenario.row`.
---@class kt.Replay: kt.OpenOptions
---@field executor "replay"
---@field trace string a .jsonl, .json or .csv file, looked up like data files
---@field at? string the column of the time stamps: seconds, or dates as `2026-11-20T10:00:00.250Z`; default `ts`
---@field speed? number 2 is twice as fast; default 1

---`"p(95)<500"`, `"rate<0.01"`, `"count>100"`, `"p(99)<1.5s"`: an aggregation, a comparison and a limit.
---@alias kt.Threshold string|kt.Exact<kt.ThresholdOptions>

---@class kt.Phase
---@field name string its samples carry it as the tag `phase`
---@field duration kt.Duration

---@class kt.ThresholdOptions
---@field threshold string
---@field window? kt.Duration judges the worst slice of this length instead of the whole run; whole seconds up to 1h
---@field abort_on_fail? boolean ends the run as soon as it fails; default false
---@field delay_abort_eval? kt.Duration not before this long after the start; default 0
---@field on_no_data? "fail"|"pass" what it means that there are no samples; default fail

---What all requests have in common.
---@class kt.HttpPlan
---@field base_url? string relative URLs are resolved against it
---@field headers? table<string, string> sent with every request that does not set them itself; a `cookie` joins those of the jar and of the request, which win
---@field timeout? kt.Duration for a request with its redirects; default 60s
---@field redirects? integer how many a request follows; default 10
---@field compression? boolean asks for compressed answers; default false
---@field discard_body? boolean drops the bodies of all answers; default false
---@field max_body? kt.Size the largest body of an answer; default 16 MB
---@field cookies? "per-iteration"|"keep"|"off" how long cookies live; default per-iteration
---@field version? "auto"|"1.1"|"2" auto: https speaks what the server picks of HTTP/2 and 1.1, http speaks 1.1; 2: https insists on it, http begins with it; default auto
---@field connections? "per-vu"|"per-iteration"|kt.Exact<kt.SharedConnections> how long connections live, and whose they are; default per-vu
---@field user_agent? string default `kingtide/VERSION`; empty for none
---@field hosts? table<string, string> where names really are: `{ ["api.test"] = "127.0.0.1:8080" }`
---@field local_addrs? string[]|string source addresses, in turn by virtual user
---@field proxy? string URL of an HTTP proxy
---@field dns? kt.Exact<kt.DnsOptions>
---@field tls? kt.Exact<kt.TlsOptions>

---All virtual users of the process share them.
---@class kt.SharedConnections
---@field shared integer at most so many to an origin; with HTTP/2 each carries many requests at once, with HTTP/1.1 one

---@class kt.DnsOptions
---@field ttl? kt.Duration how long an address is remembered; default 5m
---@field select? "first"|"random"|"round-robin" which of several addresses; default random
---@field policy? "prefer-ipv4"|"prefer-ipv6"|"only-ipv4"|"only-ipv6"|"any" default prefer-ipv4

---Files are looked up beside the script.
---@class kt.TlsOptions
---@field insecure? boolean accepts every certificate; default false
---@field ca? string PEM file of roots that are trusted besides the system's
---@field cert? string PEM file of the client's certificate; needs `key`
---@field key? string PEM file of the client's key
---@field server_name? string asked for and verified instead of the URL's host

return kt
