// What the model believes, labelled so, beside what was measured.
import type { Results, VariantResult } from "../api.ts";
import { IntervalChart, type Row } from "../charts/charts.tsx";
import { count, fixed, interval, levels, levelText, probability, reward, share, signed } from "../format.ts";
import { Absent, Figure, Meter, Section, Table } from "../ui.tsx";
import type { Everything } from "./everything.ts";

const MOST_DRAWN = 24;

export function Variants({ all, results }: { all: Everything; results: Results }) {
  const r = (value: number | null | undefined) => reward(value, all.numeric);
  const ordered = [...results.variants].sort((a, b) => (b.expected_reward_mean ?? -Infinity) - (a.expected_reward_mean ?? -Infinity));
  const believed = ordered.filter((v) => v.expected_reward_mean !== null);
  let drawn = believed.slice(0, MOST_DRAWN);
  const baseline = believed.find((v) => v.number === 0);
  if (baseline && !drawn.includes(baseline)) drawn = [...drawn.slice(0, MOST_DRAWN - 1), baseline];
  const chart: Row[] = drawn.map((v) => ({
    name: `${levels(v.variant)}${v.number === 0 ? "  (baseline)" : ""}`,
    value: v.expected_reward_mean,
    narrow: v.expected_reward_lo !== null && v.expected_reward_hi !== null ? [v.expected_reward_lo, v.expected_reward_hi] : null,
    note: `${share(v.weight, 0)} served`,
    hollow: v.number === 0,
  }));
  return (
    <Section id="variants" title="Variants">
      {drawn.length > 0 && (
        <Figure title="Expected reward per exposure, by the model"
          note={<>Mean and 95 % interval{believed.length > drawn.length ? `; the ${drawn.length} most promising of ${believed.length}, with the baseline` : ""}. The hollow mark is the baseline. What users did is in the table.</>}>
          <IntervalChart rows={chart} text={(v) => (all.numeric ? String(Number(v.toPrecision(6))) : `${Number((v * 100).toFixed(4))} %`)} zero={false}
            label={`Expected reward of ${drawn.length} variants; greatest ${drawn[0] ? `${levels(drawn[0].variant)} ${r(drawn[0].expected_reward_mean)}` : ""}`} />
        </Figure>
      )}
      <Table<VariantResult> caption="Variants: measured per user (by the variant first seen) and per exposure, and by the model" rows={ordered} rowKey={(v) => v.number} columns={[
        { head: "Variant", sort: (v) => levels(v.variant), cell: (v) => <bdi>{levels(v.variant)}{v.number === 0 && <span class="tag">baseline</span>}</bdi> },
        { head: "Users", right: true, sort: (v) => v.users, cell: (v) => count(v.users) },
        { head: "Per user", right: true, sort: (v) => v.user_rate, cell: (v) => r(v.user_rate) },
        { head: "Exposures", right: true, sort: (v) => v.exposures, cell: (v) => count(v.exposures) },
        { head: "Per exposure", right: true, sort: (v) => v.rate, cell: (v) => r(v.rate) },
        { head: "Expected", right: true, sort: (v) => v.expected_reward_mean, cell: (v) => <span class="modelled-cell">{r(v.expected_reward_mean)}</span> },
        { head: "95 % interval", right: true, cell: (v) => <span class="modelled-cell">{v.expected_reward_lo === null || v.expected_reward_hi === null ? "–" : interval([v.expected_reward_lo, v.expected_reward_hi], r)}</span> },
        { head: "P(best)", right: true, sort: (v) => v.prob_best, cell: (v) => <Meter value={v.prob_best}>{probability(v.prob_best)}</Meter> },
        { head: "Served", right: true, sort: (v) => v.weight, cell: (v) => <Meter value={v.weight}>{share(v.weight)}</Meter> },
      ]} />
    </Section>
  );
}

/** Measured lift at every level of every context factor. */
export function ByContext({ results }: { results: Results }) {
  const factors = results.by_context ?? [];
  if (results.by_context === null) return <Absent>The snapshot does not tell users apart: there is no lift by context.</Absent>;
  if (factors.length === 0) return <Absent>This model has no context factors: all visitors are treated alike.</Absent>;
  return (
    <div class="multiples">
      {factors.map((factor) => {
        const rows: Row[] = factor.levels.filter((l) => l.lift_percent !== null).map((l) => ({
          name: levelText(l.level), value: l.lift_percent, narrow: l.lift_ci, wide: l.lift_ci_anytime, note: signed(l.lift_percent),
        }));
        const p = factor.heterogeneity?.p_value;
        return (
          <Figure key={factor.factor} title={`Measured lift by ${factor.factor}`}
            note={typeof p === "number" ? (p < 0.05 ? `The levels differ by more than chance (Cochran's Q, p = ${fixed(p, 3)}).` : `The levels do not differ detectably (Cochran's Q, p = ${fixed(p, 3)}): differences below may be chance.`) : undefined}
            table={<Table caption={`Measured lift by ${factor.factor}`} rows={factor.levels} rowKey={(l) => levelText(l.level)} columns={[
              { head: factor.factor, cell: (l) => <bdi>{levelText(l.level)}</bdi> },
              { head: "Optimized users", right: true, cell: (l) => count(l.optimization_users) },
              { head: "Held-out users", right: true, cell: (l) => count(l.holdout_users) },
              { head: "Lift", right: true, cell: (l) => (l.lift_percent === null ? l.status : signed(l.lift_percent)) },
              { head: "95 % at one look", right: true, cell: (l) => interval(l.lift_ci, (v) => signed(v)) },
              { head: "95 % at every look", right: true, cell: (l) => interval(l.lift_ci_anytime, (v) => signed(v)) },
            ]} />}>
            {rows.length > 0
              ? <IntervalChart rows={rows} text={(v) => `${v > 0 ? "+" : ""}${v} %`.replace("-", "−")} label={`Measured lift by ${factor.factor}: ${rows.map((row) => `${row.name} ${row.note}`).join(", ")}`} />
              : <Absent>No level has 100 users in both arms yet.</Absent>}
          </Figure>
        );
      })}
    </div>
  );
}

/** The mixed-radix number of a context, every factor with one level more for `unknown`, as the policy's rows have it. */
export function contextNumber(factors: { levels: unknown[] }[], numbers: number[]): bigint {
  return factors.reduce((sum, factor, i) => sum * BigInt(factor.levels.length + 1) + BigInt(numbers[i] ?? factor.levels.length), 0n);
}

/** What the policy in force serves in each context, a small chart each. */
export function Beliefs({ all, results }: { all: Everything; results: Results }) {
  const { policy, state } = all;
  if (!state || state.contexts.length === 0) return null;
  const name = (number: number | null | undefined) => {
    const variant = results.variants.find((v) => v.number === number);
    return variant ? levels(variant.variant) : number === null || number === undefined ? "–" : `variant ${number}`;
  };
  const contexts = [...state.contexts].sort((a, b) => b.n - a.n);
  const rowOf = (context: Record<string, unknown>) => {
    if (!policy) return undefined;
    const numbers = policy.context.map((f) => { const i = f.levels.findIndex((l) => l === context[f.name]); return i < 0 ? f.levels.length : i; });
    const wanted = contextNumber(policy.context, numbers).toString();
    return policy.rows.find((row) => row.context === wanted);
  };
  return (
    <>
      {policy && policy.context.length > 0 && (
        <Figure title="What the policy serves, by context" note="By the model: the probability with which each variant is shown now, in the contexts with the most exposures.">
          <div class="small-multiples">
            {contexts.slice(0, 12).flatMap((context) => {
              const row = rowOf(context.context);
              if (!row) return [];
              const shares = row.variants.map((v, i) => ({ v, p: (row.counts[i] ?? 0) / policy.total })).sort((a, b) => b.p - a.p).slice(0, 4);
              return [(
                <div class="small" key={levels(context.context)}>
                  <h4><bdi>{levels(context.context)}</bdi> <span class="under">{count(context.n)}</span></h4>
                  <ul>{shares.map(({ v, p }) => <li key={v}><Meter value={p}>{share(p, 0)}</Meter> <bdi title={name(v)}>{name(v)}</bdi></li>)}</ul>
                </div>
              )];
            })}
          </div>
        </Figure>
      )}
      <Table caption="The best variant of each context, by the model" rows={contexts} first={12} rowKey={(c) => levels(c.context)} columns={[
        { head: "Context", cell: (c) => <bdi>{levels(c.context) || "everybody"}</bdi> },
        { head: "Exposures", right: true, sort: (c) => c.n, cell: (c) => count(c.n) },
        { head: "Best variant", cell: (c) => <bdi>{name(c.best_variant_index)}</bdi> },
        { head: "P(best)", right: true, sort: (c) => c.prob_best, cell: (c) => <Meter value={c.prob_best}>{probability(c.prob_best)}</Meter> },
      ]} />
    </>
  );
}

export function Factors({ all }: { all: Everything }) {
  const factors = (all.state?.factors ?? []).filter((f) => f.role === "design");
  const points = (v: number) => (all.numeric ? `${v > 0 ? "+" : ""}${Number(v.toPrecision(4))}` : `${v > 0 ? "+" : ""}${Number((v * 100).toFixed(4))}`).replace("-", "−");
  const shown = (v: number | null) => (v === null ? "–" : all.numeric ? `${v > 0 ? "+" : ""}${reward(v, true)}` : `${v > 0 ? "+" : ""}${fixed(v * 100, 2)}`);
  const unit = all.numeric ? "reward per exposure" : "percentage points per exposure";
  return (
    <Section id="factors" title="Factor effects">
      {factors.length === 0 ? <Absent>A model of kind mab compares whole variants and has no effects of factors.</Absent> : (
        <>
          <p class="note">By the model: how much each level adds or takes away, averaged over the other factors and contexts, in {unit}, with 95 % intervals.</p>
          <div class="multiples">
            {factors.map((factor) => {
              const rows: Row[] = factor.levels.map((l, i) => ({
                name: `${levelText(l.level)}${i === 0 ? "  (baseline)" : ""}`, value: l.effect_mean, hollow: i === 0,
                narrow: l.effect_lo !== null && l.effect_hi !== null ? [l.effect_lo, l.effect_hi] : null, note: shown(l.effect_mean),
              }));
              return (
                <Figure key={factor.name} title={factor.name}
                  table={<Table caption={`Effects of ${factor.name}`} rows={factor.levels} rowKey={(l) => levelText(l.level)} columns={[
                    { head: factor.name, cell: (l) => <bdi>{levelText(l.level)}</bdi> },
                    { head: `Effect, ${unit}`, right: true, cell: (l) => shown(l.effect_mean) },
                    { head: "95 % interval", right: true, cell: (l) => `${shown(l.effect_lo)} … ${shown(l.effect_hi)}` },
                  ]} />}>
                  <IntervalChart rows={rows} text={points} label={`Effects of ${factor.name}: ${rows.map((row) => `${row.name} ${row.note}`).join(", ")}`} />
                </Figure>
              );
            })}
          </div>
        </>
      )}
    </Section>
  );
}
