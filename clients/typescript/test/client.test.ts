// The client against a service on this machine that behaves as each test says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, mock, test } from "node:test";
import { Client } from "../src/index.js";

const cases = JSON.parse(readFileSync(new URL("../../test/data/answers.json", import.meta.url), "utf8"));
const [always, , observed] = cases;
const uncovered = observed.contexts.at(-1);
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
  const first = await Promise.all(["user-0", "user-0", "user-1"].map((user) => client.serve(user, {}, fallback)));
  assert.deepEqual(first[0], { ...always.first, source: "policy" });
  for (let user = 0; user < 100; user++) assert.equal((await client.serve(`${user}`, {}, fallback)).source, "policy");
  assert.deepEqual(requests, ["GET policy"]);
});

test("after the cache time it asks whether the policy has changed", async (t) => {
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
  assert.deepEqual(tags, ['W/"1"']);
  mock.timers.tick(10_000);
  assert.equal(await version(), 8);
  assert.equal(requests.length, 3);
});

test("a context without a row goes to the service", async (t) => {
  const bodies: unknown[] = [];
  const decision = { ...observed.first, variant_index: 1, variant: { size: "L" } };
  const serve: Reply = (answer, request) => (bodies.push(JSON.parse(request.body)), json(200, decision)(answer, request));
  const { client, requests } = await stage(t, [policy(observed.policy, '"1"'), serve]);
  assert.deepEqual(await client.serve("user-5", uncovered, fallback), { ...decision, source: "network" });
  assert.deepEqual(bodies, [{ anonymous_id: "user-5", context: uncovered }]);
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
  const served = await client.serve("u", uncovered, fallback);
  assert.deepEqual([served.source, served.variant], ["fallback", fallback]);
  assert.deepEqual(requests, ["GET policy", "POST serve", "POST serve"]);
});

test("a service that says no is not asked again", async (t) => {
  const { client, requests } = await stage(t, [conflict]);
  const served = await client.serve("u", {}, fallback);
  assert.ok(served.source === "fallback" && /409.*no model/.test(String(served.error)));
  assert.deepEqual(requests, ["GET policy", "POST serve"]);
});

test("a silent service costs two time-outs, and nothing until it is asked again", async (t) => {
  const { client, requests } = await stage(t, [silence], 80);
  const started = performance.now();
  const served = await client.serve("u", {}, fallback);
  const took = performance.now() - started;
  assert.ok(served.source === "fallback" && (served.error as Error).name === "TimeoutError");
  assert.ok(took >= 155 && took < 1_500, `${took} ms`);
  assert.equal((await client.serve("u", {}, fallback)).source, "fallback");
  assert.deepEqual(requests, ["GET policy", "GET policy"]);
});

test("the default time-out is 2 s", () => {
  assert.equal(new Client("http://127.0.0.1", "o").timeoutMs, 2_000);
});

test("a service that goes away leaves the policy at hand, one that deletes the model does not", async (t) => {
  mock.timers.enable({ apis: ["Date"], now: 0 });
  t.after(() => mock.timers.reset());
  const { client, requests } = await stage(t, [policy(always.policy, '"1"'), hangUp, hangUp, conflict]);
  assert.equal((await client.serve("user-0", {}, fallback)).source, "policy");
  mock.timers.tick(30_000);
  assert.deepEqual(await client.serve("user-0", {}, fallback), { ...always.first, source: "policy" });
  mock.timers.tick(4_999);
  await client.serve("user-0", {}, fallback);
  assert.equal(requests.length, 3);
  mock.timers.tick(1);
  assert.equal((await client.serve("user-0", {}, fallback)).source, "fallback");
  assert.deepEqual(requests.slice(3), ["GET policy", "POST serve"]);
});
