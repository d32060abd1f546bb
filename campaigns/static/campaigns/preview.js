// Shows the message in the form as one customer would get it, a moment after the typing stops.
"use strict";
(() => {
  const WAIT_MS = 400;
  const at = (id) => document.getElementById(id);
  const form = at("r-campaign") || at("r-content");
  const frame = at("r-preview");
  if (!form || !frame) return;
  let timer = 0;
  let asked = 0;

  const show = async () => {
    const mine = ++asked;
    const data = new FormData(form);
    data.set("as", at("r-as").value);
    if (at("r-test-as")) at("r-test-as").value = at("r-as").value;
    let answer;
    try {
      const reply = await fetch(frame.dataset.url, { method: "POST", body: data });
      answer = await reply.json();
    } catch {
      answer = { error: "The preview cannot be reached; what you typed is kept." };
    }
    if (mine !== asked) return;
    at("r-preview-said").textContent = answer.error || `As ${answer.as} would get it.${answer.note || ""}`;
    if (answer.error) return;
    if (at("r-preview-subject")) at("r-preview-subject").textContent = answer.subject;
    if (at("r-preview-text")) at("r-preview-text").textContent = answer.text;
    frame.srcdoc = answer.html;
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(show, WAIT_MS); };

  form.addEventListener("input", later);
  at("r-as").addEventListener("input", later);
  at("r-width").addEventListener("change", (event) => {
    frame.style.width = event.target.value;
    frame.style.maxWidth = "100%";
  });
  show();
})();
