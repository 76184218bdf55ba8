//! The no-U-turn sampler (Hoffman & Gelman 2014) at the points of the grid that carry the weight.

use std::collections::HashMap;

use nuts_rs::{
    Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims, KineticEnergyKind, LogpError, Settings,
};
use rand::RngExt;

use super::convergence::{autocorrelation_time, mean_variance, r_hat};
use super::grid::share_out;
use super::laplace::{Gaussian, GaussianPrior};
use super::logistic::{sigmoid, softplus};
use super::mixture::Mixture;
use super::rows::Rows;
use super::streams::{Stream, indexed};
use super::work;
use crate::{FitError, Seed};

/// Runs of the whole grid that are compared with each other.
const REPLICATES: usize = 4;
/// Draws of one round, over all replicates and points.
const ROUND: usize = 10_000;
/// Rounds at most.
const ROUNDS: usize = 4;
/// Draws to find the step size, which are thrown away.
const TUNE: u64 = 150;
/// Doublings of a trajectory, at most, and gradients that takes.
const DEPTH: u64 = 7;
const LONGEST: f64 = 128.0;
/// Points of the grid that are run, at most.
const POINTS: usize = 16;

/// What the sampler leaves.
pub(crate) struct Chains {
    /// Draws × P, row-major.
    pub draws: Vec<f32>,
    /// Greatest R̂ over the coefficients.
    pub r_hat: f64,
    /// Least effective number of draws over the coefficients.
    pub effective: f64,
    /// Divergent transitions after warm-up.
    pub divergences: u64,
}

impl Chains {
    /// Whether they are to be believed.
    pub(crate) fn converged(&self) -> bool {
        self.r_hat < 1.01 && self.effective >= 1000.0
    }
}

/// The log-posterior of β given scales, over whitened coordinates z: β = μ + L⁻ᵀz, ∇_z = L⁻¹∇_β.
struct Whitened<'a> {
    rows: &'a Rows,
    prior: &'a GaussianPrior,
    gaussian: &'a Gaussian,
}

impl Whitened<'_> {
    fn beta(&self, z: &[f64]) -> Vec<f64> {
        let mut beta = z.to_vec();
        self.gaussian.factor.unwhiten(faer::ColMut::from_slice_mut(&mut beta).as_mat_mut());
        for (b, m) in beta.iter_mut().zip(&self.gaussian.mean) {
            *b += m;
        }
        beta
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the log-posterior is not finite")]
struct NotFinite;

impl LogpError for NotFinite {
    fn is_recoverable(&self) -> bool {
        true
    }
}

impl HasDims for Whitened<'_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.rows.columns as u64)])
    }
}

impl CpuLogpFunc for Whitened<'_> {
    type LogpError = NotFinite;
    type FlowParameters = ();
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.rows.columns
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, NotFinite> {
        let beta = self.beta(position);
        let mut value = -self.prior.half_square(&beta);
        for (j, g) in gradient.iter_mut().enumerate() {
            *g = -self.prior.d[j] * self.prior.centred(j, beta[j]);
        }
        for i in 0..self.rows.len() {
            let active = self.rows.active(i);
            let eta: f64 = active.iter().map(|&c| beta[c as usize]).sum();
            value += self.rows.sum[i] * eta - self.rows.n[i] * softplus(eta);
            let residual = self.rows.sum[i] - self.rows.n[i] * sigmoid(eta);
            for &c in active {
                gradient[c as usize] += residual;
            }
        }
        self.gaussian.factor.whiten_gradient(gradient);
        if value.is_finite() { Ok(value) } else { Err(NotFinite) }
    }

    fn expand_vector<R: rand::Rng + ?Sized>(&mut self, _: &mut R, array: &[f64]) -> Result<Vec<f64>, CpuMathError> {
        Ok(array.to_vec())
    }
}

/// Settings that leave the mass matrix alone: there is no switch for it, but without an early window, and with a window
/// for the step size that lasts all through warm-up, it is never updated after its start, where it is set from the
/// gradient: about 1 in each coordinate where every |z| is 1.
fn settings(draws: u64) -> DiagNutsSettings {
    let mut settings = DiagNutsSettings { num_tune: TUNE, num_draws: draws, maxdepth: DEPTH, ..Default::default() };
    settings.adapt_options.early_window = 0.0;
    settings.adapt_options.step_size_window = 1.0;
    settings.trajectory_kind = KineticEnergyKind::Euclidean;
    settings
}

/// One chain at one point of the grid.
struct Run {
    point: usize,
    replicate: usize,
    /// Draws in a round.
    length: usize,
    /// Draws × P of all rounds.
    draws: Vec<f32>,
    divergences: u64,
}

/// Runs four chains at every point of the grid that carries weight, each with its share of the draws, in rounds until
/// R̂ < 1.01 and 1,000 draws are effective, for four rounds at most.
///
/// A replicate is one chain from every point: R̂ compares the four replicates, each of
/// them a sample of the whole posterior. The effective number is Var(β)/Var(mean), where the mean's variance adds up
/// `n_r` `σ_r²` `t_r` over the runs, t their autocorrelation times.
///
/// # Errors
/// [`FitError::NoConvergence`] where nuts-rs gives up, [`FitError::NotPositiveDefinite`]; [`FitError::Work`] before a
/// trajectory that might pass the fit's bound, and at once where even short trajectories would.
#[expect(clippy::cast_precision_loss, reason = "counts of gradients")]
pub(crate) fn sample(rows: &Rows, mixture: &Mixture, seed: &Seed) -> Result<Chains, FitError> {
    let weight = |g: usize| mixture.points[g].weight;
    let mut points: Vec<usize> = (0..mixture.points.len()).collect();
    points.sort_by(|&a, &b| weight(b).total_cmp(&weight(a)).then(a.cmp(&b)));
    points.truncate(POINTS);
    points.retain(|&g| weight(g) > 0.01);
    let kept: Vec<f64> = points.iter().map(|&g| weight(g)).collect();
    let mut runs: Vec<Run> = Vec::new();
    let mut chains: Vec<(GaussianPrior, std::borrow::Cow<'_, Gaussian>)> = Vec::new();
    for (&point, share) in points.iter().zip(share_out(&kept, ROUND / REPLICATES)) {
        chains.push((mixture.prior(point), mixture.gaussian(point)?));
        runs.extend((0..REPLICATES).map(|replicate| Run {
            point: chains.len() - 1,
            replicate,
            length: share,
            draws: Vec::new(),
            divergences: 0,
        }));
    }
    let (step, gradient) = ("the no-U-turn sampler", work::gradient(rows));
    let longest = LONGEST * gradient;
    // Trajectories of three gradients for one round.
    let shortest = 3 * (ROUND as u64 + TUNE * runs.len() as u64);
    mixture.work.require(step, shortest as f64 * gradient)?;
    let failed = |_| FitError::NoConvergence { what: "the no-U-turn sampler", residual: f64::NAN };
    let mut samplers = Vec::with_capacity(runs.len());
    for (index, run) in runs.iter().enumerate() {
        let (prior, gaussian) = &chains[run.point];
        let target = || Whitened { rows, prior, gaussian };
        let mut rng = indexed(seed, Stream::Chains, index as u64);
        let mut sampler = settings((run.length * ROUNDS) as u64)
            .new_chain(index as u64, CpuMath::new(target()), &mut rng)
            .map_err(failed)?;
        let start: Vec<f64> = (0..rows.columns).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect();
        sampler.set_position(&start).map_err(failed)?;
        for _ in 0..TUNE {
            mixture.work.require(step, longest)?;
            let (_, progress) = sampler.draw().map_err(failed)?;
            mixture.work.charge(step, (progress.num_gradients as f64 * gradient).min(longest))?;
        }
        samplers.push((sampler, target()));
    }
    let mut round = 0;
    loop {
        round += 1;
        let before = mixture.work.left();
        for (run, (sampler, target)) in runs.iter_mut().zip(&mut samplers) {
            for _ in 0..run.length {
                mixture.work.require(step, longest)?;
                let (z, progress) = sampler.draw().map_err(failed)?;
                mixture.work.charge(step, (progress.num_gradients as f64 * gradient).min(longest))?;
                run.divergences += u64::from(progress.diverging);
                #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
                run.draws.extend(target.beta(&z).into_iter().map(|b| b as f32));
            }
        }
        let chains = judge(&runs, rows.columns);
        // A second round makes the draws finer; where there is no work left for one, the first will do.
        let another = mixture.work.left() > 1.2 * (before - mixture.work.left());
        if round == ROUNDS || (chains.converged() && (round > 1 || !another)) {
            return Ok(chains);
        }
    }
}

/// R̂ and the effective number of draws over the runs so far.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn judge(runs: &[Run], columns: usize) -> Chains {
    let (mut worst, mut least) = (1.0_f64, f64::INFINITY);
    for j in 0..columns {
        let mut replicates: Vec<Vec<f64>> = vec![Vec::new(); REPLICATES];
        let mut noise = 0.0;
        for run in runs {
            let chain: Vec<f64> = run.draws.chunks_exact(columns).map(|draw| f64::from(draw[j])).collect();
            noise += chain.len() as f64 * mean_variance(&chain).1 * autocorrelation_time(&chain);
            replicates[run.replicate].extend(chain);
        }
        let all: Vec<f64> = replicates.iter().flatten().copied().collect();
        let total = all.len() as f64;
        if noise > 0.0 {
            least = least.min(total * total * mean_variance(&all).1 / noise);
        }
        worst = worst.max(r_hat(&replicates));
    }
    Chains {
        draws: runs.iter().flat_map(|run| run.draws.iter().copied()).collect(),
        r_hat: worst,
        effective: least,
        divergences: runs.iter().map(|run| run.divergences).sum(),
    }
}
