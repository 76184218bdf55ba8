// The public API, and nothing else.
import { signOut, token } from "./session.ts";

export type Level = string | boolean;
export type Interval = [number, number] | null;
/** A level as it is configured: its text, or an object with an id. */
export type ConfiguredLevel = Level | { id: string; value: Level; previous_values?: Level[] };

export interface Factor {
  name: string;
  dtype: "str" | "bool";
  levels?: ConfiguredLevel[];
}

export interface Configuration {
  design_factors: Factor[];
  context_factors?: Factor[];
  reward: { name: string; type: "bool" | "numeric" };
  attribution: { type: string; conversion_window_hours: number; immature?: string };
  guardrails?: { name: string }[];
  [more: string]: unknown;
}

export interface Optimization {
  id: string;
  name: string;
  status: "live" | "completed" | "archived";
  status_reason?: string | null;
  model_id: string | null;
  model_status: string | null;
  holdout_percentage: number;
  summary: { variants_count: number; lift: number | null; confidence: number | null; exposures: number } | null;
  measured?: { lift_percent: number; lift_ci: Interval } | null;
  created_at: string;
  updated_at: string;
  training_data_config?: Configuration;
}

export interface Warning {
  code: string;
  message: string;
  example?: unknown;
}

export interface Observations {
  exposures: number;
  rewards?: number | null;
  attributed_rewards?: number | null;
  skipped: Record<string, number>;
}

export interface Metrics {
  historic_reward: number | null;
  expected_reward: { mean: number; ci_lower: number; ci_upper: number } | null;
}

export interface Model {
  id: string;
  model_type: "mab" | "cmab";
  status: "untrained" | "training" | "trained" | "failed" | "archived";
  training_data_config: Configuration;
  optimization_id: string;
  created_at: string;
  updated_at: string;
  trained_at: string | null;
  posterior_version: number;
  snapshot_id: string | null;
  last_error: { code: string; message: string; at: string } | null;
  in_sample_metrics?: Metrics | null;
  observations?: Observations | null;
  warnings?: Warning[];
}

export interface Version {
  posterior_version: number;
  trained_at: string;
  snapshot_id: string;
  bias: Record<string, number>;
  in_sample_metrics: Metrics | null;
  observations: Observations | null;
  warnings?: Warning[];
  active: boolean;
  duration_ms?: number;
  /** When it was in force: `from` null is longer ago than records are kept, `to` null is now. */
  in_force?: { from: string | null; to: string | null }[];
}

/** A change of an optimization: who made it, and what it was before and after. */
export interface Change {
  at: string;
  who: { kind: string; id?: string; subject?: string };
  what: string;
  before?: Record<string, unknown> | null;
  after?: Record<string, unknown> | null;
}

export interface Lift {
  holdout_rate: number | null;
  holdout_users: number;
  optimization_rate: number | null;
  optimization_users: number;
  lift_percent: number | null;
  lift_ci: Interval;
  lift_ci_anytime: Interval;
  p_value: number | null;
  status: string;
}

export interface VariantResult {
  number: number;
  variant: Record<string, Level>;
  users: number | null;
  converting_users: number | null;
  user_rate: number | null;
  exposures: number;
  rate: number | null;
  expected_reward_mean: number | null;
  expected_reward_lo: number | null;
  expected_reward_hi: number | null;
  prob_best: number | null;
  weight: number | null;
}

export interface Day {
  date: string;
  holdout: { users: number; rate: number | null };
  optimized: { users: number; rate: number | null };
  lift_percent: number | null;
  lift_ci: Interval;
  lift_ci_anytime: Interval;
  variants: { number: number; users: number; exposures: number; rate: number | null; weight?: number | null }[] | null;
}

/** What the rules of the service conclude; the console adds no sentence of its own. */
export interface Findings {
  sentence: string;
  modelled: string | null;
  window: { from: string | null; to: string | null };
  basis: string;
  verdict: { kind: string; title: string; why: string; more_users: number | null };
  problems: { code: string; message: string }[];
  notes: string[];
}

export interface Guardrail extends Lift {
  name: string;
  worse_when: string;
  margin_percent: number;
  on_violation: string;
}

export interface Cell {
  levels?: Level[];
  a?: Level;
  b?: Level;
  points: number | null;
  z: number | null;
  users?: number;
  n?: number;
}

export interface Results {
  basis: "users" | "exposures";
  snapshot_id: string;
  posterior_version: number;
  computed_at: string;
  primary_metric_vs_holdout: (Lift & { metric_name: string; holdout_exposures: number; optimization_exposures: number }) | null;
  by_context: { factor: string; levels: (Lift & { level: Level | null })[]; heterogeneity: { p_value: number | null; i_squared?: number | null } | null }[] | null;
  variants: VariantResult[];
  stats: {
    estimated_improvement_percent: number | null;
    estimated_improvement_interval: Interval;
    best_vs_baseline_percent: number | null;
    best_vs_baseline_interval: Interval;
    estimated_progress: number | null;
    improvement_probability: number | null;
  } | null;
  factor_importance: { factor: string; mean: number | null; q1: number | null; q3: number | null; kind: string }[];
  time_series: Day[] | null;
  quality: Record<string, any> | null;
  findings?: Findings;
  guardrails?: Guardrail[];
  baseline_check?: Record<string, any> | null;
  interactions?: any[] | null;
  off_policy?: any;
}

export interface State {
  posterior_version: number;
  trained_at: string;
  observations: number;
  skipped: Record<string, number>;
  warnings: Warning[];
  variants: { index: number; variant: Record<string, Level>; n: number; expected_loss: number | null }[];
  contexts: { context: Record<string, Level | null>; n: number; best_variant_index: number | null; prob_best: number | null }[];
  factors: {
    name: string;
    role: "design" | "context";
    size: { mean: number; lo: number; hi: number } | null;
    levels: { level: Level | null; effect_mean: number | null; effect_lo: number | null; effect_hi: number | null }[];
  }[];
  interactions: { factors: [string, string]; size: { mean: number; lo: number; hi: number } | null }[];
  diagnostics: Record<string, number | string | null> | null;
}

export interface Policy {
  posterior_version: number;
  holdout_percentage: number;
  frozen: boolean;
  design: { name: string; levels: Level[] }[];
  context: { name: string; levels: Level[] }[];
  coverage: string;
  total: number;
  rows: { context: string; variants: number[]; counts: number[] }[];
}

export interface Decision {
  variant: Record<string, Level>;
  variant_index: number;
  holdout: boolean;
  propensity: number;
  posterior_version: number;
  model_id: string;
}

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: { field: string; message: string }[];
  constructor(status: number, code: string, message: string, details: { field: string; message: string }[] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/** Told when a token is refused, so that the page asks for another. */
export let onUnauthorized: () => void = () => {};
export function whenUnauthorized(then: () => void): void {
  onUnauthorized = then;
}

const wait = (seconds: number) => new Promise((done) => setTimeout(done, seconds * 1000));

/** One request; a rate limit is waited out, three times. */
export async function call<T>(method: string, path: string, body?: unknown, open = false): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const headers: Record<string, string> = {};
    const key = token();
    if (!open && key !== null) headers["authorization"] = `Bearer ${key}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    let answer: Response;
    try {
      answer = await fetch(`/api/v2${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    } catch {
      throw new ApiError(0, "unreachable", "The service does not answer. Is it still running?");
    }
    if (answer.status === 429 && attempt < 3) {
      await wait(Number(answer.headers.get("retry-after") ?? 1));
      continue;
    }
    const text = await answer.text();
    let parsed: any;
    try {
      parsed = text === "" ? {} : JSON.parse(text);
    } catch {
      throw new ApiError(answer.status, "no_json", `The service answered with status ${answer.status} and no JSON.`);
    }
    if (!answer.ok) {
      const { code = "unknown", message = `status ${answer.status}`, details = [] } = parsed.error ?? {};
      if (answer.status === 401 && !open) {
        signOut();
        onUnauthorized();
      }
      throw new ApiError(answer.status, code, message, details);
    }
    return parsed as T;
  }
}

export const get = <T>(path: string) => call<T>("GET", path);

/** All pages of a list. */
export async function all<T>(path: string, field: string, query: Record<string, string> = {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const parameters = new URLSearchParams({ ...query, ...(cursor === undefined ? {} : { cursor }) });
    const page = await get<Record<string, any>>(`${path}?${parameters}`);
    items.push(...(page[field] as T[]));
    cursor = page["meta"]?.next_cursor;
  } while (cursor !== undefined);
  return items;
}

/** As `get`, or null where there is no such thing yet. */
export async function getOrNull<T>(path: string): Promise<T | null> {
  try {
    return await get<T>(path);
  } catch (error) {
    if (error instanceof ApiError && [404, 409].includes(error.status)) return null;
    throw error;
  }
}
