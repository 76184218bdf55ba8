// Charts as SVG: sharp at every size and in print, readable without a pointer. Their numbers stand in tables below them.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { linear, spread, type Scale } from "./scale.ts";

/** The width that a chart has, so that its texts keep their size on a phone. */
function useWidth(): [preact.RefObject<HTMLDivElement>, number] {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return;
    const measure = () => setWidth(Math.max(240, Math.floor(element.clientWidth)));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [place, width];
}

function Chart({ height, label, draw }: { height: number; label: string; draw: (width: number) => ComponentChildren }) {
  const [place, width] = useWidth();
  return (
    <div class={`chart h${height}`} ref={place}>
      {width > 0 && (
        <svg role="img" aria-label={label} width={width} height={height} viewBox={`0 0 ${width} ${height}`}>{draw(width)}</svg>
      )}
    </div>
  );
}

const YAxis = ({ y, left, right, text }: { y: Scale; left: number; right: number; text: (value: number) => string }) => (
  <g class="axis">
    {y.ticks.map((tick) => (
      <g key={tick}>
        <line x1={left} x2={right} y1={y(tick)} y2={y(tick)} class={tick === 0 ? "zero" : "grid"} />
        <text x={left - 8} y={y(tick)} dy="0.35em" text-anchor="end">{text(tick)}</text>
      </g>
    ))}
  </g>
);

const XLabels = ({ names, x, y, width }: { names: string[]; x: (i: number) => number; y: number; width: number }) => (
  <g class="axis">
    {spread(names.length, Math.max(2, Math.floor(width / 72))).map((i) => (
      <text key={i} x={x(i)} y={y} text-anchor="middle">{names[i]}</text>
    ))}
  </g>
);

const path = (points: [number, number][]) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

export interface BandPoint {
  name: string;
  value: number | null;
  narrow: [number, number] | null;
  wide: [number, number] | null;
}

/** A line with two bands around it. Ends of bands that lie far outside the last days' are cut at the frame. */
export function BandChart({ points, text, label }: { points: BandPoint[]; text: (value: number) => string; label: string }) {
  const height = 280;
  const draw = (width: number) => {
    const [left, right, top, bottom] = [56, width - 14, 12, height - 26];
    const known = points.flatMap((p, i) => (p.value === null ? [] : [{ ...p, i, value: p.value }]));
    // The first days know next to nothing: the frame is made for the rest.
    const late = known.slice(Math.min(known.length - 1, Math.floor(known.length / 4)));
    const ends = late.flatMap((p) => [p.value, ...(p.wide ?? []), ...(p.narrow ?? [])]);
    const y = linear(ends, bottom, top, 5);
    const [lowest, highest] = [bottom, top];
    const cut = (value: number) => Math.max(highest, Math.min(lowest, y(value)));
    const x = (i: number) => left + 8 + (points.length < 2 ? 0.5 : i / (points.length - 1)) * (right - left - 16);
    const band = (of: "narrow" | "wide") => {
      const with_ = known.filter((p) => p[of] !== null);
      const over = with_.map((p): [number, number] => [x(p.i), cut(p[of]![1])]);
      const under = with_.map((p): [number, number] => [x(p.i), cut(p[of]![0])]).reverse();
      return over.length > 1 ? `${path(over)}L${path(under).slice(1)}Z` : "";
    };
    const last = known.at(-1);
    return (
      <>
        <YAxis y={y} left={left} right={right} text={text} />
        <path d={band("wide")} class="band-wide" />
        <path d={band("narrow")} class="band-narrow" />
        <line x1={left} x2={right} y1={y(0)} y2={y(0)} class="zero" />
        <path d={path(known.map((p) => [x(p.i), cut(p.value)]))} class="line" />
        {known.length === 1 && last?.wide && <line x1={x(last.i)} x2={x(last.i)} y1={cut(last.wide[0])} y2={cut(last.wide[1])} class="whisker thin" />}
        {last && <circle cx={x(last.i)} cy={cut(last.value)} r="4" class="dot" />}
        <XLabels names={points.map((p) => p.name)} x={x} y={height - 6} width={width - left} />
      </>
    );
  };
  return <Chart height={height} label={label} draw={draw} />;
}

/** Shares that add up to all, day by day. */
export function StackChart({ names, series, label }: { names: string[]; series: { name: string; shares: number[] }[]; label: string }) {
  const height = 260;
  const draw = (width: number) => {
    const [left, right, top, bottom] = [44, width - 14, 10, height - 26];
    const y = linear([0, 1], bottom, top, 4);
    const gap = Math.min(6, ((right - left) / names.length) * 0.18);
    const each = (right - left) / names.length;
    const x = (i: number) => left + (i + 0.5) * each;
    return (
      <>
        <YAxis y={y} left={left} right={right} text={(v) => `${Math.round(v * 100)} %`} />
        {names.map((_, i) => {
          let sum = 0;
          return series.map((one, s) => {
            const from = sum;
            sum += one.shares[i] ?? 0;
            const tall = y(from) - y(sum);
            return tall < 0.05 ? null : (
              <rect key={`${i}.${s}`} x={left + i * each + gap / 2} width={each - gap} y={y(sum)} height={Math.max(0.5, tall - 1)} class={`series s${s}`}>
                <title>{`${names[i]}, ${one.name}: ${((one.shares[i] ?? 0) * 100).toFixed(1)} %`}</title>
              </rect>
            );
          });
        })}
        <XLabels names={names} x={x} y={height - 6} width={width - left} />
      </>
    );
  };
  return <Chart height={height} label={label} draw={draw} />;
}

export function Legend({ names }: { names: string[] }) {
  return (
    <ul class="legend">
      {names.map((name, i) => (
        <li key={name}>
          <svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" rx="2" class={`series s${i}`} /></svg>
          <bdi>{name}</bdi>
        </li>
      ))}
    </ul>
  );
}

export interface Row {
  name: string;
  value: number | null;
  narrow: [number, number] | null;
  wide?: [number, number] | null;
  /** What stands to the right. */
  note?: string;
  /** Drawn apart: the baseline. */
  hollow?: boolean;
}

/** Names on the left, a value with its interval on one scale. */
export function IntervalChart({ rows, text, label, zero = true }: { rows: Row[]; text: (value: number) => string; label: string; zero?: boolean }) {
  const tall = 30;
  const [place, width] = useWidth();
  const stacked = width < 560;
  const each = stacked ? 46 : tall;
  const height = rows.length * each + 34;
  const left = stacked ? 28 : Math.min(Math.max(200, width * 0.36), Math.max(120, Math.max(...rows.map((row) => row.name.length), 0) * 6.9 + 20));
  const right = width - (rows.some((row) => row.note) ? 92 : 16);
  const ends = rows.flatMap((row) => [row.value ?? NaN, ...(row.wide ?? row.narrow ?? [])]);
  const x = linear(ends, left, right, Math.max(2, Math.floor((right - left) / 90)), zero);
  const places = Math.max(8, Math.floor((stacked ? width : left) / 6.9) - 2);
  const short = (name: string) => (name.length > places ? `${name.slice(0, places - 1)}…` : name);
  return (
    <div class="chart" ref={place}>
      {width > 0 && (
        <svg role="img" aria-label={label} width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
          <g class="axis">
            {x.ticks.map((tick) => (
              <g key={tick}>
                <line x1={x(tick)} x2={x(tick)} y1={4} y2={height - 28} class={tick === 0 ? "zero" : "grid"} />
                <text x={x(tick)} y={height - 10} text-anchor="middle">{text(tick)}</text>
              </g>
            ))}
          </g>
          {rows.map((row, i) => {
            const y = i * each + (stacked ? 32 : tall / 2 + 2);
            return (
              <g key={`${i}.${row.name}`}>
                <text x={stacked ? 0 : left - 14} y={stacked ? y - 14 : y} dy={stacked ? "0" : "0.35em"} text-anchor={stacked ? "start" : "end"} class="name" direction="ltr">{short(row.name)}<title>{row.name}</title></text>
                {row.wide && <line x1={x(row.wide[0])} x2={x(row.wide[1])} y1={y} y2={y} class="whisker thin" />}
                {row.narrow && <line x1={x(row.narrow[0])} x2={x(row.narrow[1])} y1={y} y2={y} class="whisker" />}
                {row.value !== null && <circle cx={x(row.value)} cy={y} r="4.5" class={row.hollow ? "dot hollow" : "dot"} />}
                {row.note && <text x={width} y={y} dy="0.35em" text-anchor="end" class="value">{row.note}</text>}
              </g>
            );
          })}
        </svg>
      )}
    </div>
  );
}

/** A line of a few points, for a table. */
export function Sparkline({ values, label }: { values: (number | null)[]; label: string }) {
  const known = values.flatMap((value, i) => (value === null ? [] : [{ value, i }]));
  if (known.length < 2) return null;
  const y = linear(known.map((p) => p.value), 25, 3, 2);
  const x = (i: number) => 3 + (i / (values.length - 1)) * 90;
  const last = known.at(-1)!;
  return (
    <svg class="spark" role="img" aria-label={label} width="96" height="28" viewBox="0 0 96 28">
      <line x1="0" x2="96" y1={y(0)} y2={y(0)} class="zero" />
      <path d={path(known.map((p) => [x(p.i), y(p.value)]))} class="line" />
      <circle cx={x(last.i)} cy={y(last.value)} r="2.5" class="dot" />
    </svg>
  );
}
