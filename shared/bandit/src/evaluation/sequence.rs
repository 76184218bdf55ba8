//! An interval that holds at every look at once: the asymptotic confidence sequence of a log ratio.

use super::arm::Arm;
use super::numbers::number;
use crate::RewardType;

/// Users at which the sequence is tightest.
pub const TUNED_AT: f64 = 10_000.0;

/// One minus the coverage of all looks together.
const ALPHA: f64 = 0.05;

/// By what the standard error of a mean of `n` users is multiplied, for an interval that covers at every n at once with
/// probability 95 %, asymptotically:
///
/// ```text
/// θ̂_n ± se_n √( 2 (n ρ² + 1)/(n ρ²) · ln( √(n ρ² + 1) / α ) ),      ρ² = (−2 ln α + ln(1 − 2 ln α)) / n*
/// ```
///
/// - n: users so far; `se_n` = σ̂/√n: the standard error of θ̂ at n; α = 0.05; n* = [`TUNED_AT`].
///
/// Robbins' normal mixture of the likelihood ratio, made asymptotic: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
/// "Time-uniform central limit theory and asymptotic confidence sequences" (2021), theorem 2.2, tuned by their equation for ρ.
/// About 3.0 at n = n*, where the plain interval has 1.96. Infinite for n = 0.
#[must_use]
pub fn anytime_multiple(n: u64) -> f64 {
    let rho_sq = (-2.0 * ALPHA.ln() + (1.0 - 2.0 * ALPHA.ln()).ln()) / TUNED_AT;
    let time = number(n) * rho_sq;
    (2.0 * (time + 1.0) / time * ((time + 1.0).sqrt() / ALPHA).ln()).sqrt()
}

/// The logarithm of a ratio of two rates, with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogRatio {
    /// θ̂ = ln(`p_m`/`p_h`), no unit.
    pub value: f64,
    /// se(θ̂), by the delta method: √(`var_m`/`p_m`² + `var_h`/`p_h`²).
    pub error: f64,
    /// Users of both arms.
    pub users: u64,
}

impl LogRatio {
    /// Of the optimized arm (m) over the holdout (h), `var` as [`Arm::variance`] has it. `None` where one of the rates is not
    /// above 0 or has no variance, or where neither varies.
    #[must_use]
    pub fn of(optimized: &Arm, holdout: &Arm, reward: RewardType) -> Option<Self> {
        let (p_m, p_h) = (optimized.rate()?, holdout.rate()?);
        if p_m <= 0.0 || p_h <= 0.0 {
            return None;
        }
        let variance = optimized.variance(reward)? / (p_m * p_m) + holdout.variance(reward)? / (p_h * p_h);
        let error = variance.sqrt();
        let users = optimized.users + holdout.users;
        (error > 0.0).then(|| Self { value: (p_m / p_h).ln(), error, users })
    }

    /// The confidence sequence at this number of users, as a ratio less 1: e^(θ̂ ± se · [`anytime_multiple`]) − 1.
    ///
    /// The users' parts of θ̂ (its influence function) are independent and alike distributed as long as who is held out does
    /// not depend on the user; the theorem is of their mean. Both rates may move over time: then the sequence covers the
    /// running average.
    #[must_use]
    pub fn anytime(&self) -> [f64; 2] {
        let width = self.error * anytime_multiple(self.users);
        [(self.value - width).exp_m1(), (self.value + width).exp_m1()]
    }
}
