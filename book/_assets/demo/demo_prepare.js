/* From a series to what the model sees, as src/dynamix/preprocessing/ does it, in plain JavaScript.
 *
 * N dimensions of the model, n columns of the series, T context steps. A column is an array of
 * numbers. A classic script: modules cannot be loaded by a page that is opened from a file.
 */
window.DynaMixPrepare = (function () {
  "use strict";

  const ROUNDING = 4 * Number.EPSILON; // of the largest value: a smaller deviation is none
  const SMALLEST_REST = 1e-6; // a deviation below this, after a season was removed, is rounding
  const SHORTEST_FOR_POS = 10;
  const CYCLES = 10; // of the context's end, whose mean is the season
  const LEAST_CYCLES = 3; // in a context

  /** Radix-2 Fourier transform in place. */
  function fourier(re, im) {
    const L = re.length;
    for (let i = 1, j = 0; i < L; i++) { // bit reversal
      let bit = L >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        [re[i], re[j]] = [re[j], re[i]];
        [im[i], im[j]] = [im[j], im[i]];
      }
    }
    for (let size = 2; size <= L; size *= 2) {
      const angle = (-2 * Math.PI) / size, half = size / 2;
      for (let k = 0; k < half; k++) {
        const c = Math.cos(angle * k), s = Math.sin(angle * k);
        for (let i = k; i < L; i += size) {
          const r = re[i + half] * c - im[i + half] * s, m = re[i + half] * s + im[i + half] * c;
          re[i + half] = re[i] - r;
          im[i + half] = im[i] - m;
          re[i] += r;
          im[i] += m;
        }
      }
    }
  }

  const meanOf = (x) => x.reduce((sum, value) => sum + value, 0) / x.length;

  /** Mean and sample deviation (n - 1) of a column. */
  function statistics(column, least = 0) {
    const mean = meanOf(column);
    let squares = 0, size = 0;
    for (const value of column) {
      squares += (value - mean) * (value - mean);
      size = Math.max(size, Math.abs(value));
    }
    const deviation = Math.sqrt(squares / (column.length - 1));
    return { mean, scale: Math.max(deviation > ROUNDING * size ? deviation : size || 1, least) };
  }

  const scaled = (column, { mean, scale }) => Float64Array.from(column, (value) => (value - mean) / scale);

  // ---- periods ----

  /** Biased autocorrelation at lags 0 to T - 1, by the Fourier transform of the padded column. */
  function autocorrelation(column) {
    const T = column.length, mean = meanOf(column);
    let L = 2;
    while (L < 2 * T) L *= 2;
    const re = new Float64Array(L), im = new Float64Array(L);
    for (let t = 0; t < T; t++) re[t] = column[t] - mean;
    fourier(re, im);
    for (let k = 0; k < L; k++) {
      re[k] = re[k] * re[k] + im[k] * im[k];
      im[k] = 0;
    }
    fourier(re, im); // the inverse, but for a factor: the power is even
    return re.slice(0, T).map((value) => value / re[0]);
  }

  /** Lag of the autocorrelation's highest peak beyond T / 10, the longest over columns. */
  function dominantPeriod(columns) {
    let longest = 0;
    for (const column of columns) {
      const acf = autocorrelation(column);
      const first = Math.floor(acf.length / 10) + 1;
      let peak = -1, largest = first;
      for (let lag = first; lag < acf.length; lag++) {
        if (acf[lag] > acf[largest]) largest = lag;
        const strict = lag < acf.length - 1 && acf[lag] > acf[lag - 1] && acf[lag] > acf[lag + 1];
        if (strict && (peak < 0 || acf[lag] > acf[peak])) peak = lag;
      }
      longest = Math.max(longest, peak < 0 ? largest : peak);
    }
    return longest;
  }

  /** First lag whose autocorrelation is below 1/e, the longest over columns; at least 1. */
  function decorrelationTime(columns) {
    let longest = 1;
    for (const column of columns) {
      const acf = autocorrelation(column), half = Math.floor(column.length / 2);
      for (let lag = 1; lag < half; lag++) {
        if (acf[lag] < 1 / Math.E) {
          longest = Math.max(longest, lag);
          break;
        }
      }
    }
    return longest;
  }

  // ---- seasons (preprocessing/seasons.py) ----

  /** A column without its moving mean over a period, and without half a period at both ends. */
  function detrended(x, period) {
    const mean = meanOf(x), half = period >> 1, sums = new Float64Array(x.length + 1);
    for (let t = 0; t < x.length; t++) sums[t + 1] = sums[t] + x[t] - mean;
    const over = (from) => (sums[from + period] - sums[from]) / period;
    return Float64Array.from({ length: x.length - 2 * half }, (_, t) =>
      x[t + half] - mean - (period % 2 ? over(t) : (over(t) + over(t + 1)) / 2));
  }

  function median(values) {
    const sorted = Float64Array.from(values).sort(), half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  /** The mean cycle of a column's last cycles, of mean 0, beginning at the phase of step 1. */
  function pattern(x, period) {
    const rest = detrended(x, period), count = Math.min(CYCLES, Math.floor(rest.length / period));
    const begin = rest.length - count * period, shift = ((period >> 1) + begin) % period;
    const shape = new Float64Array(period);
    for (let phase = 0; phase < period; phase++) {
      const each = Array.from({ length: count }, (_, c) => rest[begin + c * period + phase]);
      shape[(phase + shift) % period] = (meanOf(each) + median(each)) / 2;
    }
    const mean = meanOf(shape);
    return shape.map((value) => value - mean);
  }

  /** The patterns of some periods of a column, the shortest first, and what they leave. */
  function seasonOf(column, periods) {
    let rest = Float64Array.from(column);
    const shapes = [...periods].sort((a, b) => a - b).map((period) => {
      const shape = pattern(rest, period);
      rest = rest.map((value, t) => value - shape[t % period]);
      return shape;
    });
    return { rest, at: (t) => shapes.reduce((sum, shape) => sum + shape[t % shape.length], 0) };
  }

  // ---- the model's dimensions (preprocessing/embedding.py) ----

  /** What fills the missing dimensions: functions of a step, and how many first steps are lost. */
  function completion(columns, count, embedding) {
    const T = columns[0].length;
    if (embedding === "zero") return { fill: Array.from({ length: count }, () => () => 0), lost: 0 };
    if (embedding === "delay") {
      let delay = decorrelationTime(columns);
      if (count * delay >= T) delay = Math.max(1, Math.floor(T / (count + 1)));
      if (T - count * delay < 2) {
        throw new Error(`A delay embedding needs a context of at least ${count * delay + 2} steps, found ${T}.`);
      }
      const last = columns[columns.length - 1];
      return { fill: Array.from({ length: count }, (_, i) => (t) => last[t - (i + 1) * delay]), lost: count * delay, delay };
    }
    if (T < SHORTEST_FOR_POS) throw new Error(`The context needs at least ${SHORTEST_FOR_POS} steps, found ${T}.`);
    const period = dominantPeriod(columns);
    const phase = (i) => (count > 1 ? (i / (count - 1)) * (Math.PI / 2) : 0);
    const sine = (i) => (t) => Math.sin((2 * Math.PI * (t + 1)) / period + phase(i));
    return { fill: Array.from({ length: count }, (_, i) => sine(i)), lost: 0, period };
  }

  /**
   * A context as the model sees it: each column standardised, without its seasons where some are
   * given, missing dimensions filled, rounded to single precision.
   *
   * @param {ArrayLike<number>[]} columns 1 to N columns of equal length
   * @param {{embedding?: "pos" | "zero" | "delay", season?: number[]}} how
   * @returns {{points: Float64Array, T: number, n: number, N: number, lost: number,
   *   period: ?number, delay: ?number, back: (i: number, value: number, t: number) => number}}
   *   points are row after row, T x N; `lost` first steps have no row; `back` takes a value of
   *   column i, t steps after the context's first, to the data's units
   */
  function prepare(columns, N, { embedding = "pos", season = [] } = {}) {
    const n = columns.length, steps = columns[0].length;
    if (n > N) throw new Error(`The model sees ${N} columns at once, found ${n}.`);
    if (steps < 2) throw new Error(`The context needs at least 2 steps, found ${steps}.`);
    for (const period of season) {
      if (LEAST_CYCLES * period > steps) {
        throw new Error(`A season of ${period} steps needs a context of ${LEAST_CYCLES * period} steps, found ${steps}. ` +
          "Show more steps, or leave the season empty.");
      }
    }
    const first = columns.map((column) => statistics(column));
    let ready = columns.map((column, i) => scaled(column, first[i]));
    let back = (i, value) => value * first[i].scale + first[i].mean;
    if (season.length) {
      const found = ready.map((column) => seasonOf(column, season));
      const again = found.map(({ rest }) => statistics(rest, SMALLEST_REST));
      ready = found.map(({ rest }, i) => scaled(rest, again[i]));
      const units = back;
      back = (i, value, t) => units(i, value * again[i].scale + again[i].mean + found[i].at(t));
    }
    const { fill, lost, period = null, delay = null } = n < N ? completion(ready, N - n, embedding) : { fill: [], lost: 0 };
    const T = steps - lost, points = new Float64Array(T * N);
    for (let t = 0; t < T; t++) {
      for (let i = 0; i < N; i++) {
        points[t * N + i] = Math.fround(i < n ? ready[i][t + lost] : fill[i - n](t + lost));
      }
    }
    return { points, T, n, N, lost, period, delay, back, steps };
  }

  // ---- a context's spacing (src/dynamix/forecasting/spacing.py) ----

  const ASKED = 128; // states whose nearest neighbours are looked for
  const HALF_OCTAVES = [-2, 4]; // factors lie between 1/2 and 4

  /** Median distance from a state to the nearest of another passage; 0 where there is none. */
  function spacing({ points, T, N }) {
    const every = Array.from({ length: N }, (_, i) => Float64Array.from({ length: T }, (_, t) => points[t * N + i]));
    const moving = every.filter((column) => column.some((value) => value !== column[0]));
    if (!moving.length) return 0;
    const near = decorrelationTime(moving), nearest = [], asked = new Set();
    for (let i = 0; i < ASKED; i++) asked.add(i === ASKED - 1 ? T - 1 : Math.floor(i * ((T - 1) / (ASKED - 1))));
    for (const k of asked) {
      let least = Infinity;
      for (let t = 0; t < T; t++) {
        if (Math.abs(t - k) <= near) continue;
        let distance = 0;
        for (const column of moving) distance += Math.abs(column[t] - column[k]);
        if (distance < least) least = distance;
      }
      if (least < Infinity) nearest.push(least);
    }
    return nearest.length ? median(nearest) : 0;
  }

  /** By how much the gate's widths follow a context's spacing: a power of the root of 2. */
  function widening(context, reference) {
    const found = reference > 0 ? spacing(context) : 0;
    if (!(found > 0)) return 1;
    const steps = Math.round(2 * Math.log2(found / reference));
    return Math.pow(2, Math.min(Math.max(steps, HALF_OCTAVES[0]), HALF_OCTAVES[1]) / 2);
  }

  return { fourier, autocorrelation, dominantPeriod, decorrelationTime, prepare, spacing, widening };
})();
