// Which charts there are and what each shows: descriptions only. Charts without data are not shown.

const STATUS_COLOURS = { 1: "c7", 2: "c2", 3: "c4", 4: "c5", 5: "c1" };

/** The tags of the chosen filter: [{}] or [{ scenario }] or [{ name }]. */
function chosen() {
  const cut = shared.filter.indexOf(":");
  return cut < 0 ? {} : { [shared.filter.slice(0, cut)]: shared.filter.slice(cut + 1) };
}

function chosenScenario() {
  return chosen().scenario || "";
}

function rateItems() {
  const model = shared.model;
  const names = chosenScenario() ? [chosenScenario()] : [...model.scenarios.keys()];
  const few = names.length <= 3;
  const items = names.flatMap((name, at) => {
    const label = names.length > 1 ? `${name} ` : "";
    const colour = ["c0", "c2", "c5", "c3", "c6", "c4", "c7"][at % 7];
    const failed = model.counts("failed", name);
    const done = model.counts("completed", name).map((value, second) => value + (failed[second] || 0));
    return [
      { ...look(1, colour), label: `${label}offered`, values: model.counts("offered", name), sign: "ring", width: 1.4 },
      { ...look(0, colour), label: `${label}achieved`, values: done, sign: SIGNS[at % 8], width: 2.2 },
      ...(few ? [{ ...look(2, "c1"), label: `${label}dropped`, values: model.counts("dropped", name), sign: "cross", width: 1.4 }] : []),
    ];
  });
  return items.filter((item) => !item.label.endsWith("dropped") || item.values.some((value) => value > 0));
}

function userItems() {
  const model = shared.model;
  const names = chosenScenario() ? [chosenScenario()] : [...model.scenarios.keys()];
  const items = names.map((name, at) => ({ ...look(at), label: names.length > 1 ? name : "in an iteration", values: model.counts("vus", name) }));
  const queued = model.counts("queued", chosenScenario());
  if (queued.some((value) => value > 0)) items.push({ ...look(1, "c1"), label: "waiting for a user", values: queued });
  return items;
}

/** The four percentiles of a metric, of the chosen part if it is known by parts. */
function percentileItems(metric) {
  const series = shared.model.get(metric, chosen());
  if (!series) return [];
  const colours = ["c2", "c0", "c3", "c1"];
  return ["p50", "p95", "p99", "p99.9"].map((name, at) => ({ ...look(at, colours[at]), label: name, values: series.column(name, shared.model.length) }));
}

/** A layer for each value of a tag; those with the most first when there are too many. */
function layers(metric, tag, label, colour) {
  const rank = (series) => (series.tags[tag] === "0" ? 1 : 0);
  const found = shared.model.by(metric, tag).filter((series) => series.total.value > 0).sort((a, b) => rank(a) - rank(b));
  return found.slice(0, 12).map((series, at) => ({
    ...look(at, colour ? colour(series.tags[tag], at) : undefined),
    hatch: at,
    label: label(series.tags[tag]),
    values: series.column("value", shared.model.length, 0),
  }));
}

function errorItems() {
  const model = shared.model;
  const items = [...layers("http_reqs", "error_code", (code) => code), ...layers("grpc_reqs", "error_code", (code) => `gRPC ${code}`)];
  const sum = (label, values) => values.some((value) => value > 0) && items.push({ label, values });
  for (const [metric, label] of [["script_errors", "script error"], ["socket_errors", "socket refused"]]) {
    const series = model.get(metric);
    if (series) sum(label, series.column("value", model.length, 0));
  }
  sum("iteration dropped", model.counts("dropped", chosenScenario()));
  sum("iteration failed", model.counts("failed", chosenScenario()));
  sum("iteration interrupted", model.counts("interrupted", chosenScenario()));
  const order = ["c1", "c0", "c5", "c3", "c6", "c2", "c4", "c7"];
  return items.map((item, at) => ({ ...item, ...look(at, order[at % 8]), hatch: at }));
}

function statusItems() {
  const seen = {};
  const shade = (code) => {
    const kind = String(code)[0];
    seen[kind] = (seen[kind] ?? -1) + 1;
    return STATUS_COLOURS[kind] || "c7";
  };
  return layers("http_reqs", "status", (code) => (code === "0" || code === "" ? "no answer" : code), shade).map((item) => ({ ...item, hatch: item.colour === "c2" ? 0 : item.hatch || 1 }));
}

function grpcItems() {
  const others = ["c1", "c5", "c3", "c6", "c4", "c0", "c7"];
  let next = 0;
  return layers("grpc_reqs", "status", (code) => code, (code) => (code === "OK" ? "c2" : others[next++ % 7])).map((item) => ({ ...item, hatch: item.label === "OK" ? 0 : item.hatch || 1 }));
}

function checkItems() {
  const [passes, fails] = [[], []];
  for (let at = 0; at < shared.model.length; at++) [passes[at], fails[at]] = [0, 0];
  for (const check of shared.model.checks.values()) {
    check.rows.forEach((row, at) => {
      const { seconds } = shared.model.intervals[at];
      passes[at] += row.passes / seconds;
      fails[at] += row.fails / seconds;
    });
  }
  if (!shared.model.checks.size) return [];
  return [{ ...look(0, "c1"), hatch: 1, label: "failed", values: fails }, { ...look(1, "c2"), hatch: 0, label: "passed", values: passes }];
}

function flowItems() {
  return [["data_received", "received", 0], ["data_sent", "sent", 1]].flatMap(([metric, label, at]) => {
    const series = shared.model.get(metric);
    return series ? [{ ...look(at), label, values: series.column("value", shared.model.length, 0) }] : [];
  });
}

function lagItems() {
  const { dispatch, loop, gc } = shared.model.generator;
  const items = [[dispatch, "dispatch lag p99"], [loop, "loop lag p99"], [gc, "longest GC step"]].map(([values, label], at) => ({ ...look(at), label, short: label.replace(" p99", ""), values }));
  return items.filter((item) => item.values.some((value) => !Number.isNaN(value)));
}

/** The metric of the heat map; a person may choose another. */
const heat = { metric: "" };

function heatMetrics() {
  const names = { http_req_response_time: "HTTP response time", http_req_duration: "HTTP service time", grpc_req_response_time: "gRPC response time", grpc_req_duration: "gRPC service time", iteration_response_time: "iteration response time", iteration_duration: "iteration duration" };
  return Object.entries(names).filter(([metric]) => shared.model.get(metric));
}

function heatSeries() {
  const known = heatMetrics().map(([metric]) => metric);
  const metric = known.includes(heat.metric) ? heat.metric : known[0];
  return metric ? shared.model.get(metric, chosen()) || shared.model.get(metric) : undefined;
}

function heatChoice() {
  const select = make("select", { "aria-label": "what the heat map shows", onchange: () => ((heat.metric = select.value), redraw()) });
  const fill = () => {
    const known = heatMetrics();
    if (select.options.length !== known.length) select.replaceChildren(...known.map(([metric, label]) => make("option", { value: metric }, label)));
  };
  select.refill = fill;
  return select;
}

function heatItems() {
  const series = heatSeries();
  document.querySelector("#chart-heat select")?.refill();
  if (!series) return [];
  const length = shared.model.length;
  const items = ["p50", "p99"].map((name) => ({ label: name, values: series.column(name, length), unit: time }));
  const traced = Array.from({ length }, (_, at) => series.rows[at]?.exemplar?.value ?? NaN);
  if (traced.some((value) => !Number.isNaN(value))) items.push({ colour: "ink", sign: "ring", dash: [], label: "slowest trace", values: traced, unit: time });
  return items;
}

const perSecond = (value) => `${count(value)}/s`;

function panels() {
  const latency = (id, title, metric, note) => ({ id, title, note, kind: "lines", log: true, unit: time, height: 190, items: () => percentileItems(metric) });
  return [
    { id: "rate", title: "Iterations offered and achieved", note: "per second", kind: "lines", unit: perSecond, wide: true, height: 180, items: rateItems },
    latency("http-response", "HTTP response time", "http_req_response_time", "from the intended start: what users would wait"),
    latency("http-service", "HTTP service time", "http_req_duration", "sending, waiting, receiving"),
    latency("grpc-response", "gRPC response time", "grpc_req_response_time", "from the intended start"),
    latency("grpc-service", "gRPC service time", "grpc_req_duration", "sending, waiting, receiving"),
    { id: "heat", title: "Latency heat map", note: "the stronger, the more requests", kind: "heat", unit: time, height: 190, wide: true, items: heatItems, heat: heatSeries, choose: heatChoice },
    { id: "users", title: "Virtual users", kind: "lines", unit: count, items: userItems },
    { id: "errors", title: "Errors by kind", note: "per second", kind: "stack", unit: perSecond, items: errorItems },
    { id: "status", title: "HTTP status", note: "requests per second", kind: "stack", unit: perSecond, items: statusItems },
    { id: "grpc-status", title: "gRPC status", note: "calls per second", kind: "stack", unit: perSecond, items: grpcItems },
    { id: "checks", title: "Checks", note: "per second", kind: "stack", unit: perSecond, items: checkItems },
    { id: "flow", title: "Data on the wire", note: "per second", kind: "lines", unit: bytes, items: flowItems },
    { id: "cpu", title: "Generator: CPU", note: "100 % is all its cores busy", kind: "lines", unit: percent, ceiling: 100, items: () => [{ ...look(0, "c6"), label: "CPU", values: shared.model.generator.cpu }].filter((item) => item.values.some((value) => !Number.isNaN(value))) },
    { id: "lag", title: "Generator: lags and pauses", kind: "lines", log: true, unit: time, items: lagItems },
  ];
}
