/* The demo's pictures, on canvases. Each draws a "run":
 *
 *   {names, n, T, context (T x n), truth (steps x n), forecast (horizon x n), gates (horizon x J),
 *    steps, J, delay, looksAt}
 *
 * rows in units of the data. Colours come from the style sheet, so that the theme decides.
 */
window.DynaMixDraw = (function () {
  "use strict";

  const LEFT = 34; // room for labels, the same in all pictures over time
  const FONT = "12px system-ui, sans-serif";
  const FORECAST_DASH = [7, 2];
  const TRAIL = 40; // latest steps of the attractor, drawn thicker

  /** A whole number as text, with a minus sign that is as wide as a plus. */
  const format = (number) => (Math.round(number) || 0).toLocaleString("en").replace("-", "−");

  /** The style sheet's colours, as they are in the present theme. */
  function palette(element) {
    const style = getComputedStyle(element);
    const colour = (name) => style.getPropertyValue(`--dynamix-${name}`).trim();
    return Object.fromEntries(
      ["context", "truth", "forecast", "ink", "faint", "glow", "ground"].map((name) => [name, colour(name)]));
  }

  /** Match a canvas' pixels to its size on the page; returns a context that works in CSS pixels. */
  function fit(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = FONT;
    return { pen, width, height, ratio };
  }

  /** Text along a vertical axis, squeezed into `room`. */
  function upright(pen, text, x, y, room) {
    pen.save();
    pen.translate(x, y);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(text, 0, 0, room);
    pen.restore();
  }

  /** Lowest and highest value of each column. */
  function ranges(rows, n) {
    const low = new Float64Array(n).fill(Infinity), high = new Float64Array(n).fill(-Infinity);
    for (let at = 0; at < rows.length; at++) {
      const i = at % n;
      if (rows[at] < low[i]) low[i] = rows[at];
      if (rows[at] > high[i]) high[i] = rows[at];
    }
    return { low, high };
  }

  // ---- the attractor ----

  /** Attractor in three dimensions (two for two columns); a single column in delay coordinates. */
  class Attractor {
    constructor(canvas) {
      this.canvas = canvas;
      this.layer = document.createElement("canvas");
      this.view = { plane: "3d", turn: -60, tilt: 15, zoom: 1, truth: true };
      this.key = "";
      this.drawn = 0;
    }

    /**
     * Coordinates of time t (negative: context, else `ahead`, forecast or truth), scaled so that
     * the context fills [-1, 1].
     */
    point(run, t, out, ahead = run.forecast) {
      const d = run.n === 1 ? 3 : run.n;
      for (let i = 0; i < 3; i++) {
        if (i >= d) {
          out[i] = 0;
          continue;
        }
        const channel = run.n === 1 ? 0 : i;
        const at = run.n === 1 ? t - i * run.delay : t;
        const value = at < 0 ? run.context[(Math.max(at, -run.T) + run.T) * run.n + channel]
          : ahead[at * run.n + channel];
        out[i] = (2 * (value - run.range.low[channel])) / (run.range.high[channel] - run.range.low[channel]) - 1;
      }
      return out;
    }

    /** Where a point of [-1, 1]^3 lies on the canvas. */
    project(p, run, width, height) {
      const { plane, turn, tilt, zoom } = this.view;
      const flat = run.n === 2 ? "01" : plane;
      const size = Math.min(width, height) / 2;
      if (flat !== "3d") {
        return [width / 2 + 0.84 * size * zoom * p[flat[0]], height / 2 - 0.84 * size * zoom * p[flat[1]]];
      }
      const a = (turn * Math.PI) / 180, e = (tilt * Math.PI) / 180, scale = 0.66 * size * zoom;
      const across = -Math.sin(a) * p[0] + Math.cos(a) * p[1];
      const towards = Math.cos(a) * p[0] + Math.sin(a) * p[1];
      return [width / 2 + scale * across, height / 2 - scale * (Math.cos(e) * p[2] - Math.sin(e) * towards)];
    }

    path(pen, run, from, to, width, height, ahead) {
      const p = [0, 0, 0];
      pen.beginPath();
      for (let t = from; t < to; t++) {
        const [x, y] = this.project(this.point(run, t, p, ahead), run, width, height);
        if (t === from) pen.moveTo(x, y);
        else pen.lineTo(x, y);
      }
      pen.stroke();
    }

    draw(run, colours) {
      const { pen, width, height, ratio } = fit(this.canvas);
      pen.clearRect(0, 0, width, height);
      if (!run || !width || !height) return; // not laid out yet, or hidden
      // what is drawn already is kept on a layer, and only what is new is added
      const key = JSON.stringify([this.view, width, height, ratio, colours, run.id]);
      const layer = this.layer.getContext("2d");
      if (key !== this.key || run.steps < this.drawn) {
        this.key = key;
        this.layer.width = this.canvas.width;
        this.layer.height = this.canvas.height;
        layer.setTransform(ratio, 0, 0, ratio, 0, 0);
        layer.lineJoin = "round";
        this.axes(layer, run, colours, width, height);
        layer.strokeStyle = colours.context;
        layer.globalAlpha = 0.8;
        layer.lineWidth = 1.1;
        const lost = run.n === 1 ? 2 * run.delay : 0; // delays reach back
        this.path(layer, run, lost - run.T, 0, width, height);
        if (this.view.truth && run.truth.length) {
          layer.strokeStyle = colours.truth;
          layer.globalAlpha = 1;
          layer.lineWidth = 0.9;
          this.path(layer, run, -1, run.truth.length / run.n, width, height, run.truth);
        }
        this.drawn = 0;
      }
      if (run.steps > this.drawn) {
        layer.strokeStyle = colours.forecast;
        layer.globalAlpha = 0.6; // so that the context shows through
        layer.lineWidth = 0.8;
        this.path(layer, run, this.drawn - 1, run.steps, width, height);
        this.drawn = run.steps;
      }
      pen.drawImage(this.layer, 0, 0, width, height);
      pen.strokeStyle = colours.forecast;
      pen.lineWidth = 2.2;
      pen.lineJoin = "round";
      if (run.steps) this.path(pen, run, Math.max(-1, run.steps - TRAIL), run.steps, width, height);
      const p = [0, 0, 0];
      if (run.steps && run.looksAt !== null) { // the context step that the gate attends to most
        const [x, y] = this.project(this.point(run, run.looksAt - run.T, p), run, width, height);
        pen.strokeStyle = colours.truth;
        pen.lineWidth = 2;
        pen.beginPath();
        pen.arc(x, y, 8, 0, 2 * Math.PI);
        pen.stroke();
      }
      const [x, y] = this.project(this.point(run, run.steps - 1, p), run, width, height);
      pen.fillStyle = colours.ink;
      pen.beginPath();
      pen.arc(x, y, 3.5, 0, 2 * Math.PI);
      pen.fill();
    }

    axes(pen, run, colours, width, height) {
      const names = axisNames(run);
      const flat = run.n === 2 ? "01" : this.view.plane;
      pen.font = FONT;
      pen.globalAlpha = 1;
      pen.fillStyle = pen.strokeStyle = colours.ink;
      pen.lineWidth = 1;
      pen.textBaseline = "middle";
      if (flat !== "3d") {
        pen.textAlign = "center";
        pen.fillText(names[flat[0]], width / 2, height - 10);
        upright(pen, names[flat[1]], 10, height / 2, height);
        return;
      }
      // the edges of the box that meet in its lower corner
      const corner = this.project([-1, -1, -1], run, width, height);
      for (let i = 0; i < 3; i++) {
        const end = [-1, -1, -1];
        end[i] = 1;
        const [x, y] = this.project(end, run, width, height);
        pen.globalAlpha = 0.4;
        pen.beginPath();
        pen.moveTo(...corner);
        pen.lineTo(x, y);
        pen.stroke();
        pen.globalAlpha = 1;
        const half = pen.measureText(names[i]).width / 2;
        const outwards = 12 * Math.sign(x - corner[0]);
        pen.textAlign = "center";
        pen.fillText(names[i], Math.min(Math.max(x + outwards, half + 2), width - half - 2),
          Math.min(Math.max(y + (i === 2 ? -10 : 10), 8), height - 8));
      }
    }
  }

  /** What the attractor's axes show. */
  function axisNames(run) {
    return run.n === 1 ? ["x(t)", `x(t − ${run.delay})`, `x(t − ${2 * run.delay})`] : run.names;
  }

  // ---- pictures over time ----

  /** A line of the values at times from <= t < to, times counted from the context's end. */
  function line(pen, valueAt, from, to, xOf, yOf) {
    pen.beginPath();
    for (let t = from; t < to; t++) {
      if (t === from) pen.moveTo(xOf(t), yOf(valueAt(t)));
      else pen.lineTo(xOf(t), yOf(valueAt(t)));
    }
    pen.stroke();
  }

  /** Context, forecast and truth over the window [from, from + span). */
  function series(canvas, run, colours, from, span) {
    const { pen, width, height } = fit(canvas);
    pen.clearRect(0, 0, width, height);
    if (!run) return;
    const { n, T } = run, bottom = 20, row = (height - bottom) / n;
    const xOf = (t) => LEFT + ((t - from) / span) * (width - LEFT);
    pen.textBaseline = "middle";
    for (let i = 0; i < n; i++) {
      const low = run.range.low[i], high = run.range.high[i], room = 0.12 * row;
      const yOf = (value) => i * row + room + ((high - value) / (high - low)) * (row - 2 * room);
      pen.fillStyle = colours.ink;
      upright(pen, run.names[i], 8, (i + 0.5) * row, row);
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, i * row, width - LEFT, row);
      pen.clip();
      pen.lineWidth = 1.3;
      pen.strokeStyle = colours.context;
      line(pen, (t) => run.context[(t + T) * n + i], Math.max(from, -T), Math.min(from + span, 0), xOf, yOf);
      const real = run.truth.length / n;
      pen.strokeStyle = colours.truth;
      line(pen, (t) => (t < 0 ? run.context[(T - 1) * n + i] : run.truth[t * n + i]),
        Math.max(from, real ? -1 : 0), Math.min(from + span, real), xOf, yOf);
      pen.strokeStyle = colours.forecast;
      pen.setLineDash(FORECAST_DASH);
      pen.lineWidth = 1.6;
      line(pen, (t) => (t < 0 ? run.context[(T - 1) * n + i] : run.forecast[t * n + i]),
        Math.max(from, run.steps ? -1 : 0), Math.min(from + span, run.steps), xOf, yOf);
      pen.setLineDash([]);
      pen.restore();
    }
    timeAxis(pen, colours, from, span, xOf, width, height - bottom);
  }

  /** Ticks in round steps, and the context's end. */
  function timeAxis(pen, colours, from, span, xOf, width, bottom) {
    const rough = (span * 90) / (width - LEFT); // a tick every 90 pixels or so
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
    pen.fillStyle = colours.ink;
    pen.strokeStyle = colours.faint;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let t = Math.ceil(from / step) * step; t < from + span; t += step) {
      pen.moveTo(xOf(t), 0);
      pen.lineTo(xOf(t), bottom + 3);
      const half = pen.measureText(format(t)).width / 2;
      pen.textAlign = "center";
      pen.fillText(format(t), Math.min(Math.max(xOf(t), half), width - half), bottom + 12);
    }
    pen.stroke();
    if (from <= 0 && from + span > 0) {
      pen.strokeStyle = colours.ink;
      pen.beginPath();
      pen.moveTo(xOf(0), 0);
      pen.lineTo(xOf(0), bottom);
      pen.stroke();
    }
  }

  /** Weight of every expert over the same window: full colour is the largest weight so far. */
  function experts(canvas, run, colours, from, span) {
    const { pen, width, height } = fit(canvas);
    pen.clearRect(0, 0, width, height);
    if (!run) return;
    const row = height / run.J, step = (width - LEFT) / span;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    for (let j = 0; j < run.J; j++) {
      pen.fillStyle = colours.ink;
      pen.globalAlpha = 1;
      pen.fillText(String(j + 1), 0, (j + 0.5) * row);
      pen.fillStyle = colours.faint;
      pen.fillRect(LEFT, (j + 1) * row - 1, width - LEFT, 1);
      pen.fillStyle = colours.glow;
      for (let t = Math.max(from, 0); t < Math.min(from + span, run.steps); t++) {
        const weight = run.gates[t * run.J + j] / run.largest;
        if (weight < 0.01) continue;
        pen.globalAlpha = weight;
        pen.fillRect(LEFT + (t - from) * step, j * row + 1, Math.max(step, 1), row - 2);
      }
    }
    pen.globalAlpha = 1;
  }

  return { Attractor, axisNames, series, experts, palette, fit, format, ranges, FORECAST_DASH };
})();
