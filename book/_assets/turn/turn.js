/* Figures that turn: of dynamix.plotting.turnable, whose picture carries its points along.
 *
 * Each gets a button. Pressing it loads plotly once and puts a drawing in three dimensions in the
 * picture's place; another button puts the picture back. Nothing is fetched but a script of this
 * book, so it works from a folder as well as from a server.
 */
(function () {
  "use strict";

  const PLOTLY = new URL("../plotly/plotly-gl3d.min.js", document.currentScript.src).href;
  const DISTANCE = 2.05; // of the eye from the middle, in lengths of the frame
  const ASPECT = { x: 1, y: 1, z: 0.75 }; // the picture's
  const TURN = 8, TILT = 6, HIGHEST = 88, ZOOM = 1.15, NEAREST = 0.3, FURTHEST = 6;
  const KEYS = "Arrow keys turn it too, plus and minus zoom, Home resets the view.";

  let loading = null;

  /** Plotly, loaded when first asked for. */
  function plotly() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = PLOTLY;
      script.onload = () => (window.Plotly ? resolve(window.Plotly) : reject(new Error("no Plotly")));
      script.onerror = () => {
        script.remove();
        loading = null; // the next press tries again
        reject(new Error("not loaded"));
      };
      document.head.append(script);
    });
    return loading;
  }

  /** Whether the browser can draw in three dimensions at all. */
  function able() {
    const pen = document.createElement("canvas").getContext("webgl");
    pen?.getExtension("WEBGL_lose_context")?.loseContext();
    return Boolean(pen);
  }

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  const dark = () => document.documentElement.dataset.theme === "dark";

  /** Colours of the page and of the trajectories in the present theme. */
  function colours(figure, data) {
    const style = getComputedStyle(figure);
    const named = (name) => style.getPropertyValue(`--turnable-${name}`).trim();
    return {
      ink: named("ink"), grid: named("grid"), wall: named("wall"),
      traces: data.traces.map((trace) => (dark() ? trace.dark : trace.light)),
    };
  }

  /** What plotly draws: trajectories as they were before they were written as whole numbers. */
  function drawn(data, palette) {
    return data.traces.map((trace, i) => {
      const path = { type: "scatter3d", name: trace.name, hoverinfo: "skip" };
      ["x", "y", "z"].forEach((axis, d) => {
        path[axis] = trace[axis].map((steps) => data.low[d] + data.step[d] * steps);
      });
      path.mode = data.lines ? "lines" : "markers";
      path.line = { width: 2, color: palette.traces[i] };
      path.marker = { size: 2.5, color: palette.traces[i] };
      return path;
    });
  }

  /** Where the picture is seen from; a narrow stage needs more distance for the same width. */
  function camera(data, stage) {
    const far = DISTANCE * Math.max(1, (1.1 * stage.clientHeight) / stage.clientWidth);
    const tilt = (data.view.elevation * Math.PI) / 180, turn = (data.view.azimuth * Math.PI) / 180;
    return {
      eye: {
        x: far * Math.cos(tilt) * Math.cos(turn),
        y: far * Math.cos(tilt) * Math.sin(turn),
        z: far * Math.sin(tilt),
      },
      center: { x: 0, y: 0, z: -0.05 },
      up: { x: 0, y: 0, z: 1 },
    };
  }

  function layout(data, palette, stage) {
    const scene = {
      aspectmode: "manual", aspectratio: ASPECT, camera: camera(data, stage), dragmode: "turntable", hovermode: false,
    };
    ["x", "y", "z"].forEach((axis, d) => {
      scene[`${axis}axis`] = {
        title: { text: `x${"₁₂₃"[d]}`, font: { size: 14 } }, range: data.frame[d],
        showticklabels: false, showspikes: false, zeroline: false, showbackground: true,
        color: palette.ink, gridcolor: palette.grid, backgroundcolor: palette.wall,
      };
    });
    return {
      scene, autosize: true, showlegend: false, margin: { l: 0, r: 0, t: 0, b: 0 },
      paper_bgcolor: "rgba(0,0,0,0)", font: { family: "system-ui, sans-serif", color: palette.ink },
    };
  }

  const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true, scrollZoom: false };

  /** The camera, turned and tilted by degrees and moved by a factor, about what it looks at. */
  function moved(present, turn, tilt, factor) {
    const middle = present.center, eye = present.eye;
    const [x, y, z] = [eye.x - middle.x, eye.y - middle.y, eye.z - middle.z];
    const radius = Math.hypot(x, y, z);
    const far = Math.min(FURTHEST, Math.max(NEAREST, radius * factor));
    const angle = Math.atan2(y, x) + (turn * Math.PI) / 180;
    const limit = (HIGHEST * Math.PI) / 180;
    const height = Math.min(limit, Math.max(-limit, Math.asin(z / radius) + (tilt * Math.PI) / 180));
    const eyeNow = {
      x: middle.x + far * Math.cos(height) * Math.cos(angle),
      y: middle.y + far * Math.cos(height) * Math.sin(angle),
      z: middle.z + far * Math.sin(height),
    };
    return { ...present, eye: eyeNow };
  }

  const MOVES = {
    ArrowLeft: [-TURN, 0, 1], ArrowRight: [TURN, 0, 1], ArrowUp: [0, TILT, 1], ArrowDown: [0, -TILT, 1],
    "+": [0, 0, 1 / ZOOM], "=": [0, 0, 1 / ZOOM], "-": [0, 0, ZOOM],
  };

  /** Everything for one figure. */
  function prepare(figure) {
    const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const picture = figure.querySelector("img");
    const button = (text, label, act) => {
      const made = make("button", { type: "button", textContent: text, onclick: act });
      if (label) made.setAttribute("aria-label", label);
      return made;
    };
    const start = button("Turn this figure", "", turn);
    const status = make("span", { className: "dynamix-turnable-status" });
    status.setAttribute("role", "status");
    const bar = make("div", { className: "dynamix-turnable-bar" }, start, status);
    figure.append(bar);

    async function turn() {
      if (!able()) {
        status.textContent = "This browser does not draw in three dimensions (WebGL is off).";
        return;
      }
      start.setAttribute("aria-disabled", "true");
      status.textContent = "Loading …";
      try {
        const library = await plotly();
        if (!figure.classList.contains("dynamix-turning")) await show(library);
        status.textContent = "";
      } catch {
        status.textContent = "The drawing could not be loaded; the picture stays.";
      }
      start.removeAttribute("aria-disabled");
    }

    async function show(library) {
      const stage = make("div", { className: "dynamix-turnable-stage", tabIndex: 0 });
      stage.setAttribute("role", "application");
      stage.setAttribute("aria-label", `${picture.alt} A drawing that turns. ${KEYS.replace(" too", "")}`);
      const step = (...by) => library.relayout(stage, { "scene.camera": moved(stage.layout.scene.camera, ...by) });
      const reset = () => library.relayout(stage, { "scene.camera": camera(data, stage) });
      stage.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "Home") reset();
        else if (event.key in MOVES) step(...MOVES[event.key]);
        else return;
        event.preventDefault();
      });
      // plotly writes the camera down when a mouse is released over the drawing: not after a touch,
      // nor if the mouse has left it, and the next key would turn from where it was before
      const still = new AbortController();
      const released = (event) => {
        const canvas = stage.querySelector("canvas");
        if (canvas && event.isTrusted && (event.type === "touchend" || event.target !== canvas)) {
          canvas.dispatchEvent(new MouseEvent("mouseup"));
        }
      };
      stage.addEventListener("touchend", released);
      stage.addEventListener("mousedown", () => {
        window.addEventListener("mouseup", released, { once: true, signal: still.signal });
      });

      const swatches = data.traces.map(() => make("span", { className: "dynamix-turnable-swatch" }));
      const boxes = data.traces.map((trace, i) => {
        const box = make("input", { type: "checkbox", checked: true });
        box.onchange = () => library.restyle(stage, { visible: box.checked }, [i]);
        return make("label", {}, box, swatches[i], trace.name);
      });
      const paint = (palette) => swatches.forEach((swatch, i) => (swatch.style.background = palette.traces[i]));
      const legend = make("div", { className: "dynamix-turnable-legend" }, ...(boxes.length > 1 ? boxes : []));
      const hint = make("p", { className: "dynamix-turnable-hint", textContent: `Drag it to turn it. ${KEYS}` });
      const back = button("Back to the picture", "", close);
      const tools = make("div", { className: "dynamix-turnable-bar" }, back,
        button("Reset", "Reset the view", reset), button("+", "Closer", () => step(...MOVES["+"])),
        button("−", "Further away", () => step(...MOVES["-"])));
      const title = make("p", { className: "dynamix-turnable-title", textContent: data.title });
      const turned = make("div", { className: "dynamix-turnable-turned" }, title, stage, legend, hint, tools);
      figure.append(turned);
      figure.classList.add("dynamix-turning");

      const watch = new MutationObserver(() => {
        const now = colours(figure, data), axes = {};
        for (const axis of ["x", "y", "z"]) {
          axes[`scene.${axis}axis.color`] = axes[`scene.${axis}axis.title.font.color`] = now.ink;
          axes[`scene.${axis}axis.gridcolor`] = now.grid;
          axes[`scene.${axis}axis.backgroundcolor`] = now.wall;
        }
        paint(now);
        library.update(stage, { "line.color": now.traces, "marker.color": now.traces }, axes);
      });

      function close() {
        watch.disconnect();
        still.abort();
        library.purge(stage);
        turned.remove();
        figure.classList.remove("dynamix-turning");
        start.focus();
      }

      try {
        const palette = colours(figure, data);
        paint(palette);
        await library.newPlot(stage, drawn(data, palette), layout(data, palette, stage), CONFIG);
      } catch (error) {
        close();
        throw error;
      }
      watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      stage.focus({ preventScroll: true });
    }
  }

  const begin = () => document.querySelectorAll(".dynamix-turnable").forEach(prepare);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
