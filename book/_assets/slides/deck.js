// Starts a deck. Formulas are set first, since reveal.js measures the slides when it begins.
(() => {
  const SMALLEST = 14; // pixels, of a slide that is 720 high

  // Text that is too long for its slide is set smaller. Only a shown slide can be measured.
  const fit = (slide) => {
    const frame = slide && slide.querySelector(".frame");
    if (!frame) return;
    let size = parseFloat(getComputedStyle(frame).fontSize);
    const tooLong = () =>
      frame.scrollHeight > frame.clientHeight || frame.scrollWidth > frame.clientWidth;
    while (tooLong() && size > SMALLEST) frame.style.fontSize = `${(size *= 0.95)}px`;
  };

  const start = () => {
    Reveal.on("ready", (event) => fit(event.currentSlide));
    Reveal.on("slidechanged", (event) => fit(event.currentSlide));
    Reveal.on("pdf-ready", () => Reveal.getSlides().forEach(fit));
    return Reveal.initialize({
      width: 1280,
      height: 720,
      margin: 0.02,
      center: false,
      hash: true,
      slideNumber: "c/t",
      transition: "none",
    });
  };

  window.MathJax = {
    tex: { inlineMath: [["\\(", "\\)"]], displayMath: [["\\[", "\\]"]] },
    startup: { pageReady: () => MathJax.startup.defaultPageReady().finally(start) },
  };
})();
