// How numbers and times read, and how elements are made. Texts of the run go into text nodes only, never into markup.

const THIN = "\u202f";

function count(value) {
  if (!Number.isFinite(value)) return "–";
  const whole = Math.abs(value) >= 100 || Number.isInteger(value);
  const text = whole ? String(Math.round(value)) : significant(value);
  return text.replace(/^(-?\d{4,})/, (digits) => digits.replace(/\B(?=(\d{3})+$)/g, THIN));
}

function significant(value) {
  return value === 0 ? "0" : String(Number(value.toPrecision(3)));
}

function time(ms) {
  if (!Number.isFinite(ms)) return "–";
  const size = Math.abs(ms);
  if (size === 0) return `0${THIN}ms`;
  if (size < 0.9995) return `${significant(ms * 1000)}${THIN}µs`;
  if (size < 999.5) return `${significant(ms)}${THIN}ms`;
  return `${significant(ms / 1000)}${THIN}s`;
}

function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (Math.abs(value) >= 999.5 && at < units.length - 1) [value, at] = [value / 1000, at + 1];
  return `${significant(value)}${THIN}${units[at]}`;
}

/** A share is 100 % only when it is all. */
function share(value) {
  if (!Number.isFinite(value)) return "–";
  const rounded = significant(value * 100);
  return `${value < 1 && rounded === "100" ? "99.9" : rounded}${THIN}%`;
}

function percent(value) {
  return Number.isFinite(value) ? `${significant(value)}${THIN}%` : "–";
}

/** A value in its metric's unit. */
function inUnit(value, unit) {
  if (unit === "ms") return time(value);
  if (unit === "bytes") return bytes(value);
  return unit ? `${count(value)}${THIN}${unit}` : count(value);
}

/** A moment of the run: 1:05, 1:02:05. */
function clock(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A length of time: 45 s, 5 min, 1 h 2 min. */
function span(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const parts = [h && `${h}${THIN}h`, m && `${m}${THIN}min`, (s >= 0.05 || !(h || m)) && `${significant(Math.round(s * 10) / 10)}${THIN}s`];
  return parts.filter(Boolean).join(" ");
}

/** An element: `make("p.note", { id: "a" }, "text", child…)`. */
function make(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function byId(id) {
  return document.getElementById(id);
}
