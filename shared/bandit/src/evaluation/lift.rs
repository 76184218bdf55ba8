//! Measured lift: the optimized users against the holdout.

use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::error::EvaluationError;
use super::numbers::NORMAL_95;
use super::sequence::LogRatio;
use super::tails::normal_two_sided;
use crate::RewardType;

/// Users that either arm needs before a lift is shown.
pub const LEAST_USERS: u64 = 100;

/// Whether there is a lift to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LiftStatus {
    /// Too little data: fewer than [`LEAST_USERS`] users in an arm, no reward in the holdout, or nothing that varies.
    Pending,
    /// There is.
    Measured,
}

/// What the optimization is measured to earn above the holdout, the users that always see the baseline.
///
/// ```text
/// lift = (p_m − p_h)/|p_h|,   se² = var_m/p_h² + p_m² var_h/p_h⁴,   interval: lift ± 1.96 se,   p = 2 (1 − Φ(|lift/se|))
/// ```
///
/// - `p_m`, `p_h`: reward per user of the optimized users and of the holdout, [`Arm::rate`]; var: [`Arm::variance`];
/// - everything in per cent of |`p_h`|: the field names say so.
///
/// The published estimator of the hosted service (a ratio by the delta method), so that its users find their numbers again.
/// Who is in which arm follows from a hash of the user alone: the two are a randomized experiment, whatever traffic,
/// seasons and policy did. The plain interval covers at one look decided beforehand; `lift_ci_anytime` at every look at once,
/// see [`LogRatio::anytime`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Lift {
    /// `p_h`, reward units per user; `None` without a user.
    pub holdout_rate: Option<f64>,
    /// Users of the holdout.
    pub holdout_users: u64,
    /// `p_m`, reward units per user.
    pub optimization_rate: Option<f64>,
    /// Users of the optimization, the holdout left out.
    pub optimization_users: u64,
    /// 100 lift.
    pub lift_percent: Option<f64>,
    /// 100 (lift ± 1.96 se).
    pub lift_ci: Option<[f64; 2]>,
    /// The confidence sequence, per cent; `None` also where a rate is not above 0, which has no logarithm.
    pub lift_ci_anytime: Option<[f64; 2]>,
    /// Two-sided, of a lift of 0, for one look.
    pub p_value: Option<f64>,
    /// Whether there is a lift to show; all four are `None` where there is none.
    pub status: LiftStatus,
}

impl Lift {
    /// The lift of `optimized` over `holdout`.
    ///
    /// # Errors
    /// [`EvaluationError::ImpossibleSums`].
    pub fn of(optimized: &Arm, holdout: &Arm, reward: RewardType) -> Result<Self, EvaluationError> {
        optimized.check("optimized", reward)?;
        holdout.check("holdout", reward)?;
        let mut found = Self {
            holdout_rate: holdout.rate(),
            holdout_users: holdout.users,
            optimization_rate: optimized.rate(),
            optimization_users: optimized.users,
            lift_percent: None,
            lift_ci: None,
            lift_ci_anytime: None,
            p_value: None,
            status: LiftStatus::Pending,
        };
        if let Some((lift, error)) = estimate(optimized, holdout, reward) {
            found.lift_percent = Some(100.0 * lift);
            found.lift_ci = Some([100.0 * (lift - NORMAL_95 * error), 100.0 * (lift + NORMAL_95 * error)]);
            let anytime = LogRatio::of(optimized, holdout, reward).map(|ratio| ratio.anytime());
            found.lift_ci_anytime = anytime.map(|ends| ends.map(|end| 100.0 * end));
            found.p_value = Some(normal_two_sided(lift / error));
            found.status = LiftStatus::Measured;
        }
        Ok(found)
    }
}

/// (lift, se), where it is not pending.
fn estimate(optimized: &Arm, holdout: &Arm, reward: RewardType) -> Option<(f64, f64)> {
    if optimized.users < LEAST_USERS || holdout.users < LEAST_USERS {
        return None;
    }
    let (p_m, p_h) = (optimized.rate()?, holdout.rate()?);
    if p_h == 0.0 {
        return None;
    }
    let variance = optimized.variance(reward)? / (p_h * p_h) + p_m * p_m * holdout.variance(reward)? / p_h.powi(4);
    let (lift, error) = ((p_m - p_h) / p_h.abs(), variance.sqrt());
    (error > 0.0 && error.is_finite() && lift.is_finite()).then_some((lift, error))
}
