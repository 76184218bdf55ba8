//! One side of a comparison: how many users, and the sums of what they earned.

use serde::{Deserialize, Serialize};

use super::error::EvaluationError;
use super::numbers::number;
use crate::RewardType;

/// Sums over users (or over exposures, where there are no ids: then everything made of them is per exposure).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// n: users.
    pub users: u64,
    /// Σ y, reward units. For a bool reward: users with at least one.
    pub sum: f64,
    /// Σ y², squared reward units. For a bool reward the same as `sum`.
    pub sum_sq: f64,
}

impl Arm {
    /// The sums of two sets of different users.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { users: self.users + other.users, sum: self.sum + other.sum, sum_sq: self.sum_sq + other.sum_sq }
    }

    /// p = Σ y / n, reward units per user. `None` without a user.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        (self.users > 0).then(|| self.sum / number(self.users))
    }

    /// The variance of p: p(1 − p)/n for a bool reward; s²/n with s² = (Σy² − n p²)/(n − 1) for a numeric one. `None` where
    /// there are too few users for it: none, or one of a numeric reward.
    #[must_use]
    pub fn variance(&self, reward: RewardType) -> Option<f64> {
        let (n, p) = (number(self.users), self.rate()?);
        match reward {
            RewardType::Bool => Some(p * (1.0 - p) / n),
            RewardType::Numeric if self.users > 1 => Some((self.sum_sq - n * p * p).max(0.0) / (n - 1.0) / n),
            RewardType::Numeric => None,
        }
    }

    /// Whether users can have these sums.
    ///
    /// # Errors
    /// [`EvaluationError::ImpossibleSums`]: sums that are not finite, not 0 without users, with n Σy² < (Σy)² beyond
    /// rounding, or for a bool reward not between 0 and n.
    pub fn check(&self, what: &str, reward: RewardType) -> Result<(), EvaluationError> {
        let n = number(self.users);
        let finite = self.sum.is_finite() && self.sum_sq.is_finite();
        let possible = match reward {
            RewardType::Bool => (0.0..=n).contains(&self.sum),
            RewardType::Numeric => {
                self.sum_sq * n * (1.0 + 1e-9) + f64::MIN_POSITIVE >= self.sum * self.sum
                    && (self.users > 0 || (self.sum == 0.0 && self.sum_sq == 0.0))
            }
        };
        if finite && possible {
            return Ok(());
        }
        let Self { users, sum, sum_sq } = *self;
        Err(EvaluationError::ImpossibleSums { what: what.to_owned(), users, sum, sum_sq })
    }
}
