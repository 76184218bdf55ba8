//! Importance sampling of the coefficients and the scales together, from the mixture of Gaussians over the grid.

use faer::Mat;
use rand::RngExt;
use rand_distr::StandardNormal;

use super::grid::{Point, share_out};
use super::laplace::{Gaussian, GaussianPrior};
use super::logistic::log_likelihood;
use super::pareto::{Smoothed, smooth};
use super::rows::Rows;
use super::streams::{Stream, stream};
use crate::Seed;

/// Draws that are handled at a time.
const BLOCK: usize = 256;

/// Draws from the mixture with their weights towards the posterior.
pub(crate) struct Sample {
    /// Draws × P, row-major.
    pub draws: Vec<f32>,
    /// The mean of η over the observations, for each draw: the order for resampling.
    pub key: Vec<f64>,
    /// Which point of the grid each draw comes from.
    pub point: Vec<u32>,
    /// Pareto-smoothed weights.
    pub weights: Smoothed,
}

/// How many draws importance sampling may take.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Draws in a round.
    pub round: usize,
    /// Rounds at most.
    pub rounds: usize,
    /// It ends early once so many draws are effective.
    pub enough: f64,
}

/// Draws (g, β) with g shared out by the grid's weights and β ~ N(`μ_g`, `Λ_g⁻¹`), weighted by
/// p(y|β) p(β|`τ_g`) p(`τ_g`) `Δ_g` / (q(g) q(β|g)); Δ is the cell of the grid. The evidences of the points thus count
/// only as a proposal: the weights put right what an approximation of them gets wrong.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn sample(
    rows: &Rows,
    points: &[Point<Gaussian>],
    priors: &[GaussianPrior],
    effort: Effort,
    seed: &Seed,
) -> Sample {
    let mut rng = stream(seed, Stream::Proposals);
    let columns = rows.columns;
    let trials: f64 = rows.n.iter().sum();
    let mut draws: Vec<f32> = Vec::with_capacity(effort.round * columns);
    let (mut key, mut point, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    let mut taken = vec![0_usize; points.len()];
    let mut shares: Vec<f64> = points.iter().map(|p| p.weight).collect();
    let mut eta = Vec::new();
    let mut norms = Vec::new();
    for round in 1..=effort.rounds {
        for (g, count) in share_out(&shares, effort.round).into_iter().enumerate() {
            let Point { fit, log_prior, .. } = &points[g];
            let constant = log_prior + priors[g].half_log_det() - 0.5 * fit.factor.log_det();
            taken[g] += count;
            let mut left = count;
            while left > 0 {
                let block = left.min(BLOCK);
                left -= block;
                let mut z = Mat::<f64>::zeros(columns, block);
                norms.clear();
                for s in 0..block {
                    let column = z.col_as_slice_mut(s);
                    column.fill_with(|| rng.sample(StandardNormal));
                    norms.push(column.iter().map(|v| v * v).sum::<f64>());
                }
                fit.factor.unwhiten(z.as_mut());
                for (s, norm) in norms.iter().enumerate() {
                    let beta = z.col_as_slice_mut(s);
                    for (b, m) in beta.iter_mut().zip(&fit.mean) {
                        *b += m;
                    }
                    rows.predict(beta, &mut eta);
                    ratio.push(
                        log_likelihood(rows, &eta) - priors[g].half_square(beta) + 0.5 * norm + constant,
                    );
                    key.push(eta.iter().zip(&rows.n).map(|(e, n)| e * n).sum::<f64>() / trials);
                    point.push(u32::try_from(g).unwrap_or(u32::MAX));
                    #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
                    draws.extend(beta.iter().map(|&b| b as f32));
                }
            }
        }
        let log_weights: Vec<f64> =
            ratio.iter().zip(&point).map(|(r, &g)| r - (taken[g as usize] as f64).ln()).collect();
        let weights = smooth(&log_weights);
        if round == effort.rounds || (weights.effective >= effort.enough && weights.k < 0.7) {
            return Sample { draws, key, point, weights };
        }
        // The next round is shared out by what the draws so far say of the points, with some left where they were.
        let mut found = vec![0.0; points.len()];
        for (w, &g) in weights.weights.iter().zip(&point) {
            found[g as usize] += w;
        }
        for ((share, found), p) in shares.iter_mut().zip(&found).zip(points) {
            *share = 0.5 * found + 0.5 * p.weight;
        }
    }
    let weights = smooth(&[]);
    Sample { draws, key, point, weights }
}
