//! Weighted rendezvous hashing: which variant a user sees.
//!
//! The hash, so that any language can repeat it. All arithmetic is on unsigned 64-bit integers that wrap.
//!
//! ```text
//! fnv(bytes)       h = cbf29ce484222325;  for each byte b:  h = (h xor b) · 100000001b3            (FNV-1a)
//! mix(x)           x = (x xor x >> 30) · bf58476d1ce4e5b9;  x = (x xor x >> 27) · 94d049bb133111eb;  x xor x >> 31
//! key(domain, o, a) = mix(fnv( len(domain) domain len(o) o len(a) a ))     len: of the UTF-8 bytes, 4 bytes little-endian
//! k_v              = Σ_d ordinal_d · 64^d     d: the design factors, 0 the first; ordinal: that of v's level, see VariantKeys
//! h_v              = mix(key("fulcrum.variant.v2", o, a) + (k_v + 1) · 9e3779b97f4a7c15)         (SplitMix64's k_v-th output)
//! u_v              = ((h_v >> 11) + 1) · 2^-53                                                    in (0, 1]
//! served           = the variant with the least −ln(u_v) / count_v over count_v > 0, the lowest number of equals
//! held out         = (mix(key("fulcrum.holdout.v1", o, a) + 9e3779b97f4a7c15) >> 11) · 2^-53 < percentage / 100
//! ```
//!
//! −ln(u)/w is exponential with rate w, and the least of exponentials of rates w is the v-th with probability
//! `w_v` / Σ w: the policy's, exactly. When counts change, a variant whose share has not fallen relative to the others
//! loses no user to them; when levels come or go, the variants that stay keep their u, since their keys stay. ln is [`unit_ln`]. Test vectors: `tests/data/rendezvous.json`.
//! Sources: Thaler and Ravishankar 1998 (rendezvous hashing); Efraimidis and Spirakis 2006 (the weights);
//! Fowler, Noll and Vo (FNV); Steele, Lea and Flood 2014 (`SplitMix64` and its constants).

use super::keys::VariantKeys;
pub use super::logarithm::unit_ln;
use super::policy::RowRef;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Where FNV-1a begins.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const VARIANT: &str = "fulcrum.variant.v2";
const HOLDOUT: &str = "fulcrum.holdout.v1";
const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A hash that goes on with a part: its length, then its bytes.
#[expect(clippy::cast_possible_truncation, reason = "the length is written modulo 2^32, as documented by its 4 bytes")]
fn hashed(hash: u64, part: &str) -> u64 {
    fnv(fnv(hash, &(part.len() as u32).to_le_bytes()), part.as_bytes())
}

fn key(domain: &str, optimization_id: &str, anonymous_id: &str) -> u64 {
    mix([domain, optimization_id, anonymous_id].into_iter().fold(OFFSET, hashed))
}

/// The hash of a user in an optimization that all variants' numbers derive from: `key("fulcrum.variant.v2", o, a)`.
#[must_use]
pub fn user_hash(optimization_id: &str, anonymous_id: &str) -> u64 {
    key(VARIANT, optimization_id, anonymous_id)
}

/// `u_v` in (0, 1], uniform over users, from [`user_hash`] and the variant's key, see [`VariantKeys`].
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "at most 2^53, which a double holds exactly")]
pub fn variant_uniform(user: u64, key: u64) -> f64 {
    let h = mix(user.wrapping_add(key.wrapping_add(1).wrapping_mul(GOLDEN)));
    ((h >> 11) + 1) as f64 * UNIT
}

/// The variant that a user sees: argmin over π(v|c) > 0 of −ln(`u_v`)/π(v|c), with probability π(v|c) over users.
///
/// Computed with counts in place of probabilities, which divides all by the same total. A row has at least one count,
/// and the result is one of its variants. `keys`: those of the row's space.
#[must_use]
pub fn choose(optimization_id: &str, anonymous_id: &str, row: RowRef<'_>, keys: &VariantKeys) -> usize {
    choose_for(user_hash(optimization_id, anonymous_id), row, keys)
}

/// As [`choose`], for a user of whom the [`user_hash`] is known.
#[must_use]
pub fn choose_for(user: u64, row: RowRef<'_>, keys: &VariantKeys) -> usize {
    let mut best = (f64::INFINITY, 0);
    for (v, count) in row.iter() {
        let u = variant_uniform(user, keys.key(v));
        let weight = f64::from(count);
        // −ln u ≥ 1 − u: a variant that loses by this bound (and a margin far above rounding) needs no logarithm.
        if 1.0 - u > best.0 * weight * (1.0 + 1e-9) {
            continue;
        }
        let time = -unit_ln(u) / weight;
        if time < best.0 {
            best = (time, v);
        }
    }
    best.1
}

/// Whether a user belongs to the holdout, `percentage` of all: a hash of (optimization, anonymous id) alone, independent
/// of those that choose variants, so that it never moves. A greater percentage keeps everybody that a lesser one had.
#[must_use]
pub fn hold_out(optimization_id: &str, anonymous_id: &str, percentage: f64) -> bool {
    below(key(HOLDOUT, optimization_id, anonymous_id), percentage)
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53, which a double holds exactly")]
fn below(key: u64, percentage: f64) -> bool {
    (mix(key.wrapping_add(GOLDEN)) >> 11) as f64 * UNIT < percentage / 100.0
}

/// [`user_hash`] and [`hold_out`] of one optimization, for many users: what all of them share is hashed once.
#[derive(Clone, Copy, Debug)]
pub struct UserHasher {
    variant: u64,
    holdout: u64,
}

impl UserHasher {
    /// Of an optimization.
    #[must_use]
    pub fn new(optimization_id: &str) -> Self {
        let of = |domain| [domain, optimization_id].into_iter().fold(OFFSET, hashed);
        Self { variant: of(VARIANT), holdout: of(HOLDOUT) }
    }

    /// [`user_hash`] of a user.
    #[must_use]
    pub fn user_hash(&self, anonymous_id: &str) -> u64 {
        mix(hashed(self.variant, anonymous_id))
    }

    /// [`hold_out`] of a user.
    #[must_use]
    pub fn hold_out(&self, anonymous_id: &str, percentage: f64) -> bool {
        below(mix(hashed(self.holdout, anonymous_id)), percentage)
    }
}

/// The probability with which a variant is served in a row's context, over users, the holdout (a share in [0, 1]) included:
/// (1 − h) π(v|c), and h more for the baseline, variant 0.
#[must_use]
pub fn propensity(row: RowRef<'_>, variant: usize, holdout_share: f64) -> f64 {
    let policy = (1.0 - holdout_share) * row.probability(variant);
    if variant == 0 { holdout_share + policy } else { policy }
}
