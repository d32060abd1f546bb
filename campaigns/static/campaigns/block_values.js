// The values that a text may say: offered after {{ in any field marked data-values, with how many
// people have none.
"use strict";
(() => {
  const root = document.querySelector("[data-blocks]");
  if (!root) return;
  const B = (window.RapportBlocks = window.RapportBlocks || {});
  const OUTSIDE = "[name=subject], [name=preheader], [name=text], [name=body]";
  let fields = [], people = 0;
  const box = document.createElement("ul");
  box.className = "b-offer";
  box.id = "b-offer";
  box.setAttribute("role", "listbox");
  box.setAttribute("aria-label", "Values to put in");
  box.hidden = true;
  root.append(box);
  let target = null, at = 0, shown = [];

  const note = (one) => one.missing === null ? "" : one.missing ? `${one.missing.toLocaleString("en")} of ${people.toLocaleString("en")} have none` : "everybody has one";
  const isOpen = () => !box.hidden;
  const close = () => { box.hidden = true; target?.removeAttribute("aria-activedescendant"); };
  const mark = () => {
    [...box.children].forEach((one, place) => one.setAttribute("aria-selected", String(place === at)));
    box.children[at]?.scrollIntoView({ block: "nearest" });
    target.setAttribute("aria-activedescendant", `b-offer-${at}`);
  };
  const before = () => {
    if (target.isContentEditable) {
      const selection = window.getSelection();
      const node = selection.anchorNode;
      return node && node.nodeType === Node.TEXT_NODE && target.contains(node) ? node.textContent.slice(0, selection.anchorOffset) : "";
    }
    return target.value.slice(0, target.selectionStart);
  };
  const put = (one) => {
    const typed = /\{\{\s*([\w.]*)$/.exec(before());
    const words = `{{ ${one.path} }}`;
    if (target.isContentEditable) {
      target.focus();
      const selection = window.getSelection();
      for (let left = typed ? typed[0].length : 0; left > 0; left--) selection.modify("extend", "backward", "character");
      document.execCommand("insertText", false, words);
    } else {
      const start = target.selectionStart - (typed ? typed[0].length : 0);
      target.setRangeText(words, start, target.selectionEnd, "end");
      target.dispatchEvent(new Event("input", { bubbles: true }));
    }
    close();
    B.say(`${one.label} is put in. ${note(one)}`);
  };
  const show = (words) => {
    const asked = words.toLowerCase();
    shown = fields.filter((one) => !asked || `${one.path} ${one.label}`.toLowerCase().includes(asked)).slice(0, 40);
    if (!shown.length) return close();
    at = 0;
    box.replaceChildren(...shown.map((one, place) => {
      const item = document.createElement("li");
      item.id = `b-offer-${place}`;
      item.setAttribute("role", "option");
      const name = document.createElement("span");
      name.textContent = one.label;
      const soft = document.createElement("small");
      soft.textContent = `${one.path}${note(one) ? " · " + note(one) : ""}`;
      if (one.missing) soft.className = "r-bad";
      item.append(name, soft);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); put(one); });
      return item;
    }));
    box.hidden = false;
    const place = target.getBoundingClientRect(), home = root.getBoundingClientRect();
    box.style.left = `${Math.max(0, Math.min(place.left - home.left, home.width - Math.min(360, home.width)))}px`;
    box.style.top = `${place.bottom - home.top + 4}px`;
    mark();
  };
  B.offer = (field, words) => { target = field; target.setAttribute("aria-controls", box.id); show(words); };

  const form = root.querySelector("[data-blocks-field]").form;
  form.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches?.("[data-values=''], [data-values=true], " + OUTSIDE) || field.type === "hidden") return;
    target = field;
    const typed = /\{\{\s*([\w.]*)$/.exec(before());
    if (typed) B.offer(field, typed[1]); else close();
  });
  form.addEventListener("keydown", (event) => {
    if (!isOpen() || event.target !== target) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : shown.length - 1)) % shown.length;
      mark();
    } else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      put(shown[at]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  });
  document.addEventListener("focusin", (event) => { if (isOpen() && event.target !== target && !event.target.matches(".b-insert")) close(); });

  B.snippetName = (id) => (B.snippets || []).find((one) => one.id === id)?.name || "";
  fetch(root.dataset.valuesUrl).then((reply) => reply.json()).then((found) => {
    fields = found.fields;
    people = found.people;
    B.snippets = found.snippets;
    const paths = document.createElement("datalist");
    paths.id = "b-paths";
    paths.append(...fields.map((one) => { const made = document.createElement("option"); made.value = one.path; made.label = one.label; return made; }));
    root.append(paths);
    if (!root.contains(document.activeElement)) B.redraw?.();
  }).catch(() => {});
})();
