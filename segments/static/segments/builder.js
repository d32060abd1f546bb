// The builder's comfort: edits without loading the page anew, the live count, completion, undo, keys.
// The server does every edit; without this script the same buttons load the page instead.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const WAIT_MS = 350;
  const KEPT = 200; // steps that can be taken back
  const form = document.getElementById("s-build");
  if (!form) return;
  const at = (id) => document.getElementById(id);
  const tree = at("s-tree");
  const touched = new Set();
  const past = [], ahead = [];
  let queue = Promise.resolve();
  let timer = 0, asked = 0;

  // What stands in the conditions, as the form would send it.
  const fields = () => {
    const all = new FormData(form);
    for (const name of ["name", "description", "csrfmiddlewaretoken", "do", "save"]) all.delete(name);
    return new URLSearchParams(all).toString();
  };
  let present = fields();

  const post = async (address, body) => {
    const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
    const answer = await fetch(address, { method: "POST", headers: { "X-CSRFToken": token, "Content-Type": "application/x-www-form-urlencoded" }, body });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    return answer.json();
  };
  const say = (text) => { at("s-said").textContent = ""; at("s-said").textContent = text; };
  const partOf = (element) => element.closest("[data-part]");

  // --- edits ----------------------------------------------------------------------------------
  const focusOn = (id) => {
    if (!id) return;
    const [part, ...rest] = id.split(".");
    const named = rest.length ? at(`s-${id.replaceAll(".", "-")}`) || tree.querySelector(`[name="${id}"]:not([type=hidden])`) : null;
    const box = at(part);
    const ways = [":scope > .s-line select", ":scope > .s-line input:not([type=hidden])", ":scope > .s-group-head select", ".s-handle"];
    const first = named || ways.map((way) => box?.querySelector(way)).find(Boolean);
    first?.focus();
  };
  // What was typed while the answer was on its way stays.
  const late = (sent) => {
    const before = new URLSearchParams(sent), now = new URLSearchParams(fields());
    return [...new Set(now.keys())].filter((name) => name !== "tree" && before.has(name) && before.getAll(name).join("\n") !== now.getAll(name).join("\n"))
      .map((name) => [name, now.getAll(name).at(-1)]);
  };
  // Who has gone on to another input meanwhile stays there.
  const placeOf = (element) => tree.contains(element) ? element.name || element.id : "";
  const replace = (answer, sent, focus, from) => {
    const typed = late(sent);
    const now = document.activeElement, went = placeOf(now) !== from && placeOf(now);
    const caret = went && now.matches("input[type=text]") ? now.selectionStart : null;
    tree.innerHTML = answer.html;
    for (const [name, value] of typed) {
      const input = [...tree.querySelectorAll(`[name="${name}"]:not([type=hidden], [type=checkbox])`)].at(-1);
      if (input) input.value = value;
    }
    dress();
    if (went) {
      const there = [...tree.querySelectorAll(`[name="${went}"]:not([type=hidden])`)].at(-1) || at(went);
      there?.focus();
      if (caret !== null && there?.matches("input[type=text]")) there.setSelectionRange(caret, caret);
    } else focusOn(focus ?? answer.focus);
    if (answer.said) say(answer.said);
  };
  const send = (todo, { focus, body } = {}) => {
    const begun = placeOf(document.activeElement);
    queue = queue.then(async () => {
      const sent = body ?? fields(), from = begun;
      try {
        const more = new URLSearchParams({ do: todo, touched: [...touched].join(" ") });
        replace(await post(form.dataset.draft, `${sent}&${more}`), sent, focus, from);
        if (body === undefined) remember();
        else { present = fields(); buttons(); }
        later();
      } catch (error) {
        say(`That did not work; what you typed is kept. ${error.message}`);
        at("s-count").textContent = "The server cannot be reached; what you typed is kept.";
      }
    });
    return queue;
  };

  // --- undo -----------------------------------------------------------------------------------
  const buttons = () => { at("s-undo").hidden = !past.length; at("s-redo").hidden = !ahead.length; };
  const remember = () => {
    const now = fields();
    if (now === present) return;
    past.push(present);
    if (past.length > KEPT) past.shift();
    ahead.length = 0;
    present = now;
    buttons();
  };
  const back = (from, to, word) => {
    remember();
    if (!from.length) return;
    to.push(present);
    const body = from.pop();
    const focused = partOf(document.activeElement)?.id;
    send("show", { body, focus: focused || "n1" }).then(() => { say(word); buttons(); });
  };
  at("s-undo").addEventListener("click", () => back(past, ahead, "Taken back."));
  at("s-redo").addEventListener("click", () => back(ahead, past, "Done again."));

  // --- the live count -------------------------------------------------------------------------
  const show = (answer) => {
    at("s-preview").querySelectorAll(":scope > :not(h2)").forEach((old) => old.remove());
    at("s-preview").insertAdjacentHTML("beforeend", answer.html);
    at("s-mini").textContent = answer.count;
    if (answer.is_estimate) return;
    tree.querySelectorAll("[data-passes]").forEach((place) => { place.textContent = answer.passes[place.dataset.passes] || ""; });
    tree.querySelectorAll("[data-wrong]").forEach((place) => {
      const id = place.dataset.wrong;
      const found = touched.has(id) ? answer.wrong[id] || [] : [];
      place.replaceChildren(...found.map(([text, unfinished]) => Object.assign(document.createElement("p"), { textContent: text, className: unfinished ? "r-note" : "r-error" })));
    });
  };
  const count = async () => {
    const mine = ++asked;
    const body = fields();
    at("s-preview").classList.add("s-busy");
    try {
      for (const stage of ["estimate", "exact"]) {
        const answer = await post(form.dataset.preview, `${body}&stage=${stage}`);
        if (mine !== asked) return;
        if (answer.html) show(answer);
      }
      say(`${at("s-count").textContent}.`);
    } catch (error) {
      if (mine === asked) at("s-count").textContent = "The count cannot be reached; what you typed is kept.";
    }
    if (mine === asked) at("s-preview").classList.remove("s-busy");
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(count, WAIT_MS); };

  // --- completion: a list box under an input, as WAI-ARIA's combobox ---------------------------
  const dress = () => tree.querySelectorAll("input[data-suggest]").forEach((input) => {
    const list = Object.assign(document.createElement("ul"), { className: "s-options", id: `${input.name.replaceAll(".", "-")}-options`, hidden: true });
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", input.getAttribute("aria-label"));
    const box = Object.assign(document.createElement("span"), { className: "s-combo" });
    input.replaceWith(box);
    box.append(input, list);
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", list.id);
  });
  const listOf = (input) => input?.getAttribute("role") === "combobox" ? at(input.getAttribute("aria-controls")) : null;
  const close = (input) => {
    const list = listOf(input);
    if (!list) return;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (input, place) => {
    const list = listOf(input);
    [...list.children].forEach((one, i) => one.setAttribute("aria-selected", String(i === place)));
    const chosen = list.children[place];
    if (chosen) { input.setAttribute("aria-activedescendant", chosen.id); chosen.scrollIntoView({ block: "nearest" }); }
    else input.removeAttribute("aria-activedescendant");
  };
  const marked = (input) => [...listOf(input).children].findIndex((one) => one.getAttribute("aria-selected") === "true");
  const complete = async (input) => {
    const about = new URLSearchParams({ kind: input.dataset.suggest, q: input.value });
    if (input.dataset.of) new FormData(form).getAll(input.dataset.of).filter(Boolean).forEach((one) => about.append("of", one));
    const mine = input.asks = (input.asks || 0) + 1;
    let values;
    try { values = (await (await fetch(`${form.dataset.suggest}?${about}`)).json()).values; } catch { return; }
    if (document.activeElement !== input || mine !== input.asks) return;
    const there = new Set([...(input.closest(".s-chips")?.querySelectorAll("input[type=hidden]") || [])].map((one) => one.value));
    values = values.filter(([value]) => !there.has(value)); // those that are chosen already
    const list = listOf(input);
    const before = list.children[marked(input)]?.dataset.value;
    list.replaceChildren(...values.map(([value, note], i) => {
      const option = Object.assign(document.createElement("li"), { id: `${list.id}-${i}`, textContent: value });
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.value = value;
      if (note) option.append(Object.assign(document.createElement("small"), { textContent: note }));
      return option;
    }));
    if (before !== undefined) mark(input, values.findIndex(([value]) => value === before));
    list.hidden = !values.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  const choose = (input, option) => {
    input.value = option.dataset.value;
    input.isChosen = true; // the change that leaving the input tells of is settled here
    close(input);
    settle(input);
  };
  // A value is done: one of several becomes a chip, any other is counted.
  const settle = (input) => {
    const part = partOf(input);
    if (part) touched.add(part.id);
    if (input.dataset.keeps !== undefined && input.value.trim()) return send("show", { focus: input.name });
    remember();
    later();
  };

  // --- what people do -------------------------------------------------------------------------
  form.addEventListener("submit", (event) => {
    const todo = event.submitter?.name === "do" ? event.submitter.value : "";
    if (!todo) return;
    event.preventDefault();
    if (todo === "show") return;
    const part = partOf(event.submitter);
    if (part) touched.add(part.id);
    send(todo);
  });
  tree.addEventListener("change", (event) => {
    const input = event.target;
    if (input.isChosen) return;
    const part = partOf(input);
    if (part) touched.add(part.id);
    if (input.dataset.redraws !== undefined) send("show", { focus: input.name });
    else settle(input);
  });
  tree.addEventListener("input", (event) => {
    event.target.isChosen = false;
    later();
    if (listOf(event.target)) { clearTimeout(event.target.waits); event.target.waits = setTimeout(() => complete(event.target), 120); }
  });
  tree.addEventListener("focusin", (event) => { if (listOf(event.target)) complete(event.target); });
  tree.addEventListener("focusout", (event) => {
    close(event.target);
    const menu = event.target.closest(".s-move");
    if (menu && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  tree.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    event.preventDefault(); // the input keeps the focus
    choose(option.closest(".s-combo").querySelector("input"), option);
  });
  const MOVES = { ArrowUp: (id) => `move ${id} up`, ArrowDown: (id) => `move ${id} down`, ArrowRight: (id) => `into ${id}`, ArrowLeft: (id) => `out ${id}`, Delete: (id) => `drop ${id}`, Backspace: (id) => `drop ${id}` };
  tree.addEventListener("keydown", (event) => {
    const input = event.target;
    if (input.classList.contains("s-handle") && MOVES[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      const id = partOf(input).id;
      const isGone = event.key === "Delete" || event.key === "Backspace";
      send(MOVES[event.key](id), isGone ? {} : { focus: `${id}-handle` }).then(() => { if (!isGone) at(`s-${id}-handle`)?.focus(); });
      return;
    }
    if (event.key === "Escape" && input.closest(".s-move")) {
      const menu = input.closest(".s-move");
      menu.open = false;
      menu.querySelector(".s-handle").focus();
      return;
    }
    const list = listOf(input);
    const isOpen = list && !list.hidden;
    if (list && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      if (!isOpen) { complete(input); return; }
      const step = event.key === "ArrowDown" ? 1 : -1, n = list.children.length;
      mark(input, (marked(input) + step + n + (marked(input) < 0 && step < 0 ? 1 : 0)) % n);
    } else if (isOpen && event.key === "Escape") { event.stopPropagation(); close(input); }
    else if (event.key === "Enter" && input.tagName === "INPUT" && input.type !== "checkbox") {
      event.preventDefault();
      const chosen = isOpen ? list.children[marked(input)] : null;
      if (chosen) choose(input, chosen);
      else { close(input); settle(input); }
    } else if (event.key === "Backspace" && input.dataset.keeps !== undefined && !input.value) {
      const last = [...input.closest(".s-chips").querySelectorAll(".s-chip .s-x")].at(-1);
      if (last) { event.preventDefault(); send(last.value, { focus: input.name }); }
    }
  });
  window.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(event.key.toLowerCase())) return;
    const input = document.activeElement;
    const isTyping = input?.matches("input[type=text]") && input.value !== input.defaultValue;
    if (isTyping || (!tree.contains(input) && input !== document.body && !input?.closest(".s-undo"))) return; // the browser's own undo
    event.preventDefault();
    const isRedo = event.key.toLowerCase() === "y" || event.shiftKey;
    if (isRedo) back(ahead, past, "Done again.");
    else back(past, ahead, "Taken back.");
  });

  dress();
  buttons();
  at("s-errors")?.focus();
  count();
});
