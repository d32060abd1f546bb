// Notifications: ask the visitor, once she clicks on something of the shop's that offers them.
//
//   <script src="https://RAPPORT/v1/push.js" data-key="WRITE KEY"></script>
//   button.onclick = () => rapportPush.ask("Tell me about news and offers");
//
// The shop's own site serves a worker, /rapport-worker.js, of one line:
//   importScripts("https://RAPPORT/v1/push-worker.js");
//
// Who has not agreed to be remembered (rapport.consent) is not asked.
(() => {
  const script = document.currentScript;
  const host = script.src.split("/v1/")[0];
  const key = script.dataset.key;
  const worker = script.dataset.worker || "/rapport-worker.js";
  const known = () => JSON.parse(localStorage.rapport || "{}");
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt());
  const tell = async (subscription, more) => {
    const { id, pass } = known();
    const body = { writeKey: key, anonymousId: id, pass: pass || "", subscription, ...more };
    const reply = await fetch(host + "/v1/push", { method: "POST", body: JSON.stringify(body) });
    if (!reply.ok) throw new Error((await reply.json()).errors[0].detail);
  };
  self.rapportPush = {
    // `proof`, { userId, signature }, is what the shop's server says of a customer who is logged in.
    ask: async (words = "", proof = {}) => {
      if (!known().id || !("PushManager" in self)) return false;
      if ((await Notification.requestPermission()) != "granted") return false;
      const { publicKey } = await (await fetch(host + "/v1/push?writeKey=" + key)).json();
      if (!publicKey) return false;
      const registered = await navigator.serviceWorker.register(worker);
      await navigator.serviceWorker.ready;
      const subscription = await registered.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: bytes(publicKey),
      });
      await tell(subscription.toJSON(), { words, page: location.href, ...proof });
      return true;
    },
    end: async (proof = {}) => {
      const registered = await navigator.serviceWorker.getRegistration(worker);
      const subscription = await registered?.pushManager.getSubscription();
      if (!subscription) return;
      await tell(subscription.toJSON(), { ended: true, ...proof });
      await subscription.unsubscribe();
    },
  };
})();
