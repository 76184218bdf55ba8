// From numbers to places on a chart.

export interface Scale {
  (value: number): number;
  ticks: number[];
  digits: number;
}

/** Round steps that cut a span into about `wanted` pieces. */
export function step(span: number, wanted: number): number {
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = rough / power;
  return (unit <= 1 ? 1 : unit <= 2 ? 2 : unit <= 2.5 ? 2.5 : unit <= 5 ? 5 : 10) * power;
}

/** A linear scale over all values, with round ends and ticks. */
export function linear(values: number[], from: number, to: number, wanted = 5, zero = true): Scale {
  const finite = values.filter(Number.isFinite);
  let lo = Math.min(...finite, ...(zero ? [0] : []));
  let hi = Math.max(...finite, ...(zero ? [0] : []));
  if (!Number.isFinite(lo) || !Number.isFinite(hi)) [lo, hi] = [0, 1];
  if (lo === hi) [lo, hi] = lo === 0 ? [0, 1] : [lo - Math.abs(lo) / 2, hi + Math.abs(hi) / 2];
  const size = step(hi - lo, wanted);
  const [first, last] = [Math.floor(lo / size + 1e-9), Math.ceil(hi / size - 1e-9)];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * size);
  const [bottom, top] = [first * size, last * size];
  const scale = ((value: number) => from + ((value - bottom) / (top - bottom)) * (to - from)) as Scale;
  scale.ticks = ticks;
  const shifted = size * 10 ** Math.max(0, -Math.floor(Math.log10(size)));
  scale.digits = Math.max(0, -Math.floor(Math.log10(size))) + (Math.abs(shifted - Math.round(shifted)) > 1e-9 ? 1 : 0);
  return scale;
}

/** At most so many of the days of a series, evenly spread and with the last. */
export function spread(length: number, most: number): number[] {
  const every = Math.max(1, Math.ceil(length / most));
  const picked: number[] = [];
  for (let i = length - 1; i >= 0; i -= every) picked.unshift(i);
  return picked;
}
