// One chart: its canvas, legend, crosshair and keys. What it shows is a description of `panels.js`.

class Chart {
  /** `plan`: { id, title, note, kind: "lines" | "stack" | "heat", log, unit: (v) => text, items: () => [...], wide, height, choose }. */
  constructor(plan) {
    this.plan = plan;
    this.visible = false;
    this.stale = true;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.hair = make("div.hair", { hidden: true });
    this.plot = make("div.plot", { tabindex: "0", role: "slider", "aria-label": `${plan.title}, by second`, "aria-valuemin": "0" }, this.canvas, this.hair);
    this.legend = make("div.legend");
    this.note = make("span.note", {}, plan.note || "");
    this.caption = make("figcaption", {}, make("h3", {}, plan.title), this.note, plan.choose ? plan.choose() : null);
    this.details = make("details.data", { ontoggle: () => this.fillTable() }, make("summary", {}, "as a table"), make("div", { tabindex: "0" }));
    this.figure = make(plan.wide ? "figure.wide" : "figure", { id: `chart-${plan.id}` }, this.caption, this.legend, this.plot, this.details);
    this.listen();
  }

  listen() {
    const at = (event) => {
      const second = this.frame ? this.frame.second(event.clientX - this.plot.getBoundingClientRect().left) : 0;
      moveCursor(Math.min(Math.max(second, 0), shared.model.length - 1));
    };
    this.plot.addEventListener("pointermove", at);
    this.plot.addEventListener("pointerdown", at);
    this.plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && document.activeElement !== this.plot && moveCursor(null));
    this.plot.addEventListener("focus", () => shared.cursor === null && this.plot.matches(":focus-visible") && moveCursor(shared.model.length - 1));
    this.plot.addEventListener("keydown", (event) => {
      const last = shared.model.length - 1;
      const from = shared.cursor ?? last;
      const step = event.shiftKey ? 10 : 1;
      const target = { ArrowRight: from + step, ArrowUp: from + step, ArrowLeft: from - step, ArrowDown: from - step, PageUp: from + 60, PageDown: from - 60, Home: 0, End: last, Escape: null }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      moveCursor(target === null ? null : Math.min(Math.max(target, 0), last));
    });
  }

  /** Whether there is anything to show. */
  get items() {
    return this.plan.items();
  }

  draw() {
    const items = this.items;
    this.figure.hidden = items.length === 0 && !this.plan.heat;
    if (this.figure.hidden) return;
    if (!this.visible) {
      this.stale = true;
      return;
    }
    this.stale = false;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(200, Math.floor(this.plot.clientWidth));
    const height = this.plan.height || 150;
    if (this.canvas.width !== Math.floor(width * ratio) || this.canvas.height !== Math.floor(height * ratio)) {
      this.canvas.width = Math.floor(width * ratio);
      this.canvas.height = Math.floor(height * ratio);
      this.canvas.style.height = `${height}px`;
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.frame = new Frame(width, height);
    if (this.plan.kind === "heat") drawHeat(pen, this.frame, this.plan.heat());
    else drawSeries(pen, this.frame, this.plan, items);
    this.drawLegend(items);
    this.showCursor();
    if (this.details.open && (!shared.live || shared.model.length % 10 === 0)) this.fillTable();
  }

  drawLegend(items) {
    const known = items.map((item) => item.label).join("\n");
    if (this.known !== known || this.shade !== theme.panel) {
      this.known = known;
      this.shade = theme.panel;
      this.values = items.map(() => make("b"));
      this.legend.replaceChildren(...items.map((item, at) => make("span", {}, item.colour ? swatch(item, this.plan.kind) : "", `${item.label} `, this.values[at])));
    }
    this.shown = items;
  }

  /** Puts the crosshair where it belongs, and the values of its second into the legend. */
  showCursor() {
    if (!this.frame || !this.shown) return;
    const at = shared.cursor;
    this.hair.hidden = at === null;
    const newest = at ?? (shared.live ? shared.model.length - 1 : null);
    this.shown.forEach((item, index) => {
      this.values[index].textContent = newest === null ? "" : this.text(item, newest);
      // What is not drawn itself is only worth a name when it has a value.
      this.values[index].parentElement.hidden = newest === null && !item.colour;
    });
    this.plot.setAttribute("aria-valuemax", String(Math.max(0, shared.model.length - 1)));
    this.plot.setAttribute("aria-valuenow", String(Math.max(0, newest ?? shared.model.length - 1)));
    if (at === null) return;
    this.hair.style.transform = `translateX(${this.frame.x(at + 0.5).toFixed(1)}px)`;
    if (document.activeElement === this.plot) {
      const parts = this.shown.map((item) => `${item.label} ${this.text(item, at)}`);
      const marks = eventsAt(at).map((event) => event.text || event.kind);
      this.plot.setAttribute("aria-valuetext", [clock(at), ...(inStall(at) ? ["stall"] : []), ...parts, ...marks].join(", "));
    }
  }

  text(item, at) {
    const value = item.values[at];
    return value === undefined || Number.isNaN(value) ? "–" : (item.unit || this.plan.unit)(value);
  }

  fillTable() {
    const box = this.details.lastElementChild;
    if (!this.details.open) return box.replaceChildren();
    const items = this.items;
    const head = make("tr", {}, make("th", { scope: "col" }, "at"), ...items.map((item) => make("th", { scope: "col" }, item.label)));
    const rows = [];
    for (let at = 0; at < shared.model.length; at++) {
      rows.push(make("tr", {}, make("td", {}, clock(at)), ...items.map((item) => make("td", {}, this.text(item, at)))));
    }
    box.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  }
}

function eventsAt(second) {
  return shared.model.events.filter((event) => Math.floor(event.at_ms / 1000) === second);
}

function inStall(second) {
  return shared.stalls.some((stall) => second >= stall.from && second < stall.to);
}

let cursorWaits = false;

/** Moves the crosshair of all charts; null takes it away. */
function moveCursor(second) {
  shared.cursor = second;
  if (cursorWaits) return;
  cursorWaits = true;
  requestAnimationFrame(() => {
    cursorWaits = false;
    for (const chart of shared.charts) if (chart.visible) chart.showCursor();
    const at = shared.cursor;
    const marks = at === null ? [] : eventsAt(at).map((event) => event.text || event.kind);
    const wall = at === null || !shared.model.run.started_at_ms ? "" : ` · ${new Date(shared.model.run.started_at_ms + at * 1000).toLocaleTimeString()}`;
    byId("readout").textContent = at === null ? "" : `at ${clock(at)}${wall}${inStall(at) ? " · stall" : ""}${marks.length ? ` · ${marks.join(", ")}` : ""}`;
  });
}
