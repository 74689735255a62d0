// The slowest requests whose traces are kept: a table of them, and marks in the heat map.

/** How long requests take that are told apart by their names. */
const TRACED = [["http_req_duration", "HTTP"], ["grpc_req_duration", "gRPC"]];
const MOST_TRACES = 20;

/** The slowest first, each trace once. */
function slowestTraces() {
  const found = new Map();
  for (const [metric, label] of TRACED) {
    for (const series of shared.model.by(metric, "name")) {
      for (const row of [...series.rows, series.late]) {
        const one = row && row.exemplar;
        if (!one || found.get(one.trace_id)?.one.value >= one.value) continue;
        found.set(one.trace_id, { one, label, name: series.tags.name });
      }
    }
  }
  return [...found.values()].sort((a, b) => b.one.value - a.one.value || a.name.localeCompare(b.name, "en")).slice(0, MOST_TRACES);
}

/** Where a trace is looked up: a link if the plan says so. */
function traceLink(id) {
  const url = shared.model.run.traces?.url;
  if (!url || !/^https?:\/\//.test(url)) return make("code", {}, id);
  const link = make("a", { href: url.replaceAll("{trace_id}", id), target: "_blank", rel: "noreferrer noopener" }, make("code", {}, id));
  // Cells with a `text` of their own are something else to tables, and links have one.
  return make("span", {}, link);
}

function traceTable() {
  const started = shared.model.run.started_at_ms;
  const rows = slowestTraces().map(({ one, label, name }) => [clock(Math.max(0, (one.at_ms - started) / 1000)), name, label, time(one.value), traceLink(one.trace_id)]);
  const traces = shared.model.run.traces;
  const note = traces ? `the slowest of each second and name among the ${share(traces.sampling)} that are kept; tracestate kingtide=${traces.run}` : "";
  return table("Slowest traces", ["<at", "<request", "<", "service time", "<trace"], rows, note);
}

/** Rings where the slowest requests of a column are whose traces are kept. */
function drawTraces(pen, frame, scale, series, columns) {
  pen.fillStyle = theme.ink;
  columns.forEach(([from, to]) => {
    let slowest = null;
    for (let at = from; series && at < to; at++) {
      // Of several seconds that were merged it is not known when it was: it is marked once.
      const one = shared.model.intervals[at]?.second === at && series.rows[at]?.exemplar;
      if (one && !(slowest && slowest.value >= one.value)) slowest = one;
    }
    if (slowest) drawSign(pen, "ring", frame.x((from + to) / 2), scale.y(Math.max(slowest.value, 0.001)), 2.6);
  });
}
