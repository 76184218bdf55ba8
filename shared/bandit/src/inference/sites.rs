//! Quadratic expansion of the log-likelihood, with which a change of the scales costs one Cholesky factorisation.

use faer::Mat;

use super::factor::Factor;
use super::laplace::{Gaussian, GaussianPrior};
use super::rows::Rows;
use super::work::{self, Work};
use crate::FitError;

/// ln p(y|β) ≈ ℓ0 + gᵀδ − ½ δᵀGδ with δ = β − μ0, g = Φᵀr, G = ΦᵀWΦ.
///
/// With r = s − n p and W = n p (1−p) at the mode this is the expansion behind Laplace's approximation; with their
/// averages under a Gaussian, the one behind the variational fit. It is made once for large models, where a fit of its
/// own for every point of the grid would cost too much.
pub(crate) struct Sites {
    centre: Vec<f64>,
    slope: Vec<f64>,
    /// G, of which the lower triangle counts.
    pub(super) gram: Mat<f64>,
    level: f64,
}

impl Sites {
    /// About `centre` with level ℓ0, r and diag(W) per row.
    pub(crate) fn new(rows: &Rows, centre: Vec<f64>, level: f64, residual: &[f64], weights: &[f64]) -> Self {
        let mut slope = vec![0.0; rows.columns];
        rows.add_transposed(residual, &mut slope);
        let gram = rows.gram(weights, &vec![0.0; rows.columns]);
        Self { centre, slope, gram, level }
    }

    /// The same with ℓ0 such that the evidence under `prior` is the one given: expansions about different places are
    /// then on one scale.
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`], [`FitError::Work`].
    pub(crate) fn levelled(self, prior: &GaussianPrior, log_evidence: f64, work: &Work) -> Result<Self, FitError> {
        let level = self.level + log_evidence - self.under(prior, work)?.log_evidence;
        Ok(Self { level, ..self })
    }

    /// The posterior under a prior with precision D: Λ = G + D, μ = μ0 + Λ⁻¹(g − D(μ0 − m0)), and its evidence
    /// ln p(y|μ) + ln p(μ) + P/2 ln 2π − ½ ln|Λ| with the quadratic likelihood, for which that is exact.
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`], [`FitError::Work`].
    pub(crate) fn under(&self, prior: &GaussianPrior, work: &Work) -> Result<Gaussian, FitError> {
        work.charge("factoring a precision", work::factoring(prior.d.len()))?;
        let mut precision = self.gram.clone();
        for (j, d) in prior.d.iter().enumerate() {
            precision[(j, j)] += d;
        }
        let factor = Factor::new(precision)?;
        let force = self.force(prior);
        let mut delta = force.clone();
        factor.solve(&mut delta);
        let (mean, log_evidence) = self.shifted(prior, &force, &delta, factor.log_det());
        Ok(Gaussian { mean, factor, log_evidence })
    }

    /// g − D(μ0 − m0).
    pub(super) fn force(&self, prior: &GaussianPrior) -> Vec<f64> {
        (0..self.centre.len()).map(|j| self.slope[j] - prior.d[j] * prior.centred(j, self.centre[j])).collect()
    }

    /// μ0 + δ and the evidence, for δ = Λ⁻¹ × force and ln|Λ|.
    pub(super) fn shifted(&self, prior: &GaussianPrior, force: &[f64], delta: &[f64], log_det: f64) -> (Vec<f64>, f64) {
        let mean: Vec<f64> = self.centre.iter().zip(delta).map(|(c, d)| c + d).collect();
        let dot = |a: &[f64]| a.iter().zip(delta).map(|(a, d)| a * d).sum::<f64>();
        let prior_part: f64 = prior.d.iter().zip(delta).map(|(d, x)| d * x * x).sum();
        // δᵀGδ = δᵀΛδ − δᵀDδ, and Λδ is the force.
        let curved = dot(force) - prior_part;
        let log_evidence = self.level + dot(&self.slope) - 0.5 * curved - prior.half_square(&mean)
            + prior.half_log_det()
            - 0.5 * log_det;
        (mean, log_evidence)
    }
}
