// The message in the form as one customer would get it: phone width, dark mode, plain text.
"use strict";
(() => {
  const place = document.querySelector("[data-look]");
  const holder = document.querySelector("[data-blocks]");
  const form = holder?.querySelector("[data-blocks-field]").form;
  if (!place || !form) return;
  const WAIT_MS = 400;
  const at = (name) => place.querySelector(`[data-look-${name}]`);
  const frame = at("frame"), as = at("as"), text = at("text");
  let timer = 0, asked = 0, html = "", part = "mail";

  const paint = () => {
    const isDark = at("dark").checked;
    // What a mail program in dark mode does with the message, whatever this browser is in.
    const page = isDark ? html.replaceAll("(prefers-color-scheme: dark)", "all").replace("<head>", "<head><style>:root{color-scheme:dark}</style>")
      : html.replaceAll("(prefers-color-scheme: dark)", "not all");
    frame.srcdoc = page;
    frame.style.maxWidth = at("phone").checked ? "375px" : "100%";
    const isText = at("plain").checked || part === "text";
    frame.hidden = isText;
    text.hidden = !isText;
  };
  const ask = async () => {
    const mine = ++asked;
    const data = new FormData(form);
    for (const [name, value] of [...data.entries()]) if (value instanceof File) data.delete(name);
    data.set("as", as.dataset.id || as.value);
    data.set("language", at("language")?.value || holder.dataset.language || "");
    const channel = form.querySelector("[name=channel]")?.value || "email";
    part = channel === "email" ? "mail" : "text";
    data.set("part", part);
    let answer;
    try {
      answer = await (await fetch(place.dataset.previewUrl, { method: "POST", body: data })).json();
    } catch {
      answer = { error: "The preview cannot be reached; what you wrote is kept." };
    }
    if (mine !== asked) return;
    const size = answer.size;
    at("said").textContent = answer.error || `As ${answer.as} would get it.`;
    at("said").classList.toggle("r-error", Boolean(answer.error));
    at("faults").replaceChildren(...(answer.faults || []).map((words) => { const item = document.createElement("li"); item.textContent = words; return item; }));
    at("size").textContent = size ? `${size.segments === 1 ? "1 segment" : `${size.segments} segments`} of ${size.encoding}, ${size.left} letters left in the last.${size.foreign.length ? ` These halve what fits: ${size.foreign.join(" ")}` : ""}` : "";
    if (answer.error) return;
    at("subject").textContent = answer.subject || "";
    text.textContent = answer.text || "";
    html = answer.html || "";
    paint();
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(ask, WAIT_MS); };
  form.addEventListener("input", (event) => { if (!place.contains(event.target)) later(); });
  form.addEventListener("change", (event) => { if (!place.contains(event.target)) later(); });
  place.addEventListener("change", (event) => { if (event.target.type === "checkbox") paint(); });
  at("language")?.addEventListener("change", later);

  let seek = 0;
  const names = at("people");
  as.addEventListener("input", () => {
    const chosen = [...names.options].find((one) => one.value === as.value);
    as.dataset.id = chosen?.dataset.id || "";
    later();
    if (chosen) return;
    clearTimeout(seek);
    seek = setTimeout(async () => {
      try {
        const found = (await (await fetch(`${place.dataset.peopleUrl}?q=${encodeURIComponent(as.value)}`)).json()).people || [];
        names.replaceChildren(...found.map((one) => { const made = document.createElement("option"); made.value = one.name; made.dataset.id = one.id; return made; }));
      } catch { /* the search box still takes a name */ }
    }, 250);
  });
  as.dispatchEvent(new Event("input"));
})();
