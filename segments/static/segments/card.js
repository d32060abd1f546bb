// Prints a page with everything on it that can be folded away.
"use strict";
(() => {
  const unfold = () => document.querySelectorAll(".r-page details:not(.r-ask)").forEach((one) => { one.open = true; });
  window.addEventListener("beforeprint", unfold);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
  });
})();
