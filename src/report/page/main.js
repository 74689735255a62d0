// Where the page begins: it reads the document, makes the charts, and draws when there is news.

const page = JSON.parse(byId("data").textContent);

/** A run is known: everything is made anew. */
function begin(header) {
  shared.model = new Model(header);
  shared.cursor = null;
  shared.stalls = [];
  byId("main").hidden = false;
  shared.charts = panels().map((plan) => new Chart(plan));
  byId("charts").replaceChildren(...shared.charts.map((chart) => chart.figure));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const chart = shared.charts.find((chart) => chart.figure === entry.target);
      if (!chart) continue;
      chart.visible = entry.isIntersecting;
      if (chart.visible && chart.stale) chart.draw();
    }
  }, { rootMargin: "300px" });
  const sizes = new ResizeObserver(() => redraw(true));
  for (const chart of shared.charts) {
    watch.observe(chart.figure);
  }
  sizes.observe(byId("charts"));
}

/** The choices of the filter: everything, each scenario, each name. */
function fillFilter() {
  const select = byId("filter");
  const { model } = shared;
  const names = (metric) => model.by(metric, "name").map((series) => series.tags.name);
  const choices = [
    ["", "everything"],
    ...[...model.scenarios.keys()].map((name) => [`scenario:${name}`, `scenario ${name}`]),
    ...[...new Set([...names("http_req_duration"), ...names("grpc_req_duration")])].map((name) => [`name:${name}`, name]),
  ];
  const known = choices.map(([value]) => value).join("\n");
  if (select.known === known) return;
  select.known = known;
  select.replaceChildren(...choices.map(([value, label]) => make("option", { value }, label)));
  select.value = shared.filter;
}

let drawWaits = false;
let onlyCharts = true;

/** Draws soon, once for all news until then. */
function redraw(chartsOnly = false) {
  onlyCharts = onlyCharts && chartsOnly;
  if (drawWaits || !shared.model) return;
  drawWaits = true;
  requestAnimationFrame(() => {
    drawWaits = false;
    drawAll(onlyCharts);
    onlyCharts = true;
  });
}

function drawAll(chartsOnly) {
  const summary = page.live ? live.summary : page.summary;
  if (!chartsOnly) {
    shared.stalls = stalls(shared.model);
    drawHead(summary, page.live || page.ended);
    fillFilter();
    drawFailures();
    drawTables(summary, page.manifest);
  }
  for (const chart of shared.charts) chart.draw();
  document.documentElement.dataset.drawn = String(shared.model.length);
}

function start() {
  readTheme();
  byId("mode").textContent = page.live ? "live" : "report";
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (readTheme(), redraw(true)));
  byId("filter").addEventListener("change", (event) => {
    shared.filter = event.target.value;
    redraw(true);
  });
  // On paper the colours are the light ones, and every chart is drawn.
  const print = (on) => {
    document.documentElement.classList.toggle("printing", on);
    readTheme();
    for (const chart of shared.charts) {
      chart.visible = chart.visible || on;
      chart.draw();
    }
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  if (page.live) {
    shared.live = true;
    setUpControl();
    listenLive();
    return;
  }
  begin(page.header);
  for (const interval of unpack(page)) shared.model.add(interval);
  redraw();
}

// For whoever looks at a run from the browser's console.
globalThis.kingtide = { model: () => shared.model, draw: () => drawAll(false), cursor: moveCursor };

start();
