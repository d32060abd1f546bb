// The fields of each kind of block.
"use strict";
(() => {
  const root = document.querySelector("[data-blocks]");
  if (!root) return;
  const B = (window.RapportBlocks = window.RapportBlocks || {});
  const el = (...given) => B.el(...given);
  let number = 0;

  const labelled = (words, input, help) => {
    input.id = input.id || `b-field-${++number}`;
    return el("div", { class: "r-field" }, el("label", { for: input.id }, words), input, help ? el("p", { class: "r-help" }, help) : null);
  };
  const line = (block, name, words, help, more = {}) => {
    const input = el("input", { type: "text", value: block[name] ?? "", "data-values": true, ...more });
    input.addEventListener("input", () => { block[name] = input.value; B.typed(); });
    return labelled(words, input, help);
  };
  const area = (block, name, words, rows) => {
    const input = el("textarea", { rows, spellcheck: "false", "data-values": true });
    input.value = block[name] ?? "";
    input.addEventListener("input", () => { block[name] = input.value; B.typed(); });
    return labelled(words, input);
  };
  const count = (block, name, words, least, most) => {
    const input = el("input", { type: "number", min: least, max: most, value: block[name] });
    input.addEventListener("change", () => {
      block[name] = Math.min(most, Math.max(least, Math.round(Number(input.value) || least)));
      input.value = block[name];
      B.typed();
    });
    return labelled(words, input);
  };
  const choice = (block, name, words, options, then) => {
    const input = el("select", {}, ...options.map(([value, label]) => el("option", { value, selected: String(block[name]) === String(value) }, label)));
    input.addEventListener("change", () => { block[name] = typeof options[0][0] === "number" ? Number(input.value) : input.value; if (then) then(); else B.typed(); });
    return labelled(words, input);
  };
  const tick = (block, name, words) => {
    const input = el("input", { type: "checkbox", checked: Boolean(block[name]) });
    input.addEventListener("change", () => { block[name] = input.checked; B.typed(); });
    return el("label", { class: "r-choice" }, input, el("span", {}, words));
  };
  const align = (block) => choice(block, "align", "Align", [["left", "Left"], ["center", "Centre"], ["right", "Right"]]);

  // Only what a message may say is put into the page: the text may have come from anywhere.
  const TAGS = ["A", "B", "BLOCKQUOTE", "BR", "EM", "H1", "H2", "H3", "I", "LI", "OL", "P", "S", "STRONG", "U", "UL"];
  const tidy = (html) => {
    const source = new DOMParser().parseFromString(html || "", "text/html").body;
    const copy = (from, into) => {
      for (const node of from.childNodes) {
        if (node.nodeType === Node.TEXT_NODE) into.append(node.textContent);
        else if (node.nodeType === Node.ELEMENT_NODE && !["SCRIPT", "STYLE"].includes(node.tagName)) {
          const name = node.tagName === "DIV" ? "P" : node.tagName;
          const made = TAGS.includes(name) ? into.appendChild(document.createElement(name)) : into;
          if (name === "A" && node.getAttribute("href") && !/^\s*(javascript|data|vbscript)/i.test(node.getAttribute("href"))) made.setAttribute("href", node.getAttribute("href"));
          copy(node, made);
        }
      }
    };
    const made = document.createElement("div");
    copy(source, made);
    return made;
  };
  // This page has headings of its own: the message's stand three levels lower while they are written.
  const lower = (html) => html.replace(/<(\/?)h([1-3])\b/gi, (_, end, level) => `<${end}h${Number(level) + 3}`);
  const raise = (html) => html.replace(/<(\/?)h([4-6])\b/gi, (_, end, level) => `<${end}h${Number(level) - 3}`);
  const rich = (block) => {
    const box = el("div", { class: "b-rich", contenteditable: "true", role: "textbox", "aria-multiline": "true", "aria-label": "Text", "data-values": true, spellcheck: "true" });
    box.innerHTML = lower(tidy(block.html).innerHTML);
    const take = () => { block.html = tidy(raise(box.innerHTML)).innerHTML; B.typed(); };
    box.addEventListener("input", take);
    box.addEventListener("paste", (event) => {
      event.preventDefault();
      document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
    });
    const act = (sign, words, command, value) => el("button", { type: "button", class: "b-tool", title: words, "aria-label": words, onmousedown: (event) => event.preventDefault(),
      onclick: () => { box.focus(); document.execCommand("styleWithCSS", false, false); document.execCommand(command, false, typeof value === "function" ? value() : value); take(); } }, sign);
    const link = el("button", { type: "button", class: "b-tool", title: "Link", "aria-label": "Link", onmousedown: (event) => event.preventDefault(), onclick: () => {
      const to = window.prompt("Where does it lead?", "https://");
      box.focus();
      if (to) document.execCommand("createLink", false, to); else document.execCommand("unlink");
      take();
    } }, B.sign("link"));
    const bar = el("div", { class: "b-bar", role: "toolbar", "aria-label": "Look of the text" },
      act("B", "Bold", "bold"), act("I", "Italic", "italic"), act("H1", "Big heading", "formatBlock", "h4"), act("H2", "Heading", "formatBlock", "h5"),
      act("¶", "Paragraph", "formatBlock", "p"), act("•", "List", "insertUnorderedList"), act("1.", "Numbered list", "insertOrderedList"), link,
      el("button", { type: "button", class: "b-tool b-insert", onmousedown: (event) => event.preventDefault(), onclick: () => { box.focus(); B.offer?.(box, ""); } }, "Insert a value"));
    return el("div", { class: "r-field" }, bar, box);
  };

  const asked = async (url) => {
    try { return await (await fetch(url)).json(); } catch { return {}; }
  };
  const image = (block) => {
    const src = line(block, "src", "Address of the image", "", { inputmode: "url" });
    const file = el("input", { type: "file", accept: "image/png,image/jpeg,image/gif,image/webp" });
    file.hasChangeListener = true;
    const shelf = el("div", { class: "b-shelf" });
    const use = (kept) => { block.src = kept.url; if (!block.alt) block.alt = ""; B.changed(`The image has ${kept.width} × ${kept.height} pixels and ${Math.ceil(kept.size / 1000)} kB. Say what it shows.`); };
    file.addEventListener("change", async () => {
      const data = new FormData();
      data.set("image", file.files[0]);
      data.set("csrfmiddlewaretoken", B.form.querySelector("[name=csrfmiddlewaretoken]").value);
      B.say("Uploading…");
      try {
        const reply = await fetch(root.dataset.uploadUrl, { method: "POST", body: data });
        const kept = await reply.json();
        if (kept.error) B.say(kept.error); else use(kept);
      } catch { B.say("The image could not be uploaded; try again."); }
    });
    const stored = el("details", {}, el("summary", {}, "Images kept here"), shelf);
    stored.addEventListener("toggle", async () => {
      if (!stored.open || shelf.childNodes.length) return;
      const found = (await asked(root.dataset.imagesUrl)).images || [];
      shelf.replaceChildren(...(found.length ? found.map((kept) => el("button", { type: "button", class: "b-kept", title: kept.name, "aria-label": `Use ${kept.name || "this image"}`, onclick: () => use(kept) }, el("img", { src: kept.url, alt: "", loading: "lazy" }))) : ["None yet."]));
    });
    return [src, labelled("Or upload one", file, "PNG, JPEG, GIF or WebP up to 5 MB."), stored,
      line(block, "alt", "What it shows", "Read aloud, and where images are off."), line(block, "href", "Leads to"), count(block, "width", "Width in percent", 10, 100)];
  };
  const products = (block) => {
    const parts = [choice(block, "source", "Which products", [["fixed", "These, for everybody"], ["bought_with", "Bought with her last purchase"], ["favourite", "Most bought in her favourite category"], ["event", "Those of the cart that set it off"]], () => B.changed())];
    if (block.source === "fixed") {
      const chosen = el("ul", { class: "b-chosen" });
      const show = (found) => chosen.replaceChildren(...found.map((item) => el("li", {}, el("span", {}, `${item.name} ${item.price}`),
        el("button", { type: "button", class: "b-tool", "aria-label": `Take ${item.name} out`, onclick: () => { block.ids = block.ids.filter((id) => id !== item.id); B.changed(`${item.name} is taken out.`); } }, B.sign("close")))));
      if (block.ids.length) asked(`${root.dataset.productsUrl}?ids=${block.ids.join(",")}`).then((answer) => show(block.ids.map((id) => (answer.products || []).find((one) => one.id === id)).filter(Boolean)));
      const search = el("input", { type: "search", placeholder: "Words of a name" });
      const hits = el("div", { class: "b-hits" });
      let timer = 0;
      search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(async () => {
        const found = (await asked(`${root.dataset.productsUrl}?q=${encodeURIComponent(search.value)}`)).products || [];
        hits.replaceChildren(...found.map((item) => el("button", { type: "button", class: "r-button", onclick: () => { if (!block.ids.includes(item.id)) block.ids.push(item.id); B.changed(`${item.name} is added.`); } }, `${item.name} ${item.price}`)));
      }, 250); });
      parts.push(chosen, labelled("Add a product", search), hits, count(block, "per_row", "In a row", 1, 4));
    }
    return [...parts, count(block, "most", "At most", 1, 12), line(block, "button", "Words of the link", "Empty: none."), tick(block, "has_prices", "Show prices")];
  };
  const columns = (block, { lists }) => {
    const how = { n: block.columns.length };
    const many = choice(how, "n", "Columns", [[1, "1"], [2, "2"], [3, "3"], [4, "4"]], () => {
      while (block.columns.length > how.n) { const gone = block.columns.pop(); block.columns.at(-1).blocks.push(...gone.blocks); }
      while (block.columns.length < how.n) block.columns.push({ width: 0, blocks: [] });
      block.columns.forEach((one) => { one.width = Math.floor(100 / how.n); });
      B.changed(`${how.n} columns.`);
    });
    return [many, ...block.columns.flatMap((one, at) => [el("h4", {}, `Column ${at + 1}`), count(one, "width", "Width in percent", 10, 100), lists(one.blocks, true)])];
  };
  const OPS = [["is", "is"], ["is_not", "is not"], ["contains", "contains"], ["more_than", "is more than"], ["less_than", "is less than"], ["exists", "has a value"], ["not_exists", "has no value"]];
  const some = (block, { lists }) => [
    choice(block, "match", "Shown to whom", [["all", "all of these hold"], ["any", "any of these holds"]]),
    ...block.tests.map((test, at) => el("fieldset", { class: "b-test" }, el("legend", {}, `Test ${at + 1}`),
      line(test, "field", "Field", "", { list: "b-paths", "data-values": false }), choice(test, "op", "How", OPS, () => B.changed()),
      test.op.includes("exists") ? null : line(test, "value", "Value", "", { "data-values": false }),
      block.tests.length > 1 ? el("button", { type: "button", class: "r-quiet", onclick: () => { block.tests.splice(at, 1); B.changed("The test is taken out."); } }, "Take this test out") : null)),
    el("button", { type: "button", class: "r-button", onclick: () => { block.tests.push({ field: "customer.language", op: "is", value: "" }); B.changed("A test is added."); } }, "Add a test"),
    el("h4", {}, "They see"), lists(block.then), el("h4", {}, "Everybody else sees"), lists((block.otherwise = block.otherwise || [])),
  ];
  const FIELDS = {
    text: (block) => [rich(block), align(block), tick(block, "is_small", "Small, below the card (a footer)")],
    image,
    button: (block) => [line(block, "label", "Words"), line(block, "href", "Leads to"), align(block)],
    columns,
    divider: () => [el("p", { class: "r-note" }, "A thin line. Nothing to choose.")],
    spacer: (block) => [count(block, "height", "Height in pixels", 4, 200)],
    products,
    coupon: (block) => [line(block, "title", "Above the code", "Empty: the offer's name."), line(block, "note", "Below it", "Empty: until when it is valid.")],
    snippet: (block) => [choice(block, "snippet", "Which", [[0, "Choose one"], ...(B.snippets || []).map((one) => [one.id, one.name])], () => B.changed())],
    mjml: (block) => [area(block, "mjml", "MJML with Liquid", 8)],
    if: some,
  };
  B.fields = (block, given) => (FIELDS[block.kind] ? FIELDS[block.kind](block, given) : [el("p", {}, "This block is not known here; it is kept as it is.")]);

  const COLOURS = { background: ["Page", "#f3f4f6"], card: ["Card", "#ffffff"], text: ["Text", "#1f2933"], accent: ["Buttons and links", "#0b6e4f"], button_text: ["Words on buttons", "#ffffff"] };
  B.styles = (doc) => {
    doc.style = doc.style || {};
    return el("details", { class: "b-style" }, el("summary", {}, "Colours and type"), el("div", { class: "b-colours r-form" },
      ...Object.entries(COLOURS).map(([name, [words, first]]) => {
        const input = el("input", { type: "color", value: doc.style[name] || first });
        input.addEventListener("input", () => { doc.style[name] = input.value; B.typed(); });
        return labelled(words, input);
      }),
      choice(Object.assign(doc.style, { font: doc.style.font || "sans" }), "font", "Type", [["sans", "Without serifs"], ["serif", "With serifs"], ["mono", "Of a typewriter"]])));
  };
})();
