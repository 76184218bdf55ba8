import { useMemo, useState } from "preact/hooks";
import { call, type Optimization } from "../api.ts";
import { count, fixed } from "../format.ts";
import { daysUntil, MOST_DAYS } from "../power.ts";
import { at } from "../router.ts";
import { Failure, Field, Notice } from "../ui.tsx";

export interface Draft { name: string; levels: string }

/** The levels of a line per level; empty lines do not count. */
export const levelsOf = (draft: Draft) => draft.levels.split("\n").map((line) => line.trim()).filter((line) => line !== "");

/** Variants, and the columns of a cmab: levels (one more of each context factor) and pairs of levels, without pairs of two context factors. */
export function sizes(design: number[], context: number[]): { variants: number; columns: number } {
  const all = [...design, ...context.map((n) => n + 1)];
  let columns = all.reduce((sum, n) => sum + n, 1);
  for (let i = 0; i < design.length; i++) for (let j = i + 1; j < all.length; j++) columns += all[i]! * all[j]!;
  return { variants: design.reduce((product, n) => product * n, 1), columns };
}

function problemsOf(name: string, reward: string, design: Draft[], context: Draft[], variants: number, columns: number, type: string): string[] {
  const said: string[] = [];
  if (name.trim() === "") said.push("The optimization needs a name.");
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(reward)) said.push("The reward needs the name that it has in your data, such as signup.");
  const names = [...design, ...context].map((draft) => draft.name);
  for (const draft of [...design, ...context]) {
    const what = draft.name === "" ? "A factor without a name" : `Factor ${draft.name}`;
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(draft.name)) said.push(`${what}: a name is letters, digits and _, and begins with a letter.`);
    const levels = levelsOf(draft);
    if (levels.length < 2 || levels.length > 50) said.push(`${what} has ${levels.length} levels; 2 to 50 are needed.`);
    if (new Set(levels).size < levels.length) said.push(`${what} has a level twice.`);
  }
  if (new Set(names).size < names.length) said.push("Two factors have the same name.");
  if (variants > 1000) said.push(`${count(variants)} variants are too many: at most 1,000.`);
  if (type === "cmab" && columns > 2000) said.push(`${count(columns)} columns are too many: at most 2,000.`);
  return said;
}

function Factors({ legend, hint, drafts, change, least }: { legend: string; hint: string; drafts: Draft[]; change: (drafts: Draft[]) => void; least: number }) {
  const set = (i: number, part: Partial<Draft>) => change(drafts.map((draft, at) => (at === i ? { ...draft, ...part } : draft)));
  return (
    <fieldset>
      <legend>{legend}</legend>
      <p class="hint">{hint}</p>
      {drafts.map((draft, i) => (
        <div class="factor" key={i}>
          <Field label={`Factor ${i + 1}`}>{(ids) => <input {...ids} value={draft.name} placeholder="headline" spellcheck={false} onInput={(e) => set(i, { name: e.currentTarget.value })} />}</Field>
          <Field label={`Levels of factor ${i + 1}, one a line`}>{(ids) => <textarea {...ids} rows={Math.max(3, draft.levels.split("\n").length)} value={draft.levels} onInput={(e) => set(i, { levels: e.currentTarget.value })} />}</Field>
          {drafts.length > least && <button type="button" class="link" onClick={() => change(drafts.filter((_, at) => at !== i))}>Remove factor {i + 1}</button>}
        </div>
      ))}
      {drafts.length < 10 && <button type="button" onClick={() => change([...drafts, { name: "", levels: "" }])}>Add a factor</button>}
    </fieldset>
  );
}

export function NewPage() {
  const [name, setName] = useState("");
  const [type, setType] = useState<"cmab" | "mab">("cmab");
  const [reward, setReward] = useState("signup");
  const [numeric, setNumeric] = useState(false);
  const [hours, setHours] = useState(24);
  const [holdout, setHoldout] = useState(10);
  const [design, setDesign] = useState<Draft[]>([{ name: "headline", levels: "Save time\nSave money" }]);
  const [context, setContext] = useState<Draft[]>([{ name: "device", levels: "desktop\nmobile" }]);
  const [users, setUsers] = useState(5000);
  const [rate, setRate] = useState(5);
  const [lift, setLift] = useState(10);
  const [error, setError] = useState<Error>();
  const [made, setMade] = useState<Optimization & { model_id: string }>();
  const [busy, setBusy] = useState(false);

  const factors = (drafts: Draft[]) => drafts.map((draft) => ({ name: draft.name, dtype: "str", levels: levelsOf(draft) }));
  const known = type === "cmab" ? context : [];
  const { variants, columns } = sizes(design.map((d) => levelsOf(d).length), known.map((d) => levelsOf(d).length));
  const body = {
    name: name.trim(), model_type: type, holdout_percentage: holdout,
    training_data_config: {
      design_factors: factors(design), context_factors: factors(known),
      reward: { name: reward, type: numeric ? "numeric" : "bool" },
      attribution: { type: "last_touch", conversion_window_hours: hours },
    },
  };
  const problems = problemsOf(name, reward, design, known, variants, columns, type);
  const power = useMemo(
    () => (users >= 1 && rate > 0 && rate * (1 + lift / 100) < 100 && holdout > 0 && lift !== 0 ? daysUntil({ usersPerDay: users, rate: rate / 100, holdout, lift }) : null),
    [users, rate, holdout, lift],
  );
  const json = JSON.stringify(body, null, 2);
  const quoted = `'${json.replaceAll("'", "'\\''")}'`;
  const curl = `curl -s ${location.origin}/api/v2/optimizations \\\n  -H "Authorization: Bearer $FULCRUM_API_KEY" -H 'content-type: application/json' \\\n  -d ${quoted}`;
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      setMade(await call("POST", "/optimizations", body));
    } catch (failed) {
      setError(failed as Error);
    }
    setBusy(false);
  };
  if (made) {
    return (
      <>
        <h1 tabIndex={-1} ref={(head) => head?.focus()}>Made</h1>
        <Notice tone="good"><p><strong><bdi>{made.name}</bdi></strong> is live: every variant is shown alike until its first training run.</p></Notice>
        <p><a class="button primary" href={at.optimization(made.id)}>Open it</a></p>
      </>
    );
  }
  const number = (value: number, set: (value: number) => void, more: object) => (ids: object) => (
    <input {...ids} {...more} type="number" required value={value} onInput={(e) => { const given = e.currentTarget.valueAsNumber; if (Number.isFinite(given)) set(given); }} />
  );
  return (
    <>
      <div class="page-head"><h1>New optimization</h1></div>
      <div class="two">
        <form onSubmit={submit}>
          <Field label="Name">{(ids) => <input {...ids} value={name} required maxLength={200} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
          <Field label="Kind of model" hint={type === "cmab" ? "Shares what levels have in common, and may choose differently by context." : "Compares whole variants, the same for everybody."}>
            {(ids) => <select {...ids} value={type} onChange={(e) => setType(e.currentTarget.value as "cmab" | "mab")}><option value="cmab">cmab, contextual and factorial</option><option value="mab">mab, whole variants</option></select>}
          </Field>
          <Factors legend="What you vary" hint="The first level of every factor is the baseline: the page as it is." drafts={design} change={setDesign} least={1} />
          {type === "cmab" && <Factors legend="What you know of a visitor" hint="Optional. Known when a variant is asked for, such as device or country." drafts={context} change={setContext} least={0} />}
          <fieldset>
            <legend>What counts</legend>
            <div class="row">
              <Field label="Reward">{(ids) => <input {...ids} value={reward} required spellcheck={false} onInput={(e) => setReward(e.currentTarget.value)} />}</Field>
              <Field label="It is">{(ids) => <select {...ids} value={numeric ? "numeric" : "bool"} onChange={(e) => setNumeric(e.currentTarget.value === "numeric")}><option value="bool">yes or no</option><option value="numeric">an amount</option></select>}</Field>
              <Field label="Counts for, hours">{number(hours, setHours, { min: 1, max: 2160 })}</Field>
              <Field label="Held out, %">{number(holdout, setHoldout, { min: 0, max: 50, step: "any" })}</Field>
            </div>
          </fieldset>
          {error && <Failure error={error} />}
          {problems.length > 0 && <div class="notice quiet" id="problems"><p>Before it can be made:</p><ul>{problems.map((p) => <li key={p}>{p}</li>)}</ul></div>}
          <button type="submit" class="primary" disabled={busy || problems.length > 0} aria-describedby={problems.length > 0 ? "problems" : undefined}>{busy ? "Making …" : "Make it"}</button>
        </form>
        <aside aria-label="What this comes to">
          <div class="card" role="status">
            <p class="big">{count(variants)}<span class="unit"> variants</span></p>
            {type === "cmab" && <p class="under">{count(columns)} columns of the model (at most 2,000).</p>}
          </div>
          <div class="card">
            <h2>How long?</h2>
            <div class="row">
              <Field label="Users a day">{number(users, setUsers, { min: 1 })}</Field>
              <Field label="Baseline rate, %">{number(rate, setRate, { min: 0.01, max: 99, step: "any" })}</Field>
              <Field label="True lift, %">{number(lift, setLift, { min: -90, max: 500, step: "any" })}</Field>
            </div>
            <p role="status">{power === null
              ? holdout === 0 ? "Without a holdout, lift cannot be measured." : "These numbers leave nothing to measure."
              : power.half === null
                ? `Not within ${MOST_DAYS} days in half of simulated runs. Hold out more, or look for a greater lift.`
                : `A lift of ${fixed(lift)} % is told from none after ${power.half} days in half of 300 simulated runs${power.most === null ? "" : `, after ${power.most} in four fifths`}. Looked at daily, by the interval that allows it.`}</p>
          </div>
          <details class="card" open><summary>The request</summary><pre tabIndex={0}>{json}</pre></details>
          <details class="card"><summary>As curl</summary><pre tabIndex={0}>{curl}</pre></details>
        </aside>
      </div>
    </>
  );
}
