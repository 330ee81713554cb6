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
    const output = make("span", { class: "dynamix-value" });
    const update = () => {
      output.textContent = describe(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", update);
    const block = field(label, input, output);
    update();
    return { input, block, update, output };
  }

  const select = (options, chosen) => make("select", {}, ...options.map(([value, text]) =>
    make("option", { value, selected: value === chosen }, text)));

  const swatch = (kind, text) => make("span", { class: "dynamix-key" }, make("i", { class: `dynamix-${kind}`, "aria-hidden": "true" }), text);

  /** A tick box before its label. */
  function box(label, attributes) {
    const input = make("input", { type: "checkbox", id: `dynamix-${++number}`, ...attributes });
    return { input, block: make("div", { class: "dynamix-check" }, input, make("label", { for: input.id }, label)) };
  }

  const COMMA = [["auto", "as found in the table"], ["decimal", "decimal sign: 1,5 is one and a half"], ["separator", "separates columns"]];
  const EMBEDDING = [["pos", "sines of the period"], ["delay", "delayed values"], ["zero", "zeros"]];

  function build(root, examples, models) {
    const steps = (value) => `${value.toLocaleString("en")} steps`;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const source = select([...examples.map((example, i) => [String(i), example.title]), ["own", "Your own table …"]], "0");
    const model = select(models.map(({ title }, i) => [String(i), title]), "0");
    const comma = select(COMMA, "auto");
    const text = make("textarea", { rows: 5, spellcheck: "false", placeholder: "x, y, z\n0.1, 0.5, 2.0\n…" });
    const file = make("input", { type: "file", accept: ".csv,.tsv,.txt,.dat,text/csv,text/plain" });
    const read = make("button", { type: "button" }, "Read the table");
    const columns = make("fieldset", { class: "dynamix-columns", hidden: true });
    const problem = make("p", { class: "dynamix-problem", role: "alert", id: "dynamix-problem" });
    text.setAttribute("aria-describedby", "dynamix-problem");
    const hold = slider("Rows held back, to compare", { min: 0, max: 0, step: 1, value: 0 }, (value) => `${value} rows`);
    const own = make("div", { class: "dynamix-own", hidden: true },
      field("One row per time step, one column per variable (or drop a file anywhere on the demo)", text),
      make("div", { class: "dynamix-row" }, read, field("or a file", file), field("A comma is", comma)), columns, hold.block);
    hold.block.hidden = true;
    const length = slider("Context length", { min: 50, max: 2000, step: 1, value: 2000 }, steps);
    const horizon = slider("Horizon", { min: 500, max: 20000, step: 500, value: 5000 }, steps);
    const embedding = select(EMBEDDING, "pos");
    const season = make("input", { type: "text", inputmode: "numeric", placeholder: "none", spellcheck: "false", autocomplete: "off" });
    const noise = box("Gate noise", { checked: true });
    const truth = box("Draw the truth", { checked: true });
    const width = slider("Width of the gate's noise", { min: 0, max: 4, step: 0.25, value: 1 }, (value) => `${value} × learned`);
    const seed = make("input", { type: "number", min: 0, max: 999999, step: 1, value: 0, inputmode: "numeric" });
    const speed = select([["100", "100 steps/s"], ["1000", "1,000 steps/s"], ["0", "fastest"], ["still", "no animation"]], calm ? "still" : "1000");
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
    const plane = select([["3d", "3-d"]], "3d");
    const turn = slider("Turn", { min: -180, max: 180, step: 5, value: -60 }, (value) => `${window.DynaMixDraw.format(value)}°`);
    const tilt = slider("Tilt", { min: -90, max: 90, step: 5, value: 15 }, (value) => `${window.DynaMixDraw.format(value)}°`);
    const from = slider("Steps shown from", { min: 0, max: 1, step: 1, value: 0 }, () => "");
    from.input.removeAttribute("aria-valuetext");
    const lampRow = make("div", { class: "dynamix-lamps", "aria-hidden": "true" });
    const truthKey = swatch("truth", "what really follows");
    const brightest = make("p", { class: "dynamix-small" });

    const panel = (title, ...children) => make("section", { class: "dynamix-panel", "aria-label": title },
      make("p", { class: "dynamix-title" }, title), ...children);
    const settings = make("details", { class: "dynamix-settings", open: root.clientWidth >= 620 },
      make("summary", {}, "Settings"),
      make("div", { class: "dynamix-form" },
        make("fieldset", {}, make("legend", {}, "What the model is shown"), length.block,
          make("div", { class: "dynamix-row" }, field("Season, in steps", season), field("Embedding", embedding))),
        make("fieldset", {}, make("legend", {}, "How it goes on"), horizon.block, noise.block, width.block,
          make("div", { class: "dynamix-row" }, field("Seed", seed), field("Speed", speed)))));
    root.replaceChildren(
      make("form", { "aria-label": "Settings of the demo" },
        make("div", { class: "dynamix-row" }, field("Series", source), field("Model", model)), own, problem,
        make("div", { class: "dynamix-row dynamix-buttons" }, start, reset, save, progress), settings),
      status, contextNote,
      make("p", { class: "dynamix-legend" }, swatch("context", "context"), swatch("forecast", "forecast"),
        truthKey, swatch("ring", "context step the gate looks at")),
      make("div", { class: "dynamix-views" },
        panel("Attractor", attractor,
          make("div", { class: "dynamix-row dynamix-narrow" }, field("View", plane), turn.block, tilt.block), truth.block),
        panel("Expert weights now", lampRow, brightest),
        panel("Time series, and the experts that made it", series, strip, from.block),
        panel("Power spectrum", spectrum)),
      about);
    root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

    const ui = {
      source, model, own, text, file, read, comma, hold: hold.input, length: length.input, horizon: horizon.input,
      embedding, season, noise: noise.input, width: width.input, seed, speed, settings, truth: truth.input, truthBlock: truth.block,
      start, reset, save, progress, status, problem, about, contextNote, attractor, series, strip, spectrum, plane, truthKey,
      turn, tilt, from: from.input, fromValue: from.output, ticks: [],
      /** Bounds of the context length; keeps the present one if it may. */
      setLengths(least, most, keep) {
        length.input.min = Math.min(least, most);
        length.input.max = most;
        length.input.value = keep ? Math.min(Number(length.input.value), most) : most;
        length.update();
      },
      /** How much of a table of so many rows may be held back; at first nothing is. */
      setHold(rows, least) {
        hold.input.max = Math.max(0, Math.min(Math.floor(rows / 2), rows - least));
        hold.input.value = 0;
        hold.update();
        hold.block.hidden = rows === 0;
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
        columns.replaceChildren(make("legend", {}, `Columns, up to ${most} together`),
          ...table.columns.map((column, i) => make("label", {}, ui.ticks[i], ` ${column.name}`)));
        ui.showNotes(table.notes);
        for (const tick of ui.ticks) tick.addEventListener("change", onChange);
      },
      /** What was left out of a table, filled or assumed. */
      showNotes(notes) {
        columns.querySelectorAll("p").forEach((note) => note.remove());
        columns.append(...notes.map((note) => make("p", { class: "dynamix-small" }, note)));
      },
      /** Light up the experts: a lamp and a bar each, full at the largest weight so far. */
      lamps(weights, largest) {
        if (lampRow.children.length !== weights.length) {
          lampRow.replaceChildren(...Array.from(weights, (_, j) => make("div", {}, String(j + 1), make("i"), make("b"))));
        }
        weights.forEach((weight, j) => {
          lampRow.children[j].style.setProperty("--weight", (largest ? weight / largest : 0).toFixed(3));
        });
        brightest.textContent = largest ? `Full: ${Math.round(100 * largest)} %, the largest weight so far.` : "";
      },
      /** The views that there are for axes of these names: two only have their plane. */
      setPlanes(names) {
        const pairs = names.length === 2 ? ["01"] : ["3d", "01", "02", "12"];
        plane.replaceChildren(...pairs.map((pair) => make("option", { value: pair },
          pair === "3d" ? "3-d" : `${names[pair[0]]} and ${names[pair[1]]}`)));
        plane.value = names.length === 2 ? "01" : ui.chosenPlane;
        ui.showAngles();
      },
      chosenPlane: "3d", // of three axes
      showAngles() {
        turn.input.disabled = tilt.input.disabled = plane.value !== "3d";
      },
    };
    return ui;
  }

  /** Turn, tilt and zoom the attractor by sliders, pointer and keys. */
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
      view.plane = ui.chosenPlane = plane.value;
      ui.showAngles();
      redraw();
    });
    ui.truth.addEventListener("change", () => {
      view.truth = ui.truth.checked;
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
