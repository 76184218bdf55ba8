import type { Change, Version } from "../api.ts";
import { count, interval, reward, signed, words } from "../format.ts";
import { Absent, Badge, Section, Table, Time } from "../ui.tsx";
import type { Everything } from "./everything.ts";

/** What a version has that the one before it had not. */
export function changed(version: Version, before: Version | undefined): string {
  const said: string[] = [];
  if (!before) return "the first";
  const more = (version.observations?.exposures ?? 0) - (before.observations?.exposures ?? 0);
  if (version.snapshot_id !== before.snapshot_id) said.push(more >= 0 ? `${count(more)} more exposures` : `${count(-more)} fewer exposures`);
  else said.push("the same snapshot");
  const [is, was] = [version.in_sample_metrics?.expected_reward?.mean, before.in_sample_metrics?.expected_reward?.mean];
  if (typeof is === "number" && typeof was === "number" && was !== 0) said.push(`expected reward ${signed(100 * (is / was - 1))}`);
  if (JSON.stringify(version.bias) !== JSON.stringify(before.bias)) said.push(`bias ${JSON.stringify(version.bias)}`);
  return said.join(", ");
}

/** What was before and is after a change, as far as it differs. */
export function difference({ before, after }: Change): string {
  const shown = (value: unknown) => (value === null || value === undefined ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  return names.map((name) => `${words(name)}: ${shown(before?.[name])} → ${shown(after?.[name])}`).join(", ");
}

const whose = ({ who }: Change) => (who.kind === "service" ? "the service" : `${words(who.kind)} ${who.subject ?? who.id ?? ""}`);

const periods = ({ in_force }: Version) => (in_force ?? []).map(({ from, to }, i) => (
  <div key={i}>{from === null ? "before records" : <Time at={from} />} – {to === null ? "now" : <Time at={to} />}</div>
));

export function Versions({ all, rollback }: { all: Everything; rollback: (version: number) => void }) {
  const { versions, numeric, history } = all;
  const r = (value: number) => reward(value, numeric);
  return (
    <Section id="versions" title="Versions">
      {versions.length === 0 ? <Absent>No training run has finished.</Absent> : (
        <Table<Version> caption="Versions of the model, newest first" rows={versions} first={10} rowKey={(v) => v.posterior_version} columns={[
          { head: "Version", cell: (v) => <>{v.posterior_version} {v.active && <Badge tone="good">in force</Badge>}</> },
          { head: "Trained", cell: (v) => <Time at={v.trained_at} /> },
          ...(versions.some((v) => v.in_force) ? [{ head: "In force", cell: (v: Version) => (v.in_force?.length ? periods(v) : "never") }] : []),
          { head: "Exposures", right: true, cell: (v) => count(v.observations?.exposures) },
          { head: "Expected reward, by the model", right: true, cell: (v) => {
            const expected = v.in_sample_metrics?.expected_reward;
            return expected ? <div class="stacked"><span>{r(expected.mean)}</span><span class="under">{interval([expected.ci_lower, expected.ci_upper], r)}</span></div> : "–";
          } },
          { head: "What changed", cell: (v) => changed(v, versions[versions.indexOf(v) + 1]) },
          { head: "", cell: (v) => (v.active || all.optimization.status === "archived" ? null : <button type="button" onClick={() => rollback(v.posterior_version)}>Roll back<span class="sr"> to version {v.posterior_version}</span></button>) },
        ]} />
      )}
      {history.length > 0 && (
        <Table<Change> caption="Who changed what, newest first" rows={history} first={5} rowKey={(c) => `${c.at} ${c.what}`} columns={[
          { head: "When", cell: (c) => <Time at={c.at} /> },
          { head: "What", cell: (c) => words(c.what) },
          { head: "Who", cell: whose },
          { head: "Before and after", cell: (c) => <bdi>{difference(c)}</bdi> },
        ]} />
      )}
    </Section>
  );
}
