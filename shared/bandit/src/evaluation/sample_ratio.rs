//! Whether as many users are held out as should be.

use serde::{Deserialize, Serialize};

use super::error::EvaluationError;
use super::numbers::number;

/// p-values below it are suspect.
pub const SUSPECT_BELOW: f64 = 0.001;

/// Outcomes whose probability exceeds the observed one's by less than this (relative) count as no more probable.
const ALIKE: f64 = 1e-7;

/// The users of the holdout against its percentage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SampleRatio {
    /// All users.
    pub users: u64,
    /// Those of the holdout.
    pub held_out: u64,
    /// The share that should be.
    pub expected: f64,
    /// Of the exact binomial test.
    pub p_value: f64,
    /// Whether it is below [`SUSPECT_BELOW`].
    pub suspect: bool,
}

/// The exact binomial test, two-sided by the outcomes that are no more probable than the observed one:
///
/// ```text
/// p = Σ P(X = x) over all x with P(X = x) ≤ P(X = k) (1 + 10⁻⁷),     X ~ Binomial(n, h)
/// ```
///
/// - k of n users are held out; h: the holdout's share, in [0, 1].
///
/// Small where logging loses users of one arm, or has users that the service never served. No approximation: the probability of
/// k by Loader's saddle point (2000), the tails added up outwards from it, some thousand terms for a hundred million users.
/// A share of 0 or 1 leaves no chance: p is then 1 or 0.
///
/// # Errors
/// [`EvaluationError::BadNumber`] for a share that is none, [`EvaluationError::MoreThanAll`].
pub fn sample_ratio(users: u64, held_out: u64, share: f64) -> Result<SampleRatio, EvaluationError> {
    if !(0.0..=1.0).contains(&share) {
        let wanted = "a share is between 0 and 1";
        return Err(EvaluationError::BadNumber { what: "the holdout's share", value: share, wanted });
    }
    if held_out > users {
        return Err(EvaluationError::MoreThanAll { held_out, users });
    }
    let p_value = two_sided(held_out, users, share);
    Ok(SampleRatio { users, held_out, expected: share, p_value, suspect: p_value < SUSPECT_BELOW })
}

fn two_sided(k: u64, n: u64, p: f64) -> f64 {
    let trial = Binomial { n, p };
    let observed = trial.ln_probability(k);
    if observed == f64::NEG_INFINITY {
        return 0.0;
    }
    let bound = observed + ALIKE;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and n + 1")]
    let mode = ((number(n) + 1.0) * p).floor() as u64;
    let mode = mode.min(n);
    if trial.ln_probability(mode) <= bound {
        return 1.0;
    }
    let (below, above) = if k < mode {
        // The first outcome beyond the mode that is no more probable.
        (trial.lower(k), first(mode, n, |x| trial.ln_probability(x) <= bound).map_or(0.0, |x| trial.upper(x)))
    } else {
        let mirrored = first(n - mode, n, |x| trial.ln_probability(n - x) <= bound);
        (mirrored.map_or(0.0, |x| trial.lower(n - x)), trial.upper(k))
    };
    (below + above).min(1.0)
}

/// The least number in from..=to for which `is`, which then holds for all greater ones too.
fn first(from: u64, to: u64, is: impl Fn(u64) -> bool) -> Option<u64> {
    if !is(to) {
        return None;
    }
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if is(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

struct Binomial {
    n: u64,
    p: f64,
}

impl Binomial {
    /// ln P(X = k).
    fn ln_probability(&self, k: u64) -> f64 {
        let (n, p) = (self.n, self.p);
        let certain = if p <= 0.0 { Some(0) } else { (p >= 1.0).then_some(n) };
        if let Some(certain) = certain {
            return if k == certain { 0.0 } else { f64::NEG_INFINITY };
        }
        let (all, hits, rest) = (number(n), number(k), number(n - k));
        if k == 0 {
            return all * (-p).ln_1p();
        }
        if k == n {
            return all * p.ln();
        }
        stirling_error(n)
            - stirling_error(k)
            - stirling_error(n - k)
            - deviance(hits, all * p)
            - deviance(rest, all * (1.0 - p))
            + 0.5 * (all / (std::f64::consts::TAU * hits * rest)).ln()
    }

    /// P(X ≤ k) for k up to the mode.
    fn lower(&self, k: u64) -> f64 {
        let odds = (1.0 - self.p) / self.p;
        let terms = (1..=k).rev().map(|x| number(x) / number(self.n - x + 1) * odds);
        tail(self.ln_probability(k).exp(), terms)
    }

    /// P(X ≥ k) for k from the mode on.
    fn upper(&self, k: u64) -> f64 {
        let odds = self.p / (1.0 - self.p);
        let terms = (k..self.n).map(|x| number(self.n - x) / number(x + 1) * odds);
        tail(self.ln_probability(k).exp(), terms)
    }
}

/// A first term and the following ones, each a ratio of the one before, until they no longer count.
fn tail(first: f64, ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut term, mut sum) = (first, first);
    for ratio in ratios {
        term *= ratio;
        sum += term;
        if term <= sum * 1e-18 {
            break;
        }
    }
    sum
}

/// ln n! − ln(√(2πn) (n/e)^n): Stirling's series, below 16 by the logarithm of the Γ function.
fn stirling_error(n: u64) -> f64 {
    let x = number(n);
    if n < 16 {
        return libm::lgamma(x + 1.0) - (x + 0.5) * x.ln() + x - 0.5 * std::f64::consts::TAU.ln();
    }
    let square = 1.0 / (x * x);
    let series =
        1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0)));
    series / x
}

/// x ln(x/m) + m − x, by its series where x is near m (Loader 2000).
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut power = 2.0 * x * v;
    for j in 1..1_000_u32 {
        power *= v * v;
        let next = sum + power / f64::from(2 * j + 1);
        if next.total_cmp(&sum).is_eq() {
            break;
        }
        sum = next;
    }
    sum
}
