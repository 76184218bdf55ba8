//! Whether what the model believes of the baseline is what the holdout does.

use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::error::EvaluationError;
use crate::RewardType;

/// Standard errors up to which belief and measurement agree.
pub const MOST_DEVIATIONS: f64 = 2.5;

/// The modelled rate of the baseline against the measured one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineCheck {
    /// Posterior mean of the baseline's expected reward at the mix of contexts of the holdout, reward units per exposure.
    pub modelled: f64,
    /// Measured mean reward of the holdout, reward units per exposure.
    pub measured: f64,
    /// Modelled less measured.
    pub difference: f64,
    /// The difference over its standard error.
    pub z: f64,
    /// |z| ≤ [`MOST_DEVIATIONS`].
    pub ok: bool,
}

/// Holds a modelled baseline against the holdout's exposures of the last days:
///
/// ```text
/// z = (b̂ − r̄) / √(sd² + deff · var(r̄))
/// ```
///
/// - b̂, sd: posterior mean and standard deviation of the baseline's expected reward, averaged over contexts as the holdout had
///   them in these days (see [`crate::baseline_at`]);
/// - r̄, var: [`Arm::rate`] and [`Arm::variance`] of the holdout's exposures; deff: [`super::UserSums::design_effect`], at least 1.
///
/// |z| is above 2.5 in 1.2 % of the checks where the model holds, and where the holdout's days were part of its training data
/// in fewer. It fails where the baseline's rate has moved since most of the training data were made. `None` without a variance.
///
/// # Errors
/// [`EvaluationError`]: impossible sums, or a number that is not finite or not positive where it must be.
pub fn check_baseline(
    modelled: f64,
    sd: f64,
    holdout: &Arm,
    reward: RewardType,
    design_effect: f64,
) -> Result<Option<BaselineCheck>, EvaluationError> {
    holdout.check("holdout", reward)?;
    if !modelled.is_finite() {
        return Err(EvaluationError::BadNumber { what: "modelled", value: modelled, wanted: "it must be finite" });
    }
    for (what, value, least) in [("sd", sd, 0.0), ("design_effect", design_effect, 1.0)] {
        if !(value.is_finite() && value >= least) {
            let wanted = if least > 0.0 { "it must be at least 1" } else { "it must be at least 0" };
            return Err(EvaluationError::BadNumber { what, value, wanted });
        }
    }
    let (Some(measured), Some(variance)) = (holdout.rate(), holdout.variance(reward)) else { return Ok(None) };
    let difference = modelled - measured;
    let error = (sd * sd + design_effect * variance).sqrt();
    let z = difference / error;
    Ok((error > 0.0).then_some(BaselineCheck { modelled, measured, difference, z, ok: z.abs() <= MOST_DEVIATIONS }))
}
