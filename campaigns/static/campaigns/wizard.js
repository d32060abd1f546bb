// The campaign's form: shows what belongs to what was chosen, adds versions, tells what could be shown.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("r-campaign");
  if (!form) return;
  const at = (id) => document.getElementById(id);

  // What is chosen under a name; "has" are all the channels that may be used.
  const chosen = (name) => {
    const all = new FormData(form);
    if (name !== "has") return all.getAll(name);
    const others = all.get("channel_choice") === "preferred" ? all.getAll("other_channels") : [];
    const versions = [...all].filter(([key]) => /^variants-\d+-channel$/.test(key)).map(([, value]) => value);
    return [all.get("channel"), ...others, ...versions];
  };
  const fit = () => document.querySelectorAll("[data-when]").forEach((part) => {
    const [name, values] = part.dataset.when.split(":");
    const wanted = values.split(" ");
    part.hidden = !chosen(name).some((one) => wanted.includes(one));
  });

  // Versions and languages: a copy of the empty form, numbered on.
  const versions = () => {
    const box = at("c-version-box"), select = at("c-version");
    if (!box) return;
    const before = select.value;
    const found = [...form.querySelectorAll(".c-set")].flatMap((set) => [...set.querySelectorAll(":scope > [data-one]")].map((one) => {
      const first = one.querySelector("[name$=-name], [name$=-language]");
      return [first.name.replace(/-(name|language)$/, ""), first.value];
    }));
    const usual = select.dataset.only === undefined ? [["", "of the campaign"]] : [];
    const all = [...usual, ...found.filter(([, name]) => name)];
    select.replaceChildren(...all.map(([key, name]) => new Option(name, key)));
    select.value = all.some(([key]) => key === before) ? before : all[0]?.[0] ?? "";
    box.hidden = !found.length;
  };
  form.querySelectorAll(".c-set").forEach((set) => {
    const more = set.querySelector("[data-more]"), total = set.querySelector("[name$=-TOTAL_FORMS]");
    more.hidden = false;
    more.addEventListener("click", () => {
      const number = Number(total.value);
      const made = set.querySelector("template").innerHTML.replaceAll("__prefix__", String(number));
      more.insertAdjacentHTML("beforebegin", made);
      total.value = String(number + 1);
      const one = more.previousElementSibling, first = one.querySelector("input:not([type=hidden])");
      if (first.name.endsWith("-name")) first.value = String.fromCharCode(65 + number);
      one.querySelector(".c-called").textContent = first.value || "New";
      first.focus();
      first.select();
      versions();
      form.dispatchEvent(new Event("input"));
    });
    set.addEventListener("input", (event) => {
      if (!/-(name|language)$/.test(event.target.name)) return;
      event.target.closest("[data-one]").querySelector(".c-called").textContent = event.target.value || "New";
      versions();
    });
  });
  at("c-version")?.addEventListener("change", () => form.dispatchEvent(new Event("input")));

  // A long list of segments is narrowed down by typing; what is ticked stays in sight.
  form.querySelectorAll("[data-finds]").forEach((find) => {
    const choices = [...at(find.dataset.finds).querySelectorAll(".r-choice")];
    find.hidden = choices.length < 9;
    find.addEventListener("input", () => choices.forEach((choice) => {
      const isIn = choice.textContent.toLowerCase().includes(find.value.toLowerCase());
      choice.hidden = !isIn && !choice.querySelector("input").checked;
      choice.style.setProperty("display", choice.hidden ? "none" : "flex", "important");
    }));
    find.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  });

  const size = at("c-size");
  if (size) size.hidden = false;
  size?.addEventListener("click", async () => {
    const all = new FormData(form), asked = new URLSearchParams();
    for (const name of ["included", "excluded", "holdout_percent", "sampled_percent", "attribution_days", "metric"]) all.getAll(name).forEach((one) => asked.append(name, one));
    at("c-size-said").textContent = "Looking at what they bought …";
    try { at("c-size-said").textContent = (await (await fetch(`${size.dataset.url}?${asked}`)).json()).text; }
    catch { at("c-size-said").textContent = "That could not be computed now; what you typed is kept."; }
  });

  form.addEventListener("change", fit);
  fit();
  versions();
  at("c-errors")?.focus();
});
