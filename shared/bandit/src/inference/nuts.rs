//! The no-U-turn sampler (Hoffman & Gelman 2014) at the points of the grid.

use std::borrow::Cow;
use std::collections::HashMap;

use nuts_rs::{
    Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims, KineticEnergyKind, LogpError, Settings,
    StepSizeAdaptMethod,
};
use rand::RngExt;

use super::convergence::{centre, mean_variance, mixing, r_hat, rank_scores};
use super::grid::share_out;
use super::laplace::{Gaussian, GaussianPrior};
use super::mixture::Mixture;
use super::rows::Rows;
use super::scales::Scales;
use super::streams::{Stream, indexed};
use super::work::{self, Work};
use crate::{FitError, Seed};

/// What errors call it.
const STEP: &str = "the no-U-turn sampler";
/// Runs of the whole grid that are compared with each other.
const REPLICATES: usize = 4;
/// Draws of one round, over all replicates and points.
const ROUND: usize = 10_000;
/// Rounds at most.
const ROUNDS: usize = 4;
/// Draws of a chain in a round are a multiple of this: each has two halves of two draws at least.
const SLOT: usize = 4;
/// Draws that are thrown away: of a chain that finds its step size, and of one that is given it.
const WARM_UP: (u64, u64) = (150, 50);
/// Points whose first chain finds a step size; it serves the chains at the points that are nearest to it.
const TUNED: usize = 8;
/// Doublings of a trajectory, at most, and gradients that takes.
const DEPTH: u64 = 7;
const LONGEST: f64 = 128.0;
/// Chains are not believed where more than one transition in so many diverges.
const PER_DIVERGENCE: u64 = 1_000;

/// What the sampler leaves.
pub(crate) struct Chains {
    /// Draws × P, row-major.
    pub draws: Vec<f32>,
    /// Which point of the grid each draw was made at.
    pub points: Vec<usize>,
    /// For each point of the grid the share of the draws that were made there.
    pub shares: Vec<f64>,
    /// Greatest split R̂ over the coefficients.
    pub r_hat: f64,
    /// Least effective number of draws over the coefficients.
    pub effective: f64,
    /// Divergent transitions after warm-up.
    pub divergences: u64,
    /// Whether they are to be believed: R̂ < 1.01, at least 1,000 effective draws, and at most one divergence in 1,000
    /// transitions.
    pub converged: bool,
}

/// The log-posterior of β given scales, over whitened coordinates z: β = μ + L⁻ᵀz, ∇_z = L⁻¹∇_β.
struct Whitened<'a> {
    rows: &'a Rows,
    prior: &'a GaussianPrior,
    gaussian: &'a Gaussian,
    /// Whether nothing was asked of it yet.
    fresh: bool,
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
            let (n, s) = (self.rows.n[i], self.rows.sum[i]);
            value += self.rows.family.log_likelihood(n, s, eta);
            let residual = self.rows.family.drive(n, s) - self.rows.family.fitted(n, s, eta);
            for &c in active {
                gradient[c as usize] += residual;
            }
        }
        self.gaussian.factor.whiten_gradient(gradient);
        if std::mem::take(&mut self.fresh) {
            // See [`settings`].
            gradient.iter_mut().zip(position).for_each(|(g, z)| *g = -z);
        }
        if value.is_finite() { Ok(value) } else { Err(NotFinite) }
    }

    fn expand_vector<R: rand::Rng + ?Sized>(&mut self, _: &mut R, array: &[f64]) -> Result<Vec<f64>, CpuMathError> {
        Ok(array.to_vec())
    }
}

/// Settings that leave the mass matrix at 1, in coordinates that are whitened already. There is no switch for it, but
/// without an early window, and with a window for the step size that lasts all through warm-up, it is never updated after
/// its start, where it is set from the first gradient: that of the standard normal, which [`Whitened`] answers with where
/// it is asked first, and every |z| is 1. `step` is the step size; `None` to find it.
fn settings(step: Option<f64>) -> DiagNutsSettings {
    let (tune, draws) = (if step.is_none() { WARM_UP.0 } else { 0 }, (ROUNDS * ROUND) as u64);
    let mut settings = DiagNutsSettings { num_tune: tune, num_draws: draws, maxdepth: DEPTH, ..Default::default() };
    settings.adapt_options.early_window = 0.0;
    settings.adapt_options.step_size_window = 1.0;
    if let Some(step) = step {
        settings.adapt_options.step_size_settings.adapt_options.method = StepSizeAdaptMethod::Fixed(step);
    }
    settings.trajectory_kind = KineticEnergyKind::Euclidean;
    settings
}

/// A point of the grid that is run.
struct Place<'a> {
    /// Its number in the grid.
    point: usize,
    /// Draws of each of its chains in a round.
    length: usize,
    prior: GaussianPrior,
    gaussian: Cow<'a, Gaussian>,
}

/// One chain at one point of the grid.
struct Run<'a> {
    sampler: <DiagNutsSettings as Settings>::Chain<CpuMath<Whitened<'a>>>,
    target: Whitened<'a>,
    /// Its number in the grid.
    point: usize,
    /// Draws in a round.
    length: usize,
    /// Draws × P of all rounds.
    draws: Vec<f32>,
    divergences: u64,
}

fn failed(_: impl Sized) -> FitError {
    FitError::NoConvergence { what: STEP, residual: f64::NAN }
}

impl<'a> Run<'a> {
    /// A chain in its start at ±1 in every coordinate, warmed up; and its step size.
    fn start(
        rows: &'a Rows,
        place: &'a Place<'a>,
        step: Option<f64>,
        (seed, index): (&Seed, u64),
        work: &Work,
    ) -> Result<(Self, f64), FitError> {
        let target = |fresh| Whitened { rows, prior: &place.prior, gaussian: &place.gaussian, fresh };
        let mut rng = indexed(seed, Stream::Chains, index);
        let mut sampler = settings(step).new_chain(index, CpuMath::new(target(true)), &mut rng).map_err(failed)?;
        let start: Vec<f64> = (0..rows.columns).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect();
        sampler.set_position(&start).map_err(failed)?;
        let (point, length) = (place.point, place.length);
        let mut run = Self { sampler, target: target(false), point, length, draws: Vec::new(), divergences: 0 };
        let mut found = 0.0;
        for _ in 0..if step.is_none() { WARM_UP.0 } else { WARM_UP.1 } {
            found = run.step(work)?.1.step_size;
        }
        Ok((run, found))
    }

    /// One transition, counted: no trajectory begins that might pass the fit's bound.
    #[expect(clippy::cast_precision_loss, reason = "a count of gradients")]
    fn step(&mut self, work: &Work) -> Result<(Box<[f64]>, nuts_rs::Progress), FitError> {
        let gradient = work::gradient(self.target.rows);
        work.require(STEP, (LONGEST + 1.0) * gradient)?;
        let (z, progress) = self.sampler.draw().map_err(failed)?;
        work.charge(STEP, ((progress.num_gradients as f64).min(LONGEST) + 0.5) * gradient)?;
        Ok((z, progress))
    }

    /// The draws of one round.
    fn round(&mut self, work: &Work) -> Result<(), FitError> {
        for _ in 0..self.length {
            let (z, progress) = self.step(work)?;
            self.divergences += u64::from(progress.diverging);
            #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
            self.draws.extend(self.target.beta(&z).into_iter().map(|b| b as f32));
        }
        Ok(())
    }
}

/// Runs four chains at the points of the grid, each with its share of the draws, in rounds until R̂ < 1.01, 1,000 draws are
/// effective and at most one transition in 1,000 diverges, and on as long as that is cheap; for four rounds at most.
///
/// Draws are shared out over all points by their weights, in lots of 16: a point with less weight than that of one lot
/// (0.16 %) is run or not as systematic sampling along the grid has it. [`Chains::shares`] are the weights that this
/// comes to. The first chains at the eight heaviest points find a step size, which those near them are given.
///
/// A replicate is one chain from every point. R̂ compares the eight halves of the four replicates, each of them a sample of
/// the whole posterior, within points: see [`r_hat`]. The effective number is Var(β)/Var(mean), the latter from
/// [`mixing`].
///
/// # Errors
/// [`FitError::NoConvergence`] where nuts-rs gives up, [`FitError::NotPositiveDefinite`]; [`FitError::Work`] before a
/// trajectory that might pass the fit's bound, and at once where even short trajectories would. Not where an earlier
/// round is to be believed: it is returned then.
pub(crate) fn sample(rows: &Rows, mixture: &Mixture, seed: &Seed) -> Result<Chains, FitError> {
    let places = places(rows, mixture)?;
    let mut runs = start(rows, mixture, &places, seed)?;
    let mut shares = vec![0.0; mixture.points.len()];
    for place in &places {
        #[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
        (shares[place.point] = (place.length * REPLICATES) as f64 / ROUND as f64);
    }
    let mut believed = None;
    for round in 1.. {
        let before = mixture.work.left();
        let drawn: Result<(), FitError> = runs.iter_mut().try_for_each(|run| run.round(&mixture.work));
        let chains = match drawn.and_then(|()| judge(&runs, rows.columns, &shares, &mixture.work)) {
            Ok(chains) => chains,
            Err(error) => return believed.ok_or(error),
        };
        // More rounds make the draws finer: a second one where there is work left for it, and all where they cost little.
        let (left, spent) = (mixture.work.left(), before - mixture.work.left());
        let enough = left <= 1.2 * spent || (round > 1 && left <= 8.0 * spent);
        if round == ROUNDS || (chains.converged && enough) {
            return Ok(chains);
        }
        believed = Some(chains).filter(|chains| chains.converged);
    }
    Err(failed(()))
}

/// The points that are run, with their shares of the draws.
///
/// # Errors
/// [`FitError::Work`] where trajectories of three gradients for one round would pass the bound.
#[expect(clippy::cast_precision_loss, reason = "counts of draws")]
fn places<'a>(rows: &Rows, mixture: &'a Mixture) -> Result<Vec<Place<'a>>, FitError> {
    let weights: Vec<f64> = mixture.points.iter().map(|p| p.weight).collect();
    let lengths: Vec<usize> =
        share_out(&weights, ROUND / REPLICATES / SLOT).into_iter().map(|slots| SLOT * slots).collect();
    let points: Vec<usize> = (0..lengths.len()).filter(|&g| lengths[g] > 0).collect();
    let warm_up = WARM_UP.1 * (REPLICATES * points.len()) as u64;
    mixture.work.require(STEP, 3.0 * (ROUND as u64 + warm_up) as f64 * work::gradient(rows))?;
    let place = |&point: &usize| {
        let gaussian = mixture.gaussian(point)?;
        Ok(Place { point, length: lengths[point], prior: mixture.prior(point), gaussian })
    };
    points.iter().map(place).collect()
}

/// The chains, those of one place one after another.
fn start<'a>(
    rows: &'a Rows,
    mixture: &Mixture,
    places: &'a [Place<'a>],
    seed: &Seed,
) -> Result<Vec<Run<'a>>, FitError> {
    let mut heaviest: Vec<usize> = (0..places.len()).collect();
    heaviest.sort_by_key(|&p| std::cmp::Reverse(places[p].length));
    heaviest.truncate(TUNED);
    let mut first = HashMap::new();
    let mut steps: Vec<(Scales, f64)> = Vec::new();
    let number = |place: usize, replicate: usize| (seed, (place * REPLICATES + replicate) as u64);
    for place in heaviest {
        let (run, step) = Run::start(rows, &places[place], None, number(place, 0), &mixture.work)?;
        steps.push((mixture.points[places[place].point].scales, step));
        first.insert(place, run);
    }
    let mut runs = Vec::with_capacity(places.len() * REPLICATES);
    for (p, place) in places.iter().enumerate() {
        let at = mixture.points[place.point].scales;
        let nearest = steps.iter().min_by(|a, b| distance(at, a.0).total_cmp(&distance(at, b.0))).map(|found| found.1);
        let tuned = first.remove(&p);
        let given = usize::from(tuned.is_some())..REPLICATES;
        runs.extend(tuned);
        for replicate in given {
            runs.push(Run::start(rows, place, nearest, number(p, replicate), &mixture.work)?.0);
        }
    }
    Ok(runs)
}

/// Squared distance of the logarithms.
fn distance(a: Scales, b: Scales) -> f64 {
    (a.main / b.main).ln().powi(2) + (a.pair / b.pair).ln().powi(2)
}

/// R̂ and the effective number of draws over the runs so far.
///
/// # Errors
/// [`FitError::Work`].
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn judge(runs: &[Run<'_>], columns: usize, shares: &[f64], work: &Work) -> Result<Chains, FitError> {
    let (mut worst, mut least) = (1.0_f64, f64::INFINITY);
    let count: usize = runs.iter().map(|run| run.draws.len() / columns).sum();
    let scores = rank_scores(count);
    for j in 0..columns {
        work.charge("judging chains", work::ranking(count))?;
        let strand = |run: &Run<'_>| run.draws.iter().skip(j).step_by(columns).map(|&b| f64::from(b)).collect();
        let mut strands: Vec<Vec<f64>> = runs.iter().map(strand).collect();
        let all: Vec<f64> = strands.iter().flatten().copied().collect();
        centre(&mut strands, REPLICATES);
        let mixed = mixing(&strands, REPLICATES);
        work.charge("judging chains", (mixed.lags * count) as f64)?;
        if mixed.noise > 0.0 {
            least = least.min((count * count) as f64 * mean_variance(&all).1 / mixed.noise);
        }
        worst = worst.max(r_hat(&strands, REPLICATES, &scores));
    }
    let divergences: u64 = runs.iter().map(|run| run.divergences).sum();
    Ok(Chains {
        draws: runs.iter().flat_map(|run| run.draws.iter().copied()).collect(),
        points: runs.iter().flat_map(|run| std::iter::repeat_n(run.point, run.draws.len() / columns)).collect(),
        shares: shares.to_vec(),
        r_hat: worst,
        effective: least,
        divergences,
        converged: worst < 1.01 && least >= 1_000.0 && divergences * PER_DIVERGENCE <= count as u64,
    })
}
