// Colours, dashes and signs: every series has all three, so that colour alone carries nothing.

const DASHES = [[], [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 3], [8, 2]];
const SIGNS = ["circle", "square", "triangle", "diamond", "cross", "ring", "down", "bar"];
const theme = {};

/** Reads the colours of the style sheet; again when the theme changes. */
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "panel", "ink", "soft", "rule", "grid", "good", "warn", "bad", "heat", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"]) {
    theme[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

/** The look of the series with number `at`. */
function look(at, colour = `c${at % 8}`) {
  return { colour, dash: DASHES[at % 8], sign: SIGNS[at % 8] };
}

function drawSign(context, sign, x, y, r = 3.2) {
  context.beginPath();
  switch (sign) {
    case "square": context.rect(x - r, y - r, 2 * r, 2 * r); break;
    case "triangle": context.moveTo(x, y - r - 1); context.lineTo(x + r + 1, y + r); context.lineTo(x - r - 1, y + r); break;
    case "down": context.moveTo(x, y + r + 1); context.lineTo(x + r + 1, y - r); context.lineTo(x - r - 1, y - r); break;
    case "diamond": context.moveTo(x, y - r - 1.5); context.lineTo(x + r + 1.5, y); context.lineTo(x, y + r + 1.5); context.lineTo(x - r - 1.5, y); break;
    case "cross": context.rect(x - r - 1, y - 1, 2 * r + 2, 2); context.rect(x - 1, y - r - 1, 2, 2 * r + 2); break;
    case "bar": context.rect(x - 1.2, y - r - 1, 2.4, 2 * r + 2); break;
    case "ring": context.arc(x, y, r + 0.6, 0, 2 * Math.PI); context.moveTo(x + r - 1.4, y); context.arc(x, y, r - 1.4, 0, 2 * Math.PI, true); break;
    default: context.arc(x, y, r, 0, 7);
  }
  context.closePath();
  context.fill();
}

/** Stripes over a filled area; `at` 0 has none. */
function hatch(context, at, colour) {
  if (at % 4 === 0) return null;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 1.6;
  pen.beginPath();
  const line = (x1, y1, x2, y2) => (pen.moveTo(x1, y1), pen.lineTo(x2, y2));
  if (at % 4 === 1) for (const x of [-8, 0, 8]) line(x, 8, x + 8, 0);
  if (at % 4 === 2) line(0, 4, 8, 4);
  if (at % 4 === 3) for (const x of [-8, 0, 8]) line(x, 0, x + 8, 8);
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

/** The sample of a series beside its name in the legend. */
function swatch(item, kind) {
  const ratio = window.devicePixelRatio || 1;
  const canvas = make("canvas", { width: 26 * ratio, height: 12 * ratio, "aria-hidden": "true" });
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = pen.strokeStyle = theme[item.colour];
  if (kind === "stack") {
    pen.fillRect(2, 1, 22, 10);
    const stripes = hatch(pen, item.hatch, theme.panel);
    if (stripes) {
      pen.fillStyle = stripes;
      pen.fillRect(2, 1, 22, 10);
    }
    return canvas;
  }
  pen.lineWidth = 2;
  pen.setLineDash(item.dash);
  pen.beginPath();
  pen.moveTo(0, 6);
  pen.lineTo(26, 6);
  // In the heat map there are signs without lines.
  if (kind !== "heat") pen.stroke();
  drawSign(pen, item.sign, 13, 6);
  return canvas;
}
