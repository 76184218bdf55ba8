// The sender against a service on this machine that behaves as each test says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, mock, test } from "node:test";
import { runInNewContext } from "node:vm";
import { Client, type Event, Events, type EventsOptions, type Exposure } from "../src/index.js";
import { type Case, cases } from "./answers.js";

type Sent = { path: string; authorization: string | undefined; events: Record<string, unknown>[] };
type Reply = (answer: ServerResponse, sent: Sent) => void;

const json = (status: number, body: unknown, headers = {}): Reply => (answer) =>
  void answer.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
const takes: Reply = (answer, { events }) => json(200, { accepted: events.length, rejected: [], meta: {} })(answer, { events } as Sent);
const refuses = (status: number, message: string) => json(status, { error: { code: "x", message }, meta: {} });

/** A service that gives one reply after the other, the last for ever, and a sender to it that tells what is lost. */
async function stage(t: TestContext, replies: Reply[], options: EventsOptions = {}) {
  const [sent, lost]: [Sent[], { events: Event[]; why: string }[]] = [[], []];
  const server = createServer((request, answer) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      const reply = replies[Math.min(sent.length, replies.length - 1)]!;
      const one = { path: request.url!, authorization: request.headers.authorization, events: JSON.parse(body).events };
      sent.push(one);
      reply(answer, one);
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const onLost = (events: Event[], why: string) => void lost.push({ events, why });
  const events = new Events(`${url}/`, "flk_key", { retryMs: 1, onLost, ...options });
  t.after(async () => {
    await events.close(0);
    server.closeAllConnections();
    server.close();
  });
  return { events, sent, lost, url };
}

const reward = (n: number) => ({ anonymous_id: `v${n}`, name: "signup" });
const ids = ({ events }: Sent) => events.map(({ anonymous_id }) => anonymous_id);

test("a hundred events go at once, fewer after the interval", async (t) => {
  const { events, sent } = await stage(t, [takes], { intervalMs: 20 });
  for (let n = 0; n < 100; n++) assert.ok(events.reward(reward(n)));
  events.exposure({ anonymous_id: "v", optimization_id: "o", variant: { size: "L" } });
  const limit = Date.now() + 5_000;
  while (sent.length < 2 && Date.now() < limit) await new Promise((resume) => setTimeout(resume, 5));
  assert.deepEqual(sent.map(({ path, events }) => [path, events.length]), [["/api/v2/ingest/rewards", 100], ["/api/v2/ingest/exposures", 1]]);
  assert.equal(sent[0]!.authorization, "Bearer flk_key");
  for (const { events } of sent)
    for (const { timestamp, idempotency_key } of events) assert.ok(Date.parse(timestamp as string) > 0 && (idempotency_key as string).length === 36);
});

test("the interval is a second where nothing else is said", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { events, sent } = await stage(t, [takes]);
  events.reward(reward(1));
  mock.timers.tick(999);
  mock.timers.reset();
  await new Promise((resume) => setTimeout(resume, 30));
  assert.equal(sent.length, 0);
  assert.equal(await events.flush(), 0);
  assert.equal(sent.length, 1);
});

test("whatever is no answer of the service is followed by the same events with the same keys", async (t) => {
  const hangUp: Reply = (answer) => void answer.destroy();
  const halfAnAnswer: Reply = (answer) => void answer.writeHead(200, { "content-length": "50" }).write("{", () => answer.destroy());
  const aProxy = json(200, "<html>");
  for (const failure of [refuses(503, "away"), refuses(500, "x"), refuses(429, "x"), refuses(408, "x"), hangUp, halfAnAnswer, aProxy]) {
    const { events, sent, lost } = await stage(t, [failure, failure, takes]);
    events.reward(reward(1));
    events.reward({ ...reward(2), idempotency_key: "mine", timestamp: "2026-11-28T06:20:16Z" });
    assert.equal(await events.flush(), 0);
    assert.equal(sent.length, 3);
    assert.deepEqual(sent[1], sent[0]);
    assert.deepEqual(sent[2], sent[0]);
    assert.deepEqual([sent[0]!.events[1]!.idempotency_key, sent[0]!.events[1]!.timestamp], ["mine", "2026-11-28T06:20:16Z"]);
    assert.deepEqual(lost, []);
  }
});

test("a request that takes too long is broken off and sent again", async (t) => {
  const { events, sent } = await stage(t, [() => {}, takes], { timeoutMs: 300 });
  events.reward(reward(1));
  assert.equal(await events.flush(60_000), 0);
  assert.deepEqual(sent.map(ids), [["v1"], ["v1"]]);
});

test("it waits as long as the service asks for", async (t) => {
  const { events, sent } = await stage(t, [json(503, {}, { "retry-after": "1" }), takes]);
  events.reward(reward(1));
  const started = performance.now();
  assert.equal(await events.flush(), 0);
  assert.ok(performance.now() - started >= 995);
  assert.equal(sent.length, 2);
});

test("rejected events are told with the service's words, and what it remarks", async (t) => {
  const answer = { accepted: 1, rejected: [{ index: 1, code: "invalid_event", message: "name: missing" }], warnings: [{ message: "a level" }] };
  const warnings: string[] = [];
  const { events, lost } = await stage(t, [json(207, answer)], { onWarning: (message) => void warnings.push(message) });
  events.reward(reward(1));
  events.reward(reward(2));
  assert.equal(await events.flush(), 0);
  assert.deepEqual(lost.map(({ events, why }) => [events.map((event) => event.anonymous_id), why]), [[["v2"], "name: missing"]]);
  assert.deepEqual(warnings, ["a level"]);
});

test("an event of another's optimization costs no other its place", async (t) => {
  const refusal = refuses(403, "events[1].optimization_id: o is not of your organization");
  const { events, sent, lost } = await stage(t, [refusal, takes]);
  for (const n of [0, 1, 2]) events.reward(reward(n));
  assert.equal(await events.flush(), 0);
  assert.deepEqual(sent.map(ids), [["v0", "v1", "v2"], ["v0", "v2"]]);
  assert.deepEqual(lost.map(({ events }) => events[0]!.anonymous_id), ["v1"]);
});

test("a refusal of the whole request is not repeated", async (t) => {
  for (const status of [400, 401, 403, 404]) {
    const { events, sent, lost } = await stage(t, [refuses(status, "no"), takes]);
    events.reward(reward(1));
    assert.equal(await events.flush(), 0);
    assert.deepEqual([sent.length, lost[0]!.why], [1, "no"]);
  }
});

test("a request that is too large is halved, and no request has over 4.5 MB or 500 events", async (t) => {
  const { events, sent, lost } = await stage(t, [json(413, "no envelope"), takes]);
  for (let n = 0; n < 3; n++) events.reward(reward(n));
  assert.equal(await events.flush(), 0);
  assert.deepEqual(sent.map(ids), [["v0", "v1", "v2"], ["v0", "v1"], ["v2"]]);
  const large = "ü".repeat(1_000_000);
  for (let n = 0; n < 3; n++) events.reward({ ...reward(n), properties: { large } });
  assert.equal(events.reward({ ...reward(4), properties: { large: large.repeat(3) } }), false);
  assert.match(lost[0]!.why, /it has 6000\d\d\d bytes/);
  assert.equal(await events.flush(), 0);
  assert.deepEqual(sent.slice(3).map(ids), [["v0", "v1"], ["v2"]]);
  const { events: others, sent: batches } = await stage(t, [takes], { batch: 2_000 });
  for (let n = 0; n < 1_001; n++) others.reward(reward(n));
  assert.equal(await others.flush(), 0);
  assert.deepEqual(batches.map(({ events }) => events.length), [500, 500, 1]);
});

test("the queue is bounded: what is on top is lost, and told", async (t) => {
  const { events, sent, lost } = await stage(t, [refuses(503, "away")], { queue: 3, batch: 2 });
  assert.deepEqual([1, 2, 3, 4].map((n) => events.reward(reward(n))), [true, true, true, false]);
  assert.match(lost[0]!.why, /3 rewards wait already/);
  while (sent.length < 2) assert.equal(await events.flush(30), 3);
  assert.equal(await events.close(10), 3);
  assert.deepEqual(lost[1]!.events.map((event) => event.anonymous_id), ["v1", "v2", "v3"]);
  assert.equal(events.reward(reward(5)), false);
  assert.match(lost[2]!.why, /closed/);
  const before = sent.length;
  await new Promise((resume) => setTimeout(resume, 30));
  assert.equal(sent.length, before);
});

test("closing sends what waits, once", async (t) => {
  const { events, sent, lost } = await stage(t, [refuses(503, "away"), takes]);
  events.reward(reward(1));
  events.exposure({ anonymous_id: "v", optimization_id: "o", variant: { size: "L" } });
  assert.equal(await events.close(), 0);
  assert.deepEqual(lost, []);
  assert.equal(sent.length, 3);
  assert.equal(await events.close(), 0);
  assert.equal(sent.length, 3);
});

test("what is no JSON is lost, and a callback that fails stops nothing", async (t) => {
  const warned = mock.method(console, "warn", () => {});
  t.after(() => warned.mock.restore());
  const { events, sent } = await stage(t, [takes], { onLost: () => { throw new Error("of the callback"); } });
  assert.equal(events.reward({ ...reward(1), properties: { n: 1n } }), false);
  events.reward(reward(2));
  assert.equal(await events.flush(), 0);
  assert.deepEqual(sent.map(ids), [["v2"]]);
  assert.equal(warned.mock.callCount(), 1);
});

test("by default a line on the console tells what is lost, one in ten seconds", async (t) => {
  const warned = mock.method(console, "warn", () => {});
  t.after(() => warned.mock.restore());
  const events = new Events("http://127.0.0.1:1", "key", { queue: 0 });
  for (let n = 0; n < 5; n++) events.reward(reward(n));
  assert.deepEqual(warned.mock.calls.map(({ arguments: [line] }) => line), ["fulcrum: 1 events are lost: 0 rewards wait already"]);
  assert.ok(!JSON.stringify(events).includes("key"));
});

test("a decision is told as an exposure that the sender takes, a fallback is not", async (t) => {
  const { policy, users } = (cases as [Case])[0];
  const told: Exposure[] = [];
  const { url, events, sent } = await stage(t, [takes]);
  const service = createServer((_, answer) => void answer.writeHead(200, { "cache-control": "max-age=30" }).end(JSON.stringify(policy)));
  await new Promise<void>((listening) => service.listen(0, "127.0.0.1", listening));
  t.after(() => service.close());
  const at = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const client = new Client(at, "o", 2_000, (exposure) => (told.push(exposure), events.exposure(exposure)));
  const context = { device: "mobile", score: NaN, list: [1], none: null };
  const served = await client.serve(users[0]!.id, context, { size: "S" });
  assert.equal(served.source, "policy");
  const { timestamp, idempotency_key, ...exposure } = told[0]!;
  const { optimization_id, variant, posterior_version, propensity, holdout } = served as unknown as Exposure;
  assert.deepEqual(exposure, { anonymous_id: users[0]!.id, optimization_id, variant, context: { device: "mobile" }, posterior_version, propensity, holdout });
  assert.ok(Math.abs(Date.parse(timestamp!) - Date.now()) < 60_000);
  await client.serve("", {}, { size: "S" });
  assert.equal(told.length, 1);
  assert.equal(await events.flush(), 0);
  assert.deepEqual(sent[0]!.events, [{ ...exposure, timestamp, idempotency_key }]);
  assert.notEqual(url, at);
  // What fails in there is no reason to serve something else.
  const warned = mock.method(console, "warn", () => {});
  t.after(() => warned.mock.restore());
  for (const fails of [() => { throw new Error("at once"); }, async () => { throw new Error("later"); }]) {
    assert.equal((await new Client(at, "o", 2_000, fails).serve("u", {}, { size: "S" })).source, "policy");
  }
  await new Promise((resume) => setTimeout(resume, 5));
  assert.equal(warned.mock.callCount(), 2);
});

test("the sender needs nothing but what edge runtimes have", async (t) => {
  const { url, sent } = await stage(t, [refuses(503, "away"), takes]);
  const text = readFileSync(new URL("../src/events.js", import.meta.url), "utf8").replace(/^export class/m, "result = class");
  assert.ok(!/^\s*(import|export)\b/m.test(text), "it imports nothing");
  const web = { fetch, setTimeout: setTimeoutOfTheWeb, clearTimeout, AbortController, TextEncoder, crypto, console };
  const OfTheEdge = runInNewContext(`let result;\n${text}\nresult`, web) as typeof Events;
  const events = new OfTheEdge(url, "key", { retryMs: 1 });
  events.reward(reward(1));
  assert.equal(await events.flush(), 0);
  assert.deepEqual(sent.map(ids), [["v1"], ["v1"]]);
});

/** Timers are numbers there, without anything to call. */
const timers = new Map<number, ReturnType<typeof setTimeout>>();
const setTimeoutOfTheWeb = (work: () => void, ms: number) => (timers.set(timers.size + 1, setTimeout(work, ms)), timers.size);
const clearTimeout = (timer: number | undefined) => globalThis.clearTimeout(timers.get(timer ?? 0));
