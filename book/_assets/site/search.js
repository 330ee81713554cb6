/* Excerpts below the results of a search, for a book that is read from a folder.
 *
 * Sphinx loads the page of each result to show the words around a match. A browser refuses this to
 * a page that was opened from a file. There, the text comes from _static/excerpts.js instead.
 */
(function () {
  "use strict";

  if (location.protocol !== "file:") return;
  const script = document.createElement("script");
  script.src = new URL("../excerpts.js", document.currentScript.src).href;
  const texts = new Promise((resolve) => (window.DynamixExcerpts = resolve));
  script.onerror = () => window.DynamixExcerpts({});
  document.head.append(script);

  /** What Sphinx reads from a page: the sections of its main part. */
  window.fetch = async (address) => {
    const name = String(address).replace(/^(\.\/)+/, "").replace(/\.html.*$/, "");
    const main = document.createElement("div");
    main.setAttribute("role", "main");
    for (const [id, text] of (await texts)[name] ?? []) {
      const section = document.createElement("section");
      section.id = id;
      section.textContent = `${text} `;
      main.append(section);
    }
    return new Response(main.outerHTML, { headers: { "Content-Type": "text/html" } });
  };
})();
