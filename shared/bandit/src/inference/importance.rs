//! Importance sampling of the coefficients and the scales together, from the mixture of Gaussians over the grid.

use faer::Mat;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;

use super::grid::share_out;
use super::kernel;
use super::mixture::Mixture;
use super::pareto::{Smoothed, smooth};
use super::rows::Rows;
use super::streams::{Stream, stream};
use super::work;
use crate::{FitError, Seed};

/// Draws that are handled at a time.
const BLOCK: usize = 256;

/// Draws (g, β) from the mixture, with g shared out by the grid's weights and β ~ N(`μ_g`, `Λ_g⁻¹`), weighted by
/// p(y|β) p(β|`τ_g`) p(`τ_g`) `Δ_g` / (q(g) q(β|g)); Δ is the cell of the grid. The evidences of the points thus count
/// only as a proposal: the weights put right what an approximation of them gets wrong.
pub(crate) struct Sample {
    /// Draws × P, row-major.
    pub draws: Vec<f32>,
    /// Keys × draws: what resampling sorts by.
    pub keys: Vec<Vec<f64>>,
    /// Pareto-smoothed weights.
    pub weights: Smoothed,
    /// Which point of the grid each draw comes from.
    pub point: Vec<usize>,
    /// ln of target over q(β|g).
    ratio: Vec<f64>,
    /// Draws from each point: q(g) times the number of draws.
    taken: Vec<usize>,
    rng: ChaCha12Rng,
}

impl Sample {
    /// `count` draws; `directions` c give the keys cᵀβ.
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`], [`FitError::Work`].
    pub(crate) fn new(
        rows: &Rows,
        mixture: &Mixture,
        directions: &[Vec<f64>],
        count: usize,
        seed: &Seed,
    ) -> Result<Self, FitError> {
        let mut sample = Self {
            draws: Vec::with_capacity(count * rows.columns),
            keys: vec![Vec::with_capacity(count); directions.len()],
            weights: Smoothed::none(),
            point: Vec::with_capacity(count),
            ratio: Vec::with_capacity(count),
            taken: vec![0; mixture.points.len()],
            rng: stream(seed, Stream::Proposals),
        };
        let shares: Vec<f64> = mixture.points.iter().map(|p| p.weight).collect();
        sample.round(rows, mixture, directions, &shares, count)?;
        Ok(sample)
    }

    /// `count` draws more, shared out half by the grid's weights and half by what the draws so far say of the points.
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`], [`FitError::Work`]; the sample is then what it was.
    pub(crate) fn extend(
        &mut self,
        rows: &Rows,
        mixture: &Mixture,
        directions: &[Vec<f64>],
        count: usize,
    ) -> Result<(), FitError> {
        let shares: Vec<f64> =
            mixture.points.iter().zip(self.point_weights()).map(|(p, found)| 0.5 * (p.weight + found)).collect();
        self.draws.reserve_exact(count * rows.columns);
        let (before, taken) = (self.point.len(), self.taken.clone());
        let extended = self.round(rows, mixture, directions, &shares, count);
        if extended.is_err() {
            self.draws.truncate(before * rows.columns);
            self.keys.iter_mut().for_each(|key| key.truncate(before));
            self.point.truncate(before);
            self.ratio.truncate(before);
            self.taken = taken;
        }
        extended
    }

    /// The posterior probability of each point of the grid: the weight of its draws.
    pub(crate) fn point_weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.taken.len()];
        for (w, &g) in self.weights.weights.iter().zip(&self.point) {
            weights[g] += w;
        }
        weights
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
    fn round(
        &mut self,
        rows: &Rows,
        mixture: &Mixture,
        directions: &[Vec<f64>],
        shares: &[f64],
        count: usize,
    ) -> Result<(), FitError> {
        let (mut norms, mut values) = (Vec::new(), Vec::new());
        let counts = share_out(shares, count);
        let mut proposals = mixture.proposals();
        for (g, share) in mixture.order().into_iter().map(|g| (g, counts[g])).filter(|(_, share)| *share > 0) {
            self.taken[g] += share;
            let prior = mixture.prior(g);
            let proposal = proposals.at(g)?;
            let constant = mixture.points[g].log_prior + prior.half_log_det() - 0.5 * proposal.log_det();
            for first in (0..share).step_by(BLOCK) {
                let block = BLOCK.min(share - first);
                #[expect(clippy::cast_precision_loss, reason = "at most 256 draws")]
                mixture.work.charge("a block of weighted draws", block as f64 * work::drawing(rows))?;
                let mut betas = Mat::<f64>::zeros(rows.columns, block);
                norms.clear();
                for s in 0..block {
                    let column = betas.col_as_slice_mut(s);
                    column.fill_with(|| self.rng.sample(StandardNormal));
                    norms.push(column.iter().map(|v| v * v).sum::<f64>());
                }
                proposal.unwhiten(betas.as_mut());
                for s in 0..block {
                    for (b, m) in betas.col_as_slice_mut(s).iter_mut().zip(proposal.mean()) {
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
        let log_weights: Vec<f64> =
            self.ratio.iter().zip(&self.point).map(|(r, &g)| r - (self.taken[g] as f64).ln()).collect();
        self.weights = smooth(&log_weights);
        Ok(())
    }
}
