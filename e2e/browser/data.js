// Optimizations with data in every state that a person may meet, made through the API and the command as anybody would make them.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { compile } from "../../clients/typescript/dist/src/policy.js";

const DAY = 86_400_000;
const DAYS = 14;

/** Uniform numbers from a seed (mulberry32). */
function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const text = (name, ...levels) => ({ name, dtype: "str", levels });
const one = (levels, uniform) => levels[Math.floor(uniform() * levels.length)];

/** The policy before the first training: every variant alike. */
function untrained({ id, holdout_percentage }, { design_factors: design, context_factors: context = [] }) {
  const variants = Array.from({ length: design.reduce((product, { levels }) => product * levels.length, 1) }, (_, i) => i);
  const rows = [{ variants, counts: variants.map(() => 1) }];
  return { format: "fulcrum.policy.v2", optimization_id: id, holdout_percentage, frozen: false, design, context, total: variants.length, rows };
}

export class Data {
  constructor(variables) {
    this.variables = variables;
    this.url = variables.FULCRUM_URL;
    this.key = variables.FULCRUM_API_KEY;
  }

  async call(method, path, body) {
    const headers = { authorization: `Bearer ${this.key}`, "content-type": "application/json" };
    const answer = await fetch(`${this.url}/api/v2${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    const parsed = await answer.json();
    if (!answer.ok && answer.status !== 422) throw new Error(`${method} ${path}: ${JSON.stringify(parsed)}`);
    return parsed;
  }

  create(name, design, context = [], more = {}, model_type = "cmab") {
    const reward = { name: "signup", type: "bool" };
    const attribution = { type: "last_touch", conversion_window_hours: 24, immature: "include" };
    return this.call("POST", "/optimizations", {
      name, model_type, holdout_percentage: 10, training_data_config: { design_factors: design, context_factors: context, reward, attribution }, ...more,
    });
  }

  /** Uploads files and trains on them; what the run answered. */
  async train(optimization, files) {
    const folder = await mkdtemp(join(tmpdir(), "fulcrum-data-"));
    for (const [name, content] of Object.entries(files)) {
      await mkdir(join(folder, name, ".."), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    const environment = { ...this.variables, PATH: process.env.PATH };
    await promisify(execFile)(process.env.FULCRUM_BINARY, ["snapshots", "put", optimization.id, folder, "--no-check"], { env: environment });
    await rm(folder, { recursive: true });
    return this.call("POST", `/models/${optimization.model_id}/train`, {});
  }

  /** Users who are shown what the policy in force decides, over some of the last 14 days. */
  async traffic(optimization, { users, rate, days = [0, DAYS], seed = 1, keep = () => true }) {
    // Asked only once there is something to know: a process serves what it read for half a minute.
    const { summary, training_data_config } = await this.call("GET", `/optimizations/${optimization.id}`);
    const policy = summary === null ? untrained(optimization, training_data_config) : await this.call("GET", `/optimizations/${optimization.id}/policy`);
    const decide = compile(policy);
    const uniform = uniforms(seed);
    const begins = Math.floor(Date.now() / DAY - DAYS) * DAY;
    const exposures = [], rewards = [];
    for (let n = 0; n < users; n++) {
      const user = `user-${seed}-${n}`;
      const context = Object.fromEntries(policy.context.map(({ name, levels }) => [name, one(levels, uniform)]));
      const at = begins + Math.floor((days[0] + uniform() * (days[1] - days[0])) * DAY);
      const { variant, holdout } = decide(user, context);
      const converts = uniform() < rate(variant, context, (at - begins) / DAY);
      if (!keep(holdout, uniform)) continue;
      exposures.push(JSON.stringify({ anonymous_id: user, timestamp: new Date(at).toISOString(), variant, context }));
      if (converts) rewards.push(`${user},${new Date(at + 60_000).toISOString()},signup`);
    }
    return { exposures, rewards };
  }

  static files(...traffic) {
    const all = (field) => traffic.flatMap((part) => part[field]).join("\n");
    return { "exposures/part-0.jsonl": `${all("exposures")}\n`, "rewards/part-0.csv": `anonymous_id,timestamp,name\n${all("rewards")}\n` };
  }

  /** The landing page: a week of every variant alike, a version, and a week of what that serves. */
  async landingPage(users = 30_000) {
    const made = await this.create("Landing page", [
      text("headline", "Save time", "Save money", "Join 10,000 teams"), text("cta_text", "Sign up", "Start free trial"), text("hero_image", "product", "people"),
    ], [text("device", "desktop", "mobile"), text("country", "US", "DE", "BR")]);
    const rate = (variant, context, day) => 1 / (1 + Math.exp(2.95
      - 0.1 * Math.sin(day) + (context.device === "mobile" ? 0.2 : 0) + (context.country === "BR" ? 0.2 : 0)
      - (variant.headline === "Join 10,000 teams" ? (context.country === "DE" ? -0.1 : 0.42) : variant.headline === "Save money" ? 0.12 : 0)
      - (variant.cta_text === "Start free trial" ? 0.24 : 0) - (variant.hero_image === "people" && context.device === "mobile" ? 0.25 : 0)));
    const first = await this.traffic(made, { users: users / 2, rate, days: [0, 7], seed: 11 });
    await this.train(made, Data.files(first));
    const second = await this.traffic(made, { users: users / 2, rate, days: [7, 14], seed: 12 });
    await this.train(made, Data.files(first, second));
    return made;
  }

  /** A holdout that logging loses half of, and rewards of another kind of ids. */
  async suspect() {
    const made = await this.create("Checkout button", [text("label", "Buy", "Order now"), text("colour", "green", "orange")], [text("device", "desktop", "mobile")]);
    const traffic = await this.traffic(made, { users: 9_000, rate: () => 0.08, keep: (holdout, uniform) => !holdout || uniform() < 0.5, seed: 21 });
    const rewards = traffic.rewards.map((row, i) => (i % 3 === 0 ? row : row.replace("user-", "session-")));
    await this.train(made, Data.files({ exposures: [...traffic.exposures, '{"anonymous_id": "x", "timestamp": "2026-01-01T00:00:00Z", "variant": {"label": "Pay", "colour": "green"}}'], rewards }));
    return made;
  }

  async untrained() {
    return this.create("Pricing page, not started", [text("plan_order", "cheap first", "dear first")], [], {}, "mab");
  }

  async failed() {
    const made = await this.create("Newsletter form", [text("length", "short", "long")], [], {}, "mab");
    await this.train(made, { "exposures/part-0.jsonl": '{"anonymous_id": "a", "variant": {"length": "short"}}\n' });
    return made;
  }

  async completed() {
    const made = await this.create("Footer links", [text("links", "few", "many")], [], { holdout_percentage: 0 }, "mab");
    const traffic = await this.traffic(made, { users: 3_000, rate: (variant) => (variant.links === "few" ? 0.05 : 0.09), seed: 31 });
    await this.train(made, Data.files(traffic));
    await this.call("PATCH", `/optimizations/${made.id}`, { status: "completed" });
    return made;
  }

  async thousand() {
    const levels = Array.from({ length: 10 }, (_, i) => `level ${i}`);
    const made = await this.create("A thousand variants", [text("a", ...levels), text("b", ...levels), text("c", ...levels)], [], {}, "mab");
    const traffic = await this.traffic(made, { users: 4_000, rate: () => 0.1, seed: 41 });
    await this.train(made, Data.files(traffic));
    return made;
  }

  async manyContexts() {
    const context = Array.from({ length: 10 }, (_, i) => text(`context_${i}`, "yes", "no"));
    const made = await this.create("Ten contexts", [text("banner", "off", "on")], context);
    const traffic = await this.traffic(made, { users: 6_000, rate: (variant) => (variant.banner === "on" ? 0.13 : 0.1), seed: 51 });
    await this.train(made, Data.files(traffic));
    return made;
  }

  /** What a page must show and never obey. */
  async strange() {
    const made = await this.create('<img src=x onerror="window.obeyed=1">', [
      text("title", "<script>window.obeyed=1</script>", "שלום עולם", "مرحبا \u202Eabc"), text("note", "a\u0301".repeat(40), `${"x".repeat(200)}`),
    ], [text("site", "<b>bold</b>", "日本語")]);
    const traffic = await this.traffic(made, { users: 3_000, rate: () => 0.1, seed: 61 });
    await this.train(made, Data.files(traffic));
    return made;
  }
}
