//! Scales of the priors (`τ_main`, `τ_pair`): hyperpriors, and the prior precision that they give the coefficients.

use crate::{Columns, Prior};

/// Standard deviation of the intercept's prior: log-odds (bool) or residual standard deviations (numeric).
pub(crate) const INTERCEPT_SD: f64 = 2.5;

/// `τ_main` and `τ_pair`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scales {
    pub main: f64,
    pub pair: f64,
}

/// Which columns each scale governs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns 1…main are of main effects, the rest of pairs.
    pub main: usize,
    /// P.
    pub columns: usize,
}

impl Layout {
    pub(crate) fn of(columns: &Columns) -> Self {
        Self { main: columns.main_effects().len(), columns: columns.len() }
    }

    /// The number of columns of pairs.
    pub(crate) fn pairs(self) -> usize {
        self.columns - 1 - self.main
    }

    /// diag D: the prior precision of every column, 1/2.5², 1/`τ_main`² or 1/`τ_pair`².
    pub(crate) fn precision(self, scales: Scales) -> Vec<f64> {
        let mut d = vec![1.0 / (scales.pair * scales.pair); self.columns];
        d[0] = 1.0 / (INTERCEPT_SD * INTERCEPT_SD);
        d[1..=self.main].fill(1.0 / (scales.main * scales.main));
        d
    }
}

/// ln of the half-normal density with the given scale, x ≥ 0: ½ ln(2/π) − ln s − x²/(2s²).
fn log_half_normal(x: f64, scale: f64) -> f64 {
    0.5 * std::f64::consts::FRAC_2_PI.ln() - scale.ln() - 0.5 * (x / scale).powi(2)
}

/// ln of the hyperprior's density at the scales (Gelman 2006: half-normals for scales).
pub(crate) fn log_hyperprior(prior: &Prior, scales: Scales) -> f64 {
    log_half_normal(scales.main, prior.main_scale) + log_half_normal(scales.pair, prior.pair_scale)
}
