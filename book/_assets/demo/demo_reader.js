/* Reads tables in a worker, so that a large one does not freeze the page.
 *
 * A page that was opened from a file may not load a worker from one. The worker is made of the text
 * of a function that the page has already; where even that is forbidden, the page reads by itself.
 */
window.DynaMixReader = (function () {
  "use strict";

  const Table = window.DynaMixTable;
  const PROGRAM = `"use strict";
    const Table = (${Table.source})();
    onmessage = async ({ data: { input, comma } }) => {
      try {
        const text = typeof input === "string" ? input : await Table.textOf(input);
        const table = Table.parse(text, comma);
        postMessage({ table }, [table.lines.buffer, ...table.columns.map(({ values }) => values.buffer)]);
      } catch (error) {
        postMessage({ message: error.message });
      }
    };`;
  let worker = null, address = null;

  /** The table in a text or a file; a later call takes the place of an earlier one. */
  async function read(input, comma) {
    worker?.terminate();
    worker = null;
    try {
      address ??= URL.createObjectURL(new Blob([PROGRAM], { type: "text/javascript" }));
      worker = new Worker(address);
    } catch {
      return here(input, comma);
    }
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.table ? resolve(data.table) : reject(new Error(data.message)));
      worker.onerror = (event) => {
        event.preventDefault();
        here(input, comma).then(resolve, reject);
      };
      worker.postMessage({ input, comma });
    });
  }

  async function here(input, comma) {
    return Table.parse(typeof input === "string" ? input : await Table.textOf(input), comma);
  }

  return { read };
})();
