/* The demo's controls: native form elements, so that keyboard and screen reader work as they do. */
window.DynaMixForm = (function () {
  "use strict";

  /** An element with attributes (functions are listeners, true is an empty attribute) and children. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === false || value === null) continue;
      if (name === "class") element.className = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  let number = 0;

  /** A labelled control; `shown` is an output beside the label. */
  function field(label, control, shown = null) {
    control.id = `dynamix-${++number}`;
    const heading = make("label", { for: control.id }, label);
    return make("div", { class: "dynamix-field" }, shown ? make("span", { class: "dynamix-heading" }, heading, shown) : heading, control);
  }

  /** A slider whose output says its value. */
  function slider(label, attributes, describe) {
    const input = make("input", { type: "range", ...attributes });
    const output = make("output");
    const update = () => {
      output.textContent = describe(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", update);
    const block = field(label, input, output);
    output.setAttribute("for", input.id);
    update();
    return { input, block, update, output };
  }

  const select = (options, chosen) => make("select", {}, ...options.map(([value, text]) =>
    make("option", { value, selected: value === chosen }, text)));

  const swatch = (kind, text) => make("span", { class: "dynamix-key" }, make("i", { class: `dynamix-${kind}`, "aria-hidden": "true" }), text);

  const PLANES = { 3: [["3d", "in three dimensions"], ["01", "first and second"], ["02", "first and third"], ["12", "second and third"]] };
  PLANES[1] = PLANES[3];
  PLANES[2] = [["01", "first and second"]];

  function build(root, examples) {
    const steps = (value) => `${value.toLocaleString("en")} steps`;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const source = select([...examples.map((example, i) => [String(i), example.title]), ["own", "Your own table …"]], "0");
    const text = make("textarea", { rows: 5, spellcheck: "false", placeholder: "x, y, z\n0.1, 0.5, 2.0\n…" });
    const file = make("input", { type: "file", accept: ".csv,.tsv,.txt,.dat,text/csv,text/plain" });
    const read = make("button", { type: "button" }, "Read the table");
    const columns = make("fieldset", { class: "dynamix-columns", hidden: true });
    const problem = make("p", { class: "dynamix-problem", role: "alert", id: "dynamix-problem" });
    text.setAttribute("aria-describedby", "dynamix-problem");
    const own = make("div", { class: "dynamix-own", hidden: true },
      field("One row per time step, one column per variable (or drop a file anywhere on the demo)", text),
      make("div", { class: "dynamix-row" }, read, field("or a file", file)), columns);
    const length = slider("Context length", { min: 50, max: 2000, step: 1, value: 2000 }, steps);
    const horizon = slider("Horizon", { min: 500, max: 20000, step: 500, value: 5000 }, steps);
    const noise = make("input", { type: "checkbox", checked: true });
    const width = slider("Width of the gate's noise", { min: 0, max: 4, step: 0.25, value: 1 }, (value) => `${value} × learned`);
    const seed = make("input", { type: "number", min: 0, max: 999999, step: 1, value: 0, inputmode: "numeric" });
    const speed = select([["100", "100 steps a second"], ["1000", "1,000 steps a second"], ["0", "as fast as it goes"],
      ["still", "no animation: drawn when finished"]], calm ? "still" : "1000");
    const start = make("button", { type: "button", class: "dynamix-primary" }, "Start");
    const reset = make("button", { type: "button" }, "Reset");
    const save = make("button", { type: "button", disabled: true }, "Save as CSV");
    const progress = make("span", { class: "dynamix-progress" });
    const status = make("p", { class: "dynamix-status", role: "status", "aria-live": "polite" });
    const about = make("p", { class: "dynamix-small" });
    const contextNote = make("p", { class: "dynamix-small" });

    const canvas = (kind, attributes = {}) => make("canvas", { class: `dynamix-canvas dynamix-${kind}`, role: "img", ...attributes });
    const attractor = canvas("attractor", { tabindex: 0 });
    const series = canvas("series"), strip = canvas("strip"), spectrum = canvas("spectrum");
    const plane = select(PLANES[3], "3d");
    const turn = slider("Turn", { min: -180, max: 180, step: 5, value: 40 }, (value) => `${value}°`);
    const tilt = slider("Tilt", { min: -90, max: 90, step: 5, value: 20 }, (value) => `${value}°`);
    const from = slider("Steps shown from", { min: 0, max: 1, step: 1, value: 0 }, () => "");
    from.input.removeAttribute("aria-valuetext");
    const lampRow = make("div", { class: "dynamix-lamps", "aria-hidden": "true" });

    const panel = (title, ...children) => make("section", { class: "dynamix-panel", "aria-label": title },
      make("p", { class: "dynamix-title" }, title), ...children);
    root.replaceChildren(
      make("form", { class: "dynamix-form", "aria-label": "Settings of the demo" },
        make("fieldset", {}, make("legend", {}, "What the model is shown"), field("Series", source), own, length.block, contextNote),
        make("fieldset", {}, make("legend", {}, "How it goes on"), horizon.block,
          make("div", { class: "dynamix-check" }, noise), width.block, make("div", { class: "dynamix-row" }, field("Seed", seed), field("Speed", speed)))),
      problem,
      make("div", { class: "dynamix-row dynamix-buttons" }, start, reset, save, progress),
      status,
      make("p", { class: "dynamix-legend" }, swatch("context", "context"), swatch("forecast", "forecast"),
        swatch("truth", "what really follows"), swatch("ring", "context step the gate looks at")),
      make("div", { class: "dynamix-views" },
        panel("Attractor", attractor, make("div", { class: "dynamix-row" }, field("View", plane), turn.block, tilt.block)),
        panel("Expert weights", lampRow, strip, make("p", { class: "dynamix-small" },
          "Now (squares) and over the steps of the time series beside or below.")),
        panel("Time series", series, from.block),
        panel("Power spectrum", spectrum)),
      about);
    // a checkbox stands before its label
    const box = root.querySelector(".dynamix-check");
    noise.id = `dynamix-${++number}`;
    box.append(make("label", { for: noise.id }, "Gate noise"));
    root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

    const ui = {
      source, own, text, file, read, length: length.input, horizon: horizon.input, noise, width: width.input, seed, speed,
      start, reset, save, progress, status, problem, about, contextNote, attractor, series, strip, spectrum, plane,
      turn, tilt, from: from.input, fromValue: from.output, ticks: [],
      /** Bounds of the context length; keeps the present one if it may. */
      setLengths(least, most, keep) {
        length.input.min = Math.min(least, most);
        length.input.max = most;
        length.input.value = keep ? Math.min(Number(length.input.value), most) : most;
        length.update();
      },
      setReady(ready) {
        start.disabled = reset.disabled = !ready;
      },
      setRunning(running) {
        start.textContent = running ? "Pause" : "Start";
      },
      /** Tick boxes of a table's columns, the first usual ones ticked, and what was left out. */
      showColumns(table, most, onChange) {
        let left = most;
        const some = table.columns.some((column) => column.usual);
        ui.ticks = table.columns.map((column) =>
          make("input", { type: "checkbox", checked: (column.usual || !some) && left-- > 0 }));
        columns.hidden = !table.columns.length;
        columns.replaceChildren(make("legend", {}, `Columns to forecast, up to ${most} together`),
          ...table.columns.map((column, i) => make("label", {}, ui.ticks[i], ` ${column.name}`)),
          ...table.notes.map((note) => make("p", { class: "dynamix-small" }, note)));
        for (const tick of ui.ticks) tick.addEventListener("change", onChange);
      },
      /** Light up the experts. */
      lamps(weights) {
        const count = weights ? weights.length : 0;
        if (lampRow.children.length !== count) {
          lampRow.replaceChildren(...Array.from({ length: count }, (_, j) => make("span", {}, make("i"), String(j + 1))));
        }
        for (let j = 0; j < count; j++) lampRow.children[j].style.setProperty("--weight", weights[j].toFixed(3));
      },
      /** Which views there are: two columns only have their plane. */
      setPlanes(n) {
        const flat = n === 2;
        plane.replaceChildren(...PLANES[n].map(([value, name]) => make("option", { value }, name)));
        plane.value = flat ? "01" : PLANES[n].some(([value]) => value === ui.plane3d) ? ui.plane3d : "3d";
        ui.showAngles();
      },
      plane3d: "3d",
      showAngles() {
        turn.input.disabled = tilt.input.disabled = plane.value !== "3d";
      },
    };
    return ui;
  }

  /** Turn, tilt and zoom the attractor by slider, pointer, wheel-free keys. */
  function connectView(ui, view, redraw) {
    const { turn, tilt, plane, attractor } = ui;
    const apply = () => {
      turn.input.value = view.turn;
      tilt.input.value = view.tilt;
      turn.update();
      tilt.update();
      redraw();
    };
    const rotate = (across, up) => {
      if (plane.value !== "3d") return;
      view.turn = ((((view.turn + across + 180) % 360) + 360) % 360) - 180;
      view.tilt = Math.min(90, Math.max(-90, view.tilt + up));
      apply();
    };
    turn.input.addEventListener("input", () => {
      view.turn = Number(turn.input.value);
      redraw();
    });
    tilt.input.addEventListener("input", () => {
      view.tilt = Number(tilt.input.value);
      redraw();
    });
    plane.addEventListener("change", () => {
      view.plane = ui.plane3d = plane.value;
      ui.showAngles();
      redraw();
    });
    attractor.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (moves[event.key]) rotate(...moves[event.key]);
      else if (event.key === "+" || event.key === "=") view.zoom = Math.min(8, view.zoom * 1.2);
      else if (event.key === "-") view.zoom = Math.max(0.3, view.zoom / 1.2);
      else return;
      event.preventDefault();
      event.stopPropagation();
      redraw();
    });
    let last = null;
    attractor.addEventListener("pointerdown", (event) => {
      last = [event.clientX, event.clientY];
      attractor.setPointerCapture(event.pointerId);
    });
    attractor.addEventListener("pointermove", (event) => {
      if (!last) return;
      rotate(0.6 * (event.clientX - last[0]), 0.6 * (event.clientY - last[1]));
      last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) attractor.addEventListener(end, () => (last = null));
  }

  return { build, connectView };
})();
