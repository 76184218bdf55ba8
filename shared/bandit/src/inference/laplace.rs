//! Laplace approximation at fixed scales: the posterior mode by Newton's method.

use super::factor::Factor;
use super::rows::Rows;
use super::work::{self, Work};
use crate::FitError;

/// A Gaussian prior with diagonal precision: β ~ N(m0, diag(1/d)).
pub(crate) struct GaussianPrior {
    /// Mean of the intercept; all other means are 0.
    pub intercept: f64,
    /// Its column.
    pub at: usize,
    /// Precisions.
    pub d: Vec<f64>,
}

impl GaussianPrior {
    /// β − m0 of column j.
    pub(crate) fn centred(&self, j: usize, beta: f64) -> f64 {
        if j == self.at { beta - self.intercept } else { beta }
    }

    /// ½ Σ d (β − m0)².
    pub(crate) fn half_square(&self, beta: &[f64]) -> f64 {
        0.5 * beta.iter().zip(&self.d).enumerate().map(|(j, (&b, d))| d * self.centred(j, b).powi(2)).sum::<f64>()
    }

    /// ½ Σ ln d.
    pub(crate) fn half_log_det(&self) -> f64 {
        0.5 * self.d.iter().map(|d| d.ln()).sum::<f64>()
    }
}

/// N(μ, Λ⁻¹) with Λ = LLᵀ, and an approximation of ln ∫ p(y|β) p(β) dβ (binomial coefficients left out).
#[derive(Clone)]
pub(crate) struct Gaussian {
    pub mean: Vec<f64>,
    pub factor: Factor,
    pub log_evidence: f64,
}

const NEWTON_STEPS: usize = 100;

/// The gradient at a mode, relative to the forces that balance in it.
pub(crate) const EXACT: f64 = 1e-8;
/// The same for a mode that something else is started from.
pub(crate) const ROUGH: f64 = 1e-3;

/// MAP of β by Newton's method on the cells, from `start`, with the step halved until the log-posterior rises.
/// It ends where ‖∇‖ ≤ tolerance (‖Φᵀdrive‖ + ‖Φᵀfitted‖ + ‖D(β − m0)‖), see [`super::family`], and gives N(μ, Λ⁻¹) with
/// Λ = ΦᵀWΦ + D, W = minus the second derivatives, and the Laplace evidence ln p(y|μ) + ln p(μ) + P/2 ln 2π − ½ ln|Λ| (MacKay 1992).
///
/// # Errors
/// [`FitError::NoConvergence`] after 100 steps, [`FitError::Work`], [`FitError::NotPositiveDefinite`].
pub(crate) fn laplace(
    rows: &Rows,
    prior: &GaussianPrior,
    start: &[f64],
    tolerance: f64,
    work: &Work,
) -> Result<Gaussian, FitError> {
    let mut beta = start.to_vec();
    let (mut eta, mut next_eta) = (Vec::new(), Vec::new());
    rows.predict(&beta, &mut eta);
    let mut value = rows.log_likelihood(&eta) - prior.half_square(&beta);
    let mut fitted = vec![0.0; rows.columns];
    let mut observed = vec![0.0; rows.columns];
    rows.add_transposed(&rows.drives(), &mut observed);
    let mut gradient_norm = f64::INFINITY;
    for _ in 0..NEWTON_STEPS {
        work.charge("a step of Newton's method", work::newton_step(rows))?;
        fitted.fill(0.0);
        rows.add_transposed(&rows.fitted(&eta), &mut fitted);
        let pull: Vec<f64> =
            beta.iter().zip(&prior.d).enumerate().map(|(j, (&b, d))| d * prior.centred(j, b)).collect();
        let gradient: Vec<f64> = observed.iter().zip(&fitted).zip(&pull).map(|((s, f), q)| s - f - q).collect();
        let factor = Factor::new(rows.gram(&rows.weights(&eta), &prior.d))?;
        gradient_norm = norm(&gradient);
        let mut step = gradient.clone();
        factor.solve(&mut step);
        let decrement: f64 = gradient.iter().zip(&step).map(|(g, s)| g * s).sum();
        // The second test is where rounding in the log-posterior itself hides any further rise.
        if gradient_norm <= tolerance * (norm(&observed) + norm(&fitted) + norm(&pull))
            || decrement <= 1e-24 * (1.0 + value.abs())
        {
            let log_evidence = value + prior.half_log_det() - 0.5 * factor.log_det();
            return Ok(Gaussian { mean: beta, factor, log_evidence });
        }
        let mut fraction = 1.0;
        loop {
            let trial: Vec<f64> = beta.iter().zip(&step).map(|(b, s)| b + fraction * s).collect();
            rows.predict(&trial, &mut next_eta);
            let trial_value = rows.log_likelihood(&next_eta) - prior.half_square(&trial);
            // Near the mode the rise is below the rounding of the sum, and a full step is right.
            if trial_value > value - 1e-12 * (1.0 + value.abs()) {
                beta = trial;
                value = trial_value;
                std::mem::swap(&mut eta, &mut next_eta);
                break;
            }
            fraction *= 0.5;
            if fraction < 1e-10 {
                return Err(FitError::NoConvergence { what: "the step of Newton's method", residual: gradient_norm });
            }
        }
    }
    Err(FitError::NoConvergence { what: "Newton's method", residual: gradient_norm })
}

/// The factor of Λ = ΦᵀWΦ + D at β.
///
/// # Errors
/// [`FitError::NotPositiveDefinite`].
pub(crate) fn curvature(rows: &Rows, prior: &GaussianPrior, beta: &[f64]) -> Result<Factor, FitError> {
    let mut eta = Vec::new();
    rows.predict(beta, &mut eta);
    Factor::new(rows.gram(&rows.weights(&eta), &prior.d))
}

/// Euclidean norm.
fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}
