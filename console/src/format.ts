// Numbers and times as people read them. Numbers are the same for everybody; times are in the viewer's zone.
import type { Interval, Level } from "./api.ts";

const NONE = "–";
const MINUS = "−";
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

const integers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (value: number | null | undefined) => (isNumber(value) ? integers.format(value) : NONE);

/** Fixed digits with a true minus sign. */
export function fixed(value: number | null | undefined, digits = 1): string {
  if (!isNumber(value)) return NONE;
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** `+12.3 %` of a number in per cent. */
export function signed(value: number | null | undefined, digits = 1): string {
  if (!isNumber(value)) return NONE;
  const text = fixed(value, digits);
  return `${value > 0 && Number(value.toFixed(digits)) !== 0 ? "+" : ""}${text} %`;
}

/** `6.1 %` of a share. */
export function share(value: number | null | undefined, digits = 1): string {
  return isNumber(value) ? `${fixed(100 * value, digits)} %` : NONE;
}

/** A probability, never rounded to certainty. */
export function probability(value: number | null | undefined): string {
  if (!isNumber(value)) return NONE;
  if (value > 0.999) return "> 99.9 %";
  if (value < 0.001) return "< 0.1 %";
  return share(value);
}

/** A reward: a rate where it is yes or no, a number with three digits where it is an amount. */
export function reward(value: number | null | undefined, numeric: boolean): string {
  if (!isNumber(value)) return NONE;
  if (!numeric) return share(value, 2);
  return fixed(value, Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(Math.abs(value) || 1)))));
}

export function interval(value: Interval | undefined, each: (end: number) => string): string {
  return value ? `${each(value[0])} … ${each(value[1])}` : NONE;
}

export const levelText = (level: Level | null | undefined) => (level === null || level === undefined ? "(unknown)" : String(level));

/** The levels of a variant or context, in the order of the factors. */
export const levels = (of: Record<string, Level | null>) => Object.values(of).map(levelText).join(" · ");

const local = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

/** An instant in the viewer's zone. */
export const when = (time: string) => local.format(new Date(time));
/** The same in UTC. */
export const utc = (time: string) => `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/** A day of the service, which are days in UTC: `2026-11-14` as `14 Nov`. */
export const day = (date: string) => `${Number(date.slice(8, 10))} ${MONTHS[Number(date.slice(5, 7)) - 1] ?? ""}`;

export function ago(time: string, now = Date.now()): string {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  const units: [number, string][] = [[86_400, "day"], [3600, "hour"], [60, "minute"]];
  for (const [size, unit] of units) {
    const n = Math.floor(seconds / size);
    if (n >= 1) return `${n} ${unit}${n > 1 ? "s" : ""} ago`;
  }
  return "just now";
}

/** A code of the service as words: `before_exposures` as `before exposures`. */
export const words = (code: string) => code.replaceAll("_", " ");
