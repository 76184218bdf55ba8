//! Scales of the priors (`τ_main`, `τ_pair`): hyperpriors, and the prior precision that they give the coefficients.

use crate::Prior;

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
    /// The first columns are intercepts of strata; 0 where there is but one. The intercept of all comes after them.
    pub strata: usize,
    /// Standard deviation of their prior, in the intercept's units.
    pub stratum_sd: f64,
    /// So many columns after that are of main effects, the rest of pairs.
    pub main: usize,
    /// P.
    pub columns: usize,
    /// Whether main effects come first, then strata and the intercept: those of arms, which have no pairs. Their precision
    /// is then an arrow in an order in which nothing fills in, see [`super::factor`].
    pub arms: bool,
}

impl Layout {
    /// The number of columns before those of pairs.
    pub(crate) fn mains(self) -> usize {
        1 + self.strata + self.main
    }

    /// The number of columns of pairs.
    pub(crate) fn pairs(self) -> usize {
        self.columns - self.mains()
    }

    /// The first column of strata.
    pub(crate) fn first_stratum(self) -> usize {
        if self.arms { self.main } else { 0 }
    }

    /// The column of the intercept.
    pub(crate) fn intercept(self) -> usize {
        self.first_stratum() + self.strata
    }

    /// diag D: the prior precision of every column, 1/2.5², 1/`stratum_sd`², 1/`τ_main`² or 1/`τ_pair`².
    pub(crate) fn precision(self, scales: Scales) -> Vec<f64> {
        let mut d = vec![1.0 / (scales.pair * scales.pair); self.columns];
        d[..self.mains()].fill(1.0 / (scales.main * scales.main));
        d[self.first_stratum()..self.intercept()].fill(1.0 / (self.stratum_sd * self.stratum_sd));
        d[self.intercept()] = 1.0 / (INTERCEPT_SD * INTERCEPT_SD);
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
