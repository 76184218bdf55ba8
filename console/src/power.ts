// How long until a lift can be told from none: by simulation of the holdout against the rest, looked at once a day.

/** Standard normal draws from a seed (mulberry32 and Box and Muller), so that the same form says the same. */
function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

const ALPHA = 0.05;
const RHO_SQ = (-2 * Math.log(ALPHA) + Math.log(1 - 2 * Math.log(ALPHA))) / 10_000;

/** By what a standard error is multiplied for an interval that covers at every look at once; docs/results.md, "Two intervals". */
export function anytimeMultiple(users: number): number {
  const time = users * RHO_SQ;
  return Math.sqrt(((2 * (time + 1)) / time) * Math.log(Math.sqrt(time + 1) / ALPHA));
}

export interface Question {
  /** Users a day, both arms. */
  usersPerDay: number;
  /** The baseline's rate per user, 0 to 1. */
  rate: number;
  /** Per cent of users held out. */
  holdout: number;
  /** The true lift, per cent. */
  lift: number;
}

export const MOST_DAYS = 365;
const RUNS = 300;

/** Days after which half, and four fifths, of simulated runs have an interval at every look without 0; null: not within a year. */
export function daysUntil({ usersPerDay, rate, holdout, lift }: Question): { half: number | null; most: number | null } {
  const normal = normals(17);
  const rates = [rate * (1 + lift / 100), rate];
  const daily = [usersPerDay * (1 - holdout / 100), usersPerDay * (holdout / 100)];
  const days: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const sums = [0, 0];
    let found = Infinity;
    for (let day = 1; day <= MOST_DAYS && found === Infinity; day++) {
      for (const arm of [0, 1]) {
        const n = daily[arm]!, p = rates[arm]!;
        sums[arm] = sums[arm]! + Math.max(0, n * p + Math.sqrt(n * p * (1 - p)) * normal());
      }
      const [m, h] = daily.map((n) => n * day) as [number, number];
      const [pm, ph] = [sums[0]! / m, sums[1]! / h];
      if (m < 100 || h < 100 || pm <= 0 || ph <= 0 || pm >= 1 || ph >= 1) continue;
      const error = Math.sqrt((1 - pm) / (m * pm) + (1 - ph) / (h * ph));
      if (Math.abs(Math.log(pm / ph)) > error * anytimeMultiple(m + h)) found = day;
    }
    days.push(found);
  }
  days.sort((a, b) => a - b);
  const at = (share: number) => { const day = days[Math.ceil(share * RUNS) - 1]!; return Number.isFinite(day) ? day : null; };
  return { half: at(0.5), most: at(0.8) };
}
