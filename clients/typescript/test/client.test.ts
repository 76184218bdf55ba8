// The client against a service on this machine that behaves as each test says.
import assert from "node:assert/strict";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, mock, test } from "node:test";
import { Client } from "../src/index.js";
import { type Case, cases } from "./answers.js";

const [always, , observed] = cases as [Case, Case, Case];
const [known, stranger] = [always.users[0]!, observed.users.find(({ decision }) => !decision)!];
const fallback = { size: "S" };
type Reply = (answer: ServerResponse, request: IncomingMessage & { body: string }) => void;

/** A service that gives one reply after the other, the last for ever, and a client of it. */
async function stage(t: TestContext, replies: Reply[], timeoutMs = 2_000) {
  const requests: string[] = [];
  const server = createServer((request, answer) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      const reply = replies[Math.min(requests.length, replies.length - 1)]!;
      requests.push(`${request.method} ${request.url!.split("/").at(-1)}`);
      reply(answer, Object.assign(request, { body }));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  t.after(() => { server.closeAllConnections(); server.close(); });
  const client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, "the-optimization", timeoutMs);
  return { client, requests };
}

const json = (status: number, body: unknown, headers = {}): Reply => (answer) =>
  void answer.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
const policy = (document: object, etag: string): Reply => json(200, document, { etag, "cache-control": "public, max-age=30" });
const silence: Reply = () => {};
const hangUp: Reply = (answer) => void answer.destroy();
const conflict = json(409, { error: { code: "conflict", message: "no model" } }, { "cache-control": "no-store" });

test("one request for the policy, then none", async (t) => {
  const { client, requests } = await stage(t, [policy(always.policy, '"1"')]);
  const first = await Promise.all([known.id, known.id, "user-1"].map((user) => client.serve(user, known.context, fallback)));
  assert.deepEqual(first[0], { ...known.decision, source: "policy" });
  for (let user = 0; user < 100; user++) assert.equal((await client.serve(`${user}`, {}, fallback)).source, "policy");
  assert.deepEqual(requests, ["GET policy"]);
});

/** Lets a request that nobody waits for come to its end. */
async function settle(client: Client) {
  await (client as unknown as { pending?: Promise<void> }).pending;
}

test("after the cache time it asks whether the policy has changed, and decides by the old one meanwhile", async (t) => {
  mock.timers.enable({ apis: ["Date"], now: 0 });
  t.after(() => mock.timers.reset());
  const tags: (string | undefined)[] = [];
  const unchanged: Reply = (answer, request) => {
    tags.push(request.headers["if-none-match"]);
    answer.writeHead(304, { "cache-control": "public, max-age=10" }).end();
  };
  const next = policy({ ...always.policy, posterior_version: 8 }, '"2"');
  const { client, requests } = await stage(t, [policy(always.policy, 'W/"1"'), unchanged, next]);
  const version = async () => (await client.serve("u", {}, fallback) as { posterior_version: number }).posterior_version;
  assert.equal(await version(), 7);
  mock.timers.tick(29_999);
  assert.equal(await version(), 7);
  assert.equal(requests.length, 1);
  mock.timers.tick(1);
  assert.equal(await version(), 7);
  await settle(client);
  assert.deepEqual(tags, ['W/"1"']);
  mock.timers.tick(10_000);
  assert.equal(await version(), 7);
  await settle(client);
  assert.equal(await version(), 8);
  assert.equal(requests.length, 3);
});

test("a policy at hand is not waited for, until it is 30 s past its time", async (t) => {
  mock.timers.enable({ apis: ["Date"], now: 0 });
  t.after(() => mock.timers.reset());
  const next = policy({ ...always.policy, posterior_version: 8 }, '"2"');
  let late: Reply = silence;
  const held = new Promise<() => void>((hold) => (late = (answer, request) => hold(() => next(answer, request))));
  const { client } = await stage(t, [policy(always.policy, '"1"'), late, policy(always.policy, '"3"')], 60_000);
  const version = async () => (await client.serve("u", {}, fallback) as { posterior_version: number }).posterior_version;
  await version();
  mock.timers.tick(59_999);
  assert.equal(await version(), 7);
  const answer = await held;
  assert.equal(await version(), 7);
  answer();
  await settle(client);
  assert.equal(await version(), 8);
  mock.timers.tick(60_000);
  assert.equal(await version(), 7);
});

test("time that a cache has kept the policy counts", async (t) => {
  mock.timers.enable({ apis: ["Date"], now: 0 });
  t.after(() => mock.timers.reset());
  const headers = { etag: '"1"', "cache-control": "public, max-age=30", age: "20" };
  const { client, requests } = await stage(t, [json(200, always.policy, headers)]);
  await client.serve("u", {}, fallback);
  mock.timers.tick(9_999);
  await client.serve("u", {}, fallback);
  assert.equal(requests.length, 1);
  mock.timers.tick(1);
  await client.serve("u", {}, fallback);
  await settle(client);
  assert.equal(requests.length, 2);
});

test("an id that the service refuses gets the fallback and no request for it", async (t) => {
  const { client, requests } = await stage(t, [policy(always.policy, '"1"')]);
  for (const id of ["", "x".repeat(1_025), "a\ud800"]) {
    const served = await client.serve(id, {}, fallback);
    assert.ok(served.source === "fallback" && served.error instanceof RangeError);
  }
  assert.deepEqual(requests, ["GET policy"]);
});

test("where the policy has another format the service decides", async (t) => {
  const next = policy({ format: "fulcrum.policy.v3" }, '"1"');
  const { client, requests } = await stage(t, [next, json(200, known.decision)]);
  assert.deepEqual(await client.serve("u", {}, fallback), { ...known.decision, source: "network" });
  assert.deepEqual(requests, ["GET policy", "POST serve"]);
});

test("a context without a row goes to the service", async (t) => {
  const bodies: unknown[] = [];
  const decision = { ...known.decision, variant_index: 1, variant: { size: "L" } };
  const serve: Reply = (answer, request) => (bodies.push(request.headers["content-type"], JSON.parse(request.body)), json(200, decision)(answer, request));
  const { client, requests } = await stage(t, [policy(observed.policy, '"1"'), serve]);
  assert.deepEqual(await client.serve(stranger.id, stranger.context, fallback), { ...decision, source: "network" });
  assert.deepEqual(bodies, ["application/json", { anonymous_id: stranger.id, context: stranger.context }]);
  assert.deepEqual(requests, ["GET policy", "POST serve"]);
});

test("one retry after 5xx, 429 and a broken connection", async (t) => {
  for (const failure of [json(500, {}), json(503, {}), json(429, {}), hangUp]) {
    const { client, requests } = await stage(t, [failure, policy(always.policy, '"1"')]);
    assert.equal((await client.serve("u", {}, fallback)).source, "policy");
    assert.deepEqual(requests, ["GET policy", "GET policy"]);
  }
});

test("the networked call is tried twice, then there is the fallback", async (t) => {
  const { client, requests } = await stage(t, [policy(observed.policy, '"1"'), json(502, {})]);
  const served = await client.serve("u", stranger.context, fallback);
  assert.deepEqual([served.source, served.variant], ["fallback", fallback]);
  assert.deepEqual(requests, ["GET policy", "POST serve", "POST serve"]);
});

test("a service that says no is not asked again", async (t) => {
  const { client, requests } = await stage(t, [conflict]);
  const served = await client.serve("u", {}, fallback);
  assert.ok(served.source === "fallback" && /409.*no model/.test(String(served.error)));
  assert.deepEqual(requests, ["GET policy", "POST serve"]);
});

test("a silent service costs one time-out in all, and nothing until it is asked again", async (t) => {
  const { client, requests } = await stage(t, [silence], 80);
  const started = performance.now();
  const served = await client.serve("u", {}, fallback);
  const took = performance.now() - started;
  assert.ok(served.source === "fallback" && (served.error as Error).name === "TimeoutError");
  assert.ok(took >= 75, `${took} ms`);
  assert.equal((await client.serve("u", {}, fallback)).source, "fallback");
  assert.deepEqual(requests, ["GET policy"]);
});

test("policy and decision share one time-out", async (t) => {
  mock.timers.enable({ apis: ["Date"], now: 0 });
  t.after(() => mock.timers.reset());
  // By the clock the policy has taken all of the time: none is left for the decision.
  const slow: Reply = (answer, request) => (mock.timers.tick(2_000), policy(observed.policy, '"1"')(answer, request));
  const { client } = await stage(t, [slow, silence]);
  const served = await client.serve("u", stranger.context, fallback);
  assert.ok(served.source === "fallback" && (served.error as Error).name === "TimeoutError");
});

test("the default time-out is 2 s", () => {
  assert.equal(new Client("http://127.0.0.1", "o").timeoutMs, 2_000);
});

test("only 404 and 409 end the policy at hand", async (t) => {
  mock.timers.enable({ apis: ["Date"], now: 0 });
  t.after(() => mock.timers.reset());
  const [first, refusal] = [policy(always.policy, '"1"'), json(403, {})];
  const missing = json(404, { error: { code: "not_found", message: "no such optimization" } });
  const { client, requests } = await stage(t, [first, hangUp, hangUp, refusal, first, conflict, conflict, first, missing]);
  const source = async () => (await client.serve(known.id, {}, fallback)).source;
  assert.equal(await source(), "policy");
  mock.timers.tick(30_000);
  for (const asked of [3, 4]) {
    // Away, then a refusal that says nothing of the policy: it is asked again after 5 s.
    assert.deepEqual(await client.serve(known.id, known.context, fallback), { ...known.decision, source: "policy" });
    await settle(client);
    mock.timers.tick(4_999);
    assert.equal(await source(), "policy");
    assert.equal(requests.length, asked);
    mock.timers.tick(1);
  }
  assert.equal(await source(), "policy");
  await settle(client);
  for (const asked of [7, 10]) {
    mock.timers.tick(60_000);
    assert.equal(await source(), "fallback");
    assert.equal(requests.length, asked);
    mock.timers.tick(60_000);
    if (asked === 7) assert.equal(await source(), "policy");
  }
});
