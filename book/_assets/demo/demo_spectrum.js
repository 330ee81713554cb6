/* Power spectra by Welch's method, updated as a forecast grows, and their picture. */
window.DynaMixSpectrum = (function () {
  "use strict";

  const { fourier } = window.DynaMixPrepare;
  const LONGEST = 1024;
  const DECADES = 6; // below the peak that are drawn

  /** Length of a segment: a power of two, so that a context holds a few. */
  function segmentLength(T) {
    let L = 16;
    while (2 * L <= Math.min(T / 3, LONGEST)) L *= 2;
    return L;
  }

  /** Mean periodogram of half-overlapping Hann segments, each channel for itself. */
  class Welch {
    constructor(L, n) {
      this.L = L;
      this.n = n;
      this.segments = 0;
      this.next = 0; // first step of the next segment
      this.sums = Array.from({ length: n }, () => new Float64Array(L / 2 + 1));
    }

    /** Take in what rows (steps x n) hold that has not been seen. */
    extend(rows, steps) {
      const { L, n } = this;
      for (; this.next + L <= steps; this.next += L / 2, this.segments++) {
        for (let i = 0; i < n; i++) {
          const re = new Float64Array(L), im = new Float64Array(L);
          let mean = 0;
          for (let t = 0; t < L; t++) mean += rows[(this.next + t) * n + i] / L;
          for (let t = 0; t < L; t++) {
            const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * t) / L);
            re[t] = window * (rows[(this.next + t) * n + i] - mean);
          }
          fourier(re, im);
          for (let k = 1; k <= L / 2; k++) this.sums[i][k] += re[k] * re[k] + im[k] * im[k];
        }
      }
      return this;
    }

    /** Shares of the power, of frequencies k / L; null before the first segment. */
    shares(i) {
      const total = this.sums[i].reduce((a, b) => a + b, 0);
      return this.segments && total > 0 ? this.sums[i].map((power) => power / total) : null;
    }
  }

  /** A panel per channel: the context's spectrum and the forecast's. */
  function draw(canvas, run, colours) {
    const { pen, width, height } = window.DynaMixDraw.fit(canvas);
    pen.clearRect(0, 0, width, height);
    if (!run) return;
    const { L } = run.contextSpectrum, bottom = 34, gap = 12;
    const panel = (width - gap * (run.n - 1)) / run.n;
    // up to half again the frequency below which nearly all of the context's power lies
    let highest = 0;
    const shares = Array.from({ length: run.n }, (_, i) => run.contextSpectrum.shares(i));
    for (const share of shares.filter(Boolean)) {
      let sum = 0, k = 0;
      while (k < L / 2 && sum < 0.999) sum += share[++k];
      highest = Math.max(highest, k);
    }
    const last = Math.min(L / 2, Math.max(8, Math.ceil(1.5 * highest)));
    pen.textBaseline = "middle";
    for (let i = 0; i < run.n; i++) {
      const left = i * (panel + gap), peak = Math.max(...(shares[i] ?? [1]));
      const xOf = (k) => left + ((k - 1) / (last - 1)) * panel;
      const yOf = (share) => 20 - (Math.log10(Math.max(share, 1e-12) / peak) / DECADES) * (height - bottom - 20);
      pen.fillStyle = colours.ink;
      pen.textAlign = "left";
      pen.fillText(run.names[i], left, 8, panel);
      pen.strokeStyle = colours.faint;
      pen.lineWidth = 1;
      pen.strokeRect(left + 0.5, 18, panel - 1, height - bottom - 16);
      for (const [share, colour, dash] of [
        [shares[i], colours.context, []],
        [run.forecastSpectrum.shares(i), colours.forecast, window.DynaMixDraw.FORECAST_DASH],
      ]) {
        if (!share) continue;
        pen.save();
        pen.beginPath();
        pen.rect(left, 18, panel, height - bottom - 16);
        pen.clip();
        pen.strokeStyle = colour;
        pen.setLineDash(dash);
        pen.lineWidth = 1.6;
        pen.beginPath();
        for (let k = 1; k <= last; k++) pen.lineTo(xOf(k), yOf(share[k]));
        pen.stroke();
        pen.restore();
      }
      pen.fillText("0", left, height - bottom + 12);
      pen.textAlign = "right";
      pen.fillText((last / L).toPrecision(2), left + panel, height - bottom + 12);
    }
    pen.textAlign = "center";
    pen.fillText("frequency [1/step]", width / 2, height - 8);
  }

  return { Welch, segmentLength, draw };
})();
