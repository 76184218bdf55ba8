//! Hierarchical regression on cells: logistic (binomial) for conversions, logarithmic (Gamma) for amounts.
//!
//! Each row has a linear predictor η = `φᵀβ`, and its likelihood is of a [`Family`]. β0 ~ N(a given mean, 2.5²); strata's
//! intercepts ~ N(0, a given variance); main effects ~ N(0, `τ_main`²), pairs ~ N(0, `τ_pair`²); `τ_main`, `τ_pair`
//! half-normal (Gelman 2006) or fixed. A Thompson-sampling logistic model as in Chapelle & Li (2011) and Scott (2010),
//! with pairs of levels as in Hill et al. (2017), and scales for the effects that are integrated over instead of maximised
//! as in MacKay (1992) and Tipping (2001).

use super::assembly::Fitted;
use crate::inference::directions::leading;
use crate::inference::family::Smoothed;
use crate::inference::grid;
use crate::inference::importance::Sample;
use crate::inference::laplace::{EXACT, curvature, laplace};
use crate::inference::mixture::{Kind, Mixture, Model};
use crate::inference::nuts::{self, Chains};
use crate::inference::resample::systematic;
use crate::inference::rows::Rows;
use crate::inference::scales::Layout;
use crate::inference::streams::{Stream, stream};
use crate::inference::thin;
use crate::inference::work::{self, Work};
use crate::posterior::column_means;
use crate::{DRAWS, Diagnostics, FitError, Prior, ScalePoint, Seed, Step};

/// Above this k̂ the variational mixture's tails are too thin to be content with, and Laplace's are tried; above it, too,
/// the sampler is, since at 0.64 to 0.69 the ends of a hard case's intervals were 0.4 standard deviations off.
const GOOD_K: f64 = 0.5;
/// Importance weights are accepted below this k̂ (Vehtari et al. 2024) where the sampler does not fit into the work left.
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

/// What is fitted: the rows, what their columns are, and the mean of the intercept's prior.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub rows: &'a Rows,
    pub layout: Layout,
    pub intercept: f64,
}

/// Fits the model.
///
/// 1. A grid over the scales with a Gaussian at each point (the evidence of MacKay 1992): the Laplace approximation lays the
///    grid, and where there is weight the Gaussian nearest in KL(q ‖ posterior) takes its place.
/// 2. Draws of scales and coefficients from that mixture, importance-weighted to the posterior and Pareto-smoothed
///    (Vehtari et al. 2024). Where its k̂ is above ½ (hardly any conversions), Laplace's mixture, whose tails are wider,
///    is tried, and the smaller k̂ taken; where Laplace's cannot be fitted or drawn from, what is there is kept.
///    Accepted where k̂ < 0.5 and at least 1,000 draws are effective.
/// 3. Else the no-U-turn sampler (Hoffman & Gelman 2014) at the points of the grid, draws shared out by their weights,
///    accepted where split R̂ < 1.01, at least 1,000 draws are effective and at most one transition in 1,000 diverged.
///    Where it does not fit into the work that is left, the weighted draws of step 2 are accepted up to k̂ < 0.7.
///
/// Then 10,000 equally weighted draws by systematic resampling, and thinning where there are more.
///
/// `diagnostics.scales` has the weights that the draws were made with. Draws are ordered such that neighbours are alike:
/// every k-th is a fair subset.
///
/// # Errors
/// [`FitError::NoConvergence`] and [`FitError::NotPositiveDefinite`] from the grid; [`FitError::Sampling`] where neither way
/// of drawing reaches its criteria; [`FitError::Work`] where the next step would cost more than a fit may. Every loop is
/// bounded, and every step is counted before it is taken.
pub(super) fn fit(problem: Problem<'_>, prior: &Prior, seed: &Seed) -> Result<Fitted, FitError> {
    fit_within(problem, prior, seed, &Limits { good_k: GOOD_K, most_k: MOST_K, most_narrow: GOOD_K, work: None })
}

/// What tests set otherwise.
struct Limits {
    /// Importance weights are accepted below this k̂.
    good_k: f64,
    /// And below this one where the sampler does not fit into the work that is left.
    most_k: f64,
    /// Above this k̂ Laplace's mixture is tried in a small model.
    most_narrow: f64,
    /// What the fit may spend, if not what suits its rows.
    work: Option<Work>,
}

fn fit_within(
    Problem { rows, layout, intercept }: Problem<'_>,
    prior: &Prior,
    seed: &Seed,
    limits: &Limits,
) -> Result<Fitted, FitError> {
    let work = limits.work.clone().unwrap_or_else(|| Work::of(rows));
    work.charge("laying out the cells", work::laying_out(rows))?;
    // Λ and the resampling come last, when the draws are accepted: they must not fail for want of work.
    let (last, taking) = (LAST_STEPS * work::newton_step(rows), work::resampling(rows, DRAWS, false));
    work.hold_back("the precision", last)?;
    work.hold_back(RESAMPLING, taking)?;
    let model = Model { rows, layout, intercept, smoothed: Smoothed::new(), work };
    let (mut mixture, directions, sample) = choose(&model, prior, seed, limits)?;
    let (k, effective) = (sample.weights.k, sample.weights.effective);
    if effective >= LEAST_EFFECTIVE {
        for (point, weight) in mixture.points.iter_mut().zip(sample.point_weights()) {
            point.weight = weight;
        }
    }
    let weighted = |mixture: &Mixture| {
        model.work.release(taking);
        let (draws, points) = equal(rows, &sample, seed, &model.work)?;
        model.work.release(last);
        regression(&model, mixture, (draws, &points), &Outcome::Importance(&sample))
    };
    if k < limits.good_k && effective >= LEAST_EFFECTIVE {
        return weighted(&mixture);
    }
    let chains = match nuts::sample(rows, &mixture, seed) {
        Err(FitError::Work { .. }) if k < limits.most_k && effective >= LEAST_EFFECTIVE => return weighted(&mixture),
        other => other?,
    };
    if !chains.converged {
        let Chains { r_hat, effective, divergences, .. } = chains;
        return Err(FitError::Sampling { pareto_k: k, r_hat, effective_draws: effective, divergences });
    }
    for (point, share) in mixture.points.iter_mut().zip(&chains.shares) {
        point.weight = *share;
    }
    model.work.release(taking);
    let (draws, points) = thin_chains(rows, &directions, &chains, seed, &model.work)?;
    model.work.release(last);
    regression(&model, &mixture, (draws, &points), &Outcome::Nuts(&chains, k))
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
fn equal(rows: &Rows, sample: &Sample, seed: &Seed, work: &Work) -> Result<Gathered, FitError> {
    let cost = |halvings: usize| work::resampling(rows, DRAWS << halvings, halvings > 0);
    let mut halvings = 0;
    while ((DRAWS << (halvings + 1)) as f64) < 0.8 * sample.weights.effective && cost(halvings + 1) < work.left() {
        halvings += 1;
    }
    work.charge(RESAMPLING, cost(halvings))?;
    let mut rng = stream(seed, Stream::Resampling);
    let taken = systematic(&sample.weights.weights, &sample.keys, DRAWS << halvings, &mut rng);
    Ok(gather(rows, &sample.draws, &sample.point, &thin::halve(rows, &sample.draws, taken, halvings)))
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
) -> Result<Gathered, FitError> {
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
    Ok(gather(rows, &chains.draws, &chains.points, &thin::halve(rows, &chains.draws, taken, halvings)))
}

/// Draws × P, and the point of the grid of each draw.
type Gathered = (Vec<f32>, Vec<usize>);

fn gather(rows: &Rows, draws: &[f32], points: &[usize], taken: &[usize]) -> Gathered {
    let of = |&s: &usize| &draws[s * rows.columns..(s + 1) * rows.columns];
    (taken.iter().flat_map(of).copied().collect(), taken.iter().map(|&s| points[s]).collect())
}

/// How the draws were made.
enum Outcome<'a> {
    Importance(&'a Sample),
    /// With the k̂ that was rejected.
    Nuts(&'a Chains, f64),
}

fn regression(
    model: &Model<'_>,
    mixture: &Mixture,
    (draws, points_of): (Vec<f32>, &[usize]),
    outcome: &Outcome<'_>,
) -> Result<Fitted, FitError> {
    let points = &mixture.points;
    let mean = column_means(&draws, model.rows.columns);
    let mean_scales = grid::mean_scales(points);
    let prior = model.prior(mean_scales);
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
            scales,
            pareto_k: sample.weights.k.is_finite().then_some(sample.weights.k),
            effective_draws: Some(sample.weights.effective),
            ..Diagnostics::new(Step::Importance)
        },
        Outcome::Nuts(chains, k) => Diagnostics {
            scales,
            pareto_k: k.is_finite().then_some(*k),
            effective_draws: Some(chains.effective),
            r_hat: Some(chains.r_hat),
            divergences: Some(chains.divergences),
            ..Diagnostics::new(Step::Nuts)
        },
    };
    let scales = points_of.iter().map(|&g| points[g].scales).collect();
    Ok(Fitted { draws, scales, sigma: None, factor, mean_scales, diagnostics })
}

#[cfg(test)]
mod tests;
