// Serves by the policy at hand, else by the network, else the caller's fallback. It never throws.
import { type Context, type Decision, type Policy, type Variant, compile } from "./policy.js";
export { type Context, type Decision, type Policy, type Variant, compile };

export type Served =
  | (Decision & { source: "policy" | "network" })
  | { variant: Variant; source: "fallback"; error: unknown };

export class Client {
  private decide: ReturnType<typeof compile> | undefined;
  private etag = "";
  private freshUntil = 0;
  private error: unknown;
  private pending: Promise<void> | undefined;

  constructor(readonly url: string, readonly optimization: string, readonly timeoutMs = 2_000) {}

  /** Asks for the policy at most once per cache time (30 s), and for nothing else where it has the context. */
  async serve(user: string, context: Context, fallback: Variant): Promise<Served> {
    try {
      if (Date.now() >= this.freshUntil) await (this.pending ??= this.refresh().finally(() => (this.pending = undefined)));
      const decision = this.decide?.(user, context);
      if (decision) return { ...decision, source: "policy" };
      if (this.error) throw this.error;
      const body = JSON.stringify({ anonymous_id: user, context });
      const answer = await this.request("serve", { method: "POST", headers: { "content-type": "application/json" }, body });
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      return { ...JSON.parse(answer.text), source: "network" };
    } catch (error) {
      return { variant: fallback, source: "fallback", error };
    }
  }

  /** Keeps the old policy where the service is away, and asks again after 5 s; forgets it where the service says so. */
  private async refresh(): Promise<void> {
    let seconds = 5;
    try {
      const { status, headers, text } = await this.request("policy", { headers: this.etag ? { "if-none-match": this.etag } : {} });
      if (status === 200) [this.decide, this.etag] = [compile(JSON.parse(text)), headers.get("etag") ?? ""];
      else if (status !== 304) [this.decide, this.etag] = [undefined, ""];
      seconds = Number(/max-age=(\d+)/.exec(headers.get("cache-control") ?? "")?.[1] ?? 30);
      this.error = undefined;
    } catch (error) {
      this.error = error;
    }
    this.freshUntil = Date.now() + seconds * 1_000;
  }

  /** One retry after no answer in time, a broken connection, 429 and 5xx. */
  private async request(path: string, init: RequestInit, last = false): Promise<{ status: number; headers: Headers; text: string }> {
    try {
      const url = `${this.url}/api/v2/optimizations/${this.optimization}/${path}`;
      const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(this.timeoutMs) });
      const { status, headers } = answer;
      const text = await answer.text();
      if (status === 429 || status >= 500) throw new Error(`${status} ${text}`);
      return { status, headers, text };
    } catch (error) {
      if (last) throw error;
      return this.request(path, init, true);
    }
  }
}
