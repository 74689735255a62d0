// The tables under the charts. With a summary they show its numbers, else the sums of the seconds so far.

function drawTables(summary, manifest) {
  // Not under the hands of somebody who is reading in them, or every second for nothing.
  const box = byId("tables");
  const isRead = box.contains(document.activeElement) || (box.contains(getSelection().anchorNode) && !getSelection().isCollapsed);
  if (shared.live && (isRead || (box.children.length && shared.model.length % 3))) return;
  const sections = [scenarioTable(summary), ...splitTables(summary), phaseTable(summary), checkTable(summary), metricTable(summary), traceTable(), eventTable(), errorTable(summary), aboutRun(manifest)];
  box.replaceChildren(...sections.filter(Boolean));
}

/** `head` are names, those with a leading "<" are texts; cells are texts or { text, alarm }. */
function table(title, head, rows, note) {
  if (!rows.length) return null;
  const text = head.map((name) => name.startsWith("<"));
  const cell = (value, at) => make(value && value.alarm ? "td.alarm" : text[at] ? "td.text" : "td", {}, value && value.text !== undefined ? value.text : value);
  const titles = make("tr", {}, ...head.map((name, at) => make(text[at] ? "th.text" : "th", { scope: "col" }, name.replace("<", ""))));
  const body = rows.map((row) => make("tr", {}, ...row.map(cell)));
  return make("section", {}, make("h2", {}, title), note ? make("p.plain", {}, note) : null, make("div.scroll", { tabindex: "0", role: "region", "aria-label": title }, make("table", {}, make("thead", {}, titles), make("tbody", {}, ...body))));
}

function alarmed(value, text = count(value)) {
  return { text, alarm: value > 0 };
}

function scenarioTable(summary) {
  // While a run lasts, and when it was killed, some iterations have not ended.
  const open = !summary || summary.run.cut_short;
  const rows = summary
    ? Object.entries(summary.scenarios).map(([name, scenario]) => ({ name, executor: scenario.executor, ...scenario.iterations }))
    : [...shared.model.scenarios.values()].map((scenario) => ({ name: scenario.name, executor: scenario.executor, ...scenario.total }));
  const cells = rows.map((row) => {
    const flying = row.started - row.completed - row.interrupted - row.failed;
    const whole = open ? row.offered >= row.started + row.dropped && flying >= 0 : row.offered === row.started + row.dropped && flying === 0;
    return [row.name, row.executor, count(row.offered), count(row.started), alarmed(row.dropped), count(row.completed), alarmed(row.failed), alarmed(row.interrupted), ...(open ? [count(flying)] : []), { text: whole ? "✓" : "✗", alarm: !whole }];
  });
  return table("Iterations by scenario", ["<scenario", "<executor", "offered", "started", "dropped", "completed", "failed", "interrupted", ...(open ? ["in flight"] : []), "adds up"], cells, "offered = started + dropped; started = completed + failed + interrupted");
}

const TREND_HEAD = ["count", "avg", "min", "med", "p90", "p95", "p99", "p99.9", "max"];

/** A distribution's cells from a summary's numbers or from a series. */
function trendCells(values, unit) {
  const form = (value) => inUnit(value, unit);
  if (values instanceof Trend) {
    const [t, p] = [values, (percent) => form(values.percentile(percent))];
    return [count(t.count), form(t.mean()), form(t.min), p(50), p(90), p(95), p(99), p(99.9), form(t.max)];
  }
  return [count(values.count), ...["avg", "min", "med", "p90", "p95", "p99", "p99.9", "max"].map((key) => form(values[key]))];
}

const SPLITS = [[["name"], "By name"], [["scenario"], "By scenario"], [["scenario", "stage"], "By stage"], [["revision"], "By revision"]];
const SPLIT_METRICS = [["http_req_duration", "HTTP request", "http_req_failed"], ["grpc_req_duration", "gRPC call", "grpc_req_failed"], ["iteration_response_time", "iteration, from its intended start"], ["iteration_duration", "iteration"]];

/** Distributions by name, scenario, stage and revision, with the share that failed. */
function splitTables(summary) {
  const all = known(summary);
  return SPLITS.map(([tags, title]) => {
    const rows = [];
    for (const [metric, label, failed] of SPLIT_METRICS) {
      for (const part of all) {
        if (part.metric !== metric || !part.count || !sameTags(part.tags, tags)) continue;
        const rate = all.find((other) => other.metric === failed && other.suffix === part.suffix);
        rows.push([...tags.map((tag) => part.tags[tag]), label, ...part.cells(), rate && rate.total ? alarmed(rate.passes, share(rate.passes / rate.total)) : ""]);
      }
    }
    rows.sort((a, b) => tags.reduce((order, _, at) => order || a[at].localeCompare(b[at], "en", { numeric: true }), 0));
    return table(title, [...tags.map((tag) => `<${tag}`), "<time of", ...TREND_HEAD, "failed"], rows);
  });
}

function sameTags(tags, names) {
  return Object.keys(tags).length === names.length && names.every((name) => name in tags);
}

/** Every series with its tags, from the summary if there is one, else from what the page has seen. */
function known(summary) {
  if (!summary) {
    return [...shared.model.series.values()].map(({ key, metric, tags, total, unit }) => ({
      metric, tags, suffix: key.slice(metric.length), count: total.count, passes: total.passes, total: total.total, cells: () => trendCells(total, unit),
    }));
  }
  return Object.entries(summary.metrics).map(([key, values]) => {
    const { metric, tags } = parseKey(key);
    return { metric, tags, suffix: key.slice(metric.length), count: values.type === "trend" ? values.count : 0, passes: values.passes, total: values.total, cells: () => trendCells(values, values.unit) };
  });
}

/** `metric{tag:value,other:"a, b"}`: what has commas, braces or quotes stands in quotes. */
function parseKey(key) {
  const open = key.indexOf("{");
  if (open < 0) return { metric: key, tags: {} };
  const tags = {};
  for (const [, tag, quoted, plain] of key.slice(open + 1, -1).matchAll(/([^:,]+):(?:"((?:[^"\\]|\\.)*)"|([^,]*))(?:,|$)/g)) {
    tags[tag] = quoted === undefined ? plain : quoted.replace(/\\(.)/g, "$1");
  }
  return { metric: key.slice(0, open), tags };
}

function phaseTable(summary) {
  const rows = (summary?.phases || []).flatMap((phase) => ["http_req_duration", "grpc_req_duration", "iteration_duration"].flatMap((metric) => {
    const values = phase.metrics[metric];
    return values && values.count ? [[phase.name, `${clock(phase.start_ms / 1000)}–${clock(phase.end_ms / 1000)}`, metric, ...trendCells(values, values.unit)]] : [];
  }));
  return table("By phase", ["<phase", "<from–to", "<metric", ...TREND_HEAD], rows);
}

function checkTable(summary) {
  const checks = summary ? summary.checks : [...shared.model.checks.values()];
  const rows = checks.map((check) => [check.name, check.group, share(check.passes / (check.passes + check.fails)), count(check.passes), alarmed(check.fails)]);
  return table("Checks", ["<check", "<group", "passed", "passes", "fails"], rows);
}

/** Every metric as a whole, and the parts that thresholds name. */
function metricTable(summary) {
  const rows = [];
  const trends = [];
  const all = summary ? Object.entries(summary.metrics) : [...shared.model.series.values()].map((series) => [series.key, series]);
  for (const [key, values] of [...all].sort(([a], [b]) => a.localeCompare(b, "en"))) {
    const total = values instanceof Series ? values.total : values;
    const unit = values.unit || "";
    const form = (value) => inUnit(value, unit);
    const rate = summary ? values.rate : values.ofLoad() / measuredSeconds(shared.model);
    if (/\{(name|scenario|stage|revision|phase|status|error_code|expected_response):/.test(key)) continue;
    if (values.type === "trend") total.count && trends.push([key, ...trendCells(total, unit)]);
    else if (values.type === "counter") (total.count ?? total.value) && rows.push([key, form(total.count ?? total.value), `${form(rate)}/s`]);
    else if (values.type === "rate") total.total && rows.push([key, share(total.passes / total.total), `${count(total.passes)} of ${count(total.total)}`]);
    else rows.push([key, form(total.value ?? NaN), `${form(total.min)} to ${form(total.max)}`]);
  }
  const both = make("div", {}, ...[table("Distributions", ["<metric", ...TREND_HEAD], trends), table("Counters, shares and gauges", ["<metric", "value", "more"], rows)].filter(Boolean));
  return both.children.length ? both : null;
}

function eventTable() {
  const rows = shared.model.events.map((event) => [clock(event.at_ms / 1000), event.kind, event.text]);
  return table("Events", ["<at", "<kind", "<what"], rows);
}

function errorTable(summary) {
  const rows = (summary?.errors || []).map((error) => [error.message, error.file ? `${error.file}${error.line ? `:${error.line}` : ""}` : "", count(error.count)]);
  return table("Errors of the script", ["<message", "<where", "count"], rows);
}

/** What was run, on what: the manifest as it is. */
function aboutRun(manifest) {
  if (!manifest) return null;
  const files = [manifest.script, ...(manifest.modules || []), ...(manifest.data || [])].map((file) => [file.path, count(file.bytes), file.sha256.slice(0, 16)]);
  const facts = [
    ...Object.entries(manifest.versions || {}),
    ["host", `${manifest.host.os} ${manifest.host.arch}, ${manifest.host.cpus} CPUs`],
    ...(manifest.git ? [["git", manifest.git.commit.slice(0, 12) + (manifest.git.dirty ? ", with changes" : "")]] : []),
    ["seed", String(manifest.seed)],
    ["started", manifest.started_at],
    ["ended", manifest.ended_at || "did not end"],
  ];
  return make("div", {},
    table("Environment", ["<what", "<value"], facts), table("Files", ["<file", "bytes", "SHA-256"], files),
    make("section", {}, make("h2", {}, "Configuration"), make("details", {}, make("summary", {}, "the options in force"), make("pre", {}, JSON.stringify(manifest.options, null, 2)))));
}
