// Are the data what we think? Every check with its verdict first.
import type { ComponentChildren } from "preact";
import type { Results, Warning } from "../api.ts";
import { count, fixed, share, words } from "../format.ts";
import { Absent, Badge, Section, Table } from "../ui.tsx";
import type { Everything } from "./everything.ts";

interface Check {
  name: string;
  tone: "good" | "warn" | "bad" | "quiet";
  verdict: string;
  detail: ComponentChildren;
}

const p = (value: number) => (value < 0.001 ? "p < 0.001" : `p = ${fixed(value, 3)}`);

function checks(quality: Record<string, any>, holdout: number): Check[] {
  const found: Check[] = [];
  const ratio = quality["sample_ratio"];
  if (ratio && holdout > 0) {
    const days = (ratio.by_day ?? []).filter((d: any) => d.suspect);
    found.push({
      name: "Sample ratio", tone: ratio.suspect ? "bad" : "good", verdict: ratio.suspect ? "suspect" : "as it should be",
      detail: `${share(ratio.users > 0 ? ratio.held_out / ratio.users : null, 2)} of ${count(ratio.users)} users are held out where ${share(ratio.expected, 2)} is right (${p(ratio.p_value)})${days.length > 0 ? `; suspect by itself on ${days.map((d: any) => d.date).join(", ")}` : ""}.`,
    });
  }
  const assignment = quality["assignment"];
  if (assignment) {
    const reasons = Object.entries(assignment.mismatches ?? assignment.by_reason ?? {}).filter(([, n]) => typeof n === "number" && n > 0);
    const where = assignment.concentrates_in ?? assignment.where;
    const match = typeof assignment.match === "number" ? assignment.match : assignment.match_share;
    found.push({
      name: "Assignment", tone: assignment.suspect ? "bad" : "good", verdict: assignment.suspect ? "suspect" : "as decided",
      detail: <>{share(match, 2)} of {count(assignment.exposures ?? assignment.checked)} logged exposures show what serving decides for the same visitor.
        {reasons.length > 0 && ` The others: ${reasons.map(([reason, n]) => `${words(reason)} ${count(n as number)}`).join(", ")}.`}
        {where && ` They concentrate in ${where.factor} = ${String(where.level)}.`}</>,
    });
  } else found.push({ name: "Assignment", tone: "quiet", verdict: "not checked", detail: "The latest run did not decide logged exposures again." });
  const other = quality["holdout_saw_other"];
  if (other && other.exposures > 0) {
    const wrong = other.of_other_variants / other.exposures;
    found.push({
      name: "Holdout sees the baseline", tone: wrong > 0.01 ? "bad" : other.of_other_variants > 0 ? "warn" : "good",
      verdict: wrong > 0.01 ? "no" : other.of_other_variants > 0 ? "nearly" : "yes",
      detail: `${count(other.of_other_variants)} of ${count(other.exposures)} exposures of held-out users show another variant.`,
    });
  }
  const several = quality["multiple_variants"];
  if (several) {
    found.push({
      name: "One variant per user", tone: several.share > 0.05 ? "warn" : "good", verdict: share(several.share, 2),
      detail: `${count(several.users)} users saw more than one variant. New versions move some; many more than that, and ids are not stable.`,
    });
  }
  const lost = quality["unattributed_rewards"];
  if (lost && lost.rewards > 0) {
    const strangers = lost.without_exposure / lost.rewards;
    found.push({
      name: "Rewards belong to exposures", tone: strangers > 0.5 ? "bad" : strangers > 0.2 ? "warn" : "good",
      verdict: strangers > 0.2 ? "many do not" : "they do",
      detail: `Of ${count(lost.rewards)} rewards ${count(lost.without_exposure)} are of ids without exposure, ${count(lost.before_exposures)} came before the first exposure, ${count(lost.outside_windows)} after every window.`,
    });
  }
  const balance = quality["balance"];
  if (Array.isArray(balance) && balance.length > 0) {
    const odd = balance.filter((b: any) => typeof b.p_value === "number" && b.p_value < 0.001);
    found.push({ name: "Balance of variants", tone: odd.length > 0 ? "warn" : "good", verdict: odd.length > 0 ? "suspect" : "as the policy says", detail: `${odd.length} of ${balance.length} versions and contexts show variants in other shares than their policy (p < 0.001).` });
  }
  return found;
}

export function DataQuality({ all, results }: { all: Everything; results: Results }) {
  const quality = results.quality;
  const observations = all.model?.observations ?? null;
  const warnings: Warning[] = all.model?.warnings ?? [];
  const skipped = Object.entries(observations?.skipped ?? {}).filter(([, n]) => n > 0);
  const each = quality?.["exposures_per_user"];
  const effect = quality?.["design_effect"];
  return (
    <Section id="quality" title="Are the data what we think?">
      {quality ? (
        <ul class="checks">
          {checks(quality, all.optimization.holdout_percentage).map((check) => (
            <li key={check.name}>
              <h3>{check.name}</h3>
              <Badge tone={check.tone}>{check.verdict}</Badge>
              <p>{check.detail}</p>
            </li>
          ))}
        </ul>
      ) : <Absent>The snapshot does not allow these checks.</Absent>}
      <dl class="facts">
        {observations && <div><dt>Read</dt><dd>{count(observations.exposures)} exposures{typeof observations.rewards === "number" && <>, {count(observations.attributed_rewards)} of {count(observations.rewards)} rewards credited</>}</dd></div>}
        {each && <div><dt>Exposures per user</dt><dd>{fixed(each.mean, 2)} on average, {count(each.p99)} at the 99 % quantile, {count(each.max)} at most</dd></div>}
        {typeof effect?.optimized === "number" && <div><dt>Design effect</dt><dd>{fixed(effect.optimized, 2)}: so many exposures are worth one independent one</dd></div>}
      </dl>
      {skipped.length > 0 && (
        <Table caption="Skipped rows" rows={skipped} rowKey={([reason]) => reason} columns={[
          { head: "Reason", cell: ([reason]) => words(reason) },
          { head: "Rows", right: true, cell: ([, n]) => count(n) },
        ]} />
      )}
      {warnings.length > 0 && (
        <div class="notice warn">
          <h3>Warnings of the run</h3>
          <ul>{warnings.map((w) => <li key={w.code}>{w.message}{w.example !== undefined && w.example !== null && <> Example: <code><bdi>{typeof w.example === "string" ? w.example : JSON.stringify(w.example)}</bdi></code></>}</li>)}</ul>
        </div>
      )}
      {observations && skipped.length === 0 && warnings.length === 0 && <p class="under">No row was skipped, and the run warned of nothing.</p>}
    </Section>
  );
}

