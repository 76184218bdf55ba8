// What a page of another origin can do with a service on the same machine: be served, and nothing else.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.js";
import { KEY, OPTIMIZATION, startService } from "./service.js";

/** A name that somebody else owns and that leads to this machine, as with DNS rebinding. */
const REBOUND = "attacker.example";

let service, browser, pages, page, api, stores;

before(async () => {
  service = await startService();
  api = service.variables.FULCRUM_URL;
  stores = [service.variables.AWS_ENDPOINT_URL_DYNAMODB, service.variables.AWS_ENDPOINT_URL_S3];
  pages = createServer((_, response) => response.setHeader("content-type", "text/html").end("<title>a page</title>"));
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  browser = await startBrowser(REBOUND);
  page = await browser.context.newPage();
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
});

after(async () => {
  await browser?.close();
  pages?.close();
  await service?.stop();
});

/** What a script of the page gets from a request: the answer as far as it may see it, or the error. */
function fetched(url, init = {}) {
  return page.evaluate(
    async ([url, init]) => {
      try {
        const answer = await fetch(url, init);
        const { status, type } = answer;
        return { status, type, headers: Object.fromEntries(answer.headers), text: await answer.text() };
      } catch (error) {
        return { error: String(error) };
      }
    },
    [url, init],
  );
}

/** The models, as somebody on this machine sees them who is no page. */
async function models() {
  const answer = await fetch(`${api}/api/v2/models?include_archived=true&limit=100`, {
    headers: { authorization: `Bearer ${KEY}` },
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).models.map(({ id, status }) => `${id} ${status}`).sort();
}

const visitor = (more = {}) => JSON.stringify({ anonymous_id: "visitor-1", context: { device: "mobile" }, ...more });
const json = { "content-type": "application/json" };

test("a page is served", async () => {
  const served = await fetched(`${api}/api/v2/optimizations/${OPTIMIZATION}/serve`, {
    method: "POST",
    headers: json,
    body: visitor(),
  });
  assert.equal(served.status, 200, JSON.stringify(served));
  assert.ok(JSON.parse(served.text).variant.headline);
  const best = await fetched(`${api}/api/v2/optimizations/best-variant`, {
    method: "POST",
    headers: json,
    body: visitor({ optimization_id: OPTIMIZATION }),
  });
  assert.deepEqual(JSON.parse(best.text).variant, JSON.parse(served.text).variant);
});

test("a page reads what is wrong with its request", async () => {
  const refused = await fetched(`${api}/api/v2/optimizations/${OPTIMIZATION}/serve`, {
    method: "POST",
    headers: json,
    body: "{}",
  });
  assert.equal(refused.status, 400, JSON.stringify(refused));
  assert.match(refused.text, /anonymous_id/);
});

test("a page gets the policy, and hears that it has not changed", async () => {
  const url = `${api}/api/v2/optimizations/${OPTIMIZATION}/policy`;
  const first = await fetched(url);
  assert.equal(first.status, 200, JSON.stringify(first));
  assert.ok(JSON.parse(first.text).rows.length > 0);
  assert.ok(first.headers.etag, "the script sees the ETag");
  const second = await fetched(url, { headers: { "if-none-match": first.headers.etag } });
  assert.equal(second.status, 304, JSON.stringify(second));
});

test("a page can call nothing else of the API, whatever it knows", async () => {
  const there = await models();
  const model = there[0].split(" ")[0];
  const token = { authorization: `Bearer ${KEY}` };
  for (const [path, init] of [
    ["/api/v2/models", {}],
    ["/api/v2/models", { headers: token }],
    ["/api/v2/models", { method: "POST", body: "{}" }],
    ["/api/v2/models", { method: "POST", headers: { ...token, ...json }, body: "{}" }],
    [`/api/v2/models/${model}`, { headers: token }],
    [`/api/v2/models/${model}`, { method: "DELETE", headers: token }],
    [`/api/v2/models/${model}/train`, { method: "POST", headers: token }],
    [`/api/v2/models/${model}/state`, {}],
    ["/api/v2/optimizations", { headers: token }],
    [`/api/v2/optimizations/${OPTIMIZATION}`, { method: "PATCH", headers: { ...token, ...json }, body: "{}" }],
    [`/api/v2/optimizations/${OPTIMIZATION}/serve`, { method: "POST", headers: { ...token, ...json }, body: visitor() }],
    [`/api/v2/optimizations/${OPTIMIZATION}/serve`, { method: "DELETE" }],
    ["/nowhere", {}],
  ]) {
    const got = await fetched(api + path, init);
    assert.match(got.error ?? "", /Failed to fetch/, `${init.method ?? "GET"} ${path}: ${JSON.stringify(got)}`);
  }
  assert.deepEqual(await models(), there);
});

test("a page reads nothing from the ports of the stores", async () => {
  const there = await models();
  const target = { "x-amz-target": "DynamoDB_20120810.Scan" };
  for (const url of stores) {
    for (const init of [
      {},
      { method: "POST", body: '{"TableName": "fulcrum"}' },
      { method: "POST", headers: { ...target, "content-type": "application/x-amz-json-1.0" }, body: '{"TableName": "fulcrum"}' },
      { method: "PUT", body: "x" },
      { method: "DELETE" },
    ]) {
      const got = await fetched(`${url}/`, init);
      assert.match(got.error ?? "", /Failed to fetch/, `${url} ${JSON.stringify(init)}: ${JSON.stringify(got)}`);
    }
    // What the browser sends without asking, and whose answer no script may read.
    const blind = await fetched(`${url}/`, { method: "POST", mode: "no-cors", body: '{"TableName": "fulcrum"}' });
    assert.equal(blind.type ?? "opaque", "opaque");
    assert.equal(blind.text ?? "", "");
  }
  assert.deepEqual(await models(), there);
});

test("a name of somebody else's that leads to this machine leads nowhere", async () => {
  for (const [url, path] of [
    [api, `/api/v2/optimizations/${OPTIMIZATION}/policy`],
    [api, "/api/v2/models"],
    [stores[0], "/"],
    [stores[1], "/fulcrum"],
  ]) {
    const rebound = await browser.context.newPage();
    // The page itself came from its owner's server, before the name was made to lead here.
    await rebound.route("**/page", (route) => route.fulfill({ contentType: "text/html", body: "<title>a page</title>" }));
    await rebound.goto(`http://${REBOUND}:${new URL(url).port}/page`);
    // In the browser's eyes the script now asks its own server, and may read all that it says.
    const requests = [
      {},
      { headers: { authorization: `Bearer ${KEY}` } },
      { method: "POST", headers: { "x-amz-target": "DynamoDB_20120810.Scan" }, body: '{"TableName": "fulcrum"}' },
    ];
    for (const init of requests) {
      const got = await rebound.evaluate(
        async ([path, init]) => {
          const answer = await fetch(path, init);
          return { status: answer.status, text: await answer.text() };
        },
        [path, init],
      );
      assert.ok([400, 403].includes(got.status), `${url}${path}: ${JSON.stringify(got)}`);
      assert.match(got.text, /attacker\.example/);
    }
    await rebound.close();
  }
});
