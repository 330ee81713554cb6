/* The live demo: builds itself into <div id="dynamix-demo"> and runs the model there.
 *
 * Needs the other scripts of this folder before it; demo_form.js builds the controls. Nothing is
 * fetched and nothing leaves the page.
 */
(function () {
  "use strict";

  const Engine = window.DynaMixEngine, Draw = window.DynaMixDraw;
  const Spectrum = window.DynaMixSpectrum, Table = window.DynaMixTable, Reader = window.DynaMixReader;
  const root = document.getElementById("dynamix-demo");
  if (!root) return;
  const ui = window.DynaMixForm.build(root, window.DynaMixDemoExamples, window.DynaMixDemoModels);
  const BUDGET = 12; // milliseconds of computing per picture
  const format = Draw.format, { decorrelationTime } = window.DynaMixPrepare;

  const MOST_TYPED = 2e5; // characters that a text field still handles well

  let models;
  try {
    models = window.DynaMixDemoModels.map(Engine.loadModel);
  } catch (error) {
    ui.problem.textContent = error.message;
    return;
  }
  let model = models[0];
  describeModel();

  const attractor = new Draw.Attractor(ui.attractor);
  let series = null; // {title, names, n, T, rows, truth}: what the reader picked, whole
  let own = null; // a table that was read: {columns, lines, notes}
  let input = ""; // the text or file that it was read from
  let run = null; // the present forecast and what belongs to it
  let rollout = null;
  let running = false;
  let frame = 0; // of requestAnimationFrame, or a timer where nothing is animated
  let clock = null; // when the run was last started, and at which step
  let runs = 0;

  // ---- what the model is shown ----

  /** One of the page's own series: context and what follows it. */
  function fromExample(example) {
    const values = Float64Array.from(Engine.unpack(example.values)), n = example.columns.length;
    return {
      title: example.title, names: example.columns, n, T: example.context, rows: values.subarray(0, example.context * n),
      truth: values.subarray(example.context * n),
    };
  }

  /** The columns of the reader's table that are ticked. */
  function fromTable() {
    const ticked = own.columns.filter((_, i) => ui.ticks[i].checked);
    if (!ticked.length || ticked.length > model.N) Table.check(ticked, model.N, 0);
    const { chosen, lines, notes } = Table.fill(ticked, own.lines);
    ui.showNotes([...own.notes, ...notes]);
    const n = chosen.length, total = lines.length, T = total - Number(ui.hold.value);
    if (T < Table.FEWEST_ROWS) throw new Error(`Only ${T} rows are left: at least ${Table.FEWEST_ROWS} are needed. Hold back fewer.`);
    const all = new Float64Array(total * n);
    chosen.forEach(({ values }, i) => values.forEach((value, t) => (all[t * n + i] = value)));
    return {
      title: "your table", names: chosen.map((c) => c.name), n, T, rows: all.subarray(0, T * n), truth: all.subarray(T * n),
      chosen: chosen.map(({ name, values }) => ({ name, values: values.subarray(0, T) })), lines: lines.subarray(0, T),
    };
  }

  /** Take the picked series; without a usable one there is nothing to run, and a reason on the page. */
  function pick(keepLength) {
    const isOwn = ui.source.value === "own";
    ui.own.hidden = !isOwn;
    series = null;
    if (!isOwn) {
      report("");
      series = fromExample(window.DynaMixDemoExamples[Number(ui.source.value)]);
    } else if (own) {
      try {
        series = fromTable();
      } catch (error) {
        report(error.message);
      }
    }
    if (series) ui.setLengths(isOwn ? Table.FEWEST_ROWS : 50, series.T, keepLength);
    reset();
  }

  /** Read a table from a text or a file; the page stays usable meanwhile. */
  async function readTable(given) {
    input = given;
    own = null;
    const mine = {};
    readTable.latest = mine;
    root.dataset.reading = "yes";
    halt();
    say("Reading the table …");
    let wrong = "";
    try {
      const table = await Reader.read(given, ui.comma.value);
      if (readTable.latest === mine) own = table;
    } catch (error) {
      wrong = error.message;
    }
    if (readTable.latest !== mine) return;
    ui.showColumns(own ?? { columns: [], notes: [] }, model.N, () => pick(true));
    ui.setHold(own ? own.lines.length : 0, Table.FEWEST_ROWS);
    pick(false);
    if (wrong) report(wrong);
    else if (run) {
      say(`Read ${format(series.T)} rows; the context is ${series.n === 1 ? "one column" : `${series.n} columns`} of it. Press Start.`);
    }
    delete root.dataset.reading;
  }

  function readFile(file) {
    ui.source.value = "own";
    ui.text.value = "";
    if (file.size > Table.MOST_CHARACTERS) {
      own = null;
      input = "";
      pick(false);
      report(`${file.name} has ${(file.size / 1e6).toFixed(0)} MB. Keep its last ${format(Table.MOST_ROWS)} rows; more is not used.`);
      return;
    }
    pick(false);
    readTable(file);
    if (file.size < MOST_TYPED) Table.textOf(file).then((text) => (ui.text.value = text));
  }

  /** The periods that the reader names: whole numbers of at least 2 steps. */
  function seasons() {
    const words = ui.season.value.split(/[\s,;]+/).filter(Boolean);
    const bad = words.find((word) => !/^\d+$/.test(word) || Number(word) < 2);
    if (bad) throw new Error(`The season “${bad}” is not a whole number of at least 2 steps. Write 24, or 24, 168 for two of them.`);
    return words.map(Number);
  }

  // ---- a run ----

  /** Stop, forget the forecast, and get ready for the next one. */
  function reset() {
    halt();
    run = rollout = null;
    ui.embedding.disabled = series !== null && series.n >= model.N;
    if (series) {
      try {
        prepareRun();
        report("");
      } catch (error) {
        run = null;
        report(error.message);
      }
    }
    ui.setReady(run !== null);
    ui.lamps(new Float64Array(model.J), 0);
    describeContext();
    progress();
    follow();
    redraw();
  }

  function prepareRun() {
    const { n } = series, T = Number(ui.length.value), horizon = Number(ui.horizon.value);
    if (series.chosen) Table.check(series.chosen, model.N, T, series.lines);
    const context = series.rows.slice((series.T - T) * n);
    const columns = Array.from({ length: n }, (_, i) => Float64Array.from({ length: T }, (_, t) => context[t * n + i]));
    const prepared = Engine.prepare(columns, model.N, { embedding: ui.embedding.value, season: seasons() });
    rollout = new Engine.Rollout(model, prepared, {
      gateNoise: ui.noise.checked,
      noiseWidth: Number(ui.width.value),
      seed: Math.max(0, Math.floor(Number(ui.seed.value) || 0)),
    });
    const L = Spectrum.segmentLength(T);
    run = {
      id: ++runs, names: series.names, n, T, context, horizon, J: model.J, truth: series.truth,
      forecast: new Float64Array(horizon * n), gates: new Float32Array(horizon * model.J),
      steps: 0, looksAt: null, computing: 0, largest: 0, range: Draw.ranges(context, n),
      period: prepared.period, lag: prepared.delay, lost: prepared.lost,
      delay: n === 1 ? decorrelationTime(columns) : 0, failed: false,
      contextSpectrum: new Spectrum.Welch(L, n).extend(context, T),
      forecastSpectrum: new Spectrum.Welch(L, n),
    };
  }

  /** Compute until step `target`, or until the time is up. */
  function compute(target, milliseconds) {
    const began = performance.now();
    let now = began;
    while (run.steps < target && now - began < milliseconds) {
      for (let i = 0; i < 16 && run.steps < target; i++) { // asking for the time costs time
        if (!rollout.step()) {
          run.failed = true;
          run.horizon = run.steps;
          target = 0;
          break;
        }
        for (let c = 0; c < run.n; c++) run.forecast[run.steps * run.n + c] = rollout.observation[c];
        run.gates.set(rollout.weights, run.steps * run.J);
        for (const weight of rollout.weights) if (weight > run.largest) run.largest = weight;
        run.steps += 1;
      }
      now = performance.now();
    }
    run.computing += now - began;
    if (run.steps) run.looksAt = rollout.looksAt + run.lost;
  }

  const still = () => ui.speed.value === "still";

  function tick(now) {
    if (!running) return;
    if (clock === null) clock = { time: now, steps: run.steps };
    const rate = Number(ui.speed.value);
    const due = rate ? clock.steps + (rate * (now - clock.time)) / 1000 : Infinity;
    compute(Math.min(run.horizon, Math.ceil(due)), BUDGET);
    const done = run.steps >= run.horizon;
    if (!still() || done) show();
    else progress();
    if (done) finish();
    else next();
  }

  function next() {
    frame = still() ? setTimeout(() => tick(performance.now()), 0) : requestAnimationFrame(tick);
  }

  function start() {
    if (!run) return;
    if (run.steps >= run.horizon) reset();
    running = true;
    clock = null;
    ui.setRunning(true);
    say(still() ? "Computing; the forecast is drawn as a whole." : "The forecast runs.");
    next();
  }

  function halt() {
    running = false;
    cancelAnimationFrame(frame);
    clearTimeout(frame);
    ui.setRunning(false);
  }

  function pause() {
    halt();
    show();
    say(`Paused at step ${format(run.steps)} of ${format(run.horizon)}. ${strongest()}`);
  }

  function finish() {
    halt();
    say(run.failed
      ? `The forecast left the numbers at step ${format(run.steps)} and was stopped there.`
      : `Finished: ${format(run.steps)} steps computed in ${(run.computing / 1000).toFixed(2)} seconds, ` +
        `${format(speed())} steps a second. ${strongest()}`);
  }

  const speed = () => (1000 * run.steps) / Math.max(run.computing, 1e-3);

  /** Mean expert weights of the forecast, in words. */
  function strongest() {
    if (!run.steps) return "";
    const share = new Float64Array(run.J);
    run.gates.subarray(0, run.steps * run.J).forEach((weight, at) => (share[at % run.J] += weight / run.steps));
    const order = [...share.keys()].sort((a, b) => share[b] - share[a]).slice(0, 3);
    return `Most weight so far: ${order.map((j) => `expert ${j + 1} (${Math.round(100 * share[j])} %)`).join(", ")}.`;
  }

  // ---- what is seen ----

  const span = () => (ui.series.clientWidth < 480 ? 400 : 800);

  /** Keep the head of the forecast in view; where it begins, once it is finished. */
  function follow() {
    const total = run ? run.horizon : 0, context = run ? run.T : 0;
    const first = -Math.min(context, Math.round(0.25 * span()));
    const done = !run || run.steps >= run.horizon;
    const from = done ? first : Math.max(first, run.steps - Math.round(0.8 * span()));
    ui.from.min = -context;
    ui.from.max = Math.max(first, total - span());
    ui.from.value = from;
  }

  function show() {
    run.forecastSpectrum.extend(run.forecast, run.steps);
    follow();
    ui.lamps(run.gates.subarray(Math.max(0, run.steps - 1) * run.J, Math.max(1, run.steps) * run.J), run.largest);
    progress();
    redraw();
  }

  function redraw() {
    const colours = Draw.palette(root), from = Number(ui.from.value);
    attractor.draw(run, colours);
    Draw.series(ui.series, run, colours, from, span());
    Draw.experts(ui.strip, run, colours, from, span());
    Spectrum.draw(ui.spectrum, run, colours);
    ui.fromValue.textContent = run ? `${format(from)} to ${format(from + span())}` : "";
  }

  function progress() {
    const busy = run && run.computing > 0;
    ui.progress.textContent = run
      ? `step ${format(run.steps)} of ${format(run.horizon)}${busy ? ` · ${format(speed())} steps a second` : ""}` : "";
    ui.save.disabled = !run || !run.steps;
    root.dataset.steps = run ? run.steps : "";
    root.dataset.speed = busy ? Math.round(speed()) : "";
  }

  const say = (text) => (ui.status.textContent = text);
  function report(text) {
    ui.problem.textContent = text;
    ui.text.setAttribute("aria-invalid", text ? "true" : "false");
    if (text) say("");
  }

  function describeModel() {
    const { config, parameters } = model;
    const quiet = config.quiet_steps ? `no noise in the first ${config.quiet_steps} steps` : "";
    const sharp = config.attention_sharpness !== 1 ? `attention sharpened ${config.attention_sharpness} times` : "";
    const extra = [sharp, quiet].filter(Boolean).join(", ");
    ui.about.textContent = `Model: ${model.name}, ${format(parameters)} parameters, ${model.J} experts` +
      `${extra ? `; ${extra}` : ""}. ${model.credit} dynamix-3d-plus is not here: it has no weights, and fits its maps to ` +
      "each context by a search that takes the compiled engine of the library.";
  }

  function describeContext() {
    ui.truthKey.hidden = ui.truthBlock.hidden = !run || !run.truth.length;
    const missing = run ? model.N - run.n : 0, two = missing === 2;
    const filled = {
      pos: () => `${two ? "sines" : "a sine"} of the context's dominant period, ${run.period} steps`,
      delay: () => `the last column, ${run.lag}${two ? ` and ${2 * run.lag}` : ""} steps earlier`,
      zero: () => (two ? "zeros" : "zero"),
    };
    ui.contextNote.textContent = missing > 0
      ? `${run.n === 1 ? "One column" : "Two columns"}: the missing ${two ? "two are" : "one is"} ${filled[ui.embedding.value]()}.` : "";
    if (run) {
      attractor.view.plane = ui.chosenPlane;
      ui.setPlanes(Draw.axisNames(run));
    }
    const what = series ? series.title : "no data";
    ui.attractor.setAttribute("aria-label", `Attractor of ${what}: context and forecast. Arrow keys turn it, plus and minus zoom.`);
    ui.series.setAttribute("aria-label", `Time series of ${what}: context, forecast and, where known, the true continuation.`);
    ui.spectrum.setAttribute("aria-label", `Power spectra of the context of ${what} and of the forecast.`);
    ui.strip.setAttribute("aria-label", `Weights of ${model.J} experts over time.`);
  }

  function saveForecast() {
    const lines = [["step", ...run.names.map((name) => `"${name.replace(/"/g, '""')}"`)].join(",")];
    for (let t = 0; t < run.steps; t++) {
      lines.push([t + 1, ...run.forecast.subarray(t * run.n, (t + 1) * run.n)].join(","));
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = "forecast.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // ---- events ----

  /** A setting has changed: begin anew, and go on running if it ran. */
  function changed() {
    const again = running || (run && run.steps > 0);
    reset();
    if (again) start();
  }

  ui.source.addEventListener("change", () => {
    say("");
    pick(false);
  });
  for (const control of [ui.length, ui.horizon, ui.embedding, ui.season, ui.noise, ui.width, ui.seed]) {
    control.addEventListener("input", changed);
  }
  ui.model.addEventListener("change", () => {
    model = models[Number(ui.model.value)];
    ui.embedding.value = model.config.embedding;
    describeModel();
    changed();
  });
  ui.comma.addEventListener("change", () => input && readTable(input));
  ui.speed.addEventListener("change", () => {
    clock = null;
    if (running) { // another kind of clock may be needed
      halt();
      start();
    }
  });
  ui.hold.addEventListener("input", () => pick(true));
  ui.start.addEventListener("click", () => (running ? pause() : start()));
  ui.reset.addEventListener("click", () => {
    reset();
    say("Reset.");
  });
  ui.save.addEventListener("click", saveForecast);
  ui.from.addEventListener("input", redraw);
  ui.read.addEventListener("click", () => readTable(ui.text.value));
  ui.text.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text.length <= MOST_TYPED) {
      setTimeout(() => readTable(ui.text.value), 0);
      return;
    }
    event.preventDefault(); // a text field would freeze
    ui.text.value = "";
    readTable(text);
  });
  ui.file.addEventListener("click", () => (ui.file.value = "")); // the same file again, corrected
  ui.file.addEventListener("change", () => ui.file.files.length && readFile(ui.file.files[0]));
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("dynamix-drop");
  });
  root.addEventListener("dragleave", () => root.classList.remove("dynamix-drop"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("dynamix-drop");
    const { files } = event.dataTransfer, text = event.dataTransfer.getData("text/plain");
    if (files.length) readFile(files[0]);
    else if (text) {
      ui.source.value = "own";
      ui.text.value = text.length <= MOST_TYPED ? text : "";
      readTable(text);
    }
  });
  window.DynaMixForm.connectView(ui, attractor.view, redraw);
  let lastSpan = span();
  new ResizeObserver(() => {
    if (span() !== lastSpan) follow();
    lastSpan = span();
    redraw();
  }).observe(ui.series);
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  window.DynaMixDemo = { get model() { return model; }, models }; // for the console and for tests
  pick(false);
})();
