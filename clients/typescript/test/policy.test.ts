// 10,000 users' answers against those of the service (shared/core/tests/serving/answers.rs writes the file).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Context, type Decision, type Policy, compile } from "../src/index.js";

type Case = { policy: Policy; contexts: Context[]; first: Decision; answers: string; propensity_sum: number };
const cases: Case[] = JSON.parse(readFileSync(new URL("../../test/data/answers.json", import.meta.url), "utf8"));

test("10,000 users get the service's answers under each policy", () => {
  assert.equal(cases.length, 3);
  for (const { policy, contexts, first, answers, propensity_sum } of cases) {
    const decide = compile(policy);
    assert.deepEqual(decide("user-0", contexts[0]!), first);
    let [found, sum] = ["", 0];
    for (let user = 0; user < 10_000; user++) {
      const decision = decide(`user-${user}`, contexts[user % contexts.length]!);
      sum += decision?.propensity ?? 0;
      found += !decision ? "." : decision.holdout ? "*" : decision.variant_index.toString(36);
    }
    assert.equal(found, answers);
    assert.equal(sum, propensity_sum);
  }
});

test("names of JavaScript itself are no context", () => {
  const { policy } = cases[1]!;
  const context = [{ name: "constructor", levels: ["x", "y"] }, ...policy.context.slice(1)];
  const decide = compile({ ...policy, context });
  assert.deepEqual(decide("user-4", {}), decide("user-4", { constructor: "neither" }));
});

test("a value is the level that the service reads", () => {
  const { policy } = cases[1]!;
  // A row for each context, each with a variant of its own.
  const context = [{ name: "price", levels: ["1", "1.5", "1e-7", "1e+21", "true"] }, { name: "member", levels: [false, true] }];
  const rows = Array.from({ length: 18 }, (_, n) => ({ context: String(n), variants: [n], counts: [policy.total] }));
  const design = [{ name: "v", levels: rows.map((_, n) => String(n)) }];
  const decide = compile({ ...policy, holdout_percentage: 0, design, context, rows });
  for (const [price, member, number] of [
    ["1", false, 0], [1, "false", 0], [1.0, "False", 0], [1.5, true, 4], ["1.5", "TRUE", 4], ["1.50", "yes", 17], [1e-7, "true", 7],
    [1e21, true, 10], [true, 1, 14], ["True", null, 17], [-0, {}, 17], [NaN, ["true"], 17], [Infinity, undefined, 17],
  ]) {
    assert.equal(decide("user", { price, member })?.variant_index, number, `${price} ${member}`);
  }
});
