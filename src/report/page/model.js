// What the page knows of the run: the intervals in columns by second. It draws nothing and asks nobody; the report
// fills it from the document, the live page second by second.

/** A series over time and as a whole. What is asked for is worked out once for each second. */
class Series {
  constructor(layout, intervals, row) {
    this.layout = layout;
    this.intervals = intervals;
    this.metric = row.metric;
    this.type = row.type;
    this.unit = row.unit || "";
    this.tags = row.tags || {};
    this.key = seriesKey(row.metric, this.tags);
    this.rows = [];
    /** What a counter has of before and after the load: it is in no rate. */
    this.outside = 0;
    this.columns = new Map();
    this.total = row.type === "trend" ? new Trend(layout, this.unit) : { value: 0, passes: 0, total: 0, min: Infinity, max: -Infinity };
  }

  /** `second` is null when it belongs to the sums and to no second of the load. */
  add(second, row) {
    if (second !== null) cover(this.rows, this.intervals[second], row);
    else this.late = row;
    const total = this.total;
    if (this.type === "trend") {
      total.add(row);
    } else if (this.type === "counter") {
      total.value += row.value;
      if (second === null) this.outside += row.value;
    } else if (this.type === "rate") {
      total.passes += row.passes;
      total.total += row.total;
    } else {
      total.value = row.value;
      total.min = Math.min(total.min, row.min);
      total.max = Math.max(total.max, row.max);
    }
  }

  /** A counter took `part` of a second's value before the load. */
  addOutside(second, part) {
    this.outside += part;
    this.rows[second].outside = part;
  }

  /** What a counter has of the load. */
  ofLoad() {
    return this.total.value - this.outside;
  }

  /**
   * A column of `length` seconds: `name` is a percentile as "p95", or a field of the rows, which for a counter is what it has
   * of the load; `absent` where there is none.
   */
  column(name, length, absent = NaN) {
    let column = this.columns.get(name);
    if (!column) this.columns.set(name, (column = []));
    const percent = /^p[\d.]+$/.test(name) ? Number(name.slice(1)) : null;
    for (let at = column.length; at < length; at++) {
      const row = this.rows[at];
      if (row && at > 0 && row === this.rows[at - 1]) column.push(column[at - 1]);
      else column.push(!row ? absent : percent === null ? this.field(row, name, at) : rowPercentile(this.layout, this.unit, row, percent));
    }
    return column;
  }

  field(row, name, at) {
    return this.type === "counter" ? (row[name] - (row.outside || 0)) / this.intervals[at].seconds : row[name];
  }
}

/** An interval's row is that of each of its seconds; what was counted is spread over them by whoever reads it. */
function cover(rows, interval, row) {
  for (let at = interval.second; at < interval.second + interval.seconds; at++) rows[at] = row;
}

function seriesKey(metric, tags) {
  const names = Object.keys(tags).sort();
  return names.length ? `${metric}{${names.map((name) => `${name}:${tags[name]}`).join(",")}}` : metric;
}

class Model {
  constructor(header) {
    this.header = header;
    this.run = header.run;
    this.layout = new Layout(header.run.buckets);
    /** Seconds from the start that there is anything of. */
    this.length = 0;
    /** By second: one that stands for several, as those of long ago do, is there for each of them. */
    this.intervals = [];
    this.series = new Map();
    this.scenarios = new Map();
    this.checks = new Map();
    this.events = [];
    this.thresholds = [];
    /** Failed requests by kind, how many of each there were, and how many kinds are not among them. */
    this.failures = new Map();
    this.failureKindsLeftOut = 0;
    this.generator = { cpu: [], dispatch: [], loop: [], gc: [] };
    for (const scenario of header.run.scenarios || []) this.scenario(scenario.name).executor = scenario.executor;
  }

  scenario(name) {
    let scenario = this.scenarios.get(name);
    if (!scenario) {
      const counts = { offered: 0, started: 0, completed: 0, dropped: 0, interrupted: 0, failed: 0 };
      this.scenarios.set(name, (scenario = { name, executor: "", total: counts, rows: [] }));
    }
    return scenario;
  }

  /** Takes a second in; one that is there already is not taken twice, so that a stream may begin anew. */
  add(interval) {
    const second = interval.second;
    if (this.intervals[second]) return false;
    if (interval.after_load) return this.addLate(interval);
    const span = interval.duration_ms || 1000;
    const known = { second, at: interval.at_ms, span, seconds: Math.max(1, Math.round(span / 1000)) };
    cover(this.intervals, known, known);
    this.length = Math.max(this.length, second + known.seconds);
    for (const [name, row] of Object.entries(interval.scenarios || {})) {
      const scenario = this.scenario(name);
      cover(scenario.rows, known, row);
      for (const key of Object.keys(scenario.total)) scenario.total[key] += row.iterations[key] || 0;
    }
    this.addSeries(interval.series || [], second);
    for (const row of interval.outside || []) if (row.type === "counter") this.get(row.metric, row.tags)?.addOutside(second, row.value);
    for (const row of interval.checks || []) this.check(row, second);
    if (interval.thresholds && interval.thresholds.length) this.thresholds = interval.thresholds;
    const health = interval.generator || {};
    cover(this.generator.cpu, known, number(health.cpu_percent));
    cover(this.generator.dispatch, known, number(health.dispatch_lag_p99_ms));
    cover(this.generator.loop, known, number(health.loop_lag_p99_ms));
    cover(this.generator.gc, known, number(health.gc_pause_max_ms));
    for (const event of interval.events || []) this.events.push(event);
    this.addFailures(interval);
    return true;
  }

  /** What `teardown` did is in the sums and no second of the load. */
  addLate(interval) {
    if (this.late) return false;
    this.late = true;
    this.addSeries(interval.series || [], null);
    for (const row of interval.checks || []) this.check(row, null);
    this.addFailures(interval);
    return true;
  }

  addFailures(interval) {
    for (const failed of interval.failures || []) {
      const kind = this.failures.get(failed.kind);
      if (kind) kind.requests.push(failed);
      else this.failures.set(failed.kind, { count: 0, requests: [failed] });
    }
    for (const { kind, count } of interval.failed || []) if (this.failures.has(kind)) this.failures.get(kind).count += count;
    this.failureKindsLeftOut += interval.failure_kinds_left_out || 0;
  }

  addSeries(rows, second) {
    for (const row of rows) {
      const key = seriesKey(row.metric, row.tags || {});
      let series = this.series.get(key);
      if (!series) this.series.set(key, (series = new Series(this.layout, this.intervals, row)));
      series.add(second, row);
    }
  }

  check(row, second) {
    const key = `${row.group || ""}\n${row.name}`;
    let check = this.checks.get(key);
    if (!check) this.checks.set(key, (check = { name: row.name, group: row.group || "", passes: 0, fails: 0, rows: [] }));
    check.passes += row.passes;
    check.fails += row.fails;
    if (second !== null) cover(check.rows, this.intervals[second], row);
  }

  get(metric, tags = {}) {
    return this.series.get(seriesKey(metric, tags));
  }

  /** Series of a metric that carry this tag and no other. */
  by(metric, tag) {
    const found = [];
    for (const series of this.series.values()) {
      const names = Object.keys(series.tags);
      if (series.metric === metric && names.length === 1 && names[0] === tag) found.push(series);
    }
    return found.sort((a, b) => String(a.tags[tag]).localeCompare(String(b.tags[tag]), "en", { numeric: true }));
  }

  /** A number of each second over the scenarios that `name` lets through; "" lets all. */
  counts(field, name = "") {
    const out = new Array(this.length).fill(NaN);
    for (const scenario of this.scenarios.values()) {
      if (name && scenario.name !== name) continue;
      for (let at = 0; at < this.length; at++) {
        const row = scenario.rows[at];
        if (!row) continue;
        const value = field in row ? row[field] : row.iterations[field] / this.intervals[at].seconds;
        out[at] = (Number.isNaN(out[at]) ? 0 : out[at]) + (value || 0);
      }
    }
    return out;
  }

  /** How many requests, calls and streams of the load ended in each second. */
  requests() {
    const out = new Array(this.length).fill(0);
    for (const metric of ["http_reqs", "grpc_reqs", "grpc_streams"]) {
      const series = this.get(metric);
      if (series) series.column("value", this.length, 0).forEach((value, at) => (out[at] += value));
    }
    return out;
  }
}

/** How many seconds of a run that lasts are in its counters: not those in which all scenarios warm up. */
function measuredSeconds(model) {
  return Math.max(model.length - (model.run.measured_from_ms || 0) / 1000, 1);
}

function number(value) {
  return typeof value === "number" ? value : NaN;
}

/** The intervals of a document, in which a series is named once and its rows are lists. */
function unpack(document) {
  const flat = (deltas) => {
    const out = new Array(deltas.length);
    let index = 0;
    for (let i = 0; i < deltas.length; i += 2) {
      out[i] = index += deltas[i];
      out[i + 1] = deltas[i + 1];
    }
    return out;
  };
  const row = ([at, ...v]) => {
    const series = document.series[at];
    switch (series.type) {
      case "trend": return { ...series, count: v[0], sum: v[1], min: v[2], max: v[3], buckets: flat(v[4]), exemplar: v[5] && { value: v[5][0], trace_id: v[5][1], at_ms: v[5][2] } };
      case "rate": return { ...series, passes: v[0], total: v[1] };
      case "gauge": return { ...series, value: v[0], min: v[1], max: v[2] };
      default: return { ...series, value: v[0] };
    }
  };
  const [offered, started, completed, dropped, interrupted, failed] = [0, 1, 2, 3, 4, 5];
  const scenarios = (rows) => Object.fromEntries(rows.map(([at, n, vus, queued]) => {
    const iterations = { offered: n[offered], started: n[started], completed: n[completed], dropped: n[dropped], interrupted: n[interrupted], failed: n[failed] };
    return [document.scenarios[at], { iterations, vus, queued }];
  }));
  const checks = (rows) => rows.map(([at, passes, fails]) => ({ group: document.checks[at][0], name: document.checks[at][1], passes, fails }));
  return document.intervals.map((interval) => ({
    ...interval,
    series: interval.series.map(row),
    outside: (interval.outside || []).map(row),
    scenarios: scenarios(interval.scenarios),
    checks: checks(interval.checks),
  }));
}

/** An interval as the stream has it: buckets as pairs. */
function fromStream(interval) {
  for (const row of interval.series || []) if (row.buckets) row.buckets = row.buckets.flat();
  return interval;
}

/**
 * Spans in which the system hardly answered although users were there: fewer than a quarter of the requests of the ten
 * seconds before, for two seconds or more. What the plan itself takes away (stages, pauses, the end) is none.
 */
function stalls(model) {
  const done = model.requests();
  const vus = model.counts("vus");
  const paused = pauses(model);
  const found = [];
  let usual = [];
  let people = [];
  let open = null;
  for (let at = 0; at < model.length; at++) {
    const whole = model.intervals[at] && model.intervals[at].span >= 900;
    const expected = median(usual);
    const thin = whole && !paused(at) && usual.length >= 3 && expected >= 4 && done[at] < expected / 4 && vus[at] >= median(people) / 2;
    if (thin) {
      if (!open) open = { from: at, to: at + 1, usual: expected, done: 0 };
      open.to = at + 1;
      open.done += done[at];
      continue;
    }
    if (open && open.to - open.from >= 2) found.push(open);
    open = null;
    if (whole) {
      usual = [...usual.slice(-9), done[at]];
      people = [...people.slice(-9), vus[at] || 0];
    }
  }
  if (open && open.to - open.from >= 2) found.push(open);
  return found;
}

/** Whether the schedules stood still in a second, by the events. */
function pauses(model) {
  const spans = [];
  for (const event of model.events) {
    if (event.kind === "pause") spans.push([Math.floor(event.at_ms / 1000), Infinity]);
    if (event.kind === "resume" && spans.length) spans[spans.length - 1][1] = Math.ceil(event.at_ms / 1000);
  }
  return (at) => spans.some(([from, to]) => at >= from && at <= to);
}

function median(values) {
  if (!values.length) return NaN;
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
