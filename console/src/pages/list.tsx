import { useEffect, useState } from "preact/hooks";
import { all, getOrNull, type Optimization, type Results } from "../api.ts";
import { Sparkline } from "../charts/charts.tsx";
import { count, interval, probability, signed } from "../format.ts";
import { at } from "../router.ts";
import { Badge, Failure, Loading, Notice, statusTone, Table, Time } from "../ui.tsx";
import { useLoaded } from "../use.ts";

/** How many optimizations have their results read for the list. */
const MOST_READ = 40;

/** The results of those that are trained, one after the other, so that a long list does not meet the rate limit. */
function useResults(optimizations: Optimization[] | undefined): Map<string, Results | null> {
  const [found, setFound] = useState(new Map<string, Results | null>());
  useEffect(() => {
    let stopped = false;
    const read = async () => {
      for (const { id } of (optimizations ?? []).filter((o) => o.summary !== null).slice(0, MOST_READ)) {
        const results = await getOrNull<Results>(`/optimizations/${id}/results`).catch(() => null);
        if (stopped) return;
        setFound((before) => new Map(before).set(id, results));
      }
    };
    void read();
    return () => void (stopped = true);
  }, [optimizations]);
  return found;
}

export function DataLight({ results }: { results: Results | null | undefined }) {
  if (results === undefined) return null;
  if (results === null || results.quality === null) return <Badge tone="quiet">not checked</Badge>;
  const problems = results.findings?.problems ?? [];
  return problems.length > 0 ? <Badge tone="bad">suspect</Badge> : <Badge tone="good">sound</Badge>;
}

export function ListPage() {
  const [archived, setArchived] = useState(false);
  const { data, error, reload } = useLoaded(
    () => all<Optimization>("/optimizations", "optimizations", { limit: "100", ...(archived ? { include_archived: "true" } : {}) }),
    [archived],
  );
  const results = useResults(data);
  const lift = (o: Optimization) => results.get(o.id)?.primary_metric_vs_holdout ?? null;
  return (
    <>
      <div class="page-head">
        <h1>Optimizations</h1>
        <label class="check"><input type="checkbox" checked={archived} onChange={(e) => setArchived(e.currentTarget.checked)} /> Show archived</label>
      </div>
      {error && <Failure error={error} retry={reload} />}
      {!data && !error && <Loading what="optimizations" />}
      {data?.length === 0 && (
        <Notice>
          <p><strong>No optimization yet.</strong> An optimization is what you vary on a page, what you know of a visitor, and the reward that decides. <a href={at.create}>Make the first one</a>.</p>
        </Notice>
      )}
      {data && data.length > 0 && (
        <Table
          caption="Optimizations, most recently changed first. Measured lift is against the holdout, with its 95 % interval at every look."
          rows={data} rowKey={(o) => o.id} first={50}
          columns={[
            { head: "Name", sort: (o) => o.name, cell: (o) => (
              <div class="name-cell">
                <a href={at.optimization(o.id)}><bdi>{o.name}</bdi></a>
                <span class="under">{o.summary ? `${o.summary.variants_count} variants · ` : ""}changed <Time at={o.updated_at} relative /></span>
              </div>
            ) },
            { head: "Status", sort: (o) => o.status, cell: (o) => (
              <span class="badges">
                <Badge tone={statusTone(o.status)}>{o.status}</Badge>
                {o.model_status && o.model_status !== "trained" && <Badge tone={statusTone(o.model_status)}>{o.model_status}</Badge>}
              </span>
            ) },
            { head: "Exposures", right: true, sort: (o) => o.summary?.exposures ?? null, cell: (o) => count(o.summary?.exposures) },
            { head: "Measured lift", right: true, sort: (o) => lift(o)?.lift_percent ?? null, cell: (o) => {
              const l = lift(o);
              if (l && l.lift_percent !== null) {
                return <div class="stacked"><strong>{signed(l.lift_percent)}</strong><span class="under">{interval(l.lift_ci_anytime, (v) => signed(v))}</span></div>;
              }
              return <span class="under">{o.summary === null ? "not trained" : o.holdout_percentage === 0 ? "no holdout" : "pending"}</span>;
            } },
            { head: "Lift so far", cell: (o) => {
              const series = results.get(o.id)?.time_series ?? null;
              return series ? <Sparkline values={series.map((d) => d.lift_percent)} label={`Measured lift by day: now ${signed(series.at(-1)?.lift_percent)}`} /> : null;
            } },
            { head: "P(improvement)", right: true, sort: (o) => o.summary?.confidence ?? null, cell: (o) => <span title="By the model: that the policy earns more than the baseline">{probability(o.summary?.confidence)}</span> },
            { head: "Data", cell: (o) => <DataLight results={results.get(o.id)} /> },
          ]}
        />
      )}
    </>
  );
}
