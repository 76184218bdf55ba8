//! Importance sampling of the coefficients and the scales together, from the mixture of Gaussians over the grid.

use faer::Mat;
use rand::RngExt;
use rand_distr::StandardNormal;

use super::grid::share_out;
use super::kernel;
use super::mixture::Mixture;
use super::pareto::{Smoothed, smooth};
use super::rows::Rows;
use super::streams::{Stream, stream};
use crate::{FitError, Seed};

/// Draws that are handled at a time.
const BLOCK: usize = 256;

/// Draws from the mixture with their weights towards the posterior.
pub(crate) struct Sample {
    /// Draws × P, row-major.
    pub draws: Vec<f32>,
    /// Keys × draws: what resampling sorts by.
    pub keys: Vec<Vec<f64>>,
    /// Which point of the grid each draw comes from.
    point: Vec<usize>,
    /// The number of points of the grid.
    points: usize,
    /// Pareto-smoothed weights.
    pub weights: Smoothed,
}

impl Sample {
    /// The posterior probability of each point of the grid: the weight of its draws.
    pub(crate) fn point_weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.points];
        for (w, &g) in self.weights.weights.iter().zip(&self.point) {
            weights[g] += w;
        }
        weights
    }
}

/// How many draws importance sampling may take.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Draws in the first round.
    pub first: usize,
    /// Draws in all; what the first round leaves is one more.
    pub total: usize,
}

/// Draws (g, β) with g shared out by the grid's weights and β ~ N(`μ_g`, `Λ_g⁻¹`), weighted by
/// p(y|β) p(β|`τ_g`) p(`τ_g`) `Δ_g` / (q(g) q(β|g)); Δ is the cell of the grid. The evidences of the points thus count
/// only as a proposal: the weights put right what an approximation of them gets wrong. The second round is shared out by
/// what the first found.
///
/// # Errors
/// [`FitError::NotPositiveDefinite`].
pub(crate) fn sample(
    rows: &Rows,
    mixture: &Mixture,
    directions: &[Vec<f64>],
    effort: Effort,
    seed: &Seed,
) -> Result<Sample, FitError> {
    let mut rng = stream(seed, Stream::Proposals);
    let mut pool = Pool {
        draws: Vec::with_capacity(effort.total * rows.columns),
        keys: vec![Vec::with_capacity(effort.total); directions.len()],
        point: Vec::with_capacity(effort.total),
        ratio: Vec::with_capacity(effort.total),
        taken: vec![0; mixture.points.len()],
    };
    let before: Vec<f64> = mixture.points.iter().map(|p| p.weight).collect();
    pool.round(rows, mixture, directions, &before, effort.first, &mut rng)?;
    if effort.total > effort.first {
        let mut shares = vec![0.0; before.len()];
        for (w, &g) in pool.weights().weights.iter().zip(&pool.point) {
            shares[g] += 0.5 * w;
        }
        for (share, b) in shares.iter_mut().zip(&before) {
            *share += 0.5 * b;
        }
        pool.round(rows, mixture, directions, &shares, effort.total - effort.first, &mut rng)?;
    }
    let weights = pool.weights();
    Ok(Sample { draws: pool.draws, keys: pool.keys, point: pool.point, points: before.len(), weights })
}

struct Pool {
    draws: Vec<f32>,
    keys: Vec<Vec<f64>>,
    point: Vec<usize>,
    /// ln of target over q(β|g).
    ratio: Vec<f64>,
    /// Draws from each point: q(g) times the number of draws.
    taken: Vec<usize>,
}

impl Pool {
    fn round(
        &mut self,
        rows: &Rows,
        mixture: &Mixture,
        directions: &[Vec<f64>],
        shares: &[f64],
        count: usize,
        rng: &mut rand_chacha::ChaCha12Rng,
    ) -> Result<(), FitError> {
        let (mut norms, mut values) = (Vec::new(), Vec::new());
        for (g, share) in share_out(shares, count).into_iter().enumerate().filter(|(_, share)| *share > 0) {
            self.taken[g] += share;
            let prior = mixture.prior(g);
            let gaussian = mixture.gaussian(g)?;
            let constant = mixture.points[g].log_prior + prior.half_log_det() - 0.5 * gaussian.factor.log_det();
            for first in (0..share).step_by(BLOCK) {
                let block = BLOCK.min(share - first);
                let mut betas = Mat::<f64>::zeros(rows.columns, block);
                norms.clear();
                for s in 0..block {
                    let column = betas.col_as_slice_mut(s);
                    column.fill_with(|| rng.sample(StandardNormal));
                    norms.push(column.iter().map(|v| v * v).sum::<f64>());
                }
                gaussian.factor.unwhiten(betas.as_mut());
                for s in 0..block {
                    for (b, m) in betas.col_as_slice_mut(s).iter_mut().zip(&gaussian.mean) {
                        *b += m;
                    }
                }
                values.clear();
                kernel::log_likelihoods(rows, betas.as_ref(), &mut values);
                for s in 0..block {
                    let beta = betas.col_as_slice(s);
                    self.ratio.push(values[s] - prior.half_square(beta) + 0.5 * norms[s] + constant);
                    self.point.push(g);
                    for (key, c) in self.keys.iter_mut().zip(directions) {
                        key.push(c.iter().zip(beta).map(|(c, b)| c * b).sum());
                    }
                    #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
                    self.draws.extend(beta.iter().map(|&b| b as f32));
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
    fn weights(&self) -> Smoothed {
        let log_weights: Vec<f64> =
            self.ratio.iter().zip(&self.point).map(|(r, &g)| r - (self.taken[g] as f64).ln()).collect();
        smooth(&log_weights)
    }
}
