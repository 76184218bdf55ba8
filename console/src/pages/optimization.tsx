import { useState } from "preact/hooks";
import { call } from "../api.ts";
import { count } from "../format.ts";
import { at } from "../router.ts";
import { Absent, Ask, Badge, Failure, Field, Loading, Notice, Section, statusTone, Time } from "../ui.tsx";
import { useLoaded } from "../use.ts";
import { Answer } from "./answer.tsx";
import { Beliefs, ByContext, Factors, Variants } from "./believed.tsx";
import { DataQuality } from "./quality.tsx";
import { Guardrails, Interactions, OffPolicy } from "./findings.tsx";
import { LiftOverTime, Shown } from "./measured.tsx";
import { load, type Everything } from "./everything.ts";
import { Versions } from "./versions.tsx";

type Action = "train" | "complete" | "resume" | "archive" | "rename" | { rollback: number };

const SECTIONS: [string, string][] = [
  ["answer", "Answer"], ["lift", "Measured lift"], ["shown", "What was shown"], ["variants", "Variants"], ["contexts", "Contexts"],
  ["factors", "Factors"], ["interactions", "Interactions"], ["guardrails", "Guardrails"], ["quality", "Data"], ["versions", "Versions"], ["off-policy", "Other policies"],
];

export function OptimizationPage({ id }: { id: string }) {
  const { data, error, reload } = useLoaded(() => load(id), [id]);
  const [asked, setAsked] = useState<Action | null>(null);
  const [done, setDone] = useState("");
  if (error && !data) return <><h1>Optimization</h1><Failure error={error} retry={reload} /></>;
  if (!data) return <><h1>Optimization</h1><Loading what="the optimization" /></>;
  const { optimization, model, results } = data;
  const archived = optimization.status === "archived";
  const finished = (what: string) => { setDone(what); reload(); };
  return (
    <>
      <p class="crumbs"><a href={at.list}>Optimizations</a></p>
      <div class="page-head">
        <div>
          <h1><bdi>{optimization.name}</bdi></h1>
          <p class="under">
            <Badge tone={statusTone(optimization.status)}>{optimization.status}</Badge>{" "}
            {model && <Badge tone={statusTone(model.status)}>{model.status === "trained" ? "model trained" : model.status}</Badge>}{" "}
            {optimization.holdout_percentage} % held out · {optimization.summary ? `${count(optimization.summary.variants_count)} variants · ` : ""}
            {model?.trained_at ? <>trained <Time at={model.trained_at} relative /></> : "never trained"}
          </p>
          {optimization.status_reason && <p class="under">{optimization.status_reason}</p>}
        </div>
        <div class="actions" role="group" aria-label="Actions">
          {!archived && model && model.status !== "archived" && <button type="button" onClick={() => setAsked("train")} disabled={model.status === "training"}>Train now</button>}
          {optimization.status === "live" && <button type="button" onClick={() => setAsked("complete")}>Complete</button>}
          {optimization.status !== "live" && <button type="button" onClick={() => setAsked("resume")}>Set live</button>}
          <button type="button" onClick={() => setAsked("rename")}>Rename</button>
          <a class="button" href={at.serve(id)}>Try serving</a>
          {!archived && <button type="button" class="danger-quiet" onClick={() => setAsked("archive")}>Archive</button>}
        </div>
      </div>
      <p class="done" role="status">{done}</p>
      {error && <Failure error={error} retry={reload} />}
      {model?.last_error && (
        <Notice tone="bad">
          <p><strong>The last training run failed</strong> (<Time at={model.last_error.at} />): {model.last_error.message}</p>
          <p>{model.posterior_version > 0 ? "Visitors are still served by the version before." : "Until a run succeeds, every variant is shown alike."}</p>
        </Notice>
      )}
      {results === null ? (
        <Notice>
          <p><strong>Nothing is measured yet.</strong> {model === null
            ? "This optimization has no model."
            : "No training run has finished. Visitors see every variant alike until one does."}</p>
        </Notice>
      ) : (
        <div class="with-contents">
          <nav class="contents" aria-label="On this page">
            {SECTIONS.map(([section, name]) => (
              <a key={section} href={`#${section}`} onClick={(event) => {
                event.preventDefault();
                const head = document.getElementById(`${section}-title`);
                head?.scrollIntoView({ block: "start" });
                head?.focus({ preventScroll: true });
              }}>{name}</a>
            ))}
          </nav>
          <div class="sections">
            <Answer all={data} results={results} />
            <LiftOverTime all={data} results={results} />
            <Shown results={results} />
            <Variants all={data} results={results} />
            <Section id="contexts" title="By context">
              <ByContext results={results} />
              <Beliefs all={data} results={results} />
            </Section>
            <Factors all={data} />
            <Interactions all={data} results={results} />
            <Guardrails all={data} results={results} />
            <DataQuality all={data} results={results} />
            <Versions all={data} rollback={(rollback: number) => setAsked({ rollback })} />
            <OffPolicy results={results} numeric={data.numeric} />
          </div>
        </div>
      )}
      {results === null && data.versions.length > 0 && <Absent>There are versions of the model, and no results beside them.</Absent>}
      {asked !== null && <Question asked={asked} all={data} close={() => setAsked(null)} finished={finished} />}
    </>
  );
}

function Question({ asked, all, close, finished }: { asked: Action; all: Everything; close: () => void; finished: (what: string) => void }) {
  const { optimization, model } = all;
  const [name, setName] = useState(optimization.name);
  const path = `/optimizations/${optimization.id}`;
  const patch = async (body: object, what: string) => { await call("PATCH", path, body); finished(what); };
  const held = optimization.holdout_percentage > 0 ? ` The ${optimization.holdout_percentage} % that are held out see the baseline before and after.` : "";
  if (typeof asked === "object") {
    return <Ask title={`Go back to version ${asked.rollback}?`} verb="Roll back" danger close={close}
      consequence={`From the next request on, visitors are served by version ${asked.rollback} of the model; those whose best variant differs see another one than now. Nothing is deleted, and the next training run makes a new version that takes over again.${held}`}
      action={async () => { await call("POST", `/models/${model!.id}/rollback`, { posterior_version: asked.rollback }); finished(`Version ${asked.rollback} is in force.`); }} />;
  }
  switch (asked) {
    case "train":
      return <Ask title="Train now?" verb="Train" close={close}
        consequence={`The model is fitted to the latest complete snapshot. When the run succeeds, its version is in force at once, and some visitors see another variant than now.${held} When it fails, nothing changes for anybody.`}
        action={async () => { await call("POST", `/models/${model!.id}/train`, {}); finished("Trained."); }} />;
    case "complete":
      return <Ask title="Complete this optimization?" verb="Complete" close={close}
        consequence={`Exploring and training stop. From then on all visitors of a context see the one variant that is best there by the model.${held} It can be set live again.`}
        action={() => patch({ status: "completed" }, "Completed: exploring has stopped.")} />;
    case "resume":
      return <Ask title="Set it live?" verb="Set live" close={close}
        consequence={`Visitors are served again by the model's probabilities, so that some see variants that may not be the best, and training goes on.${held}`}
        action={() => patch({ status: "live" }, "Live.")} />;
    case "archive":
      return <Ask title="Archive this optimization?" verb="Archive" danger close={close}
        consequence="Serving stops at once: requests for a variant are refused, and your page must show its own default. Data and versions stay, and it can be set live again."
        action={() => patch({ status: "archived" }, "Archived: it is not served any more.")} />;
    case "rename":
      return <Ask title="Rename" verb="Rename" close={close} consequence="Visitors notice nothing: the name is for people."
        action={() => patch({ name }, "Renamed.")}>
        <Field label="Name">{(ids) => <input {...ids} value={name} required maxLength={200} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
      </Ask>;
  }
}
