// The hash against the vectors that every implementation shares.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { choose, holdOut, key, ln, uniform, variantKeys } from "../src/rendezvous.js";

type Vectors = {
  keys: string[];
  rows: Record<string, { ordinals: number[][]; counts: number[] }>;
  percentages: number[];
  vectors: {
    optimization_id: string; anonymous_id: string; user_hash: string;
    uniform: number[]; ln: number[]; served: number[]; held_out: boolean[];
  }[];
};
const file = new URL("../../../../shared/bandit/tests/data/rendezvous.json", import.meta.url);
const shared: Vectors = JSON.parse(readFileSync(file, "utf8"));

test("the shared vectors hold, bit for bit", () => {
  assert.ok(shared.vectors.length >= 20);
  const rows = Object.values(shared.rows).map(({ ordinals, counts }) => {
    const variants = counts.map((_, v) => v).filter((v) => counts[v]! > 0);
    return { keys: variantKeys(ordinals.map((ordinals) => ({ levels: ordinals, ordinals }))), variants, counts: variants.map((v) => counts[v]!) };
  });
  for (const expected of shared.vectors) {
    const [o, a] = [expected.optimization_id, expected.anonymous_id];
    const hash = key("fulcrum.variant.v2", o, a);
    const numbers = shared.keys.map((key) => uniform(hash, BigInt(key)));
    const found = {
      optimization_id: o,
      anonymous_id: a,
      user_hash: hash.toString(16).padStart(16, "0"),
      uniform: numbers,
      ln: numbers.map(ln),
      served: rows.map((row) => choose(o, a, row.keys, row.variants, row.counts)),
      held_out: shared.percentages.map((p) => holdOut(o, a, p)),
    };
    assert.deepEqual(found, expected);
  }
});
