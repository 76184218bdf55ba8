// The answer in one sentence. The service makes it from the numbers by rules; nothing is added here.
import type { Results } from "../api.ts";
import { count, interval, probability, reward, signed } from "../format.ts";
import { Absent, Badge, Section, Time } from "../ui.tsx";
import type { Everything } from "./everything.ts";

const TONES: Record<string, "good" | "warn" | "bad" | "quiet"> = {
  ship: "good", keep_running: "warn", drop_level: "warn", fix_data: "bad", do_not_ship: "bad", measure_first: "quiet",
};

export function Answer({ all, results }: { all: Everything; results: Results }) {
  const found = results.findings;
  const primary = results.primary_metric_vs_holdout;
  const stats = results.stats;
  const check = results.baseline_check;
  return (
    <Section id="answer" title="Answer">
      {found ? (
        <div class="answer">
          <p class="sentence">{found.sentence}</p>
          {found.modelled && <p class="modelled">{found.modelled}</p>}
          <div class={`verdict ${TONES[found.verdict.kind] ?? "quiet"}`}>
            <p class="verdict-title"><Badge tone={TONES[found.verdict.kind] ?? "quiet"}>{found.verdict.title}</Badge></p>
            <p>{found.verdict.why}</p>
            {found.problems.length > 0 && <ul>{found.problems.map((p) => <li key={p.code}>{p.message}</li>)}</ul>}
          </div>
          {found.notes.length > 0 && <ul class="notes">{found.notes.map((note) => <li key={note}>{note}</li>)}</ul>}
        </div>
      ) : <Absent>This service does not say what follows from its numbers: it is older than this console. The numbers are below.</Absent>}
      <div class="cards">
        <div class="card">
          <h3>Measured lift <span class="tag">measured, per user</span></h3>
          {primary && primary.lift_percent !== null ? (
            <>
              <p class="big">{signed(primary.lift_percent)}</p>
              <p class="under">{primary.metric_name}, optimized users over the holdout</p>
              <dl class="pairs">
                <div><dt>95 % at every look</dt><dd>{interval(primary.lift_ci_anytime, (v) => signed(v))}</dd></div>
                <div><dt>95 % at one look</dt><dd>{interval(primary.lift_ci, (v) => signed(v))}</dd></div>
                <div><dt>Optimized</dt><dd>{reward(primary.optimization_rate, all.numeric)} of {count(primary.optimization_users)} users</dd></div>
                <div><dt>Holdout</dt><dd>{reward(primary.holdout_rate, all.numeric)} of {count(primary.holdout_users)} users</dd></div>
              </dl>
            </>
          ) : <Absent>{primary === null
            ? "The snapshot does not tell users apart, so there is no measured lift."
            : all.optimization.holdout_percentage === 0
              ? "Nobody is held out, so there is nothing to measure against."
              : `Pending: ${count(primary.optimization_users)} optimized and ${count(primary.holdout_users)} held-out users so far.`}</Absent>}
        </div>
        <div class="card">
          <h3>Modelled <span class="tag dashed">by the model, per exposure</span></h3>
          {stats ? (
            <>
              <p class="big soft">{signed(stats.estimated_improvement_percent)}</p>
              <p class="under">expected of the policy in force, over what was earned</p>
              <dl class="pairs">
                <div><dt>95 %</dt><dd>{interval(stats.estimated_improvement_interval, (v) => signed(v))}</dd></div>
                <div><dt>Best variant over baseline</dt><dd>{signed(stats.best_vs_baseline_percent)} ({interval(stats.best_vs_baseline_interval, (v) => signed(v))})</dd></div>
                <div><dt>P(improvement)</dt><dd>{probability(stats.improvement_probability)}</dd></div>
                <div><dt>Baseline check</dt><dd>{check
                  ? check["ok"] === false
                    ? <Badge tone="bad">fails: modelled {reward(check["modelled"], all.numeric)}, measured {reward(check["measured"], all.numeric)}</Badge>
                    : <Badge tone="good">holds</Badge>
                  : <Badge tone="quiet">not made</Badge>}</dd></div>
              </dl>
            </>
          ) : <Absent>The model says nothing of its policy yet.</Absent>}
        </div>
      </div>
      <p class="under">Measured by the training run of <Time at={results.computed_at} /> on snapshot <code>{results.snapshot_id}</code>, version {results.posterior_version}.</p>
    </Section>
  );
}
