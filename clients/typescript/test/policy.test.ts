// 10,000 random users' answers against those of the service (shared/core/tests/it/serving/answers.rs writes the file).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type Context, compile } from "../src/index.js";
import { uniform } from "../src/rendezvous.js";
import { cases, pieces } from "./answers.js";

/** The random numbers of the file's writer, below n. */
function draws(seed: number) {
  let drawn = 0;
  return (n: number) => Math.ceil(uniform(BigInt(seed), BigInt(drawn++)) * n) - 1;
}

function drawUser(below: (n: number) => number, values: [string, unknown[]][]): { id: string; context: Context } {
  const piece = () => pieces[below(pieces.length)]!;
  const long = (text: string) => text.repeat(Math.floor(1_024 / Buffer.byteLength(text)));
  const id = below(250) === 0 ? long(piece()) : Array.from({ length: below(16) + 1 }, piece).join("");
  const drawn = values.map(([name, all]) => [name, all[below(all.length + 1)]] as const);
  return { id, context: Object.fromEntries(drawn.filter(([, value]) => value !== undefined)) };
}

function bits(number: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
}

test("10,000 random users get the service's answers under each policy", () => {
  const decided = cases.map(({ seed, policy, values, users, digests }) => {
    const [below, decide, digest] = [draws(seed), compile(policy), createHash("sha256")];
    const found: string[] = [];
    let decisions = 0;
    for (let user = 0; user < 10_000; user++) {
      const { id, context } = drawUser(below, values);
      const decision = decide(id, context);
      if (user < users.length) assert.deepEqual({ id, context, decision: decision ?? null }, users[user]);
      const { variant_index, holdout, propensity = 0 } = decision ?? {};
      digest.update(decision ? `${id}\t${variant_index}\t${holdout}\t${bits(propensity)}\n` : `${id}\tnone\n`);
      if (user % 1_000 === 999) found.push(digest.copy().digest("hex").slice(0, 16));
      decisions += decision ? 1 : 0;
    }
    assert.deepEqual(found, digests);
    assert.equal(users.length, 50);
    return decisions;
  });
  // The third policy has rows for some contexts only.
  assert.deepEqual(decided.slice(0, 2), [10_000, 10_000]);
  assert.ok(decided.length === 3 && decided[2]! > 2_000 && decided[2]! < 8_000, `${decided}`);
});

test("an id that the service refuses gets no decision", () => {
  const decide = compile(cases[0]!.policy);
  for (const id of ["", "x".repeat(1_025), "é".repeat(513), "\ud800", "a\udc00", "\udc00\ud800"]) {
    assert.throws(() => decide(id, {}), RangeError);
  }
  for (const id of ["x".repeat(1_024), "é".repeat(512), "\ud83d\udca1".repeat(256), "\n"]) assert.ok(decide(id, {}));
});

test("a policy of another format decides nothing", () => {
  const decide = compile({ ...cases[0]!.policy, format: "fulcrum.policy.v3" });
  assert.equal(decide("user-0", {}), undefined);
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
  const design = [{ name: "v", levels: rows.map((_, n) => String(n)), ordinals: rows.map((_, n) => n) }];
  const decide = compile({ ...policy, holdout_percentage: 0, design, context, rows });
  for (const [price, member, number] of [
    ["1", false, 0], [1, "false", 0], [1.0, "False", 0], [1.5, true, 4], ["1.5", "TRUE", 4], ["1.50", "yes", 17], [1e-7, "true", 7],
    [1e21, true, 10], [true, 1, 14], ["True", null, 17], [-0, {}, 17], [NaN, ["true"], 17], [Infinity, undefined, 17],
  ]) {
    assert.equal(decide("user", { price, member })?.variant_index, number, `${price} ${member}`);
  }
});

test("a level that is added moves nobody to or from the others", () => {
  const { policy } = cases[0]!;
  const [first, ...rest] = policy.design;
  const wider = { ...first!, levels: ["new", ...first!.levels], ordinals: [first!.levels.length, ...first!.ordinals!] };
  const others = rest.reduce((n, { levels }) => n * levels.length, 1);
  const rows = policy.rows.map((row) => ({ ...row, variants: row.variants.map((variant) => variant + others) }));
  const [before, after] = [compile(policy), compile({ ...policy, design: [wider, ...rest], rows, holdout_percentage: 0 })];
  for (let user = 0; user < 1_000; user++) {
    const decision = before(`user-${user}`, {})!;
    if (!decision.holdout) assert.deepEqual(after(`user-${user}`, {})!.variant, decision.variant);
  }
});

test("a frozen policy serves one variant with certainty, and the holdout goes on", () => {
  const { policy } = cases[0]!;
  const decide = compile({ ...policy, frozen: true, total: 1, rows: [{ variants: [4], counts: [1] }] });
  const decisions = Array.from({ length: 1_000 }, (_, user) => decide(`user-${user}`, {})!);
  const held = decisions.filter(({ holdout }) => holdout);
  assert.ok(held.length > 50 && held.length < 250 && held.every(({ variant_index: v, propensity: p }) => v === 0 && p === 0.125));
  assert.ok(decisions.every(({ holdout, variant_index: v, propensity: p }) => holdout || (v === 4 && p === 0.875)));
});

test("a context that has what a level was has the level", () => {
  const device = { name: "device", levels: ["desktop", "mobile"], previous_values: [[], ["phone", "1"]] };
  const rows = [0, 1, 2].map((number) => ({ context: String(number), variants: [number], counts: [1] }));
  const decide = compile({ ...cases[0]!.policy, context: [device], total: 1, rows, holdout_percentage: 0 });
  for (const [value, number] of [["desktop", 0], ["mobile", 1], ["phone", 1], [1, 1], ["Phone", 2], [null, 2]] as const) {
    assert.equal(decide("user", { device: value })?.variant_index, number, String(value));
  }
});
