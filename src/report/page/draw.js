// Drawing on a canvas: grid, lines, stacked areas, the heat map, events and stalls. Where more seconds than pixels are to
// be shown, a column of pixels keeps the smallest and the largest of its seconds, so that no peak is lost.

function drawSeries(pen, frame, plan, items) {
  const columns = columnsOf(frame);
  const stacks = plan.kind === "stack" ? stacked(items, columns) : null;
  let largest = 0;
  let smallest = Infinity;
  if (stacks) {
    for (const values of stacks) for (const value of values) if (value > largest) largest = value;
  } else {
    for (const item of items) {
      for (const value of item.values) {
        if (value > largest) largest = value;
        if (value > 0 && value < smallest) smallest = value;
      }
    }
  }
  const scale = plan.log ? logScale(frame, smallest, largest) : linearScale(frame, largest, plan.ceiling);
  drawGrid(pen, frame, scale, plan.unit);
  drawStalls(pen, frame);
  pen.save();
  pen.beginPath();
  pen.rect(frame.left - 1, frame.top - 4, frame.across + 2, frame.down + 6);
  pen.clip();
  if (stacks) drawStack(pen, frame, scale, items, stacks, columns);
  else items.forEach((item) => drawLine(pen, frame, scale, item, columns));
  pen.restore();
  drawEvents(pen, frame);
  if (!frame.narrow) drawLabels(pen, frame, scale, items, stacks);
}

/** First and last second (exclusive) of each column of pixels; one column for each second while there is room. */
function columnsOf(frame) {
  const seconds = shared.model.length;
  const wide = Math.max(1, Math.floor(frame.across));
  const each = Math.max(1, frame.seconds / wide);
  const out = [];
  for (let at = 0; at < seconds; at += each) {
    const [from, to] = [Math.floor(at), Math.min(seconds, Math.max(Math.floor(at) + 1, Math.floor(at + each)))];
    out.push([from, to]);
  }
  return out;
}

function drawGrid(pen, frame, scale, unit) {
  pen.font = "11px system-ui, sans-serif";
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const value of scale.ticks()) {
    const y = Math.round(scale.y(value)) + 0.5;
    pen.strokeStyle = value === 0 ? theme.rule : theme.grid;
    pen.beginPath();
    pen.moveTo(frame.left, y);
    pen.lineTo(frame.left + frame.across, y);
    pen.stroke();
    pen.fillStyle = theme.soft;
    pen.fillText(unit(value), frame.left - 6, y);
  }
  pen.textBaseline = "alphabetic";
  for (const second of timeTicks(frame)) {
    const x = Math.round(frame.x(second)) + 0.5;
    pen.strokeStyle = theme.grid;
    pen.beginPath();
    pen.moveTo(x, frame.top);
    pen.lineTo(x, frame.top + frame.down + 3);
    pen.stroke();
    pen.textAlign = x + 18 > frame.width ? "right" : "center";
    pen.fillText(clock(second), Math.min(x, frame.width - 1), frame.height - 5);
  }
}

/** Stalls go through all charts as a hatched band, with their name where there is room. */
function drawStalls(pen, frame) {
  for (const stall of shared.stalls) {
    const x = frame.x(stall.from);
    const width = Math.max(3, frame.x(stall.to) - x);
    pen.globalAlpha = 0.16;
    pen.fillStyle = theme.bad;
    pen.fillRect(x, frame.top, width, frame.down);
    pen.globalAlpha = 0.5;
    pen.fillStyle = hatch(pen, 1, theme.bad);
    pen.fillRect(x, frame.top, width, 7);
    pen.fillRect(x, frame.top + frame.down - 7, width, 7);
    pen.globalAlpha = 1;
    pen.fillStyle = theme.bad;
    pen.fillRect(x - 0.5, frame.top, 1, frame.down);
    pen.fillRect(x + width - 0.5, frame.top, 1, frame.down);
    pen.font = "bold 11px system-ui, sans-serif";
    pen.textAlign = "left";
    const text = "stall";
    const inside = width > pen.measureText(text).width + 8;
    pen.fillText(text, inside ? x + 4 : x + width + 4, frame.top + 18);
  }
}

const EVENT_SIGNS = { stage: "▾", reload: "↻", "reload-refused": "↻", pause: "Ⅱ", resume: "▸", stop: "■" };

function drawEvents(pen, frame) {
  let free = -Infinity;
  for (const event of shared.model.events) {
    const x = Math.round(frame.x(event.at_ms / 1000)) + 0.5;
    pen.strokeStyle = theme.soft;
    pen.globalAlpha = 0.75;
    pen.setLineDash([1, 3]);
    pen.beginPath();
    pen.moveTo(x, frame.top);
    pen.lineTo(x, frame.top + frame.down);
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    if (x < free) continue;
    free = x + 12;
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.fillStyle = theme.ink;
    pen.fillText(EVENT_SIGNS[event.kind] || "◆", x, frame.top + 4);
  }
}

/** A line through the seconds; in a column of several, a bar from its smallest to its largest value. */
function drawLine(pen, frame, scale, item, columns) {
  pen.strokeStyle = pen.fillStyle = theme[item.colour];
  pen.lineWidth = item.width || 1.7;
  pen.lineJoin = "round";
  const dense = columns.length > 0 && columns.length < shared.model.length;
  pen.setLineDash(dense ? [] : item.dash);
  pen.beginPath();
  let down = false;
  let alone = null;
  let marked = -Infinity;
  const marks = [];
  const end = () => {
    if (alone) marks.push(alone);
    alone = null;
    down = false;
  };
  for (const [from, to] of columns) {
    const found = extent(item.values, from, to);
    if (!found) {
      end();
      continue;
    }
    const x = frame.x((from + to) / 2);
    const [first, low, high, last] = found.map((value) => scale.y(value));
    if (!down) pen.moveTo(x, first);
    else pen.lineTo(x, first);
    alone = down ? null : [x, first];
    if (low !== high) {
      pen.lineTo(x, low);
      pen.lineTo(x, high);
      pen.lineTo(x, last);
    }
    if (x - marked > 90) {
      marks.push([x, last]);
      marked = x;
    }
    down = true;
  }
  end();
  pen.stroke();
  pen.setLineDash([]);
  for (const [x, y] of marks) drawSign(pen, item.sign, x, y, 2.8);
}

/** First, smallest, largest and last value of some seconds. */
function extent(values, from, to) {
  let found = null;
  for (let at = from; at < to; at++) {
    const value = values[at];
    if (value === undefined || Number.isNaN(value)) continue;
    if (!found) found = [value, value, value, value];
    if (value < found[1]) found[1] = value;
    if (value > found[2]) found[2] = value;
    found[3] = value;
  }
  return found;
}

/** Tops of the layers in each column; of several seconds, the one with the largest sum counts. */
function stacked(items, columns) {
  const tops = items.map(() => new Float64Array(columns.length));
  columns.forEach(([from, to], column) => {
    let [best, most] = [from, -1];
    for (let at = from; at < to; at++) {
      const sum = items.reduce((sum, item) => sum + (item.values[at] || 0), 0);
      if (sum > most) [best, most] = [at, sum];
    }
    let top = 0;
    items.forEach((item, index) => (tops[index][column] = top += item.values[best] || 0));
  });
  return tops;
}

function drawStack(pen, frame, scale, items, tops, columns) {
  const edge = (values, backwards) => {
    const order = columns.map((_, at) => (backwards ? columns.length - 1 - at : at));
    for (const at of order) {
      const [from, to] = columns[at];
      const y = scale.y(values ? values[at] : 0);
      const [near, far] = backwards ? [to, from] : [from, to];
      pen.lineTo(frame.x(near), y);
      pen.lineTo(frame.x(far), y);
    }
  };
  for (let layer = items.length - 1; layer >= 0; layer--) {
    const item = items[layer];
    pen.beginPath();
    edge(tops[layer], false);
    edge(layer ? tops[layer - 1] : null, true);
    pen.closePath();
    pen.fillStyle = theme[item.colour];
    pen.fill();
    const stripes = hatch(pen, item.hatch, theme.panel);
    if (stripes) {
      pen.fillStyle = stripes;
      pen.fill();
    }
  }
}

/** The names of the series at the right end, moved apart where they would meet. */
function drawLabels(pen, frame, scale, items, stacks) {
  const at = shared.model.length - 1;
  const labels = items.map((item, index) => {
    let second = at;
    while (second > 0 && !(item.values[second] !== undefined && !Number.isNaN(item.values[second]))) second--;
    const value = stacks ? stacks[index][stacks[index].length - 1] : item.values[second];
    return { item, y: scale.y(value), shown: !stacks || item.values.some((value) => value > 0) };
  });
  const shown = labels.filter((label) => label.shown && Number.isFinite(label.y)).sort((a, b) => a.y - b.y);
  if (shown.length * 13 > frame.height) return;
  for (let i = 1; i < shown.length; i++) shown[i].y = Math.max(shown[i].y, shown[i - 1].y + 13);
  const over = shown.length ? shown[shown.length - 1].y - (frame.top + frame.down) : 0;
  for (let i = shown.length - 1, least = Infinity; over > 0 && i >= 0; i--) least = shown[i].y = Math.min(shown[i].y, frame.top + frame.down, least - 13);
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  const x = frame.left + frame.across + 6;
  for (const { item, y } of shown) {
    pen.fillStyle = theme[item.colour];
    drawSign(pen, item.sign || "square", x + 3, y, 2.8);
    pen.fillText(clip(pen, item.short || item.label, frame.right - 20), x + 12, y);
  }
  pen.textBaseline = "alphabetic";
}

function clip(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > room) end--;
  return `${text.slice(0, end)}…`;
}

/** Rows of the heat map in a doubling or so: eight for each power of ten. */
const ROWS = 8;

/** Seconds by latency: the darker, the more requests. */
function drawHeat(pen, frame, series) {
  const columns = columnsOf(frame);
  const layout = shared.model.layout;
  const scaleOf = layout.scale(series ? series.unit : "ms");
  const cells = columns.map(([from, to]) => {
    const cell = new Map();
    for (let at = from, next; series && at < to; at = next) {
      const row = series.rows[at];
      const { second, seconds } = shared.model.intervals[at] || { second: at, seconds: 1 };
      next = Math.min(to, second + seconds);
      for (let i = 0; row && i < row.buckets.length; i += 2) {
        const value = Math.max(layout.middle(row.buckets[i]) / scaleOf, 0.001);
        const key = Math.floor(Math.log10(value) * ROWS);
        cell.set(key, (cell.get(key) || 0) + (row.buckets[i + 1] * (next - at)) / seconds);
      }
    }
    return cell;
  });
  let [least, most, peak] = [Infinity, -Infinity, 1];
  for (const cell of cells) {
    for (const [key, many] of cell) {
      least = Math.min(least, key);
      most = Math.max(most, key);
      peak = Math.max(peak, many);
    }
  }
  const found = Number.isFinite(least);
  const scale = found ? new Scale(frame, 10 ** (least / ROWS), 10 ** ((most + 1) / ROWS), true) : logScale(frame, NaN, NaN);
  drawGrid(pen, frame, scale, time);
  drawStalls(pen, frame);
  cells.forEach((cell, at) => {
    const x = frame.x(columns[at][0]);
    const width = Math.max(1, frame.x(columns[at][1]) - x + 0.35);
    for (const [key, many] of cell) {
      const top = scale.y(10 ** ((key + 1) / ROWS));
      const alpha = 0.14 + 0.86 * (Math.log1p(many) / Math.log1p(peak));
      pen.fillStyle = `rgba(${theme.heat}, ${alpha.toFixed(3)})`;
      pen.fillRect(x, top, width, scale.y(10 ** (key / ROWS)) - top + 0.35);
    }
  });
  drawTraces(pen, frame, scale, series, columns);
  drawEvents(pen, frame);
}
