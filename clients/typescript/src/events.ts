// Sends exposures and rewards to the service, from servers and edge runtimes: in batches, and again until they are taken.
import type { components } from "./api.js";
import type { Exposure } from "./exposure.js";
export type * from "./exposure.js";

export type Reward = components["schemas"]["Reward"];
export type Event = Exposure | Reward;
export type EventsOptions = {
  /** So many events of a kind are sent at once without waiting. 100. */
  batch?: number;
  /** How long an event waits for others, in milliseconds. 1,000. */
  intervalMs?: number;
  /** So many events of a kind wait at most, those on their way included. What comes on top is lost. 10,000. */
  queue?: number;
  /** How long a request may take. 10,000. */
  timeoutMs?: number;
  /** The first pause before a request is repeated, about; each further one is twice as long, up to 30 s. 200. */
  retryMs?: number;
  /** Hears of events that will not be stored, and why. By default a line on the console, at most one in 10 s. */
  onLost?: (events: Event[], why: string) => void;
  /** Hears what the service remarks on events that it stored, such as a level that the model does not have. */
  onWarning?: (message: string) => void;
};

/** A request takes 500 events and 5 MB. */
const [MOST_EVENTS, MOST_BYTES, LONGEST_PAUSE_MS] = [500, 4_500_000, 30_000];

type Line = { event: Event; text: string; bytes: number };
type Detail = { field?: string; message?: string };
type Answer = {
  accepted?: number;
  rejected?: { index: number; message: string }[];
  warnings?: { message: string }[];
  error?: { message: string; details?: Detail[] };
};

/** The events of one kind: `lines` wait or are on their way, `gone` were before them. */
class Queue {
  lines: Line[] = [];
  gone = 0;
  timer: ReturnType<typeof setTimeout> | undefined;
  sending: Promise<void> | undefined;
  constructor(readonly path: "exposures" | "rewards") {}
}

export class Events {
  private readonly options: Required<EventsOptions>;
  readonly #key: string;
  private readonly queues = { exposures: new Queue("exposures"), rewards: new Queue("rewards") };
  /** What has to happen for those who wait to look again. */
  private wake: () => void = () => {};
  private changed = new Promise<void>((wake) => (this.wake = wake));
  private closed = false;
  private readonly stopped = new AbortController();

  constructor(readonly url: string, key: string, options: EventsOptions = {}) {
    this.#key = key;
    const onLost = throttled((events, why) => console.warn(`fulcrum: ${events} events are lost: ${why}`));
    const defaults = { batch: 100, intervalMs: 1_000, queue: 10_000, timeoutMs: 10_000, retryMs: 200, onLost, onWarning: () => {} };
    const given = { ...defaults, ...options };
    this.options = { ...given, onLost: harmless(given.onLost), onWarning: harmless(given.onWarning) };
  }

  /** Takes an exposure, as `onExposure` tells it; false where it is lost at once, of which `onLost` hears too. */
  readonly exposure = (event: Exposure): boolean => this.add(this.queues.exposures, event);

  /** Takes a reward; false where it is lost at once. */
  readonly reward = (event: Reward): boolean => this.add(this.queues.rewards, event);

  /** Sends what waits and comes back when all of it is taken or lost, or when the time is over: how many of them still wait. */
  async flush(timeoutMs = 10_000): Promise<number> {
    const waited = Object.values(this.queues).map((queue) => ({ queue, until: queue.gone + queue.lines.length }));
    waited.forEach(({ queue }) => this.start(queue));
    const left = () => waited.reduce((sum, { queue, until }) => sum + Math.max(0, until - queue.gone), 0);
    let over = false;
    const timer = setTimeout(() => ((over = true), this.progress()), timeoutMs);
    while (left() > 0 && !over) await this.changed;
    clearTimeout(timer);
    return left();
  }

  /** Takes no more events and sends those that wait, at most for a time: how many are lost since that was over. */
  async close(timeoutMs = 5_000): Promise<number> {
    this.closed = true;
    await this.flush(timeoutMs);
    this.stopped.abort();
    this.progress();
    await Promise.all(Object.values(this.queues).map((queue) => queue.sending));
    const left = Object.values(this.queues).flatMap((queue) => this.taken(queue, queue.lines.length));
    if (left.length > 0) this.options.onLost(left, "the sender was closed before the service took them");
    return left.length;
  }

  private add(queue: Queue, event: Event): boolean {
    const lose = (why: string) => (this.options.onLost([event], why), false);
    if (this.closed) return lose("the sender is closed");
    if (queue.lines.length >= this.options.queue) return lose(`${this.options.queue} ${queue.path} wait already`);
    let text: string;
    // Keys are made here, once, so that the same event is known however often it is sent.
    const whole = { timestamp: new Date().toISOString(), idempotency_key: crypto.randomUUID(), ...event };
    try {
      text = JSON.stringify(whole);
    } catch (error) {
      return lose(`it is no JSON: ${error}`);
    }
    const bytes = new TextEncoder().encode(text).length;
    if (bytes > MOST_BYTES) return lose(`it has ${bytes} bytes; a request has ${MOST_BYTES} at most`);
    queue.lines.push({ event: whole, text, bytes });
    this.schedule(queue);
    return true;
  }

  private schedule(queue: Queue): void {
    if (queue.lines.length >= this.options.batch) this.start(queue);
    else if (queue.lines.length > 0 && !queue.sending) queue.timer ??= setTimeout(() => this.start(queue), this.options.intervalMs);
  }

  /** Sends until nothing waits; one request of a kind at a time. */
  private start(queue: Queue): void {
    clearTimeout(queue.timer);
    queue.timer = undefined;
    if (queue.lines.length === 0 || this.stopped.signal.aborted) return;
    // An event may have come while the last of the others was settled.
    queue.sending ??= this.send(queue).finally(() => ((queue.sending = undefined), this.schedule(queue)));
  }

  private async send(queue: Queue): Promise<void> {
    let [failures, most] = [0, MOST_EVENTS];
    while (queue.lines.length > 0 && !this.stopped.signal.aborted) {
      const lines = first(queue.lines, most);
      const { status, answer, pauseMs } = await this.post(queue.path, lines);
      const message = answer?.error?.message ?? `status ${status}`;
      if (status === undefined || status === 408 || status === 425 || status === 429 || status >= 500) {
        const pause = Math.min(LONGEST_PAUSE_MS, this.options.retryMs * 2 ** Math.min(failures++, 16));
        // A random half of it, so that many senders do not come back at the same moment.
        await this.pause(Math.max(pause * (0.5 + Math.random() / 2), pauseMs));
        continue;
      }
      failures = 0;
      // One event of an optimization that is not ours refuses them all: the others are sent without it.
      const refused = status === 403 ? Number(/^events\[(\d+)\]/.exec(answer?.error?.details?.[0]?.field ?? message)?.[1] ?? NaN) : NaN;
      if (status === 200 || status === 207) this.settle(queue, lines.length, answer!);
      else if (status === 413 && lines.length > 1) most = Math.ceil(lines.length / 2);
      else if (refused < lines.length) {
        const [line] = queue.lines.splice(refused, 1);
        queue.gone += 1;
        this.options.onLost([line!.event], message);
      } else this.options.onLost(this.taken(queue, lines.length), message);
      this.progress();
    }
  }

  /** The service took these events, or said which of them not. */
  private settle(queue: Queue, count: number, answer: Answer): void {
    const events = this.taken(queue, count);
    for (const { index, message } of answer.rejected ?? []) if (events[index]) this.options.onLost([events[index]], message);
    for (const { message } of answer.warnings ?? []) this.options.onWarning(message);
  }

  private taken(queue: Queue, count: number): Event[] {
    queue.gone += count;
    return queue.lines.splice(0, count).map(({ event }) => event);
  }

  private progress(): void {
    const wake = this.wake;
    this.changed = new Promise<void>((next) => (this.wake = next));
    wake();
  }

  /** One request. Without a status nobody knows whether the service took them: it will know them by their keys. */
  private async post(path: string, lines: Line[]): Promise<{ status?: number; answer?: Answer; pauseMs: number }> {
    const controller = new AbortController();
    const abort = () => controller.abort();
    const timer = setTimeout(abort, this.options.timeoutMs);
    this.stopped.signal.addEventListener("abort", abort);
    try {
      const response = await fetch(`${this.url.replace(/\/+$/, "")}/api/v2/ingest/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${this.#key}` },
        body: `{"events":[${lines.map(({ text }) => text).join(",")}]}`,
        signal: controller.signal,
      });
      const pauseMs = 1_000 * Math.min(60, Number(response.headers.get("retry-after")) || 0);
      const text = await response.text();
      // Some proxy may answer in the service's place: only its own words count as taken.
      const answer = parsed(text);
      if (response.ok && typeof answer?.accepted !== "number") return { pauseMs };
      return { status: response.status, ...(answer ? { answer } : {}), pauseMs };
    } catch {
      return { pauseMs: 0 };
    } finally {
      clearTimeout(timer);
      this.stopped.signal.removeEventListener("abort", abort);
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resume) => {
      const go = () => (clearTimeout(timer), this.stopped.signal.removeEventListener("abort", go), resume());
      const timer: { unref?: () => void } & ReturnType<typeof setTimeout> = setTimeout(go, ms);
      // A process that has nothing else to do ends, as it would without events; `close` waits for them.
      timer.unref?.();
      this.stopped.signal.addEventListener("abort", go);
    });
  }
}

/** As many lines from the beginning as one request takes. */
function first(lines: Line[], most: number): Line[] {
  let bytes = 0;
  const end = lines.slice(0, most).findIndex((line) => (bytes += line.bytes + 1) > MOST_BYTES);
  return lines.slice(0, end < 0 ? most : Math.max(1, end));
}

function parsed(text: string): Answer | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A callback whose own fault stops nothing here. */
function harmless<A extends unknown[]>(callback: (...given: A) => void): (...given: A) => void {
  return (...given) => {
    try {
      callback(...given);
    } catch (error) {
      console.warn("fulcrum: a callback failed:", error);
    }
  };
}

/** Counts events, and says so at most once in 10 s. */
function throttled(say: (events: number, why: string) => void): (events: Event[], why: string) => void {
  let [count, said] = [0, -Infinity];
  return (events, why) => {
    count += events.length;
    if (Date.now() - said < 10_000) return;
    say(count, why);
    [count, said] = [0, Date.now()];
  };
}
