//! cmab, bool reward: hierarchical Bayesian logistic regression.
//!
//! s ~ Binomial(n, p) in each cell, p = 1/(1 + e^(−η)), η = `φᵀβ` over the columns of [`Columns`]; β0 ~ N(logit m, 2.5²)
//! with m = (S + ½)/(N + 1); main effects ~ N(0, `τ_main`²), pairs ~ N(0, `τ_pair`²); `τ_main`, `τ_pair` half-normal
//! (Gelman 2006) or fixed. A Thompson-sampling logistic model as in Chapelle & Li (2011) and Scott (2010), with pairs of
//! levels as in Hill et al. (2017), and scales for the effects that are integrated over instead of maximised as in
//! MacKay (1992) and Tipping (2001).

use super::checks::{check_bool, check_cells, check_contextual};
use crate::inference::directions::leading;
use crate::inference::grid;
use crate::inference::importance::Sample;
use crate::inference::laplace::{EXACT, curvature, laplace};
use crate::inference::logistic::Smoothed;
use crate::inference::mixture::{Kind, Mixture, Model};
use crate::inference::nuts::{self, Chains};
use crate::inference::resample::systematic;
use crate::inference::rows::Rows;
use crate::inference::scales::Layout;
use crate::inference::streams::{Stream, stream};
use crate::inference::thin;
use crate::inference::work::{self, Work};
use crate::posterior::column_means;
use crate::{
    CellTable, Columns, DRAWS, Diagnostics, FitError, Link, Posterior, Predictor, Prior, ScalePoint, Seed, Space, Step,
};

/// Above this k̂ the variational mixture's tails are too thin to be content with, and Laplace's are tried.
const GOOD_K: f64 = 0.5;
/// Importance weights are accepted below this k̂ (Vehtari et al. 2024).
const MOST_K: f64 = 0.7;
/// Importance weights and chains are accepted from so many effective draws.
const LEAST_EFFECTIVE: f64 = 1_000.0;
/// Size of the pool of weighted draws, in operations as [`most_draws`] counts them, up to 200 columns and beyond.
const POOL_WORK: (f64, f64) = (2e9, 1e10);
/// Values in the pool, likewise: 16 MB and 128 MB.
const POOL: (f64, f64) = (4e6, 3.2e7);
/// A large model takes no more draws once so many are effective.
const ENOUGH: f64 = 6_000.0;
/// The first draws take at most this share of all that is left of a fit's work, but are at least so many.
const FIRST: (f64, usize) = (0.8, 1_500);
/// Newton steps that are kept for Λ until the draws are made, the assembly of one more Λ among them.
const LAST_STEPS: f64 = 4.0;
/// What errors call the resampling of draws.
const RESAMPLING: &str = "resampling draws";

/// Fits the model.
///
/// 1. A grid over the scales with a Gaussian at each point (the evidence of MacKay 1992): the Laplace approximation lays the
///    grid, and where there is weight the Gaussian nearest in KL(q ‖ posterior) takes its place.
/// 2. Draws of scales and coefficients from that mixture, importance-weighted to the posterior and Pareto-smoothed
///    (Vehtari et al. 2024). Where its k̂ is above ½ (hardly any conversions), Laplace's mixture, whose tails are wider,
///    is tried, and the smaller k̂ taken; where Laplace's cannot be fitted or drawn from, what is there is kept.
///    Accepted where k̂ < 0.7 and at least 1,000 draws are effective.
/// 3. Else the no-U-turn sampler (Hoffman & Gelman 2014) at the points of the grid, draws shared out by their weights,
///    accepted where split R̂ < 1.01, at least 1,000 draws are effective and at most one transition in 1,000 diverged.
///
/// Then 10,000 equally weighted draws by systematic resampling, and thinning where there are more.
///
/// The posterior has the columns of [`Columns`] and draws in log-odds. `precision_cholesky` is of Λ = ΦᵀWΦ + D at the
/// mode of β under the mean scales; at the mean of the draws where Newton's method does not get from there to the mode.
/// `diagnostics.scales` has the weights that the draws were made with. Draws are ordered such that neighbours are alike: every k-th is a fair subset.
///
/// # Errors
/// [`FitError::NoObservations`], [`FitError::OutsideSpace`], [`FitError::NotBool`], [`FitError::TooManyColumns`],
/// [`FitError::Prior`]; [`FitError::NoConvergence`] and [`FitError::NotPositiveDefinite`] from the grid;
/// [`FitError::Sampling`] where neither way of drawing reaches its criteria; [`FitError::Work`] where the next step would
/// cost more than a fit may. Every loop is bounded, and every step is counted before it is taken.
pub fn fit(space: &Space, cells: &CellTable, prior: &Prior, seed: &Seed) -> Result<Posterior, FitError> {
    fit_within(space, cells, prior, seed, &Limits { most_k: MOST_K, most_narrow: GOOD_K, work: None })
}

/// What tests set otherwise.
struct Limits {
    /// Importance weights are accepted below this k̂.
    most_k: f64,
    /// Above this k̂ Laplace's mixture is tried in a small model.
    most_narrow: f64,
    /// What the fit may spend, if not what suits its rows.
    work: Option<Work>,
}

#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
fn fit_within(
    space: &Space,
    cells: &CellTable,
    prior: &Prior,
    seed: &Seed,
    limits: &Limits,
) -> Result<Posterior, FitError> {
    check_cells(space, cells)?;
    check_bool(cells)?;
    check_contextual(space, prior)?;
    let columns = Columns::of(space);
    let rows = Rows::new(space, &columns, cells)?;
    let m = (cells.reward_sum() + 0.5) / (cells.trials() as f64 + 1.0);
    let work = limits.work.clone().unwrap_or_else(|| Work::of(&rows));
    work.charge("laying out the cells", work::laying_out(&rows))?;
    // Λ and the resampling come last, when the draws are accepted: they must not fail for want of work.
    let (last, taking) = (LAST_STEPS * work::newton_step(&rows), work::resampling(&rows, DRAWS, false));
    work.hold_back("the precision", last)?;
    work.hold_back(RESAMPLING, taking)?;
    let (layout, intercept) = (Layout::of(&columns), (m / (1.0 - m)).ln());
    let model = Model { rows: &rows, layout, intercept, smoothed: Smoothed::new(), work };
    let (mut mixture, directions, sample) = choose(&model, prior, seed, limits)?;
    let (k, effective) = (sample.weights.k, sample.weights.effective);
    if effective >= LEAST_EFFECTIVE {
        for (point, weight) in mixture.points.iter_mut().zip(sample.point_weights()) {
            point.weight = weight;
        }
    }
    if k < limits.most_k && effective >= LEAST_EFFECTIVE {
        model.work.release(taking);
        let draws = equal(&rows, &sample, seed, &model.work)?;
        model.work.release(last);
        return posterior(&model, &mixture, draws, &Outcome::Importance(&sample));
    }
    let chains = nuts::sample(&rows, &mixture, seed)?;
    if !chains.converged {
        let Chains { r_hat, effective, divergences, .. } = chains;
        return Err(FitError::Sampling { pareto_k: k, r_hat, effective_draws: effective, divergences });
    }
    for (point, share) in mixture.points.iter_mut().zip(&chains.shares) {
        point.weight = *share;
    }
    model.work.release(taking);
    let draws = thin_chains(&rows, &directions, &chains, seed, &model.work)?;
    model.work.release(last);
    posterior(&model, &mixture, draws, &Outcome::Nuts(&chains, k))
}

/// A mixture, the directions that its draws are sorted by, and weighted draws from it: of the variational mixture where
/// 10,000 draws show that it will do, else of the one with the lesser k̂; but never of one that is not acceptable where the
/// other is. Where a wider mixture or more draws cannot be had, for want of work say, the draws that are there are judged.
fn choose(
    model: &Model<'_>,
    prior: &Prior,
    seed: &Seed,
    limits: &Limits,
) -> Result<(Mixture, Vec<Vec<f64>>, Sample), FitError> {
    let draw = |kind| {
        let mixture = model.mixture(prior, kind)?;
        let directions = leading(model.rows, &*mixture.gaussian(mixture.peak())?, 3, &model.work)?;
        let sample = Sample::new(model.rows, &mixture, &directions, first_draws(model), seed)?;
        Ok((mixture, directions, sample))
    };
    let near = draw(Kind::Variational)?;
    let k = near.2.weights.k;
    let (mixture, directions, mut sample) = if k < if model.is_large() { MOST_K } else { limits.most_narrow } {
        near
    } else {
        match draw(Kind::Laplace) {
            Ok(wide) if wide.2.weights.k < k && (acceptable(&wide.2) || !acceptable(&near.2)) => wide,
            _ => near,
        }
    };
    let effective = sample.weights.effective;
    let more = most_draws(model, effective < LEAST_EFFECTIVE).saturating_sub(sample.weights.weights.len());
    if more > 0 && !(model.is_large() && effective >= ENOUGH) {
        // Where it fails the sample is what it was.
        let _ = sample.extend(model.rows, &mixture, &directions, more);
    }
    Ok((mixture, directions, sample))
}

/// Whether weights are accepted as they are.
fn acceptable(sample: &Sample) -> bool {
    sample.weights.k < MOST_K && sample.weights.effective >= LEAST_EFFECTIVE
}

/// 10,000, fewer where the cells are so many that this would be most of a fit's work.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 10,000 are taken")]
fn first_draws(model: &Model<'_>) -> usize {
    ((FIRST.0 * model.work.left() / work::drawing(model.rows)) as usize).clamp(FIRST.1, DRAWS)
}

/// As many draws as a bounded amount of work and memory allows, between 10,000 and 80,000; where those so far are too
/// few to be accepted, as many as memory allows. Never more than four fifths of the work that is left.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range of counts")]
fn most_draws(model: &Model<'_>, short: bool) -> usize {
    let rows = model.rows;
    let columns = rows.columns as f64;
    let per_draw = columns * columns + 20.0 * columns + rows.ones() as f64 + 12.0 * rows.len() as f64;
    let (work, pool) = if rows.columns <= 200 { (POOL_WORK.0, POOL.0) } else { (POOL_WORK.1, POOL.1) };
    let wanted = if short { f64::INFINITY } else { work / per_draw };
    let wanted = wanted.min(pool / columns).clamp(DRAWS as f64, 8.0 * DRAWS as f64);
    wanted.min(0.8 * model.work.left() / work::drawing(rows)) as usize
}

/// 10,000 equally weighted draws: 10,000·2^h by systematic resampling while four fifths of the effective draws last,
/// and there is work left for it, halved h times.
///
/// # Errors
/// [`FitError::Work`].
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn equal(rows: &Rows, sample: &Sample, seed: &Seed, work: &Work) -> Result<Vec<f32>, FitError> {
    let cost = |halvings: usize| work::resampling(rows, DRAWS << halvings, halvings > 0);
    let mut halvings = 0;
    while ((DRAWS << (halvings + 1)) as f64) < 0.8 * sample.weights.effective && cost(halvings + 1) < work.left() {
        halvings += 1;
    }
    work.charge(RESAMPLING, cost(halvings))?;
    let mut rng = stream(seed, Stream::Resampling);
    let taken = systematic(&sample.weights.weights, &sample.keys, DRAWS << halvings, &mut rng);
    Ok(gather(rows, &sample.draws, &thin::halve(rows, &sample.draws, taken, halvings)))
}

/// The same of chains, all of whose draws count alike.
///
/// # Errors
/// [`FitError::Work`].
fn thin_chains(
    rows: &Rows,
    directions: &[Vec<f64>],
    chains: &Chains,
    seed: &Seed,
    work: &Work,
) -> Result<Vec<f32>, FitError> {
    let count = chains.draws.len() / rows.columns;
    let keys: Vec<Vec<f64>> = directions
        .iter()
        .map(|c| {
            let key = |draw: &[f32]| draw.iter().zip(c).map(|(&b, c)| f64::from(b) * c).sum();
            chains.draws.chunks_exact(rows.columns).map(key).collect()
        })
        .collect();
    let cost = |halvings: usize| work::resampling(rows, DRAWS << halvings, halvings > 0);
    let mut halvings = (count / DRAWS).max(1).ilog2() as usize;
    while halvings > 0 && cost(halvings) > work.left() {
        halvings -= 1;
    }
    work.charge(RESAMPLING, cost(halvings))?;
    let mut rng = stream(seed, Stream::Resampling);
    let taken = systematic(&vec![1.0; count], &keys, DRAWS << halvings, &mut rng);
    Ok(gather(rows, &chains.draws, &thin::halve(rows, &chains.draws, taken, halvings)))
}

fn gather(rows: &Rows, draws: &[f32], taken: &[usize]) -> Vec<f32> {
    taken.iter().flat_map(|s| &draws[s * rows.columns..(s + 1) * rows.columns]).copied().collect()
}

/// How the draws were made.
enum Outcome<'a> {
    Importance(&'a Sample),
    /// With the k̂ that was rejected.
    Nuts(&'a Chains, f64),
}

fn posterior(
    model: &Model<'_>,
    mixture: &Mixture,
    draws: Vec<f32>,
    outcome: &Outcome<'_>,
) -> Result<Posterior, FitError> {
    let points = &mixture.points;
    let mean = column_means(&draws, model.rows.columns);
    let prior = model.prior(grid::mean_scales(points));
    let factor = match laplace(model.rows, &prior, &mean, EXACT, &model.work) {
        Ok(mode) => mode.factor,
        // The draws are accepted: how far Newton's method gets from their mean is no reason to lose them.
        Err(FitError::Work { .. } | FitError::NoConvergence { .. }) => curvature(model.rows, &prior, &mean)?,
        Err(other) => return Err(other),
    };
    let scales =
        points.iter().map(|p| ScalePoint { main: p.scales.main, pair: p.scales.pair, weight: p.weight }).collect();
    let diagnostics = match outcome {
        Outcome::Importance(sample) => Diagnostics {
            step: Step::Importance,
            scales,
            kappa: None,
            pareto_k: sample.weights.k.is_finite().then_some(sample.weights.k),
            effective_draws: Some(sample.weights.effective),
            r_hat: None,
            divergences: None,
        },
        Outcome::Nuts(chains, k) => Diagnostics {
            step: Step::Nuts,
            scales,
            kappa: None,
            pareto_k: k.is_finite().then_some(*k),
            effective_draws: Some(chains.effective),
            r_hat: Some(chains.r_hat),
            divergences: Some(chains.divergences),
        },
    };
    Ok(Posterior {
        predictor: Predictor::Columns,
        link: Link::Logit,
        columns: model.rows.columns,
        mean,
        draws,
        precision_cholesky: factor.row_major(),
        arms: Vec::new(),
        diagnostics,
    })
}

#[cfg(test)]
mod tests;
