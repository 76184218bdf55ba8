//! How much less exposures say than as many independent ones would, because users bring several.

use serde::{Deserialize, Serialize};

use super::numbers::number;

/// Sums over users of their exposures and rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserSums {
    /// U: users.
    pub users: u64,
    /// Σ `n_u`: their exposures.
    pub exposures: u64,
    /// Σ `n_u`².
    pub exposures_sq: f64,
    /// Σ `y_u`, with `y_u` the sum of the user's rewards, one for each exposure; reward units.
    pub reward: f64,
    /// Σ `y_u`².
    pub reward_sq: f64,
    /// Σ `n_u` `y_u`.
    pub cross: f64,
    /// Σ r² over exposures. For a bool reward the same as `reward`.
    pub observation_sq: f64,
}

impl UserSums {
    /// Takes in one user: exposures, the sum of their rewards, and the sum of the rewards' squares.
    pub fn add(&mut self, exposures: u64, reward: f64, observation_sq: f64) {
        let n = number(exposures);
        self.users += 1;
        self.exposures += exposures;
        self.exposures_sq += n * n;
        self.reward += reward;
        self.reward_sq += reward * reward;
        self.cross += n * reward;
        self.observation_sq += observation_sq;
    }

    /// The sums over two sets of different users.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            users: self.users + other.users,
            exposures: self.exposures + other.exposures,
            exposures_sq: self.exposures_sq + other.exposures_sq,
            reward: self.reward + other.reward,
            reward_sq: self.reward_sq + other.reward_sq,
            cross: self.cross + other.cross,
            observation_sq: self.observation_sq + other.observation_sq,
        }
    }

    /// The design effect: the variance of the mean reward when users are what is independent, over its variance if exposures
    /// were.
    ///
    /// ```text
    /// deff = U/(U − 1) · Σ_u (y_u − n_u r̄)² / N²  ÷  (Σ r²/N − r̄²)/N,      r̄ = Σ y_u / N,   N = Σ n_u
    /// ```
    ///
    /// The numerator is the cluster-robust (sandwich) variance of a ratio mean with users as clusters (Kish 1965; Liang and
    /// Zeger 1986); the denominator for a bool reward r̄(1 − r̄)/N, the binomial one. No unit; 1 where every user has one
    /// exposure, but for U/(U − 1). Dividing n, z, Σ r and Σ r² of every cell by it, where it is above 1, makes intervals from
    /// the cells as wide as they should be on average. `None` for fewer than two users or rewards that are all equal.
    #[must_use]
    pub fn design_effect(&self) -> Option<f64> {
        if self.users < 2 || self.exposures == 0 {
            return None;
        }
        let (users, exposures) = (number(self.users), number(self.exposures));
        let mean = self.reward / exposures;
        let between = self.reward_sq - 2.0 * mean * self.cross + mean * mean * self.exposures_sq;
        let clustered = users / (users - 1.0) * between.max(0.0) / (exposures * exposures);
        let independent = (self.observation_sq / exposures - mean * mean) / exposures;
        let effect = clustered / independent;
        (independent > 0.0 && effect.is_finite()).then_some(effect)
    }
}
