// The pieces that all pages are made of.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "./api.ts";
import { ago, count, utc, when } from "./format.ts";

type Children = { children?: ComponentChildren };

export function Section({ id, title, aside, children }: Children & { id: string; title: string; aside?: ComponentChildren }) {
  return (
    <section id={id} aria-labelledby={`${id}-title`} class="section">
      <header class="section-head">
        <h2 id={`${id}-title`} tabIndex={-1}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** A time in the viewer's zone; UTC on hover and for screen readers. */
export function Time({ at, relative = false }: { at: string; relative?: boolean }) {
  return <time dateTime={at} title={utc(at)}>{relative ? ago(at) : when(at)}</time>;
}

const MARKS: Record<string, string> = { good: "●", warn: "▲", bad: "■", quiet: "○" };

/** A status as a word with a mark of its own shape, so that colour is never all. */
export function Badge({ tone, children }: Children & { tone: "good" | "warn" | "bad" | "quiet" }) {
  return <span class={`badge ${tone}`}><span aria-hidden="true">{MARKS[tone]}</span> {children}</span>;
}

export function statusTone(status: string | null): "good" | "warn" | "bad" | "quiet" {
  if (status === "live" || status === "trained") return "good";
  if (status === "failed") return "bad";
  if (status === "training") return "warn";
  return "quiet";
}

export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const details = error instanceof ApiError ? error.details : [];
  return (
    <div class="notice bad" role="alert">
      <p>{error.message}</p>
      {details.length > 0 && <ul>{details.map((d) => <li key={d.field}><code>{d.field}</code>: {d.message}</li>)}</ul>}
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

export function Notice({ tone = "quiet", children }: Children & { tone?: "good" | "warn" | "bad" | "quiet" }) {
  return <div class={`notice ${tone}`}>{children}</div>;
}

export const Loading = ({ what }: { what: string }) => <p class="loading" role="status">Loading {what} …</p>;

/** Something that is not there, said plainly. */
export const Absent = ({ children }: Children) => <p class="absent">{children}</p>;

export interface Column<T> {
  head: string;
  /** Numbers stand to the right. */
  right?: boolean;
  cell: (row: T) => ComponentChildren;
  /** What the column is sorted by when its head is pressed. */
  sort?: (row: T) => number | string | null;
}

/** A table with a caption, that scrolls by itself where it is too wide, and shows its first rows until asked for all. */
export function Table<T>({ caption, columns, rows, first = 25, rowKey, hideCaption = false }: {
  caption: string;
  columns: Column<T>[];
  rows: T[];
  first?: number;
  rowKey: (row: T) => string | number;
  hideCaption?: boolean;
}) {
  const id = useId();
  const [whole, setWhole] = useState(false);
  const [sorted, setSorted] = useState<{ column: number; down: boolean } | null>(null);
  let ordered = rows;
  const by = sorted === null ? undefined : columns[sorted.column]?.sort;
  if (sorted !== null && by) {
    const sign = sorted.down ? -1 : 1;
    ordered = [...rows].sort((a, b) => {
      const [x, y] = [by(a), by(b)];
      if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
      return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
    });
  }
  const shown = whole ? ordered : ordered.slice(0, first);
  const order = (i: number) => (sorted?.column === i ? (sorted.down ? "descending" : "ascending") : "none");
  return (
    <div class={columns.length <= 4 && rows.length > 0 ? "table-place narrow" : "table-place"}>
      <p class={hideCaption ? "sr" : "caption"} id={id}>{caption}</p>
      <div class="table-scroll" role="region" aria-labelledby={id} tabIndex={0}>
        <table aria-labelledby={id}>
          <thead>
            <tr>
              {columns.map((column, i) => (
                <th key={column.head} scope="col" class={column.right ? "right" : ""} {...(column.sort ? { "aria-sort": order(i) } : {})}>
                  {column.sort ? (
                    <button type="button" class="sort" onClick={() => setSorted({ column: i, down: sorted?.column === i ? !sorted.down : true })}>
                      {column.head}<span aria-hidden="true" class="sort-mark">{sorted?.column === i ? (sorted.down ? "↓" : "↑") : ""}</span>
                    </button>
                  ) : column.head === "" ? <span class="sr">more</span> : column.head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={rowKey(row)}>
                {columns.map((column, i) => i === 0
                  ? <th key={column.head} scope="row" class={column.right ? "right" : ""}>{column.cell(row)}</th>
                  : <td key={column.head} class={column.right ? "right" : ""}>{column.cell(row)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > first && (
        <button type="button" class="quiet-button" onClick={() => setWhole(!whole)}>
          {whole ? `Show the first ${first}` : `Show all ${count(rows.length)} rows`}
        </button>
      )}
    </div>
  );
}

/** A chart with its title, what it says in words, and its numbers as a table below. */
export function Figure({ title, note, children, table }: Children & { title: string; note?: ComponentChildren; table?: ComponentChildren }) {
  return (
    <figure class="figure">
      <figcaption>
        <h3>{title}</h3>
        {note && <p class="note">{note}</p>}
      </figcaption>
      {children}
      {table && <details class="numbers"><summary>Numbers<span class="sr"> of: {title}</span></summary>{table}</details>}
    </figure>
  );
}

export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

/** Asks once before something is done, and says what it does. */
export function Ask({ title, consequence, verb, danger = false, action, close, children }: Children & {
  title: string;
  consequence: string;
  verb: string;
  danger?: boolean;
  action: () => Promise<void>;
  close: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  useEffect(() => {
    const [before, open] = [document.activeElement, dialog.current];
    open?.showModal();
    return () => {
      // While it is open, nothing outside of it takes the focus.
      open?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const submit = async (event: JSX.TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await action();
      close();
    } catch (failed) {
      setError(failed as Error);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby={`${id}-title`} aria-describedby={`${id}-what`} onCancel={(event) => (busy ? event.preventDefault() : close())}>
      <form onSubmit={submit}>
        <h2 id={`${id}-title`}>{title}</h2>
        <p id={`${id}-what`}>{consequence}</p>
        {children}
        {error && <Failure error={error} />}
        <div class="dialog-actions">
          <button type="button" onClick={close} disabled={busy}>Cancel</button>
          <button type="submit" class={danger ? "danger" : "primary"} disabled={busy}>{busy ? "Working …" : verb}</button>
        </div>
      </form>
    </dialog>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: ComponentChildren; children: (ids: { id: string; "aria-describedby"?: string }) => ComponentChildren }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(hint ? { id, "aria-describedby": `${id}-hint` } : { id })}
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

/** A number from 0 to 1 as a thin bar beside its text. */
export function Meter({ value, children }: Children & { value: number | null }) {
  return (
    <span class="meter">
      <svg width="56" height="6" aria-hidden="true" viewBox="0 0 56 6">
        <rect width="56" height="6" rx="3" class="meter-back" />
        <rect width={Math.max(0, Math.min(1, value ?? 0)) * 56} height="6" rx="3" class="meter-fill" />
      </svg>
      <span>{children}</span>
    </span>
  );
}
