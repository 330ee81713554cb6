/* Every page: figures open large, and one switch opens or closes all hidden code. */
(function () {
  "use strict";

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  // ---- figures ----

  const GAIN = 1.25; // a figure that fits the window must be this much larger than on the page
  const FULL = 2; // else it is shown this many times as wide as the window, and is scrolled

  let dialog = null, stage, picture, caption, size;

  function build() {
    picture = make("img", { alt: "" });
    stage = make("div", { className: "dynamix-figure-stage", tabIndex: 0 }, picture);
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", "The figure. Arrow keys scroll it where it is larger than the window.");
    caption = make("p", { className: "dynamix-figure-caption" });
    size = make("button", { type: "button", onclick: () => fit(!dialog.classList.contains("dynamix-figure-fits")) });
    const close = make("button", { type: "button", textContent: "Close", autofocus: true, onclick: () => dialog.close() });
    dialog = make("dialog", { className: "dynamix-figure-dialog" }, make("div", { className: "dynamix-figure-bar" }, size, close), stage, caption);
    dialog.setAttribute("aria-label", "A figure, enlarged");
    picture.onclick = size.onclick;
    stage.onclick = (event) => event.target === stage && dialog.close(); // beside the figure
    document.body.append(dialog);
  }

  /** Show the figure as a whole, or so large that it is scrolled. */
  function fit(whole) {
    dialog.classList.toggle("dynamix-figure-fits", whole);
    picture.style.width = whole ? "" : `${Math.max(picture.naturalWidth, FULL * stage.clientWidth)}px`;
    size.textContent = whole ? "Larger" : "Fit to window";
  }

  function enlarge(figure) {
    if (!dialog) build();
    picture.src = figure.currentSrc || figure.src;
    picture.alt = figure.alt;
    caption.textContent = figure.alt;
    dialog.showModal();
    const { naturalWidth: width, naturalHeight: height } = figure;
    const fitting = Math.min(stage.clientWidth, (stage.clientHeight * width) / height);
    fit(fitting >= GAIN * figure.clientWidth);
    stage.scrollTo(0, 0);
  }

  function figures() {
    for (const figure of document.querySelectorAll("article img")) {
      if (figure.closest("a, button, #dynamix-demo, .dynamix-demo-paper")) continue;
      figure.classList.add("dynamix-figure-opens");
      figure.tabIndex = 0;
      figure.title = "Enlarge";
      figure.setAttribute("role", "button");
      figure.setAttribute("aria-haspopup", "dialog");
      figure.addEventListener("click", () => enlarge(figure));
      figure.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        enlarge(figure);
      });
    }
  }

  // ---- hidden code ----

  const KEY = "dynamix-code";

  /** The reader's last choice, on any page; a browser may keep nothing for a page. */
  function remembered() {
    try {
      return localStorage.getItem(KEY) === "shown";
    } catch {
      return false;
    }
  }

  function remember(shown) {
    try {
      localStorage.setItem(KEY, shown ? "shown" : "hidden");
    } catch {
      // the switch works all the same
    }
  }

  function code() {
    const cells = [...document.querySelectorAll("article div.cell details.hide")];
    const title = document.querySelector("article h1");
    if (!cells.length || !title) return;
    const button = make("button", { type: "button" });
    const opened = () => cells.every((cell) => cell.open);
    const name = () => (button.textContent = opened() ? "Hide all code" : "Show all code");
    const all = (shown) => cells.forEach((cell) => (cell.open = shown));
    button.onclick = () => {
      const shown = !opened();
      all(shown);
      remember(shown);
      name();
    };
    for (const cell of cells) cell.addEventListener("toggle", name);
    if (remembered()) all(true);
    name();
    // below the first screen's picture, before the first code
    const picture = document.querySelector("article .opener");
    (picture || title).after(make("div", { className: "dynamix-code-switch" }, button));
  }

  function begin() {
    figures();
    code();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
