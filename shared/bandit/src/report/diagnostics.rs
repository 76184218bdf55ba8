//! What a state says about how its numbers were made.

use serde::{Deserialize, Serialize};

use crate::{Diagnostics, Posterior, ScalePoint, Step};

/// The inference's diagnostics and the report's, as `GET …/state` shows them. What does not apply is `None`, `null` in
/// JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct StateDiagnostics {
    /// The step that the draws come from.
    pub step: Step,
    /// k̂ of the Pareto-smoothed importance weights (Vehtari et al. 2024), also where they were rejected: good below 0.5,
    /// and accepted up to 0.7 only where the no-U-turn sampler would cost too much. No unit; cmab with bool rewards.
    pub pareto_k: Option<f64>,
    /// Effective number of the 10,000 draws: a mean has the Monte-Carlo error sd/√`effective_draws`. cmab with bool
    /// rewards; all draws are effective where the step is exact.
    pub effective_draws: Option<f64>,
    /// Greatest rank-normalised R̂ over the coefficients: 1 is ideal. NUTS only.
    pub r_hat: Option<f64>,
    /// Divergent transitions after warm-up: 0 is ideal. NUTS only.
    pub divergences: Option<u64>,
    /// E `τ_main` = Σ weight · `τ_main` over the grid: the posterior mean of the main effects' scale, or the scale itself
    /// where it is fixed. Log-odds (bool) or pooled standard deviations (normal); not for a mab with bool rewards in one stratum.
    pub main_scale: Option<f64>,
    /// E `τ_pair`, likewise, of the pairs' scale.
    pub pair_scale: Option<f64>,
    /// κ̂, the most probable number of trials that the learned Beta prior is worth. mab with bool rewards only.
    pub kappa: Option<f64>,
    /// Draws that the policy's value is computed from: all, as long as cells × draws are at most 2 · 10⁹.
    pub value_draws: usize,
    /// Draws that the other expected rewards, effects and variances are computed from: all, as long as cells × draws are
    /// at most 5 · 10⁸, and 1,000 at least.
    pub draws: usize,
    /// Share of the observations whose contexts the averages go over, in (0, 1]: 1, but where variants × contexts of the
    /// data are above 10⁶, and the contexts with the most observations are used.
    pub covered_share: f64,
    /// How many times as much the mean reward varies as if exposures were independent, because users bring several: n, z, Σ r and
    /// Σ r² of every cell were divided by it before the fit. At least 1. Absent where no users are known, or are the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub design_effect: Option<f64>,
    /// What the cap of rewards cut off, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapDiagnostics>,
    /// The part of two-part rewards that is about amounts; the fields above are of the conversions then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<AmountDiagnostics>,
}

/// What a cap cut off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct CapDiagnostics {
    /// The cap, reward units.
    pub at: f64,
    /// Observations whose reward was cut off there.
    pub observations: u64,
    /// The share of the sum of all rewards, by magnitude, that was cut off.
    pub share_of_sum: f64,
}

/// The inference's numbers of amounts, as in [`StateDiagnostics`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AmountDiagnostics {
    /// The step that the draws come from.
    pub step: Step,
    /// k̂ of the importance weights.
    pub pareto_k: Option<f64>,
    /// Effective number of draws.
    pub effective_draws: Option<f64>,
    /// Greatest R̂ (NUTS only).
    pub r_hat: Option<f64>,
    /// Divergent transitions (NUTS only).
    pub divergences: Option<u64>,
    /// E `τ_main` of the logarithms of amounts.
    pub main_scale: Option<f64>,
    /// E `τ_pair`.
    pub pair_scale: Option<f64>,
    /// φ, the squared coefficient of variation of an amount about its mean; no unit.
    pub dispersion: Option<f64>,
}

impl AmountDiagnostics {
    fn new(inference: &Diagnostics) -> Self {
        Self {
            step: inference.step,
            pareto_k: inference.pareto_k,
            effective_draws: inference.effective_draws,
            r_hat: inference.r_hat,
            divergences: inference.divergences,
            main_scale: mean_scale(inference, |point| point.main),
            pair_scale: mean_scale(inference, |point| point.pair),
            dispersion: inference.dispersion,
        }
    }
}

/// Σ weight · scale over the grid.
fn mean_scale(inference: &Diagnostics, of: fn(&ScalePoint) -> f64) -> Option<f64> {
    let scales = &inference.scales;
    (!scales.is_empty()).then(|| scales.iter().map(|point| point.weight * of(point)).sum())
}

impl StateDiagnostics {
    /// The inference's numbers, and the report's own.
    pub(super) fn new(posterior: &Posterior, value_draws: usize, draws: usize, covered_share: f64) -> Self {
        let inference = &posterior.diagnostics;
        Self {
            step: inference.step,
            pareto_k: inference.pareto_k,
            effective_draws: inference.effective_draws,
            r_hat: inference.r_hat,
            divergences: inference.divergences,
            main_scale: mean_scale(inference, |point| point.main),
            pair_scale: mean_scale(inference, |point| point.pair),
            kappa: inference.kappa,
            value_draws,
            draws,
            covered_share,
            design_effect: None,
            cap: None,
            amount: posterior.amount.as_deref().map(|amount| AmountDiagnostics::new(&amount.diagnostics)),
        }
    }
}
