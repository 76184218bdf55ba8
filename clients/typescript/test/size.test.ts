// A reference is there to be read.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

test("what serves has under 100 lines of code", () => {
  const file = (name: string) => readFileSync(new URL(`../../src/${name}.ts`, import.meta.url), "utf8");
  const text = ["index", "policy", "rendezvous"].map(file).join("\n");
  const lines = text.replace(/\/\*\*[^]*?\*\//g, "").split("\n").filter((line) => !/^\s*(\/\/|$)/.test(line));
  assert.ok(lines.length > 0 && lines.length < 100, `${lines.length} lines`);
});
