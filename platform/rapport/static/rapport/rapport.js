// Draws the page's charts, each from the JSON beside it, in the colours of the current theme.
"use strict";
(() => {
  const draw = () => {
    if (!window.Plotly) return;
    const dark = document.documentElement.classList.contains("dark");
    document.querySelectorAll("[data-chart]").forEach((place) => {
      const figure = JSON.parse(document.getElementById(place.dataset.chart).textContent);
      figure.layout.font = { ...figure.layout.font, color: dark ? "#d1d5db" : "#374151" };
      window.Plotly.react(place, figure.data, figure.layout, {
        responsive: true, displaylogo: false, modeBarButtons: [["toImage"]],
      });
    });
  };
  document.addEventListener("DOMContentLoaded", () => {
    draw();
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["class"] });
  });
})();
