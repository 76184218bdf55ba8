// The mappings of clients/sources, run as their tools run them, with bodies in the tools' schemas, against the local service.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import { type Service, model, service, skip } from "./service.js";

const source = (name: string) => readFileSync(new URL(`../../../sources/${name}.js`, import.meta.url), "utf8");
const visitors = Array.from({ length: 6 }, (_, n) => ({ n, id: `anon-${n}`, headline: n % 2 ? "B" : "A" }));
const rewarded = visitors.filter(({ headline }) => headline === "B");

/** A track event as Segment and RudderStack have it. */
function track(id: string, messageId: string, event: string, properties: object) {
  const now = new Date().toISOString();
  return {
    type: "track", event, properties, anonymousId: id, userId: null, messageId, channel: "server", version: 2,
    timestamp: now, originalTimestamp: now, sentAt: now, receivedAt: now, integrations: { All: true },
    context: { ip: "203.0.113.7", library: { name: "analytics.js", version: "4.1.0" }, userAgent: "Mozilla/5.0", page: { path: "/", url: "https://shop.example/" } },
  };
}

const viewed = (optimization: string, headline: string) => ({
  experiment_id: optimization, experiment_name: "Landing page", variation_id: headline, variant: { headline },
  propensity: 0.5, posterior_version: 0, holdout: false,
});

/** All that visitors did, each event twice, as tools send them that heard no answer. */
function tracked(optimization: string) {
  const exposures = visitors.map(({ n, id, headline }) => track(id, `view-${n}`, "Experiment Viewed", viewed(optimization, headline)));
  const orders = rewarded.map(({ n, id }) => track(id, `order-${n}`, "Order Completed", { order_id: `${n}`, revenue: 25, currency: "USD" }));
  return [...exposures, ...orders, ...exposures, ...orders];
}

async function assertCounted(trained: (exposures: number, rewards: number) => Promise<any>) {
  const seen = await trained(visitors.length, rewarded.length);
  assert.deepEqual([seen.exposures, seen.rewards, seen.attributed_rewards], [visitors.length, rewarded.length, rewarded.length]);
}

class RetryError extends Error {}
class InvalidEventPayload extends Error {}
class EventNotSupported extends Error {}

function segment() {
  const context = createContext({ fetch, console, RetryError, InvalidEventPayload, EventNotSupported });
  runInContext(source("segment"), context);
  return context as { onTrack: Function; onBatch: Function };
}

const settings = ({ url, key }: Service) => ({ url, apiKey: key, rewards: { "Order Completed": "signup|revenue" } });

test("Segment: a destination function", { skip }, async (t) => {
  const local = await service(t);
  const { optimization, trained } = await model(local);
  const { onTrack, onBatch } = segment();
  const events = tracked(optimization);
  for (const event of events) await onTrack(event, settings(local));
  await onBatch([...events, { ...events[0], type: "identify" }, track("x", "m", "Product Viewed", {})], settings(local));
  await assertCounted(trained);
  const throws = (event: object, error: Function, given = settings(local)) => assert.rejects(onTrack(event, given), (thrown) => thrown instanceof error);
  await throws(track("x", "m", "Product Viewed", {}), EventNotSupported);
  await throws(track("x", "m", "Experiment Viewed", { experiment_id: "other-tool" }), EventNotSupported);
  // A level that is none is rejected with 207; another's optimization with 403; a wrong key with 401.
  await throws(track("x", "m", "Experiment Viewed", { ...viewed(optimization, "A"), variant: { headline: [1] } }), InvalidEventPayload);
  await throws(track("x", "m", "Experiment Viewed", viewed("4754cae0-9a5d-4691-91af-6d15ccc1f82e", "A")), InvalidEventPayload);
  await throws(events[0]!, InvalidEventPayload, { ...settings(local), apiKey: "flk_wrong" });
  await throws(events[0]!, RetryError, { ...settings(local), url: "http://127.0.0.1:1" });
});

test("RudderStack: a transformation before a webhook", { skip }, async (t) => {
  const local = await service(t);
  const { optimization, trained } = await model(local);
  const text = source("rudderstack").replace(/^export /m, "").replace('name: "purchase"', 'name: "signup"');
  const { transformEvent } = runInContext(`${text}\n({ transformEvent })`, createContext({})) as { transformEvent: (event: object) => any };
  for (const event of tracked(optimization)) {
    // The webhook: the path is added to its URL, and what is left is the body.
    const { appendPath, ...message } = transformEvent(event);
    const headers = { "content-type": "application/json", "x-api-key": local.key };
    const answer = await fetch(`${local.url}/api/v2/ingest${appendPath}`, { method: "POST", headers, body: JSON.stringify(message) });
    assert.equal(answer.status, 200, await answer.text());
  }
  await assertCounted(trained);
  for (const dropped of [
    { ...tracked(optimization)[0], type: "page" },
    track("x", "m", "Product Viewed", {}),
    track("x", "m", "Experiment Viewed", { experiment_id: "other-tool" }),
  ]) assert.equal(transformEvent(dropped), undefined);
  const order = transformEvent(track("x", "m", "Order Completed", { revenue: "19.90" }));
  assert.equal(order.events[0].value, 19.9);
  assert.ok(!("value" in JSON.parse(JSON.stringify(transformEvent(track("x", "m", "Signed Up", {})))).events[0]));
});

/** Fires the tag for an event of the container's, and says how it ended and what it logged. */
async function fire(local: Service, event: object, url = local.url) {
  const logged: string[] = [];
  const ended = await new Promise<string>((end) => {
    const data = {
      url, apiKey: local.key, rewards: [{ event_name: "purchase", reward: "signup", value: "value" }],
      gtmOnSuccess: () => end("success"), gtmOnFailure: () => end("failure"),
    };
    const modules: Record<string, unknown> = {
      getAllEventData: () => event,
      logToConsole: (line: string) => logged.push(line),
      makeNumber: Number,
      getType: (value: unknown) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value),
      JSON: { parse: JSON.parse, stringify: JSON.stringify },
      sendHttpRequest: (to: string, done: Function, { timeout, ...options }: { timeout: number }, body: string) =>
        void fetch(to, { ...options, body, signal: AbortSignal.timeout(timeout) })
          .then(async (answer) => done(answer.status, {}, await answer.text()), () => done(0, {}, "")),
    };
    const require = (name: string) => modules[name] ?? assert.fail(`the sandbox has no ${name}`);
    // A tag is the body of a function, and has nothing but these two.
    runInContext(`(function (require, data) {${source("gtm")}})`, createContext({}))(require, data);
  });
  return { ended, logged };
}

test("Google Tag Manager, server-side: a tag", { skip }, async (t) => {
  const local = await service(t);
  const { optimization, trained } = await model(local);
  const common = (id: string, event_id: string) => ({
    client_id: id, event_id, ip_override: "203.0.113.7", language: "en-us", page_location: "https://shop.example/", "x-ga-protocol_version": "2",
  });
  for (const round of [1, 2])
    for (const { n, id, headline } of visitors) {
      // Parameters of GA4 are texts: an object comes as JSON.
      const variant = round === 1 ? JSON.stringify({ headline }) : { headline };
      const seen = { event_name: "experiment_viewed", ...common(id, `view-${n}`), experiment_id: optimization, variant, propensity: 0.5 };
      assert.equal((await fire(local, seen)).ended, "success");
      if (headline === "A") continue;
      const bought = { event_name: "purchase", ...common(id, `order-${n}`), value: "25.5", currency: "EUR", transaction_id: `${n}` };
      assert.equal((await fire(local, bought)).ended, "success");
    }
  await assertCounted(trained);
  const other = await fire(local, { event_name: "page_view", ...common("x", "e") });
  assert.deepEqual(other, { ended: "success", logged: ["Fulcrum: page_view is neither an exposure nor one of the rewards"] });
  const bad = await fire(local, { event_name: "experiment_viewed", ...common("x", "e"), experiment_id: "no", variant: "{}" });
  assert.ok(bad.ended === "failure" && /Fulcrum answered 207: .*is not a UUID/.test(bad.logged[0]!), bad.logged[0]);
  assert.equal((await fire(local, { event_name: "purchase", ...common("x", "e") }, "http://127.0.0.1:1")).ended, "failure");
});
