// Rows of conditions for a segment, and how many customers they select, a moment after typing stops.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const WAIT_MS = 400;
  const at = (id) => document.getElementById(id);
  const form = at("s-build");
  if (!form) return;
  const data = JSON.parse(at("s-data").textContent);
  const subjects = new Map(data.subjects.map((subject) => [subject.key, subject]));
  const named = { event: "name of the event", trait: "name of the trait" };
  let timer = 0;
  let asked = 0;

  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const pick = (label, options, value) => {
    const select = make("select", { ariaLabel: label });
    options.forEach(([key, text]) => select.append(make("option", { value: key, textContent: text })));
    if (options.some(([key]) => String(key) === String(value))) select.value = value;
    return select;
  };
  const subjectPick = (value) => {
    const select = make("select", { ariaLabel: "What it is about" });
    const groups = new Map();
    data.subjects.forEach((subject) => {
      if (!groups.has(subject.group)) {
        groups.set(subject.group, make("optgroup", { label: subject.group }));
        select.append(groups.get(subject.group));
      }
      groups.get(subject.group).append(make("option", { value: subject.key, textContent: subject.label }));
    });
    if (subjects.has(value)) select.value = value;
    return select;
  };
  const KINDS = { number: "text", days: "text", percent: "text", text: "text", texts: "text", day: "date" };

  // One row; what it says is read from its controls, so that there is one truth.
  const draw = (item, row) => {
    const subject = subjects.get(row.subject) || data.subjects[0];
    const op = subject.ops.find((one) => one.key === row.op) || subject.ops[0];
    const parts = { subject: subjectPick(subject.key) };
    if (subject.name) parts.name = make("input", { type: "text", value: row.name || "", ariaLabel: named[subject.name], placeholder: named[subject.name], maxLength: 200 });
    if (subject.ops.length > 1) parts.op = pick("How it compares", subject.ops.map((one) => [one.key, one.label]), op.key);
    if (op.input === "choice") parts.value = pick("Which", subject.choices, row.value);
    else if (op.input !== "none") {
      parts.value = make("input", { type: KINDS[op.input], value: row.value || "", ariaLabel: `${subject.label} ${op.label}`, maxLength: 400 });
      if (op.input === "texts") parts.value.placeholder = "one, another";
      if (["number", "days", "percent"].includes(op.input)) { parts.value.inputMode = "decimal"; parts.value.className = "s-short"; }
    }
    if (subject.has_window) parts.days = make("input", { type: "text", inputMode: "numeric", className: "s-short", value: row.days || "", ariaLabel: "in the last so many days, empty for ever", placeholder: "ever" });
    const shown = [parts.subject];
    if (parts.name) shown.push(parts.name);
    shown.push(parts.op || make("span", { className: "s-word", textContent: op.label }));
    if (parts.value) shown.push(parts.value);
    if (op.unit) shown.push(make("span", { className: "s-word", textContent: op.unit }));
    if (parts.days) shown.push(make("span", { className: "s-word", textContent: "in the last" }), parts.days, make("span", { className: "s-word", textContent: "days" }));
    const away = make("button", { type: "button", className: "r-quiet", textContent: "Take away", ariaLabel: `Take away: ${subject.label}` });
    away.addEventListener("click", () => {
      const next = item.nextElementSibling || item.previousElementSibling;
      const add = item.closest("fieldset").querySelector("[data-add]");
      item.remove();
      (next ? next.querySelector("select") : add).focus();
      changed();
    });
    item.replaceChildren(...shown, away);
    item.parts = parts;
    item.read = () => ({
      subject: subject.key, op: op.key,
      name: parts.name ? parts.name.value : "", value: parts.value ? parts.value.value : "", days: parts.days ? parts.days.value : "",
    });
    parts.subject.addEventListener("change", () => {
      draw(item, { subject: parts.subject.value, name: parts.name ? parts.name.value : "" });
      item.parts.subject.focus();
      changed();
    });
    if (parts.op) parts.op.addEventListener("change", () => {
      const before = op.input;
      const row = { ...item.read(), op: parts.op.value };
      const after = subject.ops.find((one) => one.key === row.op).input;
      if ((before === "day") !== (after === "day")) row.value = "";
      draw(item, row);
      item.parts.op.focus();
      changed();
    });
  };
  const add = (group, row) => {
    const item = make("li", { className: "s-row" });
    form.querySelector(`[data-group=${group}] .s-rows`).append(item);
    draw(item, row);
    return item;
  };
  const rows = () => [...form.querySelectorAll(".s-row")].map((item) => ({ ...item.read(), group: item.closest("[data-group]").dataset.group }));
  const write = () => {
    at("s-rows-value").value = JSON.stringify(rows());
    at("s-match-value").value = at("s-match").value;
  };

  const show = async () => {
    const mine = ++asked;
    const sent = new FormData(form);
    let answer;
    try {
      const reply = await fetch(at("s-preview").dataset.url, { method: "POST", body: sent });
      answer = await reply.json();
    } catch {
      answer = { error: "The count cannot be reached; what you typed is kept." };
    }
    if (mine !== asked) return;
    at("s-count").textContent = answer.count || "–";
    at("s-said").textContent = answer.error || answer.said;
    at("s-sentence").textContent = answer.sentence || "";
    const clauses = answer.clauses || [];
    at("s-parts").hidden = clauses.length < 2;
    at("s-clauses").replaceChildren(...clauses.map(([text, count]) => make("tr", {}, make("td", { textContent: text }), make("td", { className: "r-num", textContent: count }))));
    const sample = answer.sample || [];
    at("s-people").hidden = !sample.length;
    at("s-sample").replaceChildren(...sample.map(([text, href]) => make("li", {}, make("a", { href, textContent: text }))));
  };
  const changed = () => { write(); clearTimeout(timer); if (!at("s-preview").hidden) timer = setTimeout(show, WAIT_MS); };

  at("s-match").value = data.match;
  data.rows.forEach((row) => add(row.group === "none" ? "none" : "must", row));
  form.addEventListener("click", (event) => {
    const group = event.target.dataset && event.target.dataset.add;
    if (!group) return;
    add(group, {}).parts.subject.focus();
    changed();
  });
  at("s-builder").addEventListener("input", changed);
  if (at("s-afresh")) at("s-afresh").addEventListener("change", (event) => {
    at("s-builder").hidden = at("s-preview").hidden = !event.target.checked;
    changed();
  });
  form.addEventListener("submit", write);
  changed();
});
