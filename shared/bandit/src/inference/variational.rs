//! Variational inference: the Gaussian that is nearest to the posterior at fixed scales.

use super::factor::Factor;
use super::family::Smoothed;
use super::laplace::{Gaussian, GaussianPrior};
use super::rows::Rows;
use super::work::{self, Work};
use crate::FitError;

const STEPS: usize = 40;
/// What errors call it.
const STEP: &str = "a variational step";

/// The N(μ, Λ⁻¹) that minimises KL(q ‖ posterior), from a start such as the Laplace approximation.
///
/// At the optimum (Opper & Archambeau 2009) Φᵀ E[gradient] = D(μ − m0) and Λ = ΦᵀE[W]Φ + D, expectations over
/// `η_i` ~ N(`φ_iᵀμ`, `φ_iᵀΛ⁻¹φ_i`); both are iterated as a Newton step with averaged weights, halved where the bound
/// falls. Its mean and spread follow the posterior's skewness, which Laplace's do not, so that of
/// 10,000 draws 8,000 to 9,500 are effective at 100 columns and 1,000 to 50,000 observations, where Laplace's leave 4,500
/// to 7,500. The evidence is the bound
/// E ln p(y|β) + E ln p(β) − E ln q(β) ≤ ln p(y).
///
/// # Errors
/// [`FitError::NotPositiveDefinite`], [`FitError::Work`]. It need not converge: every iterate is a valid proposal, whose weights tell.
pub(crate) fn variational(
    rows: &Rows,
    prior: &GaussianPrior,
    start: Gaussian,
    smoothed: &Smoothed,
    tolerance: f64,
    work: &Work,
) -> Result<Gaussian, FitError> {
    let mut best = start;
    // Diagonal of the W that Λ was made with; unknown for the start.
    let mut best_weights: Option<Vec<f64>> = None;
    work.charge(STEP, work::averaging(rows))?;
    let mut moments = Moments::of(rows, prior, &best, smoothed);
    for _ in 0..STEPS {
        work.charge(STEP, work::newton_step(rows) + work::averaging(rows))?;
        let mut step: Vec<f64> =
            best.mean.iter().zip(&prior.d).enumerate().map(|(j, (&b, d))| -d * prior.centred(j, b)).collect();
        rows.add_transposed(&moments.residual, &mut step);
        let newton = Factor::new(rows.gram(&moments.weights, &prior.d))?;
        newton.solve(&mut step);
        let mut newton = Some(newton);
        let mut fraction = 1.0;
        // From the best state along the line in natural parameters, back by halves until the bound rises.
        let (next, next_moments) = loop {
            let mean = best.mean.iter().zip(&step).map(|(b, s)| b + fraction * s).collect();
            let weights: Vec<f64> = match &best_weights {
                Some(from) => from.iter().zip(&moments.weights).map(|(a, b)| a + fraction * (b - a)).collect(),
                None => moments.weights.clone(),
            };
            let factor = match newton.take() {
                Some(factor) => factor,
                None => Factor::new(rows.gram(&weights, &prior.d))?,
            };
            let next = Gaussian { mean, factor, log_evidence: f64::NAN };
            let next_moments = Moments::of(rows, prior, &next, smoothed);
            if next_moments.bound >= moments.bound || fraction < 1e-3 {
                break ((next, weights), next_moments);
            }
            fraction *= 0.5;
            work.charge(STEP, work::newton_step(rows) + work::averaging(rows))?;
        };
        let gain = next_moments.bound - moments.bound;
        if gain >= 0.0 {
            (best, best_weights) = (next.0, Some(next.1));
            moments = next_moments;
        }
        if gain < tolerance {
            break;
        }
    }
    Ok(Gaussian { log_evidence: moments.bound, ..best })
}

/// What one Gaussian gives: the bound, and the averaged gradient and curvature of every row.
pub(crate) struct Moments {
    bound: f64,
    pub residual: Vec<f64>,
    pub weights: Vec<f64>,
}

impl Moments {
    pub(crate) fn of(rows: &Rows, prior: &GaussianPrior, state: &Gaussian, smoothed: &Smoothed) -> Self {
        let inverse = state.factor.inverse();
        let (mut eta, mut variance) = (Vec::new(), Vec::new());
        rows.predict(&state.mean, &mut eta);
        rows.quadratic(&inverse, &mut variance);
        let mut bound = 0.0;
        let mut residual = Vec::with_capacity(rows.len());
        let mut weights = Vec::with_capacity(rows.len());
        for i in 0..rows.len() {
            let expected = smoothed.of(rows.family, (rows.n[i], rows.sum[i]), eta[i], variance[i]);
            bound += expected.log_likelihood;
            residual.push(expected.residual);
            weights.push(expected.weight);
        }
        #[expect(clippy::cast_precision_loss, reason = "columns are at most 2,000")]
        let half_columns = 0.5 * rows.columns as f64;
        let spread: f64 = prior.d.iter().enumerate().map(|(j, d)| d * inverse[(j, j)]).sum();
        bound += prior.half_log_det() - prior.half_square(&state.mean) - 0.5 * spread + half_columns
            - 0.5 * state.factor.log_det();
        Self { bound, residual, weights }
    }
}
