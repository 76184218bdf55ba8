// The service's answers, and what they were asked for.
import { readFileSync } from "node:fs";
import type { Context, Decision, Policy } from "../src/index.js";

export type User = { id: string; context: Context; decision: Decision | null };
export type Case = { seed: number; policy: Policy; values: [string, unknown[]][]; users: User[]; digests: string[] };
const file = new URL("../../test/data/answers.json", import.meta.url);
export const { pieces, cases }: { pieces: string[]; cases: Case[] } = JSON.parse(readFileSync(file, "utf8"));
