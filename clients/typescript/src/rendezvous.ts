// Which variant a user sees: the hash and the logarithm of shared/bandit/src/decisions, bit for bit.

const u64 = (x: bigint) => BigInt.asUintN(64, x);
const GOLDEN = 0x9e3779b97f4a7c15n;
const utf8 = new TextEncoder();

function mix(x: bigint): bigint {
  x = u64((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
  x = u64((x ^ (x >> 27n)) * 0x94d049bb133111ebn);
  return x ^ (x >> 31n);
}

/** FNV-1a over each part's length (4 bytes, little-endian) and UTF-8 bytes, mixed. */
export function key(...parts: string[]): bigint {
  let h = 0xcbf29ce484222325n;
  const eat = (byte: number) => (h = u64((h ^ BigInt(byte)) * 0x100000001b3n));
  for (const bytes of parts.map((part) => utf8.encode(part))) {
    for (const shift of [0, 8, 16, 24]) eat((bytes.length >>> shift) & 255);
    bytes.forEach(eat);
  }
  return mix(h);
}

/** u in (0, 1] of a variant, for the key of a user. */
export const uniform = (user: bigint, variant: number) =>
  (Number(mix(u64(user + BigInt(variant + 1) * GOLDEN)) >> 11n) + 1) * 2 ** -53;

/** ln u by the four basic operations in a fixed order: Math.log may differ between engines in the last place. */
export function ln(u: number): number {
  let exponent = 0;
  for (; u < 1; u *= 2) exponent -= 1;
  if (u > Math.SQRT2) [u, exponent] = [u / 2, exponent + 1];
  const s = (u - 1) / (u + 1);
  let sum = 1 / 23;
  for (let odd = 21; odd > 0; odd -= 2) sum = sum * (s * s) + 1 / odd;
  return exponent * 6.9314718036912382e-1 + (exponent * 1.9082149292705877e-10 + 2 * s * sum);
}

/** The variant with the least -ln(u) / count, the first of equals. */
export function choose(optimization: string, user: string, variants: number[], counts: number[]): number {
  const hash = key("fulcrum.variant.v1", optimization, user);
  let [best, least] = [0, Infinity];
  variants.forEach((variant, i) => {
    const time = -ln(uniform(hash, variant)) / counts[i]!;
    if (time < least) [best, least] = [variant, time];
  });
  return best;
}

export const holdOut = (optimization: string, user: string, percentage: number) =>
  Number(mix(u64(key("fulcrum.holdout.v1", optimization, user) + GOLDEN)) >> 11n) * 2 ** -53 < percentage / 100;
