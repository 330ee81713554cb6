/* A table that a reader pastes or drops: text in, columns of numbers out, or one clear sentence. */
window.DynaMixTable = (function () {
  "use strict";

  const MOST_ROWS = 10000; // more would make the page wait
  const FEWEST_ROWS = 20;
  const MOST_CHARACTERS = 8e6;
  const MISSING = new Set(["", "na", "n/a", "nan", "null", "none", "-", "?", "inf", "-inf", "infinity"]);

  /** Text as a reader may see it in a message. */
  const quoted = (text) => `“${text.length > 24 ? text.slice(0, 24) + "…" : text}”`;

  /** Most frequent separator that occurs in nearly every line; null where there is none. */
  function separatorOf(lines) {
    const sample = lines.slice(0, 50);
    for (const separator of ["\t", ";", ","]) {
      if (sample.filter((line) => line.includes(separator)).length < 0.8 * sample.length) continue;
      // "3,14" line after line may be one column with decimal commas, unless a header has two names
      const decimal = sample.filter((line) => /^\s*[+-]?\d+,\d+\s*$/.test(line));
      const named = /^[^\d]+,[^\d]+$/.test(sample[0]);
      if (separator === "," && !named && decimal.length > 0.8 * sample.length) {
        throw new Error(
          `Lines such as ${quoted(decimal[0].trim())} may be two columns or one with a decimal ` +
          "comma. Write decimals with a point, or separate columns by semicolons.");
      }
      return separator;
    }
    return null;
  }

  /** Cells of a line; quotes around a cell are dropped, separators inside them kept. */
  function cellsOf(line, separator) {
    if (separator === null) return line.trim().split(/\s+/);
    const cells = [];
    let cell = "", inside = false;
    for (const character of line) {
      if (character === '"') inside = !inside;
      else if (character === separator && !inside) {
        cells.push(cell.trim());
        cell = "";
      } else cell += character;
    }
    cells.push(cell.trim());
    return cells;
  }

  /** A cell's number, or NaN. A decimal comma is one where the comma does not separate. */
  function numberOf(cell, separator) {
    const text = separator !== "," ? cell.replace(/^([+-]?\d*),(\d+(e[+-]?\d+)?)$/i, "$1.$2") : cell;
    return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
  }

  /**
   * Columns of numbers from pasted text.
   *
   * @param {string} text
   * @returns {{columns: {name: string, values: Float64Array, usual: boolean}[], notes: string[]}}
   *   usual: false for a column that only counts its rows; notes: what was left out and why
   * @throws {Error} with a sentence that says what was expected, what was found and what to do
   */
  function parse(text) {
    if (text.length > MOST_CHARACTERS) {
      throw new Error(`Too much text: ${(text.length / 1e6).toFixed(0)} million characters. ` +
        `Keep the last ${MOST_ROWS.toLocaleString("en")} rows, more than that is not used.`);
    }
    if (text.startsWith("PK") || text.includes("\u0000")) {
      throw new Error("This is not a text file. Save the table as CSV and drop that.");
    }
    if (/^\s*</.test(text)) {
      throw new Error("This is a web page or XML, not a table of numbers. Save the table as CSV and drop that.");
    }
    // numbered as the reader's editor numbers them; comments and blank lines do not count as rows
    const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/)
      .map((line, i) => ({ line, number: i + 1 }))
      .filter(({ line }) => line.trim() !== "" && !line.trim().startsWith("#"));
    if (!lines.length) throw new Error("Nothing to read: the text is empty. Paste one row per time step.");
    const separator = separatorOf(lines.map(({ line }) => line));
    const rows = lines.map(({ line, number }) => ({ cells: cellsOf(line, separator), number }));
    const numeric = (cell) => !Number.isNaN(numberOf(cell, separator));
    const named = rows.length > 1 && !rows[0].cells.some(numeric) && rows[0].cells.some((c) => c !== "");
    const header = named ? rows.shift().cells : null;
    const width = header ? header.length : rows[0].cells.length;
    const ragged = rows.find(({ cells }) => cells.length !== width);
    if (ragged) {
      throw new Error(`Line ${ragged.number} has ${ragged.cells.length} ` +
        `${ragged.cells.length === 1 ? "column" : "columns"}, the lines before have ${width}. ` +
        "Give every row the same number of columns, separated the same way.");
    }
    const notes = [];
    if (rows.length > MOST_ROWS) {
      notes.push(`The last ${MOST_ROWS.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows are used.`);
      rows.splice(0, rows.length - MOST_ROWS);
    }
    const columns = [], words = [], broken = [];
    for (let i = 0; i < width; i++) {
      const name = header?.[i] || `column ${i + 1}`;
      const values = Float64Array.from(rows, ({ cells }) => numberOf(cells[i], separator));
      const bad = values.findIndex((value) => !Number.isFinite(value));
      const good = values.reduce((count, value) => count + Number.isFinite(value), 0);
      if (good === 0 || good < 0.2 * rows.length) words.push(name); // dates, labels
      else if (bad >= 0) broken.push(gap(name, rows[bad], i, values.length - good));
      else columns.push({ name, values, usual: !counts(values) });
    }
    if (!columns.some((column) => column.usual) && broken.length) {
      throw new Error(`I${broken[0].slice(1)} Fill the gaps or cut the rows; nothing is guessed here.`);
    }
    if (!columns.length) {
      throw new Error(`No numbers found: ${quoted(lines[0].line.trim())} and so on. ` +
        "Paste one row per time step, one column per variable.");
    }
    if (rows.length < FEWEST_ROWS) {
      throw new Error(`Only ${rows.length} ${rows.length === 1 ? "row" : "rows"} of numbers: at least ` +
        `${FEWEST_ROWS} are needed, a few hundred are better. One row is one time step.`);
    }
    for (const reason of broken) notes.push(`Left out: ${reason}`);
    if (words.length) notes.push(`Not numbers, so left out: ${words.map(quoted).join(", ")}.`);
    const counters = columns.filter((column) => !column.usual);
    if (columns.length > counters.length && counters.length) {
      notes.push(`Counts its rows, so not ticked: ${counters.map((c) => quoted(c.name)).join(", ")}.`);
    }
    return { columns, notes };
  }

  /** Why a column with an entry that is no number cannot be used. */
  function gap(name, row, i, count) {
    const cell = row.cells[i];
    const missing = cell === "" ? "is empty" : `is missing (${quoted(cell)})`;
    const what = MISSING.has(cell.toLowerCase()) ? missing : `is ${quoted(cell)}`;
    return `in ${quoted(name)} the value of line ${row.number} ${what}, not a number ` +
      `(${count} such ${count === 1 ? "entry" : "entries"} in that column).`;
  }

  /** Whether a column goes up in equal steps: a row number or a time. */
  function counts(values) {
    const step = values[1] - values[0];
    if (!(step > 0)) return false;
    for (let t = 1; t < values.length; t++) {
      if (Math.abs(values[t] - values[t - 1] - step) > 1e-6 * Math.abs(step)) return false;
    }
    return true;
  }

  /** Throws unless the chosen columns can be forecast: one to `most`, all of them moving. */
  function check(chosen, most, T) {
    if (!chosen.length) throw new Error("Tick at least one column to forecast.");
    if (chosen.length > most) {
      throw new Error(`The model sees ${most} columns at once, ${chosen.length} are ticked. Untick some.`);
    }
    for (const { name, values } of chosen) {
      const shown = values.subarray(values.length - T);
      let low = Infinity, high = -Infinity;
      for (const value of shown) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      // float32 data carries about 1e-7 of relative rounding, which is not motion
      if (high - low <= 4.8e-7 * Math.max(Math.abs(low), Math.abs(high))) {
        throw new Error(`${quoted(name)} is constant at ${low} over the ${T} steps of the context. ` +
          "Untick it, or show more steps.");
      }
    }
  }

  return { parse, check, MOST_ROWS, FEWEST_ROWS };
})();
