// What the shop's pages load: page views, clicks on products, who is here, and slots filled for her.
//
//   rapport.load("WRITE KEY", { consent: true });
//
// Options of load, all may be left out:
//   consent    true when the visitor has agreed, false when she has declined; left out, she has not
//              said yet, and until rapport.consent(true) nothing is stored, read or sent
//   drop       true to forget what happens before she agrees; else 50 messages are kept in memory
//   dnt        false to disregard Do Not Track and Global Privacy Control; else they end it all
//   host       where Rapport is; without it, where this script came from
//   timeout    milliseconds after which slots keep what the page itself says (1500)
//   exposures  false to record no "Slot Viewed"
//
// Nothing in here may break the page: an error ends in one warning.  The small form beside this file
// is made by minify.py; write no shorthand properties and no template strings.
(() => {
  const doc = document;
  const nav = navigator;
  const here = location;
  const stored = "rapport";
  const early = self.rapport;
  const script = doc.currentScript;
  let key, allowed, timer, last, warned, proof;
  let asked = 0;
  let config = {};
  let known = {};
  let queue = [];

  const warn = (error) => {
    if (!warned) console.warn(stored, warned = error);
  };
  const quietly = (work) => (...given) => {
    try {
      return work(...given);
    } catch (error) {
      warn(error);
    }
  };
  const on = (name, work) => doc.addEventListener(name, quietly(work), true);
  // 128 random bits; randomUUID is missing where a page is not served over HTTPS.
  const unique = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
  const url = (path) => config.host + "/v1/" + path;
  const where = () => here.pathname + here.search;
  const place = () => ({
    path: here.pathname,
    referrer: doc.referrer,
    search: here.search,
    title: doc.title,
    url: here.href,
  });
  // A browser may forbid storage; then she is new on every page.
  const save = quietly((changed) => {
    known = { ...known, ...changed };
    if (allowed) localStorage[stored] = JSON.stringify(known);
  });

  const add = (type, fields) => {
    // At most 50 messages wait.
    if (!key || queue[49] || !allowed && config.drop) return;
    queue.push({
      type: type,
      messageId: unique(),
      timestamp: new Date(),
      userId: known.user,
      context: { page: place() },
      ...fields,
    });
    if (allowed) timer ||= setTimeout(flush, 300);
  };
  const flush = quietly((leaving) => {
    clearTimeout(timer);
    timer = 0;
    if (!allowed || !queue[0]) return;
    const sent = queue.map((one) => ({ anonymousId: known.id, ...one }));
    // A string travels as text/plain, for which browsers ask no permission first.
    const body = JSON.stringify({ writeKey: key, sentAt: new Date(), batch: sent });
    queue = [];
    return leaving && nav.sendBeacon(url("batch"), body)
      || fetch(url("batch"), { method: "POST", body: body, keepalive: body.length < 6e4 })
        .then((reply) => {
          if (/^5|429/.test(reply.status)) throw reply.status;
        })
        .catch((error) => {
          warn(error);
          // Each message has its id, so that one sent twice is stored once.
          if (allowed) {
            queue = [...sent, ...queue].slice(0, 50);
            timer ||= setTimeout(flush, 9e3);
          }
        });
  });

  const see = (element, slot) =>
    new IntersectionObserver((found, eye) => {
      if (found.some((one) => one.isIntersecting)) {
        eye.disconnect();
        add("track", { event: "Slot Viewed", properties: slot });
      }
    }).observe(element);
  const places = () => [...doc.querySelectorAll("[data-rapport-slot]")];
  const show = (elements, slots) =>
    elements.forEach((element) => {
      const name = element.dataset.rapportSlot;
      const slot = slots[name];
      const first = element.innerHTML;
      const state = element.rapport ||= { own: first, shown: first };
      const html = slot?.html ?? state.own;
      if (html != state.shown) {
        // What stands below must not jump up.
        element.style.minHeight = element.offsetHeight + "px";
        element.innerHTML = state.shown = html;
      }
      if (slot && config.exposures != false)
        see(element, { slot: name, content: slot.content, arm: slot.arm, matched: slot.matched });
    });
  const fill = quietly(() => {
    const elements = places();
    if (!allowed || !elements[0]) return;
    const turn = ++asked;
    const query = new URLSearchParams({
      writeKey: key,
      anonymousId: known.id,
      pass: known.pass || "",
      slots: elements.map((element) => element.dataset.rapportSlot),
      ...proof,
    });
    fetch(url("decide?" + query), { signal: AbortSignal.timeout(config.timeout || 1500) })
      .then((reply) => reply.json())
      .then((answer) => {
        if (turn == asked && allowed) {
          if (answer.pass) save({ pass: answer.pass });
          show(elements, answer.slots);
        }
      })
      .catch(warn);
  });

  const moved = () => setTimeout(() => where() != last && api.page());
  const api = {
    load: (given, options) => {
      config = { host: script?.src.split("/v1/")[0], ...options };
      if (key || config.dnt != false && (nav.globalPrivacyControl || nav.doNotTrack == 1)) return;
      key = given;
      ["pushState", "replaceState"].forEach((name) => {
        const original = history[name];
        history[name] = (...given) => {
          original.apply(history, given);
          moved();
        };
      });
      addEventListener("popstate", moved);
      on("visibilitychange", () => doc.hidden && flush(1));
      on("click", (event) => {
        const found = event.target.closest("[data-rapport-product]");
        if (found)
          api.track("Product Clicked", { product_id: found.dataset.rapportProduct, url: found.href });
      });
      moved();
      api.consent(config.consent);
    },
    consent: (agreed) => {
      if (agreed && key && !allowed) {
        allowed = true;
        const told = known;
        known = { id: unique(), ...told };
        quietly(() => save({ ...JSON.parse(localStorage[stored] || null), ...told }))();
        save();
        flush();
        fill();
      } else if (agreed === false) {
        allowed = proof = 0;
        config.drop = true;
        queue = [];
        known = {};
        show(places(), {});
        localStorage.removeItem(stored);
      }
    },
    page: (name, properties) => {
      last = where();
      add("page", { name: name, properties: { ...place(), ...properties } });
      fill();
    },
    track: (name, properties) => add("track", { event: name, properties: properties }),
    group: (id, traits) => add("group", { groupId: id, traits: traits }),
    identify: (id, traits, signature) => {
      if (id) save({ user: id });
      proof = signature && { userId: id, signature: signature };
      add("identify", { traits: traits });
      flush()?.then(fill);
    },
    reset: () => {
      flush();
      proof = 0;
      known = {};
      save(allowed && { id: unique() });
      fill();
    },
    fill: fill,
  };
  for (const name in api) api[name] = quietly(api[name]);
  api.push = ([name, ...given]) => api[name](...given);
  self.rapport = api;
  if (early) early.forEach(api.push);
})();
