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
/// `historic_reward` = S/N, the mean reward of the training data. `expected_reward` is the value of the Thompson policy on
/// the contexts of the training data, the policy held fixed:
///
/// ```text
/// V_s = Σ_c (n_c/N) Σ_v π(v|c) E[r | v, c, β_s]
/// ```
///
/// with π(v|c) = P(v is the best allowed variant in c): Thompson sampling at exploration 1 without bias, whatever is
/// served. `exploration` is for the policy only and `bias` never changes what is reported, so that the same data give
/// the same metrics under any of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// S/N, reward units.
    pub historic_reward: f64,
    /// The Thompson policy's value, reward units.
    pub expected_reward: ExpectedReward,
}
