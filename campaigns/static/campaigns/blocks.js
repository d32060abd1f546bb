// The block editor: a document of blocks in a hidden field, shown as a list that can be written in.
// Its fields are in block_fields.js, the values to put in and their list in block_values.js.
"use strict";
(() => {
  const root = document.querySelector("[data-blocks]");
  if (!root) return;
  const B = (window.RapportBlocks = window.RapportBlocks || {});
  const NAMES = {
    text: "Text", image: "Image", button: "Button", columns: "Columns", divider: "Line", spacer: "Space",
    products: "Products", coupon: "Coupon", if: "Only for some", snippet: "Snippet", mjml: "MJML",
  };
  const NEW = {
    text: () => ({ kind: "text", html: "<p></p>", align: "left" }),
    image: () => ({ kind: "image", src: "", alt: "", href: "", width: 100 }),
    button: () => ({ kind: "button", label: "Visit the shop", href: "{{ shop.url }}", align: "center" }),
    columns: () => ({ kind: "columns", columns: [{ width: 50, blocks: [] }, { width: 50, blocks: [] }] }),
    divider: () => ({ kind: "divider" }),
    spacer: () => ({ kind: "spacer", height: 24 }),
    products: () => ({ kind: "products", source: "fixed", ids: [], most: 3, per_row: 3, button: "", has_prices: true }),
    coupon: () => ({ kind: "coupon", title: "", note: "" }),
    if: () => ({ kind: "if", match: "all", tests: [{ field: "customer.country", op: "is", value: "" }], then: [], otherwise: [] }),
    snippet: () => ({ kind: "snippet", snippet: 0 }),
    mjml: () => ({ kind: "mjml", mjml: "<mj-text>Hello</mj-text>" }),
  };
  const NEW_DOCUMENT = () => ({ version: 1, style: {}, blocks: [NEW.text()] });
  const NARROW = ["text", "image", "button", "divider", "spacer", "coupon", "if", "snippet", "mjml"];
  const UNDO_MOST = 100;
  const field = root.querySelector("[data-blocks-field]");
  const list = root.querySelector("[data-blocks-list]");
  const said = root.querySelector("[data-blocks-said]");
  const form = field.form;
  const past = [], future = [];
  const open = new WeakSet(); // blocks whose fields are shown
  const spoken = root.querySelector("[data-blocks-languages]"); // {"fr": a document, …}
  const chooser = root.querySelector("[data-language]");
  const translated = read(spoken?.value) || {};
  let language = "";
  let doc = read(field.value);
  let kept = JSON.stringify(doc);
  let dragged = null;

  function read(text) {
    try { return text && text !== "null" ? JSON.parse(text) : null; } catch { return null; }
  }
  const el = (B.el = (name, given = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(given)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (key === "class") made.className = value;
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children.filter((one) => one !== null && one !== undefined));
    return made;
  });
  const sign = (B.sign = (name) => el("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, name));
  const say = (B.say = (words) => { said.textContent = words; });

  // Everything that changes the document goes through here: the field, what can be undone, the preview.
  const store = () => {
    const now = JSON.stringify(doc);
    if (now === kept) return;
    past.push(kept);
    if (past.length > UNDO_MOST) past.shift();
    future.length = 0;
    kept = now;
    write();
  };
  const write = () => {
    if (!language) field.value = doc ? JSON.stringify(doc) : "";
    else {
      if (doc) translated[language] = doc; else delete translated[language];
      spoken.value = JSON.stringify(translated);
    }
    field.dispatchEvent(new Event("input", { bubbles: true }));
    buttons();
  };
  let later = 0;
  // Typing is one step for every pause, not one for every key.
  B.typed = () => { clearTimeout(later); later = setTimeout(store, 350); };
  B.changed = (words) => { clearTimeout(later); store(); draw(); if (words) say(words); };
  const go = (from, to, words) => {
    clearTimeout(later);
    store();
    if (!from.length) return;
    to.push(kept);
    kept = from.pop();
    doc = JSON.parse(kept);
    write();
    draw();
    list.focus(); // what had the focus is drawn anew
    say(words);
  };
  B.undo = () => go(past, future, "Undone.");
  B.redo = () => go(future, past, "Done again.");
  const buttons = () => {
    root.querySelector("[data-undo]").disabled = !past.length;
    root.querySelector("[data-redo]").disabled = !future.length;
  };

  const plain = (html) => new DOMParser().parseFromString((html || "").replaceAll("<", " <"), "text/html").body.textContent.trim();
  const summary = (block) => ({
    text: () => plain(block.html), image: () => block.alt || block.src, button: () => block.label,
    columns: () => `${block.columns.length} side by side`, spacer: () => `${block.height} pixels`,
    products: () => ({ fixed: `${(block.ids || []).length} chosen`, bought_with: "bought with her last purchase", favourite: "liked in her favourite category", event: "of the cart" })[block.source],
    coupon: () => block.title || "her code", if: () => block.tests.map((one) => `${one.field} ${one.op.replace("_", " ")} ${one.value || ""}`).join(block.match === "all" ? " and " : " or "),
    snippet: () => B.snippetName ? B.snippetName(block.snippet) : "", mjml: () => block.mjml,
  })[block.kind]?.() || "";

  const focus = (block, what) => {
    const found = [...list.querySelectorAll(".b-block")].find((one) => one.block === block);
    (found?.querySelector(`:scope > .b-head ${what}`) || found?.querySelector(".b-title"))?.focus();
  };
  const move = (blocks, at, by) => {
    const to = at + by;
    if (to < 0 || to >= blocks.length) return;
    const [block] = blocks.splice(at, 1);
    blocks.splice(to, 0, block);
    B.changed(`${NAMES[block.kind]} is now number ${to + 1} of ${blocks.length}.`);
    focus(block, by < 0 ? "[data-up]" : "[data-down]");
  };

  const one = (blocks, at, isNarrow) => {
    const block = blocks[at];
    const name = NAMES[block.kind] || block.kind;
    const isOpen = open.has(block);
    const tool = (drawing, words, act, more = {}) => el("button", { type: "button", class: "b-tool", "aria-label": `${words}: ${name}`, title: words, onclick: act, ...more }, drawing);
    const item = el("li", { class: `b-block b-${block.kind}` });
    item.block = block;
    const toggle = () => { if (isOpen) open.delete(block); else open.add(block); draw(); focus(block, ".b-title"); };
    const head = el("div", { class: "b-head" },
      el("span", { class: "b-grip", draggable: "true", "aria-hidden": "true", title: "Drag to another place",
        ondragstart: (event) => { dragged = { blocks, at }; event.dataTransfer.setData("text/plain", name); event.dataTransfer.effectAllowed = "move"; },
        ondragend: () => { dragged = null; } }, sign("drag_indicator")),
      el("button", { type: "button", class: "b-title", "aria-expanded": String(isOpen), onclick: toggle },
        el("strong", {}, name), el("span", { class: "b-summary" }, summary(block).slice(0, 90))),
      el("span", { class: "b-tools" },
        tool(sign("arrow_upward"), "Move up", () => move(blocks, at, -1), { "data-up": true, disabled: at === 0 }),
        tool(sign("arrow_downward"), "Move down", () => move(blocks, at, 1), { "data-down": true, disabled: at === blocks.length - 1 }),
        tool(sign("content_copy"), "Duplicate", () => { const copy = structuredClone(block); blocks.splice(at + 1, 0, copy); B.changed(`${name} is duplicated.`); focus(copy, ".b-title"); }),
        tool(sign("delete"), "Delete", () => { blocks.splice(at, 1); B.changed(`${name} is deleted; undo brings it back.`); const near = blocks[Math.min(at, blocks.length - 1)]; if (near) focus(near, ".b-title"); else list.querySelector("summary")?.focus(); })));
    item.addEventListener("dragover", (event) => { if (dragged) { event.preventDefault(); item.classList.add("b-over"); } });
    item.addEventListener("dragleave", () => item.classList.remove("b-over"));
    item.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      item.classList.remove("b-over");
      const source = dragged;
      dragged = null;
      const moved = source && source.blocks[source.at];
      if (!moved || moved === block || holds(moved, blocks)) return;
      if (isNarrow && !NARROW.includes(moved.kind)) { say("It needs the whole width."); return; }
      source.blocks.splice(source.at, 1);
      blocks.splice(blocks.indexOf(block), 0, moved);
      B.changed(`${NAMES[moved.kind]} is moved.`);
    });
    item.append(head);
    if (isOpen) item.append(el("div", { class: "b-body r-form" }, ...B.fields(block, { lists: (blocks, narrow) => drawn(blocks, narrow || isNarrow) })));
    return item;
  };
  const holds = (block, blocks) => [block.then, block.otherwise, ...(block.columns || []).map((one) => one.blocks)]
    .filter(Boolean).some((one) => one === blocks || one.some((inner) => holds(inner, blocks)));

  const end = (blocks) => (blocks.at(-1)?.is_small ? blocks.length - 1 : blocks.length); // the footer stays last
  const adder = (blocks, isNarrow) => {
    const kinds = isNarrow ? NARROW : Object.keys(NAMES);
    return el("details", { class: "b-add" }, el("summary", { class: "r-button" }, "Add a block"),
      el("div", { class: "b-kinds" }, ...kinds.map((kind) => el("button", {
        type: "button", class: "r-button",
        onclick: () => { const made = NEW[kind](); blocks.splice(end(blocks), 0, made); open.add(made); B.changed(`${NAMES[kind]} is added.`); focus(made, ".b-title"); },
      }, NAMES[kind]))));
  };
  const drawn = (blocks, isNarrow = false) => el("div", { class: "b-list" },
    el("ol", {}, ...blocks.map((_, at) => one(blocks, at, isNarrow))), adder(blocks, isNarrow));

  const draw = () => {
    const isCode = !doc && !language;
    const isMissing = !doc && Boolean(language);
    root.querySelector("[data-no-words]").hidden = !isMissing;
    root.querySelectorAll("[data-when-blocks]").forEach((part) => { part.hidden = isCode; });
    root.querySelectorAll("[data-when-code]").forEach((part) => { part.hidden = !isCode; });
    list.replaceChildren(...(doc ? [drawn(doc.blocks), B.styles(doc)] : []));
    buttons();
  };

  root.querySelector("[data-undo]").addEventListener("click", B.undo);
  root.querySelector("[data-redo]").addEventListener("click", B.redo);
  root.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.target.matches("input, textarea, [contenteditable]")) return;
    const key = event.key.toLowerCase();
    if (key === "z") { event.preventDefault(); if (event.shiftKey) B.redo(); else B.undo(); }
    if (key === "y") { event.preventDefault(); B.redo(); }
  });
  root.querySelector("[data-to-code]")?.addEventListener("click", () => { doc = null; B.changed("Write MJML by hand; undo brings the blocks back."); });
  root.querySelector("[data-to-blocks]")?.addEventListener("click", () => {
    const starter = read(document.getElementById("b-starter")?.textContent || "");
    doc = starter || NEW_DOCUMENT();
    B.changed("Blocks make the message now; what you wrote by hand is kept below until you save.");
  });
  const speak = (to) => {
    clearTimeout(later);
    store();
    language = to;
    doc = language ? translated[language] || null : read(field.value);
    kept = JSON.stringify(doc);
    past.length = future.length = 0;
    if (chooser) chooser.value = to;
    root.dataset.language = to;
    draw();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    say(to ? `These are the words in ${to}.` : "These are the words of the base.");
  };
  const offered = () => {
    const named = [...(form?.querySelectorAll("[name$='-language']") || [])].map((one) => one.value.trim()).filter(Boolean);
    const all = [...new Set([...Object.keys(translated), ...named])].sort();
    chooser?.replaceChildren(el("option", { value: "" }, "Base language"), ...all.map((one) => el("option", { value: one, selected: one === language }, one)), el("option", { value: "+" }, "Another language…"));
  };
  chooser?.addEventListener("focus", offered);
  chooser?.addEventListener("change", () => {
    let to = chooser.value;
    if (to === "+") {
      to = (window.prompt("Which language? Such as fr, or pt-BR.") || "").trim();
      if (!/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(to)) { chooser.value = language; return; }
      if (![...chooser.options].some((one) => one.value === to)) chooser.insertBefore(el("option", { value: to }, to), chooser.lastChild);
    }
    speak(to);
  });
  root.querySelector("[data-from-base]")?.addEventListener("click", () => {
    doc = read(field.value) || NEW_DOCUMENT();
    B.changed("Here are the words of the base: say them in this language.");
  });
  root.querySelector("[data-drop-language]")?.addEventListener("click", () => { doc = null; B.changed("These readers get the words of the base; undo brings yours back."); });
  form?.addEventListener("submit", () => { clearTimeout(later); store(); });
  list.tabIndex = -1;
  if (chooser) offered();
  B.redraw = draw;
  B.form = form;
  document.addEventListener("DOMContentLoaded", draw);
})();
