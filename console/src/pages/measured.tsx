// What happened, day by day.
import type { Day, Results } from "../api.ts";
import { BandChart, Legend, StackChart } from "../charts/charts.tsx";
import { count, day, interval, levels, reward, share, signed } from "../format.ts";
import { Absent, Figure, Section, Table } from "../ui.tsx";
import type { Everything } from "./everything.ts";

export function LiftOverTime({ all, results }: { all: Everything; results: Results }) {
  const series = results.time_series;
  const known = (series ?? []).filter((d) => d.lift_percent !== null);
  const last = known.at(-1);
  return (
    <Section id="lift" title="Measured lift over time">
      {series && last ? (
        <Figure title="Lift over the holdout, all users so far"
          note={<>The dark band covers the truth in 95 % of cases at one look that was decided beforehand, the light band at every look at once. Decide by the light one.</>}
          table={<Table<Day> caption="Measured lift by day" rows={series} rowKey={(d) => d.date} columns={[
            { head: "Day (UTC)", cell: (d) => d.date },
            { head: "Optimized users", right: true, cell: (d) => count(d.optimized.users) },
            { head: "their rate", right: true, cell: (d) => reward(d.optimized.rate, all.numeric) },
            { head: "Held-out users", right: true, cell: (d) => count(d.holdout.users) },
            { head: "their rate ", right: true, cell: (d) => reward(d.holdout.rate, all.numeric) },
            { head: "Lift so far", right: true, cell: (d) => signed(d.lift_percent) },
            { head: "95 % at one look", right: true, cell: (d) => interval(d.lift_ci, (v) => signed(v)) },
            { head: "95 % at every look", right: true, cell: (d) => interval(d.lift_ci_anytime, (v) => signed(v)) },
          ]} />}>
          <BandChart label={`Measured lift over ${known.length} days; on ${last.date} ${signed(last.lift_percent)}, 95 % at every look ${interval(last.lift_ci_anytime, (v) => signed(v))}`}
            text={(v) => `${v > 0 ? "+" : ""}${v} %`.replace("-", "−")}
            points={series.map((d) => ({ name: day(d.date), value: d.lift_percent, narrow: d.lift_ci, wide: d.lift_ci_anytime }))} />
        </Figure>
      ) : (
        <Absent>{series === null
          ? "The snapshot does not tell users apart: there is no measured lift by day."
          : all.optimization.holdout_percentage === 0
            ? "Nobody is held out, so lift cannot be measured. A holdout of 5 to 10 % sees the baseline and makes it measurable."
            : "Each arm needs 100 users before there is a number."}</Absent>
      )}
    </Section>
  );
}

const MOST_SERIES = 7;

export function Shown({ results }: { results: Results }) {
  const days = (results.time_series ?? []).filter((d) => d.variants !== null && d.variants.length > 0);
  const total = new Map<number, number>();
  for (const d of days) for (const v of d.variants!) total.set(v.number, (total.get(v.number) ?? 0) + v.exposures);
  const name = (number: number) => {
    const variant = results.variants.find((v) => v.number === number);
    return variant ? levels(variant.variant) : `variant ${number}`;
  };
  // The greatest of the last days are what one wants to see; what is left is one series.
  const recent = new Map<number, number>();
  for (const d of days.slice(-3)) for (const v of d.variants!) recent.set(v.number, (recent.get(v.number) ?? 0) + v.exposures);
  const ranked = [...total.keys()].sort((a, b) => (recent.get(b) ?? 0) - (recent.get(a) ?? 0) || total.get(b)! - total.get(a)!);
  const top = ranked.length > MOST_SERIES + 1 ? ranked.slice(0, MOST_SERIES) : ranked;
  const rest = ranked.length - top.length;
  const ofDay = (d: Day, number: number) => {
    const all = d.variants!.reduce((sum, v) => sum + v.exposures, 0);
    return all === 0 ? 0 : (d.variants!.find((v) => v.number === number)?.exposures ?? 0) / all;
  };
  const series = top.map((number) => ({ name: name(number), shares: days.map((d) => ofDay(d, number)) }));
  if (rest > 0) series.push({ name: `${rest} others`, shares: days.map((d) => 1 - top.reduce((sum, number) => sum + ofDay(d, number), 0)) });
  const decided = days.some((d) => d.variants!.some((v) => typeof v.weight === "number"));
  return (
    <Section id="shown" title="What was shown">
      {days.length > 0 ? (
        <Figure title="Share of exposures by variant and day"
          note="As logged, holdout included. The policy that is in force now is under Variants, in the column Served."
          table={<Table caption="Share of exposures by variant and day" rows={days} rowKey={(d) => d.date} columns={[
            { head: "Day (UTC)", cell: (d) => d.date },
            ...series.map((one) => ({ head: one.name, right: true, cell: (d: Day) => share(one.shares[days.indexOf(d)]) })),
          ]} />}>
          <StackChart names={days.map((d) => day(d.date))} series={series} label={`Share of exposures of ${series.length} series over ${days.length} days; on the last day ${series.map((one) => `${one.name} ${share(one.shares.at(-1))}`).join(", ")}`} />
          <Legend names={series.map((one) => one.name)} />
          {decided && <Weights days={days} top={top} name={name} />}
        </Figure>
      ) : <Absent>{results.time_series === null
        ? "The snapshot has no exposures by day."
        : "There are too many days and variants for one answer; ask the API for fewer days (from, to)."}</Absent>}
    </Section>
  );
}

/** What the policies in force meant to show, where the service says it. */
function Weights({ days, top, name }: { days: Day[]; top: number[]; name: (number: number) => string }) {
  return (
    <Table caption="Weights of the policy in force, by day" rows={days} rowKey={(d) => d.date} columns={[
      { head: "Day (UTC)", cell: (d) => d.date },
      ...top.map((number) => ({ head: name(number), right: true, cell: (d: Day) => share(d.variants!.find((v) => v.number === number)?.weight) })),
    ]} />
  );
}
