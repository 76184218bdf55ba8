// The published policy, and the decision that the service would make from it. docs/serving.md describes the fields.
import type { components } from "./api.js";
import { choose, holdOut, variantKeys } from "./rendezvous.js";

export type Policy = components["schemas"]["Policy"];
export type Decision = components["schemas"]["Decision"];
export type Variant = Decision["variant"];
export type Context = Record<string, unknown>;

/** Whether a value is a level: texts are compared, those of a bool factor in any case. NaN and infinities are none, as in JSON. */
function isLevel(level: string | boolean, value: unknown): boolean {
  if (!/string|boolean/.test(typeof value) && !Number.isFinite(value)) return false;
  return typeof level === "boolean" ? String(level) === String(value).toLowerCase() : level === String(value);
}

/** What the service would answer to a user; undefined where the policy has no row for the context. */
export function compile(policy: Policy): (user: string, context: Context) => Decision | undefined {
  const { optimization_id, model_id, posterior_version, holdout_percentage: percentage, total } = policy;
  // A document of another meaning says nothing; the service has to be asked.
  if (policy.format !== "fulcrum.policy.v2") return () => undefined;
  const variants = policy.design.reduce<Variant[]>((all, { name, levels }) =>
    all.flatMap((variant) => levels.map((level) => ({ ...variant, [name]: level }))), [{}]);
  const [keys, rows] = [variantKeys(policy.design), new Map(policy.rows.map((row) => [row.context, row]))];
  return (user, context) => {
    // The service refuses these.
    const bytes = /\p{Surrogate}/u.test(user) ? 0 : new TextEncoder().encode(user).length;
    if (bytes < 1 || bytes > 1_024) throw new RangeError("the id of a user is a text of 1 to 1,024 bytes");
    const number = policy.context.reduce((n, { name, levels, previous_values = [] }) => {
      const place = (all: (string | boolean)[][]) => all.findIndex((names) => names.some((level) => isLevel(level, context[name])));
      return n * BigInt(levels.length + 1) + BigInt([place(levels.map((level) => [level])), place(previous_values), levels.length].find((at) => at >= 0)!);
    }, 0n);
    const row = rows.get(undefined) ?? rows.get(String(number));
    if (!row) return undefined;
    const holdout = holdOut(optimization_id, user, percentage);
    const variant_index = holdout ? 0 : choose(optimization_id, user, keys, row.variants, row.counts);
    const share = (row.counts[row.variants.indexOf(variant_index)] ?? 0) / total;
    const propensity = (1 - percentage / 100) * share + (variant_index === 0 ? percentage / 100 : 0);
    return { optimization_id, model_id, posterior_version, variant: { ...variants[variant_index] }, variant_index, holdout, propensity };
  };
}
