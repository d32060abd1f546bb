// What all pages share: charts in the colours of the theme, saving them, and Ctrl-K for the search box.
"use strict";
(() => {
  const draw = () => {
    if (!window.Plotly) return;
    const dark = document.documentElement.classList.contains("dark");
    const ink = dark ? "#d1d5db" : "#374151";
    document.querySelectorAll("[data-chart]").forEach((place) => {
      const figure = JSON.parse(document.getElementById(place.dataset.chart).textContent);
      figure.layout.font = { ...figure.layout.font, color: ink };
      window.Plotly.react(place, figure.data, figure.layout, { responsive: true, displayModeBar: false });
    });
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-png]");
    if (!button || !window.Plotly) return;
    const dark = document.documentElement.classList.contains("dark");
    const place = document.getElementById(button.dataset.png);
    const ground = dark ? "#181c22" : "#ffffff";
    const figure = { data: place.data, layout: { ...place.layout, paper_bgcolor: ground, plot_bgcolor: ground } };
    window.Plotly.downloadImage(figure, { format: "png", scale: 2, width: place.clientWidth, height: place.clientHeight, filename: button.dataset.name });
  });

  // In the capture phase, before Unfold's own window for the same keys.
  window.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "k") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    document.querySelector(".r-topbar .r-only-narrow[aria-expanded=false]")?.checkVisibility() && document.querySelector(".r-topbar .r-only-narrow").click();
    document.getElementById("r-search")?.focus();
  }, true);

  document.addEventListener("DOMContentLoaded", () => {
    // Unfold's app.js writes the name of a chosen file into the form's first text field, unless told
    // that somebody listens already.
    document.querySelectorAll("input[type=file]").forEach((input) => { input.hasChangeListener = true; });
    draw();
    document.addEventListener("htmx:afterSettle", draw); // charts of a part that came later
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["class"] });
  });
})();
