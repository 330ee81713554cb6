/* A forecast that plays: of dynamix.plotting.play, whose picture carries its points along.
 *
 * The context is drawn first, then forecast and truth together, in state space and against time.
 * Readers who ask for less motion see the picture, and start it themselves.
 */
(function () {
  "use strict";

  const SECONDS = 14, HOLD = 4, STRIP = 130, EDGE = 8;
  const NAMES = { context: "context: all that the model sees", forecast: "forecast", truth: "truth" };

  const dark = () => document.documentElement.dataset.theme === "dark";
  const colour = (line) => (dark() ? line.dark : line.light);

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  /** How many points of a line lie before a time. */
  function until(times, t) {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function draw(canvas, data, t) {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
    const scale = (width - 2 * EDGE) / (2 * data.width + 60);
    const tall = data.height * scale + 2 * EDGE, height = Math.round(tall + STRIP);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.lineJoin = "round";
    const path = (line, count, x, y, bold) => {
      pen.beginPath();
      for (let i = 0; i < count; i++) pen.lineTo(x(i), y(i));
      pen.strokeStyle = colour(line);
      pen.globalAlpha = bold ? 1 : 0.85;
      pen.lineWidth = bold ? 1.6 : 1;
      pen.stroke();
      pen.globalAlpha = 1;
    };
    for (const line of data.lines) {
      const count = until(line.t, t);
      if (!count) continue;
      // left: the context and the forecast; right: the truth
      const shift = line.name === "truth" ? data.width + 60 : 0;
      const x = (i) => EDGE + (line.x[i] + shift) * scale, y = (i) => EDGE + line.y[i] * scale;
      pen.save();
      pen.beginPath();
      pen.rect(0, 0, line.name === "truth" ? width : EDGE + (data.width + 30) * scale, tall);
      if (line.name !== "truth") pen.clip();
      path(line, count, x, y, false);
      pen.restore();
      if (count < line.t.length || line.name !== "context") {
        pen.beginPath();
        pen.arc(x(count - 1), y(count - 1), 4, 0, 2 * Math.PI);
        pen.fillStyle = colour(line);
        if (t < data.shown) pen.fill();
      }
      const across = (i) => EDGE + ((width - 2 * EDGE) * line.t[i]) / data.shown;
      const down = (i) => tall + EDGE + (STRIP - 2 * EDGE) * (1 - line.v[i] / 1000);
      path(line, count, across, down, line.name === "context");
    }
  }

  function start(figure) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const picture = figure.querySelector("img"), calm = matchMedia("(prefers-reduced-motion: reduce)");
    const canvas = make("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", picture.alt);
    const button = make("button", { type: "button", textContent: "Pause" });
    const bar = make("div", { className: "dynamix-playing-bar" }, button);
    for (const line of data.lines) {
      const swatch = make("span", { className: "dynamix-playing-swatch" });
      swatch.style.setProperty("--light", line.light);
      swatch.style.setProperty("--dark", line.dark);
      bar.append(make("span", {}, swatch, ` ${NAMES[line.name] || line.name}`));
    }
    let at = 0, last = 0, playing = false, frame = 0;
    const step = (now) => {
      if (!playing) return;
      at = (at + Math.min(0.1, (now - last) / 1000)) % (SECONDS + HOLD);
      last = now;
      draw(canvas, data, Math.min(1, at / SECONDS) * data.shown);
      frame = requestAnimationFrame(step);
    };
    const set = (on) => {
      playing = on;
      button.textContent = on ? "Pause" : "Play";
      cancelAnimationFrame(frame);
      if (!on) return;
      if (!canvas.isConnected) {
        picture.hidden = true;
        picture.style.display = "none"; // the theme gives pictures a display of their own
        figure.prepend(canvas);
      }
      last = performance.now();
      frame = requestAnimationFrame(step);
    };
    button.addEventListener("click", () => set(!playing));
    figure.append(bar);
    let wanted = !calm.matches; // until the reader says otherwise
    button.addEventListener("click", () => (wanted = playing));
    new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting ? wanted && !playing : playing) set(entry.isIntersecting);
    }).observe(figure);
    if (calm.matches) button.textContent = "Play";
  }

  document.querySelectorAll(".dynamix-playing").forEach(start);
})();
