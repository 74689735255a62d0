// The first screen: verdict with its reasons, figures, thresholds with their distance to the limit, the generator's
// health, and what stands out.

const WORDS = { pass: ["Pass", "good"], fail: ["Fail", "bad"], aborted: ["Aborted", "bad"], untrusted: ["Not trusted", "warn"] };

/** `summary` is null while the run lasts. */
function drawHead(summary, ended) {
  const { model } = shared;
  drawVerdict(summary, ended);
  drawFigures(summary);
  drawThresholds(summary);
  drawHealth(summary);
  drawMoments();
  const run = model.run;
  const took = summary ? summary.run.duration_ms / 1000 : model.length;
  const tags = Object.entries(run.tags || {}).map(([key, value]) => `${key}=${value}`);
  byId("where").textContent = [run.script, run.started_at, span(took), `seed ${run.seed}`, ...tags].join(" · ");
}

/** Until the first second of the load. */
function drawBefore() {
  byId("verdict").hidden = false;
  setText("word", "Running");
  setText("sentence", "the load has not begun yet: setup runs, or users are made");
}

function drawVerdict(summary, ended) {
  const box = byId("verdict");
  box.hidden = false;
  let [word, tone, sentence, reasons] = ["Running", "", "", []];
  const { thresholds } = shared.model;
  if (summary) {
    [word, tone] = WORDS[summary.verdict] || [summary.verdict, "warn"];
    reasons = (summary.run.reasons || []).map((reason) => reason.message);
    const done = Object.values(summary.scenarios).reduce((sum, scenario) => sum + scenario.iterations.completed, 0);
    const met = summary.thresholds.length === 0 ? "no thresholds" : summary.thresholds.length === 1 ? "1 threshold met" : `all ${summary.thresholds.length} thresholds met`;
    sentence = reasons.length ? `${reasons[0]} (exit code ${summary.exit_code})` : `${met}, ${count(done)} iterations completed`;
    reasons = [...reasons.slice(1), ...(ended ? [] : ["the run did not come to its end: this is what it left"]), ...(summary.warnings || [])];
  } else {
    const broken = thresholds.filter((threshold) => threshold.ok === false);
    tone = broken.length ? "bad" : "";
    sentence = broken.length
      ? `${broken.length} of ${thresholds.length} thresholds are not met so far`
      : thresholds.length ? `all ${thresholds.length} thresholds hold so far` : "no thresholds";
    reasons = broken.map((threshold) => `${threshold.metric} ${threshold.expression}`);
  }
  box.className = `verdict ${tone}`;
  setText("word", word);
  setText("sentence", sentence);
  byId("reasons").replaceChildren(...reasons.map((text) => make("li", {}, text)));
}

function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Numbers of the whole run: those of the summary, else of what is known so far. */
function wholes(summary) {
  const { model } = shared;
  const metrics = summary ? summary.metrics : null;
  return {
    trend(metric) {
      const known = metrics ? metrics[metric] : null;
      if (known) return { count: known.count, p50: known.med, p95: known.p95, p99: known.p99, max: known.max };
      const series = model.get(metric);
      return series ? { count: series.total.count, p50: series.total.percentile(50), p95: series.total.percentile(95), p99: series.total.percentile(99), max: series.total.max } : null;
    },
    counter(metric) {
      if (metrics) return metrics[metric] ? metrics[metric].count : 0;
      return model.get(metric)?.total.value || 0;
    },
    /** Of the load, for each second that was measured. */
    rate(metric) {
      if (metrics) return metrics[metric] ? metrics[metric].rate : 0;
      return (model.get(metric)?.ofLoad() || 0) / measuredSeconds(model);
    },
    share(metric) {
      const known = metrics ? metrics[metric] : model.get(metric)?.total;
      return known && known.total ? { part: known.passes / known.total, passes: known.passes, total: known.total } : null;
    },
  };
}

function drawFigures(summary) {
  const { model } = shared;
  const whole = wholes(summary);
  const sums = { offered: 0, completed: 0, dropped: 0, failed: 0, interrupted: 0 };
  const rows = summary ? Object.values(summary.scenarios).map((scenario) => scenario.iterations) : [...model.scenarios.values()].map((scenario) => scenario.total);
  for (const row of rows) for (const key of Object.keys(sums)) sums[key] += row[key];
  const figures = [["iterations", count(sums.completed), `of ${count(sums.offered)}`], ["dropped", count(sums.dropped), "", sums.dropped > 0]];
  const lost = sums.failed + sums.interrupted;
  if (lost) figures.push(["failed, interrupted", count(lost), "", true]);
  for (const [kind, counter, duration, response, failed] of [
    ["HTTP", "http_reqs", "http_req_duration", "http_req_response_time", "http_req_failed"],
    ["gRPC", "grpc_reqs", "grpc_req_duration", "grpc_req_response_time", "grpc_req_failed"],
  ]) {
    const many = whole.counter(counter);
    if (!many) continue;
    const service = whole.trend(duration);
    const waits = whole.trend(response);
    const bad = whole.share(failed);
    figures.push([`${kind} requests`, count(many), `${count(whole.rate(counter))}/s`]);
    if (service && service.count) figures.push([`${kind} service p95`, time(service.p95), `max ${time(service.max)}`]);
    if (waits && waits.count) figures.push([`${kind} response p95`, time(waits.p95), `max ${time(waits.max)}`]);
    if (bad) figures.push([`${kind} failed`, share(bad.part), bad.passes ? count(bad.passes) : "", bad.passes > 0]);
  }
  byId("figures").replaceChildren(...figures.map(([name, value, more, alarm]) => make(alarm ? "div.alarm" : "div", {}, make("dt", {}, name), make("dd", {}, value, more ? " " : "", make("small", {}, more || "")))));
}

/** Thresholds as they stand, with the limits of the newest interval and the outcome of the summary. */
function drawThresholds(summary) {
  const known = shared.model.thresholds;
  const outcome = summary ? summary.thresholds : known;
  const rows = outcome.map((threshold) => {
    const other = known.find((row) => row.metric === threshold.metric && row.expression === threshold.expression);
    return { unit: unitOf(threshold.metric, threshold.expression, summary), ...threshold, limit: threshold.limit ?? other?.limit };
  });
  byId("thresholds").hidden = rows.length === 0;
  byId("thresholds").lastElementChild.replaceChildren(...rows.map(thresholdRow));
}

/** Thresholds of the intervals do not say their unit: it is that of the metric, but for what counts samples or seconds. */
function unitOf(metric, expression, summary) {
  const name = metric.split("{")[0];
  const known = summary?.metrics[metric] || [...shared.model.series.values()].find((series) => series.metric === name);
  const asked = expression.trim().match(/^[a-z]*/)[0];
  if (!known || ["count", "passes", "fails"].includes(asked)) return "";
  if (asked === "rate") return known.type === "rate" ? "share" : "/s";
  return known.unit || "";
}

function thresholdRow({ metric, expression, ok, observed, limit, unit, window, aborted }) {
  const form = (value) => (unit === "share" ? share(value) : inUnit(value, unit));
  const has = observed !== null && observed !== undefined;
  const tone = ok === null ? "" : ok ? "good" : "bad";
  const room = roomText({ has, ok, observed, limit, form });
  const bar = make(`div.gauge${tone ? `.${tone}` : ""}`, { "aria-hidden": "true" });
  if (has && Number.isFinite(limit)) {
    // The limit stands at two thirds, or the value when it is far beyond.
    const full = Math.max(limit * 1.5, Math.abs(observed) * 1.05) || 1;
    const fill = make("i");
    fill.style.width = `${Math.max(0.5, Math.min(100, (observed / full) * 100))}%`;
    const line = make("b");
    line.style.left = `${(limit / full) * 100}%`;
    bar.append(fill, line);
  }
  return make("li", {}, make("div.limit", {},
    make("span", {}, make(`span.mark.${tone || "plain"}`, {}, ok === null ? "… " : ok ? "✓ " : "✗ "), make("code", {}, `${metric} ${expression}`), window ? ` worst ${window}` : "", aborted ? " – ended the run" : ""),
    make(`span.room${ok === false ? ".bad" : ""}`, {}, room)), bar);
}

function roomText({ has, ok, observed, limit, form }) {
  if (!has) return ok === false ? "no data, which fails" : "no data yet";
  if (!Number.isFinite(limit)) return form(observed);
  if (limit === 0) return `${form(observed)}, limit ${form(limit)}`;
  const off = Math.abs(observed - limit) / Math.abs(limit);
  const far = off >= 10 ? `${count(Math.round(observed / limit))} times the limit` : `${share(off)} ${observed < limit ? "below" : "above"} the limit`;
  return `${form(observed)} – ${observed === limit ? "at the limit" : far}`;
}

function drawHealth(summary) {
  const { model } = shared;
  const last = (values) => values.findLast((value) => !Number.isNaN(value));
  const health = summary ? summary.generator : null;
  const box = byId("health");
  const worst = (values) => values.reduce((most, value) => (value > most ? value : most), -1);
  box.hidden = !health && model.length === 0;
  const rows = [];
  if (health) {
    const [word, tone, sign] = { valid: ["valid", "good", "✓"], suspect: ["suspect", "warn", "!"], invalid: ["invalid", "bad", "!"] }[health.verdict] || [health.verdict, "warn", "!"];
    rows.push(make("p", {}, make(`span.mark.${tone}`, {}, `${sign} ${word}`), health.verdict === "valid" ? ": it kept up, the numbers are the system's" : ": the numbers may be the generator's own"));
    for (const reason of [...health.reasons, ...(health.notes || [])]) rows.push(make("p", {}, reason));
  }
  const cpu = health ? health.cpu_percent : last(model.generator.cpu);
  const texts = [`CPU ${percent(cpu)}${worst(model.generator.cpu) > 0 ? `, at most ${percent(worst(model.generator.cpu))} in a second` : ""}`];
  const add = (label, value) => Number.isFinite(value) && value >= 0 && texts.push(`${label} ${time(value)}`);
  add("start lag p99", health?.start_lag_p99_ms);
  add("dispatch lag p99", health ? health.dispatch_lag_p99_ms : last(model.generator.dispatch));
  add("loop lag p99", health ? health.loop_lag_p99_ms : last(model.generator.loop));
  add("longest GC step", health ? health.gc_pause_max_ms : worst(model.generator.gc));
  rows.push(make("p.plain", {}, texts.join(" · ")));
  box.lastElementChild.replaceChildren(...rows);
}

/** Stalls, each with what it did to those who waited; choosing one moves the crosshair there. */
function drawMoments() {
  const { model } = shared;
  const rows = shared.stalls.map((stall) => {
    const waits = ["http_req_response_time", "grpc_req_response_time", "iteration_response_time", "http_req_duration", "grpc_req_duration"].map((metric) => model.get(metric)).find(Boolean);
    let most = 0;
    if (waits) for (let at = stall.from; at < Math.min(stall.to + 5, model.length); at++) most = Math.max(most, waits.rows[at]?.max || 0);
    const dropped = model.counts("dropped").slice(stall.from, stall.to + 2).reduce((sum, value) => sum + (value || 0), 0);
    const rest = [`${count(Math.round(stall.done))} requests in ${span(stall.to - stall.from)}, where ${count(stall.usual * (stall.to - stall.from))} were usual`];
    if (most) rest.push(`the longest wait was ${time(most)}`);
    if (dropped) rest.push(`${count(Math.ceil(dropped))} iterations were dropped`);
    return make("li", {}, make("button", { type: "button", onclick: () => showMoment(stall) }, make("b", {}, `Stall from ${clock(stall.from)} to ${clock(stall.to)}`), `: ${rest.join("; ")}`));
  });
  byId("moments").hidden = rows.length === 0;
  const list = byId("moments").lastElementChild;
  // Buttons stay while they say the same, so that the keyboard's focus stays too.
  if (list.textContent !== rows.map((row) => row.textContent).join("")) list.replaceChildren(...rows);
}

function showMoment(stall) {
  moveCursor(stall.from);
  byId("chart-rate").scrollIntoView({ block: "center" });
  byId("chart-rate").querySelector(".plot").focus({ preventScroll: true });
}
