// What only some services measure: shown where it is in the answer, and said to be missing where it is not.
import type { Factor, Guardrail, Level, Results } from "../api.ts";
import { count, fixed, interval, levelText, reward, share, signed, words } from "../format.ts";
import { Absent, Badge, Figure, Section, Table } from "../ui.tsx";
import type { Everything } from "./everything.ts";

const GUARD_TONES: Record<string, "good" | "warn" | "bad" | "quiet"> = { ok: "good", pending: "quiet", violated: "bad" };

export function Guardrails({ all, results }: { all: Everything; results: Results }) {
  const configured = (all.model?.training_data_config ?? all.optimization.training_data_config)?.guardrails ?? [];
  const found = results.guardrails ?? [];
  return (
    <Section id="guardrails" title="Guardrails">
      {found.length > 0 ? (
        <Table<Guardrail> caption="Other rewards against their margins, by the interval that holds at every look" rows={found} rowKey={(g) => g.name} columns={[
          { head: "Guardrail", cell: (g) => <bdi>{g.name}</bdi> },
          { head: "Status", cell: (g) => <Badge tone={GUARD_TONES[g.status] ?? "quiet"}>{g.status}</Badge> },
          { head: "Lift", right: true, cell: (g) => signed(g.lift_percent) },
          { head: "95 % at every look", right: true, cell: (g) => interval(g.lift_ci_anytime, (v) => signed(v)) },
          { head: "Worse when", cell: (g) => `${g.worse_when} by more than ${fixed(g.margin_percent)} %` },
          { head: "When violated", cell: (g) => (g.on_violation === "baseline" ? "everybody gets the baseline" : "reported here") },
        ]} />
      ) : configured.length > 0
        ? <Absent>Guardrails are configured ({configured.map((g) => g.name).join(", ")}), and the latest run did not measure them.</Absent>
        : <Absent>None is configured. A guardrail is another reward that must not get worse, such as refunds or unsubscriptions.</Absent>}
    </Section>
  );
}

const levelsOf = (factors: Factor[], name: string): string[] => {
  const factor = factors.find((f) => f.name === name);
  const raw = factor?.levels ?? (factor?.dtype === "bool" ? [false, true] : []);
  return raw.map((level) => levelText(typeof level === "object" ? level.value : level));
};

interface Pair {
  factors: [string, string];
  levels?: [Level[], Level[]];
  cells?: { n: number; points: number | null; z: number | null }[][];
  test?: { statistic: number; degrees_of_freedom: number; p_value: number } | null;
}

/** How far a cell's colour goes: z of 3 and more is full. */
const strength = (z: number) => Math.min(3, Math.round(Math.abs(z)));

export function Interactions({ all, results }: { all: Everything; results: Results }) {
  const pairs = (results.interactions ?? []) as Pair[];
  const factors = (all.model?.training_data_config ?? all.optimization.training_data_config)?.design_factors ?? [];
  const points = (value: number) => (all.numeric ? reward(value, true) : fixed(value, 2));
  const sizes = (all.state?.interactions ?? []).filter((pair) => pair.factors.every((name) => factors.some((f) => f.name === name)));
  return (
    <Section id="interactions" title="Interactions">
      {pairs.length > 0 ? (
        <>
          <p class="note">The rate of each pair of levels, per user, less what its two levels alone account for, with days as an effect of their own; in {all.numeric ? "reward units" : "percentage points"}. Pairs below 1,000 users are masked. Read the test of all pairs before any single one.</p>
          {pairs.map((pair) => {
            const [first, second] = pair.factors;
            const names = pair.levels ? pair.levels.map((of) => of.map(levelText)) : [levelsOf(factors, first), levelsOf(factors, second)];
            const rows = names[0]!, columns = names[1]!;
            return (
              <Figure key={pair.factors.join()} title={`${first} × ${second}`}
                note={pair.test ? (pair.test.p_value < 0.05 ? `Together the pairs are more than their levels (p = ${fixed(pair.test.p_value, 3)}).` : `No detectable interaction (p = ${fixed(pair.test.p_value, 3)}): what stands out below may be chance.`) : "There are not enough pairs with users to test."}>
                <div class="table-scroll" role="region" aria-label={`${first} × ${second}`} tabIndex={0}>
                  <table class="matrix">
                    <caption class="sr">Observed minus additive, {first} by {second}: points, z and users</caption>
                    <thead><tr><th scope="col"><span class="sr">{first}</span></th>{columns.map((name) => <th scope="col" key={name}><bdi>{name}</bdi></th>)}</tr></thead>
                    <tbody>
                      {rows.map((name, i) => (
                        <tr key={name}>
                          <th scope="row"><bdi>{name}</bdi></th>
                          {columns.map((column, j) => {
                            const cell = pair.cells?.[i]?.[j];
                            if (!cell || cell.points === null || cell.z === null) return <td key={column} class="masked"><span>masked</span><small>{count(cell?.n ?? 0)} users</small></td>;
                            return (
                              <td key={column} class={`${cell.z > 0 ? "up" : "down"} z${strength(cell.z)}`}>
                                <span>{cell.points > 0 ? "+" : ""}{points(cell.points)}</span>
                                <small>z {fixed(cell.z)} · {count(cell.n)}</small>
                              </td>
                            );
                          })}
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
              </Figure>
            );
          })}
        </>
      ) : (
        <>
          <Absent>The latest run did not compute the matrix of observed minus additive rates.</Absent>
          {sizes.length > 0 && (
            <Table caption="By the model: how much pairs of design factors change the reward beyond their own effects (sd over the pairs of levels)" rows={sizes} rowKey={(p) => p.factors.join()} columns={[
              { head: "Pair", cell: (p) => p.factors.join(" × ") },
              { head: all.numeric ? "Size, reward units" : "Size, percentage points", right: true, cell: (p) => (p.size ? (all.numeric ? reward(p.size.mean, true) : fixed(100 * p.size.mean, 2)) : "–") },
              { head: "95 % interval", right: true, cell: (p) => (p.size ? interval([p.size.lo, p.size.hi], (v) => (all.numeric ? reward(v, true) : fixed(100 * v, 2))) : "–") },
            ]} />
          )}
        </>
      )}
    </Section>
  );
}

interface Estimate { value: number; ci: [number, number] | null }
interface Valued {
  policy?: unknown; name?: string;
  ips?: Estimate | null; snips?: Estimate | null; dr?: Estimate | null;
  effective_events?: number; largest_weight?: number; support?: number; learned_from?: number | null;
  withheld?: { reason: string; share?: number; effective?: number } | null;
}

function policyName(valued: Valued): string {
  const shown = policyShown(valued.policy);
  return valued.name && valued.name !== "uniform" ? `${words(valued.name)}: ${shown}` : shown;
}

function policyShown(policy: unknown): string {
  if (policy && typeof policy === "object") {
    if ("posterior_version" in policy) return `version ${String(policy.posterior_version)}`;
    if ("variant" in policy) return Object.values(policy.variant as Record<string, Level>).map(levelText).join(" · ");
  }
  return "every variant alike";
}

function withheld(valued: Valued): string | null {
  const why = valued.withheld;
  if (!why) return null;
  if (why.reason === "unsupported") return `withheld: ${share(why.share)} of it was never shown`;
  if (why.reason === "few_rewards") return `no interval: worth ${fixed(why.effective)} rewards`;
  return `withheld: ${words(why.reason)}`;
}

function remark(valued: Valued): string {
  const optimistic = valued.learned_from ? `optimistic: ${share(valued.learned_from)} of this it was learned from` : null;
  return [withheld(valued), optimistic].filter((text) => text).join("; ");
}

export function OffPolicy({ results, numeric }: { results: Results; numeric: boolean }) {
  const given = results.off_policy;
  const rows: Valued[] = given?.policies ?? [];
  const r = (value: number) => reward(value, numeric);
  const estimate = (e: Estimate | null | undefined) => (e ? <div class="stacked"><span>{r(e.value)}</span><span class="under">{interval(e.ci, r)}</span></div> : "–");
  return (
    <Section id="off-policy" title="What another policy would have earned">
      {rows.length > 0 ? (
        <Table caption="Estimated reward per exposure from what was logged, with 95 % intervals" rows={rows} rowKey={policyName} columns={[
          { head: "Policy", cell: (v) => <bdi>{policyName(v)}</bdi> },
          { head: "IPS", right: true, cell: (v) => estimate(v.ips) },
          { head: "SNIPS", right: true, cell: (v) => estimate(v.snips) },
          { head: "Doubly robust", right: true, cell: (v) => estimate(v.dr) },
          { head: "Worth exposures", right: true, cell: (v) => count(v.effective_events) },
          { head: "Greatest weight", right: true, cell: (v) => fixed(v.largest_weight) },
          { head: "Remark", cell: remark },
        ]} />
      ) : <Absent>The latest run did not estimate what other policies would have earned: {given?.unavailable?.message ?? "it was made before that was done"}.</Absent>}
    </Section>
  );
}

