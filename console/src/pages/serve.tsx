import { useState } from "preact/hooks";
import { all, call, getOrNull, type Decision, type Optimization, type Policy } from "../api.ts";
import { levels, levelText, share } from "../format.ts";
import { at } from "../router.ts";
import { Absent, Badge, Facts, Failure, Field, Loading, Notice, Table } from "../ui.tsx";
import { useLoaded } from "../use.ts";
import { contextNumber } from "./believed.tsx";

/** The levels of a variant by its number: the last factor runs fastest. */
function variantOf(policy: Policy, number: number): string {
  const named: string[] = [];
  for (const factor of [...policy.design].reverse()) {
    named.unshift(levelText(factor.levels[number % factor.levels.length]));
    number = Math.floor(number / factor.levels.length);
  }
  return named.join(" · ");
}

export function ServePage({ id }: { id: string | null }) {
  const { data, error, reload } = useLoaded(() => all<Optimization>("/optimizations", "optimizations", { limit: "100" }), []);
  const choice = id ?? data?.find((o) => o.status !== "archived")?.id ?? null;
  return (
    <>
      <div class="page-head"><h1>Try serving</h1></div>
      {error && <Failure error={error} retry={reload} />}
      {!data && !error && <Loading what="optimizations" />}
      {data && choice === null && <Notice><p>There is nothing to serve. <a href={at.create}>Make an optimization</a>.</p></Notice>}
      {data && choice !== null && (
        <>
          <Field label="Optimization">
            {(ids) => <select {...ids} value={choice} onChange={(e) => (location.hash = at.serve(e.currentTarget.value))}>{data.map((o) => <option key={o.id} value={o.id}>{o.name}</option>)}</select>}
          </Field>
          <Trial key={choice} id={choice} />
        </>
      )}
    </>
  );
}

function Trial({ id }: { id: string }) {
  const { data: policy, error } = useLoaded(() => getOrNull<Policy>(`/optimizations/${id}/policy`), [id]);
  const [visitor, setVisitor] = useState("visitor-1");
  const [context, setContext] = useState<Record<string, string>>({});
  const [answer, setAnswer] = useState<{ decision: Decision; context: Record<string, string> }>();
  const [failed, setFailed] = useState<Error>();
  const submit = async (event: Event) => {
    event.preventDefault();
    setFailed(undefined);
    const given = Object.fromEntries(Object.entries(context).filter(([, level]) => level !== ""));
    try {
      const decision = await call<Decision>("POST", `/optimizations/${id}/serve`, { anonymous_id: visitor, context: given, dry_run: true }, true);
      setAnswer({ decision, context: given });
    } catch (error) {
      setFailed(error as Error);
    }
  };
  if (error) return <Failure error={error} />;
  if (policy === undefined) return <Loading what="the policy" />;
  if (policy === null) return <Absent>This optimization is not served: it is archived or has no model.</Absent>;
  return (
    <>
      <form onSubmit={submit} class="trial">
        <Field label="Visitor's id" hint="The same id gets the same variant.">{(ids) => <input {...ids} value={visitor} required spellcheck={false} onInput={(e) => setVisitor(e.currentTarget.value)} />}</Field>
        {policy.context.map((factor) => (
          <Field key={factor.name} label={factor.name}>
            {(ids) => (
              <select {...ids} value={context[factor.name] ?? ""} onChange={(e) => setContext({ ...context, [factor.name]: e.currentTarget.value })}>
                <option value="">(unknown)</option>
                {factor.levels.map((level) => <option key={String(level)} value={String(level)}>{levelText(level)}</option>)}
              </select>
            )}
          </Field>
        ))}
        <button type="submit" class="primary">Ask</button>
      </form>
      {failed && <Failure error={failed} />}
      <div aria-live="polite">{answer && <Why policy={policy} {...answer} />}</div>
    </>
  );
}

function Why({ policy, decision, context }: { policy: Policy; decision: Decision; context: Record<string, string> }) {
  const numbers = policy.context.map((f) => { const i = f.levels.findIndex((l) => String(l) === context[f.name]); return i < 0 ? f.levels.length : i; });
  const wanted = contextNumber(policy.context, numbers).toString();
  const row = policy.rows.find((r) => r.context === wanted);
  const shares = (row?.variants ?? []).map((v, i) => ({ v, p: (row!.counts[i] ?? 0) / policy.total })).sort((a, b) => b.p - a.p);
  return (
    <section class="section" aria-label="The answer">
      <div class="card">
        <p class="served"><bdi>{levels(decision.variant)}</bdi></p>
        <Facts facts={[
          ["Propensity", `${share(decision.propensity, 2)}: so probable is this variant in this context, holdout included`],
          ["Held out", decision.holdout ? <Badge tone="warn">yes: sees the baseline whatever the policy says</Badge> : "no"],
          ["Version", decision.posterior_version],
          ["Number of the variant", decision.variant_index],
        ]} />
      </div>
      {row ? (
        <Table caption={`The row of the policy that decided${policy.holdout_percentage > 0 ? `, for the ${100 - policy.holdout_percentage} % that are not held out` : ""}`} rows={shares} rowKey={(s) => s.v} columns={[
          { head: "Variant", cell: (s) => <bdi>{variantOf(policy, s.v)}{s.v === decision.variant_index && <span class="tag">this one</span>}</bdi> },
          { head: "Probability", right: true, cell: (s) => share(s.p, 2) },
        ]} />
      ) : <Absent>{policy.posterior_version === 0
        ? "No training run has finished: every variant has the same probability."
        : policy.frozen
          ? "The optimization is completed: every visitor of a context sees its winner."
          : "This context has no row of its own in the policy: the service draws it from the posterior when it is asked."}</Absent>}
    </section>
  );
}
