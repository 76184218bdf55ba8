// Which variant a user sees: the hash and the logarithm of shared/bandit/src/decisions, bit for bit.

const fold = (x: bigint, shift: bigint, factor: bigint) => BigInt.asUintN(64, (x ^ (x >> shift)) * factor);
const mix = (x: bigint) => fold(fold(fold(x, 30n, 0xbf58476d1ce4e5b9n), 27n, 0x94d049bb133111ebn), 31n, 1n);

/** FNV-1a over each part's length (4 bytes, little-endian) and UTF-8 bytes, mixed. */
export function key(...parts: string[]): bigint {
  const texts = parts.map((part) => new TextEncoder().encode(part));
  const bytes = texts.flatMap((text) => [...[0, 8, 16, 24].map((shift) => (text.length >>> shift) & 255), ...text]);
  return mix(bytes.reduce((h, byte) => BigInt.asUintN(64, (h ^ BigInt(byte)) * 0x100000001b3n), 0xcbf29ce484222325n));
}

/** u in (0, 1] of a variant's key, for the hash of a user. */
export const uniform = (user: bigint, key: bigint) => (Number(mix(BigInt.asUintN(64, user + (key + 1n) * 0x9e3779b97f4a7c15n)) >> 11n) + 1) * 2 ** -53;

/** Each variant's key: the sum of its levels' ordinals times 64^d, d the place of the factor. It stays when levels come and go. */
export const variantKeys = (design: { levels: unknown[]; ordinals?: number[] }[]) => design.reduce((keys, { levels, ordinals }, d) =>
  keys.flatMap((key) => levels.map((_, level) => key + (BigInt(ordinals?.[level] ?? level) << BigInt(6 * d)))), [0n]);

/** ln u by the four basic operations in a fixed order: Math.log may differ between engines in the last place. */
export function ln(u: number): number {
  let exponent = 0;
  for (; u <= Math.SQRT1_2; u *= 2) exponent -= 1;
  const s = (u - 1) / (u + 1);
  const sum = [21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1].reduce((sum, odd) => sum * (s * s) + 1 / odd, 1 / 23);
  return exponent * 6.9314718036912382e-1 + (exponent * 1.9082149292705877e-10 + 2 * s * sum);
}

/** The variant with the least -ln(u) / count, the first of equals. */
export function choose(optimization: string, user: string, keys: bigint[], variants: number[], counts: number[]): number {
  const hash = key("fulcrum.variant.v2", optimization, user);
  const times = variants.map((variant, i) => -ln(uniform(hash, keys[variant]!)) / counts[i]!);
  return variants[times.indexOf(Math.min(...times))]!;
}

export const holdOut = (optimization: string, user: string, percentage: number) =>
  uniform(key("fulcrum.holdout.v1", optimization, user), 0n) - 2 ** -53 < percentage / 100;
