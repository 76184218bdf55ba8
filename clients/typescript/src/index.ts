// Serves by the policy at hand, else by the network, else the caller's fallback. It never throws.
import { type Decided, type Exposure, type Served, tell } from "./exposure.js";
import { type Context, type Variant, compile } from "./policy.js";
export type { components, operations, paths } from "./api.js";
export * from "./events.js";
export * from "./policy.js";

export class Client {
  private state: { decide?: ReturnType<typeof compile>; etag?: string; error?: unknown; until: number } = { until: 0 };
  private pending: Promise<void> | undefined;
  /** `onExposure` is told what was decided, with all that the ingestion takes; a fallback is no decision. */
  constructor(readonly url: string, readonly optimization: string, readonly timeoutMs = 2_000, readonly onExposure?: (exposure: Exposure) => unknown) {}

  /** Decides at once by a policy at hand, up to 30 s past its time. Otherwise it waits, at most the time-out in all. */
  readonly serve = (user: string, context: Context, fallback: Variant): Promise<Served> =>
    this.decided(user, context).then(tell(this.onExposure, user, context), (error: unknown) => ({ variant: fallback, source: "fallback", error }));

  private async decided(user: string, context: Context, now = Date.now()): Promise<Decided> {
    if (now >= this.state.until) this.pending ??= this.refresh(now).finally(() => (this.pending = undefined));
    if (!this.state.decide || now >= this.state.until + 30_000) await this.pending;
    const decision = this.state.decide?.(user, context);
    if (decision) return { ...decision, source: "policy" };
    if (this.state.error) throw this.state.error;
    const body = new Blob([JSON.stringify({ anonymous_id: user, context })], { type: "application/json" });
    return { ...JSON.parse((await this.request("serve", { method: "POST", body }, now, 200)).text), source: "network" };
  }

  /** 404 and 409 end a policy. Whatever else goes wrong leaves it in use, and is asked again after 5 s. */
  private async refresh(now: number): Promise<void> {
    try {
      const known = { headers: this.state.etag ? { "if-none-match": this.state.etag } : {} };
      const { status, headers, text } = await this.request("policy", known, now, 200, 304, 404, 409);
      const time = Number(/max-age=(\d+)/.exec(headers.get("cache-control") ?? "")?.[1] ?? 30);
      const until = Date.now() + Math.max(1, time - (Number(headers.get("age")) || 0)) * 1_000;
      if (status === 200) this.state = { decide: compile(JSON.parse(text)), etag: headers.get("etag") ?? "", until };
      else this.state = status === 304 ? { ...this.state, error: undefined, until } : { until };
    } catch (error) {
      this.state = { ...this.state, error, until: Date.now() + 5_000 };
    }
  }

  /** Asks once more after a broken connection, 429 and 5xx, where there is time. */
  private async request(path: string, init: RequestInit, started: number, ...expected: number[]) {
    const signal = AbortSignal.timeout(Math.max(0, started + this.timeoutMs - Date.now()));
    const ask = () => fetch(`${this.url}/api/v2/optimizations/${this.optimization}/${path}`, { ...init, signal })
      .then(async (answer) => ({ status: answer.status, headers: answer.headers, text: await answer.text() }));
    const first = await ask().catch(() => undefined);
    const answer = first && first.status !== 429 && first.status < 500 ? first : await ask();
    if (!expected.includes(answer.status)) throw new Error(`${answer.status} ${answer.text}`);
    return answer;
  }
}
