// What needs no browser: numbers, places, sizes and power. Vite runs the sources as the build has them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runnerImport } from "vite";

const load = async (path) => (await runnerImport(new URL(`../src/${path}`, import.meta.url).pathname)).module;

test("numbers are written as people read them", async () => {
  const { signed, share, probability, count, reward, interval, day, ago } = await load("format.ts");
  assert.deepEqual([12.34, -0.04, -5.06, null, NaN].map((v) => signed(v)), ["+12.3 %", "0.0 %", "−5.1 %", "–", "–"]);
  assert.deepEqual([share(0.0611), count(84022), count(null)], ["6.1 %", "84,022", "–"]);
  assert.deepEqual([1, 0.9995, 0.5, 0.0001, 0].map(probability), ["> 99.9 %", "> 99.9 %", "50.0 %", "< 0.1 %", "< 0.1 %"]);
  assert.deepEqual([reward(0.0611, false), reward(12.3456, true), reward(0.00123, true), reward(48000, true)], ["6.11 %", "12.3", "0.0012", "48000"]);
  assert.equal(interval([-5, 10], (v) => signed(v)), "−5.0 % … +10.0 %");
  assert.equal(day("2026-11-04"), "4 Nov");
  const now = Date.parse("2026-11-28T12:00:00Z");
  assert.deepEqual(["2026-11-28T11:59:50Z", "2026-11-28T10:59:00Z", "2026-11-25T12:00:00Z"].map((t) => ago(t, now)), ["just now", "1 hour ago", "3 days ago"]);
});

test("scales have round ticks and hold all values", async () => {
  const { linear } = await load("charts/scale.ts");
  for (const values of [[-5.04, 10], [0.031, 0.077], [3], [], [0, 0], [-1e-4, 2e-4], [NaN, 1e6, 3.3e6]]) {
    for (const zero of [true, false]) {
      const scale = linear(values, 0, 100, 5, zero);
      assert.ok(scale.ticks.length >= 2 && scale.ticks.length <= 12, `${values}: ${scale.ticks}`);
      for (const value of values.filter(Number.isFinite)) assert.ok(scale(value) >= -1e-9 && scale(value) <= 100 + 1e-9, `${value}`);
    }
  }
  assert.deepEqual(linear([0, 10], 0, 100).ticks, [0, 2, 4, 6, 8, 10]);
});

test("routes are read from the hash, whatever it holds", async () => {
  const { parse, at } = await load("router.ts");
  assert.deepEqual(parse(at.optimization("x")), { page: "optimization", id: "x" });
  assert.deepEqual(parse(at.serve()), { page: "serve", id: null });
  for (const hash of ["", "#", "#/", "#/nowhere", "#//", "#/optimizations"]) assert.deepEqual(parse(hash), { page: "list" }, hash);
});

test("variants and columns are counted as the service counts them", async () => {
  const { sizes, levelsOf } = await load("pages/new.tsx");
  // The demonstration's: 3 × 2 × 2 variants; 1 + (2+1) + (3+1) + 7 levels, 6+6+4 pairs of design, 7 × 7 with contexts.
  assert.deepEqual(sizes([3, 2, 2], [2, 3]), { variants: 12, columns: 1 + 3 + 4 + 7 + 16 + 49 });
  assert.deepEqual(levelsOf({ name: "a", levels: " x \n\n y" }), ["x", "y"]);
});

test("the multiple is that of docs/results.md: 3.0 at 10,000 users", async () => {
  const { anytimeMultiple } = await load("power.ts");
  assert.equal(anytimeMultiple(10_000).toFixed(1), "3.0");
  assert.ok(anytimeMultiple(100) > anytimeMultiple(10_000));
});

test("a greater lift, more users and a greater holdout are told sooner", async () => {
  const { daysUntil } = await load("power.ts");
  const usual = { usersPerDay: 5000, rate: 0.05, holdout: 10, lift: 20 };
  const { half, most } = daysUntil(usual);
  assert.ok(half > 1 && half <= most, `${half} ${most}`);
  assert.deepEqual(daysUntil(usual), { half, most }, "the same form says the same");
  for (const better of [{ lift: 40 }, { usersPerDay: 20_000 }, { holdout: 50 }]) assert.ok(daysUntil({ ...usual, ...better }).half < half, JSON.stringify(better));
  assert.deepEqual(daysUntil({ ...usual, usersPerDay: 10 }), { half: null, most: null });
});

test("a context's number is the policy's", async () => {
  const { contextNumber } = await load("pages/believed.tsx");
  const factors = [{ levels: ["desktop", "mobile"] }, { levels: ["US", "DE", "BR"] }];
  assert.equal(contextNumber(factors, [0, 0]), 0n);
  assert.equal(contextNumber(factors, [1, 2]), 6n);
  assert.equal(contextNumber(factors, [2, 3]), 11n);
});
