// Distributions as the engine keeps them: HDR buckets that can be added up. The layout comes with the data, so that
// this file knows the shape of a bucket and not how fine it is.

class Layout {
  /** `spec`: { doubling, units_per_ms, units_per_one }, as the header of the intervals has it. */
  constructor(spec) {
    this.doubling = spec.doubling;
    this.perMs = spec.units_per_ms;
    this.perOne = spec.units_per_one;
  }

  /** How many units a 1 of the metric's unit is. */
  scale(unit) {
    return unit === "ms" ? this.perMs : this.perOne;
  }

  /** The middle of a bucket, in units: one unit wide at first, and twice as wide from each doubling on. */
  middle(index) {
    const behind = Math.max(0, Math.floor(index / this.doubling) - 1);
    const width = 2 ** behind;
    return (index - behind * this.doubling) * width + Math.floor(width / 2);
  }
}

/** A distribution: exact count, sum, smallest and largest; percentiles by nearest rank, as the engine's. */
class Trend {
  constructor(layout, unit) {
    this.layout = layout;
    this.scale = layout.scale(unit);
    this.count = 0;
    this.sum = 0;
    this.min = Infinity;
    this.max = -Infinity;
    this.counts = new Float64Array(0);
  }

  /** Adds what one second had: { count, sum, min, max, buckets: [index, count, index, count, …] }. */
  add(row) {
    if (row.count === 0) return;
    this.count += row.count;
    this.sum += row.sum;
    if (row.min < this.min) this.min = row.min;
    if (row.max > this.max) this.max = row.max;
    const buckets = row.buckets;
    const last = buckets.length ? buckets[buckets.length - 2] : -1;
    if (last >= this.counts.length) {
      const grown = new Float64Array(Math.ceil((last + 1) / 1024) * 1024);
      grown.set(this.counts);
      this.counts = grown;
    }
    for (let i = 0; i < buckets.length; i += 2) this.counts[buckets[i]] += buckets[i + 1];
  }

  mean() {
    return this.count ? Math.min(Math.max(this.sum / this.count, this.min), this.max) : NaN;
  }

  percentile(percent) {
    return rankedValue(this, percent, (visit) => {
      for (let i = 0; i < this.counts.length; i++) if (this.counts[i] > 0 && visit(i, this.counts[i])) return;
    });
  }
}

/** Percentile of one second's row, without making a distribution of it. */
function rowPercentile(layout, unit, row, percent) {
  const trend = { layout, scale: layout.scale(unit), count: row.count, min: row.min, max: row.max };
  return rankedValue(trend, percent, (visit) => {
    for (let i = 0; i < row.buckets.length; i += 2) if (visit(row.buckets[i], row.buckets[i + 1])) return;
  });
}

/** The smallest value that at least `percent` of the samples do not exceed. */
function rankedValue(trend, percent, walk) {
  if (!trend.count) return NaN;
  // 99.9 % of 1,000 is 999.0000000000001 in floating point, and rank 999 all the same.
  const exact = (percent / 100) * trend.count * (1 - 1e-12);
  const rank = Math.min(Math.max(Math.ceil(exact), 1), trend.count);
  if (rank === trend.count) return trend.max;
  let seen = 0;
  let value = trend.max;
  walk((index, count) => {
    seen += count;
    if (seen < rank) return false;
    value = trend.layout.middle(index) / trend.scale;
    return true;
  });
  return Math.min(Math.max(value, trend.min), trend.max);
}
