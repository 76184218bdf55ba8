// A reference is there to be read.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

test("the client has under 100 lines of code", () => {
  const folder = new URL("../../src/", import.meta.url);
  const text = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), "utf8")).join("\n");
  const lines = text.replace(/\/\*\*[^]*?\*\//g, "").split("\n").filter((line) => !/^\s*(\/\/|$)/.test(line));
  assert.ok(lines.length > 0 && lines.length < 100, `${lines.length} lines`);
});
