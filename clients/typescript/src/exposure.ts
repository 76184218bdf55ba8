// What somebody saw, as the ingestion takes it; docs/events.md describes the fields.
import type { components } from "./api.js";
import type { Context, Decision, Variant } from "./policy.js";

export type Decided = Decision & { source: "policy" | "network" };
export type Served = Decided | { variant: Variant; source: "fallback"; error: unknown };
export type Exposure = components["schemas"]["Exposure"];

/** The exposure of a decision, of this moment and with a key of its own. What cannot be a level is left out of the context. */
export function exposureOf(user: string, context: Context, decision: Decision): Exposure {
  const isLevel = ([, value]: [string, unknown]) => /string|boolean/.test(typeof value) || Number.isFinite(value);
  const { optimization_id, variant, posterior_version, propensity, holdout } = decision;
  const known = Object.fromEntries(Object.entries(context).filter(isLevel)) as NonNullable<Exposure["context"]>;
  const moment = { timestamp: new Date().toISOString(), idempotency_key: crypto.randomUUID() };
  return { anonymous_id: user, optimization_id, variant, context: known, ...moment, posterior_version, propensity, holdout };
}

/** Tells of a decision, and passes it on. What goes wrong with telling is no reason to serve something else. */
export function tell(onExposure: ((exposure: Exposure) => unknown) | undefined, user: string, context: Context) {
  const failed = (error: unknown) => console.warn("fulcrum: onExposure failed:", error);
  return (decided: Decided): Decided => {
    try {
      // A promise that nobody waits for must not end the process when it fails.
      if (onExposure) void Promise.resolve(onExposure(exposureOf(user, context, decided))).catch(failed);
    } catch (error) {
      failed(error);
    }
    return decided;
  };
}
