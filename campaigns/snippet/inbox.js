// In-app messages: fetches what waits for the visitor and shows it.
//
//   <script src="https://RAPPORT/v1/inbox.js" data-key="WRITE KEY" defer></script>
//   <div data-rapport-inbox></div>
//
// Without such an element the newest message appears at the lower edge of the page.  Nothing is
// asked before the visitor has agreed to be remembered (rapport.consent).  The HTML was cleaned by
// the server: no scripts, frames or forms are in it.
(() => {
  const script = document.currentScript;
  const at = script.src.split("/v1/")[0] + "/v1/inbox";
  const key = script.dataset.key;
  const who = () => {
    const { id, pass } = JSON.parse(localStorage.rapport || "{}");
    return { writeKey: key, anonymousId: id || "", pass: pass || "", ...self.rapportProof };
  };
  const tell = (id, what) =>
    fetch(at, { method: "POST", body: JSON.stringify({ ...who(), id, what }), keepalive: true });
  const make = (tag, fields, ...within) => {
    const made = Object.assign(document.createElement(tag), fields);
    made.append(...within);
    return made;
  };
  const card = (message) => {
    const body = make("div", { innerHTML: message.html });
    const close = make("button", { type: "button", textContent: "×", ariaLabel: "Close" });
    close.style.cssText = "float:right;border:0;background:none;font:20px/1 sans-serif;cursor:pointer";
    const made = make("section", { className: "rapport-message" }, close);
    if (message.title) made.append(make("strong", { textContent: message.title }));
    made.append(body);
    if (message.url) made.append(make("a", { href: message.url, textContent: "→" , className: "rapport-more" }));
    close.onclick = () => {
      made.remove();
      tell(message.id, "close");
    };
    new IntersectionObserver((found, eye) => {
      if (!found.some((one) => one.isIntersecting)) return;
      eye.disconnect();
      tell(message.id, "open");
    }).observe(made);
    return made;
  };
  const show = (messages) => {
    const place = document.querySelector("[data-rapport-inbox]");
    if (place) return place.replaceChildren(...messages.map(card));
    if (!messages[0]) return;
    const made = card(messages[0]);
    made.style.cssText =
      "position:fixed;z-index:9999;right:16px;bottom:16px;max-width:min(360px,calc(100vw - 32px));" +
      "padding:16px;background:#fff;color:#222;border-radius:8px;box-shadow:0 4px 24px #0004;" +
      "box-sizing:border-box;font:15px/1.4 sans-serif";
    document.body.append(made);
  };
  self.rapportInbox = async () => {
    if (!who().anonymousId) return;
    const reply = await fetch(at + "?" + new URLSearchParams(who()));
    if (reply.ok) show((await reply.json()).messages);
  };
  self.rapportInbox().catch((error) => console.warn("rapport", error));
})();
