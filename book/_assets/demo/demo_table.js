/* A table that a reader pastes or drops: text in, columns of numbers out, or one clear sentence.
 *
 * All of it is one function that needs nothing else, so that demo_reader.js can give its text to a
 * worker. Lines are numbered as an editor numbers them.
 */
(function () {
  "use strict";

  function dynamixTable() {
    const MOST_ROWS = 10000; // of which a forecast is quick
    const FEWEST_ROWS = 20;
    const MOST_CHARACTERS = 6e7;
    const SAMPLE = 60; // lines that show how a table is laid out
    const LONGEST_GAP = 6, MOST_FILLED = 0.2; // as dynamix.preprocessing.resample fills
    const MISSING = new Set([
      "", "na", "n/a", "#n/a", "#na", "nan", "null", "none", "<na>", "-", "--", "---", "?", ".", "..", "...", "…", "*",
      "missing", "nodata", "nil", "inf", "-inf", "infinity",
    ]);
    const ONE = /^\s*"?[+-]?\d+(,\d+)?"?\s*$/; // a number, perhaps with a decimal comma
    const SOME = /^\s*[+-]?\d+(,\d+)?(\s+[+-]?\d+(,\d+)?)+\s*$/; // and several of them
    const CHOICE = "If that is wrong, choose what a comma means.";

    /** Text as a reader may see it in a message. */
    const quoted = (text) => `“${text.length > 24 ? text.slice(0, 24) + "…" : text}”`;
    const many = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
    const missing = (cell) => MISSING.has(cell.toLowerCase());

    /** Whether lines of one comma each hold one number, its decimal sign a comma. */
    function isDecimal(lines) {
      const header = /[^\d\s.,;+\-eE"]/.test(lines[0]) ? lines[0] : null;
      const body = header === null ? lines : lines.slice(1);
      if (!body.some((line) => line.includes(",")) || !body.every((line) => ONE.test(line) || missing(line.trim()))) return false;
      if (header !== null) return !header.includes(",");
      if (body.some((line) => !line.includes(",") || /,0\d/.test(line))) return true;
      const first = body.map((line) => parseInt(line.replace('"', ""), 10)); // a count is a column of its own
      return body.length < 3 || !first.every((value, t) => t < 2 || value - first[t - 1] === first[1] - first[0]) || first[1] === first[0];
    }

    /** What separates cells (null: white space) and, in words, what was assumed. */
    function separatorOf(lines, comma) {
      const often = (separator) => lines.filter((line) => line.includes(separator)).length >= 0.8 * lines.length;
      if (comma === "separator") return { separator: ",", note: "" };
      const found = ["\t", ";"].find(often);
      if (found) return { separator: found, note: "" };
      if (comma === "decimal") return { separator: null, note: "" };
      const body = lines.slice(lines.length > 1 ? 1 : 0);
      if (isDecimal(lines)) return { separator: null, note: `A comma is read as the decimal sign, so there is one column. ${CHOICE}` };
      if (body.some((line) => line.includes(",")) && body.every((line) => SOME.test(line))) {
        return { separator: null, note: `A comma is read as the decimal sign. ${CHOICE}` };
      }
      return { separator: often(",") ? "," : null, note: "" };
    }

    /** Cells of a line; quotes around a cell are dropped, separators inside them kept. */
    function cellsOf(line, separator) {
      if (separator === null) return line.trim().split(/\s+/).map((cell) => cell.replace(/^"(.*)"$/, "$1"));
      if (!line.includes('"')) return line.split(separator).map((cell) => cell.trim());
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
      let text = cell;
      if (separator !== "," && cell.includes(",")) {
        if (/^[+-]?\d{1,3}(\.\d{3})+,\d+$/.test(text)) text = text.replace(/\./g, ""); // 1.234,5
        text = text.replace(/^([+-]?\d*),(\d+(e[+-]?\d+)?)$/i, "$1.$2");
      }
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
    }

    function refuse(text) {
      if (text.length > MOST_CHARACTERS) {
        throw new Error(`Too much text: ${(text.length / 1e6).toFixed(0)} million characters. ` +
          `Keep the last ${many(MOST_ROWS, "row")}, more than that is not used.`);
      }
      const head = text.slice(0, 2000);
      if (head.startsWith("PK") || head.includes("\u0000")) {
        throw new Error("This is not a text file. Save the table as CSV and drop that.");
      }
      if (/^\s*</.test(head)) {
        throw new Error("Line 1 begins with “<”: this is a web page or XML, not a table of numbers. Save the table as CSV and drop that.");
      }
    }

    /**
     * Columns of numbers from text.
     *
     * @param {string} text
     * @param {"auto" | "decimal" | "separator"} comma what a comma means
     * @returns {{columns: {name: string, values: Float64Array, usual: boolean}[], lines: Int32Array,
     *   notes: string[]}} values: NaN where one is missing; usual: false for a column that only
     *   counts its rows; lines: of the text, one a row; notes: what was left out and why
     * @throws {Error} with a sentence that says what was expected, what was found and what to do
     */
    function parse(text, comma = "auto") {
      refuse(text);
      const every = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
      let numbers = [];
      every.forEach((line, i) => {
        if (line.trim() !== "" && !/^\s*#/.test(line)) numbers.push(i);
      });
      if (!numbers.length) throw new Error("Nothing to read: the text is empty. Paste one row per time step.");
      const sample = numbers.slice(0, SAMPLE).map((i) => every[i]);
      const { separator, note } = separatorOf(sample, comma);
      const numeric = (cell) => !Number.isNaN(numberOf(cell, separator));
      const first = cellsOf(sample[0], separator);
      const named = numbers.length > 1 && !first.some(numeric) && first.some((cell) => cell !== "");
      const width = first.length, begin = named ? 1 : 0, last = numbers[numbers.length - 1];
      let empty = every.map((line, i) => i).filter((i) => i > numbers[begin] && i < last && every[i].trim() === "");
      if (width === 1 && 2 * empty.length < numbers.length) { // of one column: a step without a value
        numbers = numbers.concat(empty).sort((a, b) => a - b);
        empty = [];
      }
      const count = numbers.length - begin;
      const kept = Math.min(count, MOST_ROWS), rows = [];
      for (let at = begin; at < numbers.length; at++) {
        const cells = cellsOf(every[numbers[at]], separator);
        if (cells.length !== width) {
          throw new Error(`Line ${numbers[at] + 1} has ${many(cells.length, "column")}, the lines before have ${width}: ` +
            `${quoted(every[numbers[at]].trim())}. Give every row the same number of columns, separated the same way` +
            `${separator === "," ? ", or choose what a comma means" : ""}.`);
        }
        if (at >= numbers.length - kept) rows.push(cells);
      }
      const lines = Int32Array.from(numbers.slice(numbers.length - kept), (i) => i + 1);
      const notes = note ? [note] : [];
      if (empty.length) notes.push(`Skipped: ${many(empty.length, "empty line")}, the first of them line ${empty[0] + 1}.`);
      if (count > kept) notes.push(`The last ${many(kept, "row")} of ${many(count, "row")} are used, from line ${lines[0]} on.`);
      const columns = [], words = [], broken = [];
      for (let i = 0; i < width; i++) {
        const name = (named && first[i]) || `column ${i + 1}`;
        const values = Float64Array.from(rows, (cells) => numberOf(cells[i], separator));
        const good = values.reduce((sum, value) => sum + Number.isFinite(value), 0);
        const bad = rows.map((cells, t) => t).filter((t) => !Number.isFinite(values[t]) && !missing(rows[t][i]));
        if (good === 0 || good < 0.2 * rows.length) words.push(name); // dates, labels
        else if (bad.length) {
          broken.push(`In ${quoted(name)} the value of line ${lines[bad[0]]} is ${quoted(rows[bad[0]][i])}, not a number ` +
            `(${many(bad.length, "such entry").replace("entrys", "entries")} in that column).`);
        } else columns.push({ name, values: values.map((value) => (Number.isFinite(value) ? value : NaN)), usual: !counts(values) });
      }
      if (!columns.some((column) => column.usual) && broken.length) {
        throw new Error(`${broken[0]} Correct the entry or cut the row; nothing is guessed here.`);
      }
      if (!columns.length) {
        throw new Error(`No numbers found: line ${numbers[0] + 1} is ${quoted(sample[0].trim())}, and so on. ` +
          "Paste one row per time step, one column per variable.");
      }
      if (rows.length < FEWEST_ROWS) {
        throw new Error(`Only ${many(rows.length, "row")} of numbers, up to line ${lines[rows.length - 1]}: at least ` +
          `${FEWEST_ROWS} are needed, a few hundred are better. One row is one time step.`);
      }
      for (const reason of broken) notes.push(`Left out: ${reason.replace(/^I/, "i")}`);
      if (words.length) notes.push(`Not numbers, so left out: ${words.map(quoted).join(", ")}.`);
      const counters = columns.filter((column) => !column.usual);
      if (columns.length > counters.length && counters.length) {
        notes.push(`Counts its rows, so not ticked: ${counters.map((c) => quoted(c.name)).join(", ")}.`);
      }
      return { columns, lines, notes };
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

    /**
     * The chosen columns without missing values: short gaps are filled by straight lines, rows
     * without a value at either end are cut.
     *
     * @returns {{chosen: {name: string, values: Float64Array}[], lines: Int32Array, notes: string[]}}
     * @throws {Error} where more is missing than the library fills
     */
    function fill(columns, lines) {
      const lacks = lines.reduce((found, _, t) => {
        if (columns.some(({ values }) => Number.isNaN(values[t]))) found.push(t);
        return found;
      }, []);
      if (!lacks.length) return { chosen: columns, lines, notes: [] };
      const firsts = columns.map(({ values }) => values.findIndex((value) => !Number.isNaN(value)));
      const lasts = columns.map(({ values }) => values.findLastIndex((value) => !Number.isNaN(value)));
      const begin = Math.max(...firsts), end = Math.min(...lasts) + 1;
      const inside = lacks.filter((t) => t >= begin && t < end), total = Math.max(0, end - begin);
      const nameAt = (t) => quoted(columns.find(({ values }) => Number.isNaN(values[t])).name);
      if (inside.length > MOST_FILLED * total || !total) {
        throw new Error(`${many(inside.length, "row")} of ${total} lack a value, the first of them in line ${lines[lacks[0]]} of ` +
          `${nameAt(lacks[0])}. At most ${100 * MOST_FILLED} % are filled. Untick that column, or fill its gaps first.`);
      }
      let from = 0;
      for (let at = 1; at <= inside.length; at++) {
        if (inside[at] === inside[at - 1] + 1) continue;
        if (at - from > LONGEST_GAP) {
          throw new Error(`In ${nameAt(inside[from])} ${at - from} rows in a row lack a value, from line ${lines[inside[from]]} to ` +
            `line ${lines[inside[at - 1]]}. At most ${LONGEST_GAP} in a row are filled. Untick that column, or cut the table there.`);
        }
        from = at;
      }
      const chosen = columns.map(({ name, values }, i) => {
        const filled = values.slice();
        for (let t = firsts[i] + 1, left = firsts[i]; t <= lasts[i]; t++) {
          if (Number.isNaN(filled[t])) continue;
          for (let k = left + 1; k < t; k++) filled[k] = filled[left] + ((filled[t] - filled[left]) * (k - left)) / (t - left);
          left = t;
        }
        return { name, values: filled.slice(begin, end) };
      });
      const named = (rows) => rows.slice(0, 5).map((t) => lines[t]).join(", ") + (rows.length > 5 ? " and so on" : "");
      const notes = [];
      if (inside.length) notes.push(`Filled by straight lines: ${many(inside.length, "row")} without a value (line ${named(inside)}).`);
      const cut = lines.length - total;
      if (cut) notes.push(`Cut: ${many(cut, "row")} at the ends that lack a value (line ${named(lacks.filter((t) => t < begin || t >= end))}).`);
      return { chosen, lines: lines.subarray(begin, end), notes };
    }

    /** Throws unless the chosen columns can be forecast: one to `most`, all of them moving. */
    function check(chosen, most, T, lines = []) {
      if (!chosen.length) throw new Error("Tick at least one column to forecast.");
      if (chosen.length > most) {
        throw new Error(`The model sees ${most} columns at once, ${chosen.length} are ticked. Untick some.`);
      }
      for (const { name, values } of chosen) {
        const shown = values.subarray(values.length - T), at = values.length - shown.length;
        let low = Infinity, high = -Infinity;
        for (const value of shown) {
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
        // float32 data carries about 1e-7 of relative rounding, which is not motion
        if (high - low <= 4.8e-7 * Math.max(Math.abs(low), Math.abs(high))) {
          const where = lines.length ? `, lines ${lines[at]} to ${lines[at + shown.length - 1]}` : "";
          throw new Error(`${quoted(name)} is constant at ${low} over the ${T} steps of the context${where}. ` +
            "Untick it, or show more steps.");
        }
      }
    }

    /** The text of a file in UTF-8, UTF-16 or, since every byte is a letter in it, cp1252. */
    async function textOf(file) {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const utf16 = { "255,254": "utf-16le", "254,255": "utf-16be" }[bytes.slice(0, 2).join()];
      if (utf16) return new TextDecoder(utf16).decode(bytes);
      try {
        return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      } catch {
        return new TextDecoder("windows-1252").decode(bytes);
      }
    }

    return { parse, fill, check, textOf, MOST_ROWS, FEWEST_ROWS, MOST_CHARACTERS };
  }

  window.DynaMixTable = Object.assign(dynamixTable(), { source: dynamixTable.toString() });
})();
