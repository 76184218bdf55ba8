//! What models learn from: observations by period, variant and context, as they are weighed in fits.

use serde::{Deserialize, Serialize};

use crate::cube::CubeCell;

/// What one observation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// One exposure.
    #[default]
    Exposure,
    /// One user, with the variant and context that they saw first; the reward is all that their exposures are credited with,
    /// for a bool reward whether any is.
    User,
}

/// Where the rewards of observations are cut off; both by magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cap {
    /// At this quantile of the rewards other than 0, in (0, 1): the least of them that so large a share is not above.
    Quantile(
        #[cfg_attr(feature = "openapi", schemars(extend("description" = "A share.", "minimum" = 0.5, "exclusiveMaximum" = 1)))]
         f64,
    ),
    /// At this reward, above 0.
    Value(
        #[cfg_attr(feature = "openapi", schemars(extend("description" = "Reward units.", "exclusiveMinimum" = 0)))] f64,
    ),
}

/// What a cap did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capped {
    /// The cap, reward units.
    pub at: f64,
    /// Observations whose reward is cut off there.
    pub observations: u64,
    /// Of the sum of all rewards, by magnitude, the share that is cut off.
    pub share_of_sum: f64,
}

/// What models learn from, beside the cells themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// The observations, where they are not the exposures of the cube.
    pub(crate) own: Option<Vec<CubeCell>>,
    /// Whether every cell says how many of its rewards are other than 0. Sums do not, where a table of cells has no such column.
    pub nonzero_counted: bool,
    /// Whether any reward is below 0, as far as is known.
    pub negative: bool,
    /// How many times as much the mean reward varies as if exposures were independent, because users bring several; absent where
    /// the unit is the user, and where there are no ids or too many users.
    pub design_effect: Option<f64>,
    /// What the cap did, where there is one.
    pub capped: Option<Capped>,
}

/// A cap at its value, and what it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capping {
    at: f64,
    observations: u64,
    cut: f64,
    sum: f64,
}

impl Capping {
    /// The cap for these rewards, of which it needs to know the magnitudes other than 0 where it is a quantile; in whatever order.
    pub(crate) fn new(cap: Cap, magnitudes: impl FnOnce() -> Vec<f64>) -> Self {
        let at = match cap {
            Cap::Value(value) => value,
            Cap::Quantile(quantile) => of_quantile(magnitudes(), quantile),
        };
        Self { at, observations: 0, cut: 0.0, sum: 0.0 }
    }

    /// The reward of an observation, cut off.
    pub(crate) fn apply(&mut self, reward: f64) -> f64 {
        let capped = reward.clamp(-self.at, self.at);
        self.sum += reward.abs();
        if reward.abs() > self.at {
            self.observations += 1;
            self.cut += reward.abs() - self.at;
        }
        capped
    }

    /// Adds what the same cap did elsewhere.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.observations += other.observations;
        self.cut += other.cut;
        self.sum += other.sum;
    }

    pub(crate) fn capped(&self) -> Capped {
        let share_of_sum = if self.sum > 0.0 { self.cut / self.sum } else { 0.0 };
        Capped { at: self.at, observations: self.observations, share_of_sum }
    }
}

/// The least magnitude that at least this share of them is not above; infinite where there is none.
fn of_quantile(mut magnitudes: Vec<f64>, quantile: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank between 1 and a length"
    )]
    let rank = ((quantile * magnitudes.len() as f64).ceil() as usize).clamp(1, magnitudes.len().max(1));
    if magnitudes.is_empty() {
        return f64::INFINITY;
    }
    *magnitudes.select_nth_unstable_by(rank - 1, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_reward_that_enough_are_not_above() {
        let rewards = || (1..=1_000).rev().map(f64::from).collect::<Vec<_>>();
        for (quantile, at) in [(0.999, 999.0), (0.5, 500.0), (0.9995, 1_000.0), (0.000_1, 1.0)] {
            assert_eq!(
                Capping::new(Cap::Quantile(quantile), rewards).capped().at.to_bits(),
                f64::to_bits(at),
                "{quantile}"
            );
        }
        assert!(Capping::new(Cap::Quantile(0.9), Vec::new).capped().at.is_infinite());
    }

    #[test]
    fn what_is_cut_is_told() {
        let mut cap = Capping::new(Cap::Value(10.0), || unreachable!("a value needs no quantile"));
        let found: Vec<f64> = [0.0, 5.0, 10.0, 30.0, -15.0].into_iter().map(|reward| cap.apply(reward)).collect();
        assert_eq!(found, [0.0, 5.0, 10.0, 10.0, -10.0]);
        let told = cap.capped();
        assert_eq!((told.observations, told.share_of_sum), (2, 25.0 / 60.0));
    }
}
