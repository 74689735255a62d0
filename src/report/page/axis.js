// The time axis that all charts share, and the values' axes: where a second and a value are, and which ticks are drawn.

const shared = {
  model: null,
  /** The second under the crosshair, or null. */
  cursor: null,
  /** "", "scenario:NAME" or "name:NAME". */
  filter: "",
  stalls: [],
  charts: [],
  live: false,
};

/** Seconds that the axis shows: a live page begins with a minute, so that its first seconds are not a wall. */
function axisLength() {
  return Math.max(shared.model.length, shared.live ? 60 : 2);
}

class Frame {
  constructor(width, height) {
    const narrow = width < 560;
    this.width = width;
    this.height = height;
    this.left = narrow ? 46 : 58;
    this.right = narrow ? 10 : width > 900 ? 128 : 92;
    this.top = 8;
    this.bottom = 20;
    this.narrow = narrow;
    this.seconds = axisLength();
  }

  get across() { return this.width - this.left - this.right; }
  get down() { return this.height - this.top - this.bottom; }

  x(second) { return this.left + (second / this.seconds) * this.across; }
  second(x) { return Math.floor(((x - this.left) / this.across) * this.seconds); }
}

/** How values map to heights: `frame.top` is `high`. */
class Scale {
  constructor(frame, low, high, isLog) {
    Object.assign(this, { frame, low, high, isLog });
  }

  y(value) {
    const { frame, low, high } = this;
    const part = this.isLog
      ? (Math.log(Math.max(value, low)) - Math.log(low)) / (Math.log(high) - Math.log(low))
      : (value - low) / (high - low);
    return frame.top + frame.down * (1 - Math.min(Math.max(part, 0), 1));
  }

  ticks() {
    if (!this.isLog) {
      const step = niceStep((this.high - this.low) / Math.max(2, Math.floor(this.frame.down / 32)));
      const out = [];
      for (let value = this.low; value <= this.high * 1.0001; value += step) out.push(value);
      return out;
    }
    const out = [];
    const decades = Math.log10(this.high / this.low);
    const leads = decades <= 1.5 ? [1, 2, 5] : [1];
    for (let power = Math.floor(Math.log10(this.low)); power <= Math.ceil(Math.log10(this.high)); power++) {
      for (const lead of leads) {
        const value = lead * 10 ** power;
        if (value >= this.low * 0.999 && value <= this.high * 1.001) out.push(value);
      }
    }
    const room = Math.ceil(out.length / Math.max(2, Math.floor(this.frame.down / 22)));
    return out.filter((_, at) => at % room === 0);
  }
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map((lead) => lead * power).find((step) => step >= rough) || power * 10;
}

/** From zero, with a whole step above the largest value. */
function linearScale(frame, largest, ceiling) {
  const top = Math.max(largest || 0, ceiling || 0) || 1;
  const step = niceStep(top / Math.max(2, Math.floor(frame.down / 32)));
  return new Scale(frame, 0, Math.ceil((top * 1.02) / step) * step, false);
}

/** From below the smallest to above the largest value, at least one decade. */
function logScale(frame, smallest, largest) {
  if (!(smallest > 0) || !Number.isFinite(largest)) return new Scale(frame, 1, 1000, true);
  const floor = (value) => 10 ** (Math.floor(Math.log10(value) * 2) / 2);
  const low = floor(smallest);
  const high = Math.max(10 ** (Math.ceil(Math.log10(largest * 1.05) * 2) / 2), low * 10);
  return new Scale(frame, low, high, true);
}

/** Seconds at which the time axis has a tick. */
function timeTicks(frame) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
  const most = Math.max(2, Math.floor(frame.across / 70));
  const step = steps.find((step) => frame.seconds / step <= most) || steps[steps.length - 1];
  const out = [];
  for (let second = 0; second <= frame.seconds; second += step) out.push(second);
  return out;
}
