//! What the holdout did in the last days, for what the model believes of the baseline.

use std::collections::BTreeMap;

use bandit::evaluation::{Arm, BaselineCheck, check_baseline};
use bandit::{Posterior, RewardType, Space, baseline_at};
use snapshots::{Counted, Unit};

use super::periods::Periods;
use crate::error::ApiError;

/// Days that are looked at: that of the latest observation, and those before it.
const DAYS: i64 = 7;
/// Contexts over which the baseline is averaged, the most frequented.
const MOST_CONTEXTS: usize = 2_000;

/// Observations of the holdout in the last days, in the model's unit and with rewards as it learns them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::usecases) struct RecentHoldout {
    /// Contexts with their observations.
    mix: Vec<(u64, u64)>,
    /// Their sums.
    arm: Arm,
    /// At least 1.
    design_effect: f64,
}

impl RecentHoldout {
    /// Of what a pass counted. Observations of the holdout that show another variant are none of the baseline.
    pub(in crate::usecases) fn of(counted: &Counted, periods: &Periods, unit: Unit) -> Self {
        let observations = counted.observations();
        let latest = observations.iter().map(|of| periods.day(of.period)).max().unwrap_or(i64::MIN);
        let recent = |period| periods.day(period) > latest - DAYS;
        let mut by_context: BTreeMap<u64, Arm> = BTreeMap::new();
        for of in observations.iter().filter(|of| of.held_out && of.variant == 0 && recent(of.period)) {
            let arm = by_context.entry(of.context).or_default();
            *arm = arm.plus(Arm { users: of.n, sum: of.sum, sum_sq: of.sum_sq });
        }
        let mut contexts: Vec<(u64, Arm)> = by_context.into_iter().collect();
        contexts.sort_by_key(|(context, arm)| (std::cmp::Reverse(arm.users), *context));
        contexts.truncate(MOST_CONTEXTS);
        let users = counted.tables.as_ref().and_then(|tables| tables.users.as_ref());
        let design_effect = users.filter(|_| unit == Unit::Exposure).and_then(|users| users.sums[1].design_effect());
        Self {
            mix: contexts.iter().map(|(context, arm)| (*context, arm.users)).collect(),
            arm: contexts.iter().fold(Arm::default(), |all, (_, arm)| all.plus(*arm)),
            design_effect: design_effect.unwrap_or(1.0).max(1.0),
        }
    }

    /// What a posterior believes of the baseline against it; `None` where there is nothing to hold it against.
    ///
    /// # Errors
    /// [`ApiError::Internal`] for a posterior that is not of this space.
    pub(in crate::usecases) fn check(
        &self,
        space: &Space,
        posterior: &Posterior,
        reward: RewardType,
    ) -> Result<Option<BaselineCheck>, ApiError> {
        let Some((modelled, sd)) = baseline_at(space, posterior, &self.mix).map_err(ApiError::internal)? else {
            return Ok(None);
        };
        check_baseline(modelled, sd, &self.arm, reward, self.design_effect).map_err(ApiError::internal)
    }
}
