import { useState } from "preact/hooks";
import { all, get, getOrNull, type Model, type Optimization, type State, type Version } from "../api.ts";
import { count, fixed, reward, words } from "../format.ts";
import { at } from "../router.ts";
import { Absent, Badge, Failure, Loading, Notice, statusTone, Table, Time } from "../ui.tsx";
import { useLoaded } from "../use.ts";

interface Listed { model: Model; name: string }

async function load(): Promise<Listed[]> {
  const [models, optimizations] = await Promise.all([
    all<Model>("/models", "models", { limit: "100" }),
    all<Optimization>("/optimizations", "optimizations", { limit: "100", include_archived: "true" }),
  ]);
  const names = new Map(optimizations.map((o) => [o.id, o.name]));
  return models.map((model) => ({ model, name: names.get(model.optimization_id) ?? model.optimization_id }));
}

/** What the fit says of itself, in words. */
export function diagnosis(diagnostics: State["diagnostics"]): string[] {
  if (diagnostics === null) return ["Computed without sampling: there is nothing to diagnose."];
  const number = (name: string) => { const value = diagnostics[name]; return typeof value === "number" ? value : null; };
  const said: string[] = [];
  const [k, draws, rhat, divergences, covered, effect] = ["pareto_k", "effective_draws", "r_hat", "divergences", "covered_share", "design_effect"].map(number);
  const step = diagnostics["step"];
  if (step === "importance") said.push(`Drawn from an approximation and weighted${typeof k === "number" ? `: Pareto k̂ ${fixed(k, 2)}, ${k < 0.5 ? "which is good (below 0.5)" : k < 0.7 ? "which is usable (below 0.7)" : "which is too heavy a tail"}` : ""}.`);
  else if (step === "exact") said.push("Computed exactly, on a grid.");
  else if (step === "nuts") said.push(`Sampled by NUTS${typeof rhat === "number" ? `: R̂ ${fixed(rhat, 3)}, ${rhat < 1.01 ? "the chains agree" : "the chains do not agree"}` : ""}${typeof divergences === "number" ? `, ${count(divergences)} divergences` : ""}.`);
  else if (typeof step === "string") said.push(`Fitted by ${words(step)}.`);
  if (typeof draws === "number") said.push(`${count(draws)} effective draws; 1,000 are enough for the intervals shown.`);
  if (typeof covered === "number") said.push(covered >= 0.9995 ? "The policy is compiled for every context that was seen." : `The policy is compiled for contexts with ${fixed(100 * covered)} % of the exposures; the rest is drawn while serving.`);
  if (typeof effect === "number" && effect > 1.005) said.push(`Exposures of one user are alike: ${fixed(effect, 2)} count as one.`);
  return said;
}

export function TrainingPage() {
  const { data, error, reload } = useLoaded(load, []);
  const [chosen, setChosen] = useState<string | null>(null);
  const shown = data?.find((listed) => listed.model.id === chosen) ?? data?.[0];
  return (
    <>
      <div class="page-head"><h1>Training</h1></div>
      {error && <Failure error={error} retry={reload} />}
      {!data && !error && <Loading what="models" />}
      {data?.length === 0 && <Notice><p>There are no models. <a href={at.create}>Make an optimization</a>.</p></Notice>}
      {data && data.length > 0 && (
        <>
          <Table<Listed> caption="Models, most recently changed first" rows={data} first={20} rowKey={(l) => l.model.id} columns={[
            { head: "Optimization", sort: (l) => l.name, cell: (l) => <a href={at.optimization(l.model.optimization_id)}><bdi>{l.name}</bdi></a> },
            { head: "Kind", cell: (l) => l.model.model_type },
            { head: "Status", sort: (l) => l.model.status, cell: (l) => <Badge tone={statusTone(l.model.status)}>{l.model.status}</Badge> },
            { head: "Last good run", cell: (l) => (l.model.trained_at ? <Time at={l.model.trained_at} /> : "never") },
            { head: "Version", right: true, cell: (l) => l.model.posterior_version || "–" },
            { head: "Last error", cell: (l) => (l.model.last_error ? <span class="error-text">{l.model.last_error.code}: <Time at={l.model.last_error.at} relative /></span> : "none") },
            { head: "", cell: (l) => <button type="button" aria-pressed={l.model.id === shown?.model.id} onClick={() => setChosen(l.model.id)}>Runs<span class="sr"> of {l.name}</span></button> },
          ]} />
          {shown && <Runs key={shown.model.id} listed={shown} />}
        </>
      )}
    </>
  );
}

function Runs({ listed: { model, name } }: { listed: Listed }) {
  const { data, error } = useLoaded(async () => {
    const [versions, state] = await Promise.all([get<{ posteriors: Version[] }>(`/models/${model.id}/posteriors`), model.posterior_version === 0 ? null : getOrNull<State>(`/models/${model.id}/state`)]);
    return { versions: versions.posteriors, state };
  }, [model.id]);
  const numeric = model.training_data_config.reward.type === "numeric";
  const timed = data?.versions.some((v) => typeof v.duration_ms === "number");
  return (
    <section aria-labelledby="runs-title" class="section">
      <h2 id="runs-title">Runs of <bdi>{name}</bdi></h2>
      {model.last_error && (
        <Notice tone="bad"><p><strong>The last run failed</strong> with <code>{model.last_error.code}</code> (<Time at={model.last_error.at} />): {model.last_error.message}</p></Notice>
      )}
      {error && <Failure error={error} />}
      {!data && !error && <Loading what="runs" />}
      {data && data.versions.length === 0 && <Absent>No run has finished. The model trains when a snapshot of its optimization is complete, or on request.</Absent>}
      {data?.state && (
        <div class="diagnosis">
          <h3>How the fit in force went</h3>
          <ul>{diagnosis(data.state.diagnostics).map((line) => <li key={line}>{line}</li>)}</ul>
        </div>
      )}
      {data && data.versions.length > 0 && (
        <Table<Version> caption="Runs that made a version, newest first" rows={data.versions} rowKey={(v) => v.posterior_version} columns={[
          { head: "Version", cell: (v) => <>{v.posterior_version} {v.active && <Badge tone="good">in force</Badge>}</> },
          { head: "Ended", cell: (v) => <Time at={v.trained_at} /> },
          ...(timed ? [{ head: "Took", right: true, cell: (v: Version) => (typeof v.duration_ms === "number" ? `${fixed(v.duration_ms / 1000)} s` : "–") }] : []),
          { head: "Snapshot", cell: (v) => <code>{v.snapshot_id}</code> },
          { head: "Exposures", right: true, cell: (v) => count(v.observations?.exposures) },
          { head: "Rewards credited", right: true, cell: (v) => count(v.observations?.attributed_rewards) },
          { head: "Skipped", right: true, cell: (v) => count(Object.values(v.observations?.skipped ?? {}).reduce((a, b) => a + b, 0)) },
          { head: "Earned", right: true, cell: (v) => reward(v.in_sample_metrics?.historic_reward, numeric) },
          { head: "Expected, by the model", right: true, cell: (v) => reward(v.in_sample_metrics?.expected_reward?.mean, numeric) },
          { head: "Warnings", cell: (v) => ((v.warnings ?? []).length === 0 ? "none" : v.warnings!.map((w) => words(w.code)).join(", ")) },
        ]} />
      )}
    </section>
  );
}
