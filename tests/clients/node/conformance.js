// Drives the official Node client, unchanged, against the address it is given: one scenario a run.
// node conformance.js SCENARIO HOST WRITE_KEY [PATH]
const { gzipSync } = require("zlib");
const { Analytics } = require("@segment/analytics-node");

const [scenario, host, writeKey, path] = process.argv.slice(2);
const settings = { host, writeKey, flushAt: 15, maxRetries: 5 };
if (path) settings.path = path;
if (scenario === "gzip") {
  // The client has no setting for it but takes a function that makes the requests.
  settings.httpClient = (url, options) =>
    fetch(url, {
      ...options,
      body: gzipSync(options.body),
      headers: { ...options.headers, "Content-Encoding": "gzip" },
    });
}
if (scenario === "many") settings.flushAt = 2500;

const analytics = new Analytics(settings);
const failures = [];
analytics.on("error", (error) => failures.push(String(error.reason || error.code || error)));

const every = () => {
  const traits = { email: "node@example.com", firstName: "Noda", plan: "gold" };
  analytics.identify({ userId: "n1", traits });
  analytics.track({ userId: "n1", event: "Song Played", properties: { seconds: 30 } });
  analytics.track({
    userId: "n1",
    event: "Order Completed",
    properties: {
      order_id: "n-o1",
      revenue: "25.50",
      currency: "EUR",
      products: [{ product_id: "n-p1", price: "25.50", quantity: 1 }],
    },
  });
  analytics.page({ userId: "n1", category: "Docs", name: "Home", properties: { url: "/" } });
  analytics.screen({ anonymousId: "n-a1", name: "Start" });
  analytics.group({ userId: "n1", groupId: "n-g1", traits: { name: "Acme" } });
  analytics.alias({ userId: "n1", previousId: "n-a1" });
};

const scenarios = {
  every,
  gzip: every,
  retried: () =>
    analytics.track({ userId: "n1", event: "Retried", timestamp: new Date(Date.now() - 60000) }),
  many: () => {
    for (let n = 0; n < 2500; n++) analytics.track({ userId: `n${n % 50}`, event: "Many" });
  },
  edge: () => {
    analytics.track({ userId: "n1", event: "Edge", properties: { x: "x".repeat(32 * 1024 - 600) } });
    analytics.track({ userId: "n1", event: "Beyond", properties: { x: "x".repeat(33 * 1024) } });
  },
};

scenarios[scenario]();
analytics.closeAndFlush({ timeout: 30000 }).then(() => {
  console.log(JSON.stringify(failures));
});
