// The sender against the local service, over a network that fails in every way: what was taken is counted once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, type Event, Events } from "../src/index.js";
import { type Fate, model, network, service, skip } from "./service.js";

test("whatever fails on the way, every event is counted once", { skip }, async (t) => {
  const local = await service(t);
  const { optimization, trained } = await model(local);
  const bad: Fate[] = ["never arrives", "503", "its answer is lost", "its answer is cut", "429", "its answer is late"];
  // Each failure alone, then some of them in a row.
  const fates: Fate[] = [...bad.flatMap((fate): Fate[] => [fate, "passes"]), ...bad, "passes"];
  const broken = await network(t, local.url, fates);
  const lost: Event[] = [];
  const events = new Events(broken.url, local.key, { batch: 20, intervalMs: 50, timeoutMs: 1_500, retryMs: 5, onLost: (some) => lost.push(...some) });
  const client = new Client(local.url, optimization, 10_000, events.exposure);
  let rewards = 0;
  for (let n = 0; n < 200; n++) {
    const served = await client.serve(`visitor-${n}`, {}, { headline: "A" });
    assert.notEqual(served.source, "fallback");
    if (served.variant.headline === "B") {
      events.reward({ anonymous_id: `visitor-${n}`, name: "signup" });
      rewards += 1;
    }
    if (n % 10 === 0) await events.flush(60_000);
  }
  // None of ours: told, and nothing else of its batch is.
  events.exposure({ anonymous_id: "x", optimization_id: "4754cae0-9a5d-4691-91af-6d15ccc1f82e", variant: { headline: "A" } });
  events.reward({ anonymous_id: "x", name: "" });
  assert.equal(await events.close(60_000), 0);
  assert.ok(broken.seen() > fates.length, `${broken.seen()} requests: not all of the failures came about`);
  assert.deepEqual(lost.map(({ anonymous_id }) => anonymous_id), ["x", "x"]);
  const seen = await trained(200, rewards);
  assert.deepEqual([seen.exposures, seen.rewards, seen.attributed_rewards, seen.skipped], [200, rewards, rewards, {}]);
});
