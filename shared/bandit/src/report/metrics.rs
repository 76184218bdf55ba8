//! In-sample metrics: what the training answer shows.

use serde::{Deserialize, Serialize};

/// The value of the Thompson policy over the posterior.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedReward {
    /// Mean of `V_s`, reward units.
    pub mean: f64,
    /// 2.5 % quantile of `V_s`, reward units.
    pub ci_lower: f64,
    /// 97.5 % quantile of `V_s`, reward units.
    pub ci_upper: f64,
}

/// In-sample metrics.
///
/// `historic_reward` = S/N, the mean reward of the training data: S = Σ r, N trials. `expected_reward` is the value of the
/// Thompson policy on the contexts of the training data, the policy held fixed:
///
/// ```text
/// V_s = Σ_c (n_c/N) Σ_v π(v|c) E[r | v, c, β_s]
/// ```
///
/// - c: a context of the data, with `n_c` of the N trials (a mab has one context); v: a variant; `β_s`: draw s;
/// - E[r | v, c, β] = 1/(1+e^(−η)) for bool rewards and center + scale · η for numeric ones, with η the cell's location
///   (see [`crate::Columns`]), in reward units;
/// - π(v|c) = P(v is the best allowed variant in c): Thompson sampling at exploration 1 without bias, whatever is served.
///
/// Derivation: a user's context is c with probability `n_c/N`; the policy serves v with probability π(v|c), whatever is
/// true; so under the parameters β the mean reward is V(β), and over the posterior V is a random number whose draws are
/// `V_s`. π is itself computed from these draws, but held fixed: what is asked is how good this one table is.
///
/// `V_s` is from all S draws as long as cells (π > 0) × S are at most 2 · 10⁹, that is up to 200,000 cells with 10,000 draws;
/// beyond that from every k-th, with the least k that keeps to this bound: 2,000 draws at the greatest number of cells,
/// 10⁶. The Monte-Carlo error of the mean is sd/√n from n effective draws, that of the ends of the interval 2.7 sd/√n:
/// 0.027 sd with 10,000 and 0.06 sd with 2,000. Above 10⁶ cells V is over the most frequented contexts, their shares
/// adding up to 1, see [`crate::StateDiagnostics::covered_share`]; S/N is over all data whatever their size.
///
/// `exploration` is for the policy only and `bias` never changes what is reported, so that the same data give
/// the same metrics under any of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// S/N, reward units.
    pub historic_reward: f64,
    /// The Thompson policy's value, reward units.
    pub expected_reward: ExpectedReward,
}
