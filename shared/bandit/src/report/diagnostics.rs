//! What a state says about how its numbers were made.

use serde::{Deserialize, Serialize};

use crate::{Diagnostics, ScalePoint, Step};

/// The inference's diagnostics and the report's, as `GET …/state` shows them. What does not apply is `None`, `null` in
/// JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateDiagnostics {
    /// The step that the draws come from.
    pub step: Step,
    /// k̂ of the Pareto-smoothed importance weights (Vehtari et al. 2024), also where they were rejected: good below 0.5,
    /// usable below 0.7. No unit; cmab with bool rewards.
    pub pareto_k: Option<f64>,
    /// Effective number of the 10,000 draws: a mean has the Monte-Carlo error sd/√`effective_draws`. cmab with bool
    /// rewards; all draws are effective where the step is exact.
    pub effective_draws: Option<f64>,
    /// Greatest rank-normalised R̂ over the coefficients: 1 is ideal. NUTS only.
    pub r_hat: Option<f64>,
    /// Divergent transitions after warm-up: 0 is ideal. NUTS only.
    pub divergences: Option<u64>,
    /// E `τ_main` = Σ weight · `τ_main` over the grid: the posterior mean of the main effects' scale, or the scale itself
    /// where it is fixed. Log-odds (bool) or pooled standard deviations (numeric); cmab only.
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
}

impl StateDiagnostics {
    /// The inference's numbers, and the report's own.
    pub(super) fn new(inference: &Diagnostics, value_draws: usize, draws: usize, covered_share: f64) -> Self {
        let scales = &inference.scales;
        let mean = |of: fn(&ScalePoint) -> f64| {
            (!scales.is_empty()).then(|| scales.iter().map(|point| point.weight * of(point)).sum())
        };
        Self {
            step: inference.step,
            pareto_k: inference.pareto_k,
            effective_draws: inference.effective_draws,
            r_hat: inference.r_hat,
            divergences: inference.divergences,
            main_scale: mean(|point| point.main),
            pair_scale: mean(|point| point.pair),
            kappa: inference.kappa,
            value_draws,
            draws,
            covered_share,
        }
    }
}
