//! mab, bool reward: Beta–binomial arms with a learned prior.
//!
//! `θ_v` ~ Beta(κm, κ(1−m)), `s_v` | `θ_v` ~ Binomial(`n_v`, `θ_v`), with m = (S + ½)/(N + 1) and κ learned from the
//! arms (Gelman et al., BDA3, §5.3: the hyperprior κ^(−3/2) is uniform on 1/√κ, about the prior's standard deviation).
//!
//! κ is averaged over, not maximised: with few arms the best single κ makes the intervals too narrow (measured in
//! docs/statistics.md, "Calibration"). With many data the two agree.

use libm::lgamma;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Gamma};

use super::checks::{check_bool, check_cells};
use crate::inference::streams::{Stream, stream};
use crate::posterior::column_means;
use crate::{CellTable, DRAWS, Diagnostics, FitError, Link, Posterior, Predictor, Seed, Space, Step};

/// Points of the grid over κ.
const POINTS: usize = 200;

/// Fits the model.
///
/// The posterior of κ on [1, max(2, N)] has the density
///
/// ```text
/// p(κ | data) ∝ κ^(−3/2) Π_v B(κm + s_v, κ(1−m) + n_v − s_v) / B(κm, κ(1−m))
/// ```
///
/// and is put on 200 points equally spaced in ln κ, over the part of that range which carries it. A draw takes one of them by its weight, and then for every arm
/// `θ_v` | κ, data ~ Beta(κm + `s_v`, κ(1−m) + `n_v` − `s_v`).
///
/// The posterior has one column for each variant (excluded ones too) and draws of logit `θ_v` in log-odds. `arms` and
/// the diagnostics' `kappa` are of the most probable κ: (`a_v`, `b_v`) = (κ̂m + `s_v`, κ̂(1−m) + `n_v` − `s_v`), variants × 2.
/// A variant without trials has the prior.
///
/// # Errors
/// [`FitError::NoObservations`], [`FitError::OutsideSpace`], [`FitError::NotBool`].
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
pub fn fit(space: &Space, cells: &CellTable, seed: &Seed) -> Result<Posterior, FitError> {
    check_cells(space, cells)?;
    check_bool(cells)?;
    let mut counts = vec![(0.0_f64, 0.0_f64); space.variants()];
    for cell in cells.cells() {
        counts[cell.variant].0 += cell.n as f64;
        counts[cell.variant].1 += cell.sum;
    }
    let trials = cells.trials() as f64;
    let m = (cells.reward_sum() + 0.5) / (trials + 1.0);
    let kappa = learn_kappa(&counts, m, trials);
    let arm = |kappa: f64, (n, s): (f64, f64)| (kappa * m + s, kappa * (1.0 - m) + (n - s));
    let arms: Vec<(f64, f64)> = counts.iter().map(|&count| arm(kappa, count)).collect();
    let mut rng = stream(seed, Stream::Exact);
    let mut draws = Vec::with_capacity(DRAWS * arms.len());
    for kappa in kappas(&counts, m, trials) {
        for &count in &counts {
            let (a, b) = arm(kappa, count);
            #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
            draws.push((log_gamma_draw(a, &mut rng) - log_gamma_draw(b, &mut rng)) as f32);
        }
    }
    Ok(Posterior {
        predictor: Predictor::Arms,
        link: Link::Logit,
        columns: arms.len(),
        mean: column_means(&draws, arms.len()),
        draws,
        precision_cholesky: Vec::new(),
        arms: arms.into_iter().flat_map(|(a, b)| [a, b]).collect(),
        diagnostics: Diagnostics {
            step: Step::Exact,
            scales: Vec::new(),
            kappa: Some(kappa),
            pareto_k: None,
            effective_draws: None,
            r_hat: None,
            divergences: None,
        },
    })
}

/// ln of the beta-binomial marginal of the arms (`n_v`, `s_v`) times κ^(−3/2).
fn log_marginal(counts: &[(f64, f64)], m: f64, kappa: f64) -> f64 {
    let (a, b) = (kappa * m, kappa * (1.0 - m));
    let prior = lgamma(kappa) - lgamma(a) - lgamma(b);
    counts
        .iter()
        .filter(|(n, _)| *n > 0.0)
        .map(|(n, s)| prior + lgamma(a + s) + lgamma(b + (n - s)) - lgamma(kappa + n))
        .sum::<f64>()
        - 1.5 * kappa.ln()
}

/// Points of ln κ, equally spaced, with the log-density of ln κ there. They span [1, max(2, N)], or less of it where fewer than
/// 50 of 200 would carry all but e^(−20) of the greatest density: with many arms ln κ is known to hundredths.
#[expect(clippy::cast_precision_loss, reason = "small indices")]
fn spread(counts: &[(f64, f64)], m: f64, trials: f64) -> Vec<(f64, f64)> {
    const ENOUGH: usize = 50;
    const NARROWINGS: usize = 4;
    let (mut low, mut high) = (0.0, trials.max(2.0).ln());
    let mut narrowings = 0;
    loop {
        let at = |i: usize| low + (high - low) * i as f64 / (POINTS - 1) as f64;
        // dκ = κ d ln κ.
        let value = |log_kappa: f64| log_marginal(counts, m, log_kappa.exp()) + log_kappa;
        let points: Vec<(f64, f64)> = (0..POINTS).map(|i| (at(i), value(at(i)))).collect();
        let greatest = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
        let carries = |p: &(f64, f64)| p.1 > greatest - 20.0;
        let first = points.iter().position(carries).unwrap_or(0).saturating_sub(1);
        let last = points.iter().rposition(carries).map_or(POINTS - 1, |i| (i + 1).min(POINTS - 1));
        if last - first >= ENOUGH || narrowings == NARROWINGS {
            return points;
        }
        (low, high) = (points[first].0, points[last].0);
        narrowings += 1;
    }
}

/// One κ for each draw, as many of each point of the grid as its weight demands. The order is spread out, so that every
/// k-th draw is a fair share of all.
#[expect(clippy::cast_precision_loss, reason = "small indices")]
fn kappas(counts: &[(f64, f64)], m: f64, trials: f64) -> Vec<f64> {
    // A step that shares no factor with the number of draws visits every place once.
    const STEP: usize = 3_819;
    let points = spread(counts, m, trials);
    let greatest = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    // The ends of the trapezoidal rule count half.
    let end = |i: usize| if i == 0 || i == POINTS - 1 { 0.5 } else { 1.0 };
    let mut total = 0.0;
    let cumulative: Vec<f64> = points
        .iter()
        .enumerate()
        .map(|(i, (_, log))| {
            total += end(i) * (log - greatest).exp();
            total
        })
        .collect();
    (0..DRAWS)
        .map(|s| {
            let place = (((s * STEP) % DRAWS) as f64 + 0.5) / DRAWS as f64 * total;
            points[cumulative.partition_point(|&c| c < place).min(POINTS - 1)].0.exp()
        })
        .collect()
}

/// κ̂ by 200 points equally spaced in ln κ, then golden sections about the best of them.
#[expect(clippy::cast_precision_loss, reason = "a small index")]
fn learn_kappa(counts: &[(f64, f64)], m: f64, trials: f64) -> f64 {
    let top = trials.max(2.0).ln();
    let value = |log_kappa: f64| log_marginal(counts, m, log_kappa.exp());
    let at = |i: usize| top * i as f64 / (POINTS - 1) as f64;
    let best =
        (0..POINTS).map(|i| (i, value(at(i)))).fold((0, f64::NEG_INFINITY), |b, p| if p.1 > b.1 { p } else { b });
    let (mut low, mut high) = (at(best.0.saturating_sub(1)), at((best.0 + 1).min(POINTS - 1)));
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    for _ in 0..60 {
        let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
        if value(left) >= value(right) {
            high = right;
        } else {
            low = left;
        }
    }
    // The ends of the range are reached only in the limit: one of them may be the maximum.
    let middle = 0.5 * (low + high);
    [0.0, top].into_iter().fold(middle, |b, end| if value(end) > value(b) { end } else { b }).exp()
}

/// ln G for G ~ Gamma(shape, 1). For a shape below 1, G = G'·U^(1/shape) with G' ~ Gamma(shape + 1), in logarithms:
/// G itself would underflow for shapes such as 1e-6 (Marsaglia & Tsang 2000, §6).
pub(crate) fn log_gamma_draw<R: Rng>(shape: f64, rng: &mut R) -> f64 {
    let (boosted, extra) = if shape < 1.0 {
        // 1 − U is in (0, 1].
        (shape + 1.0, (1.0 - rng.random::<f64>()).ln() / shape)
    } else {
        (shape, 0.0)
    };
    // A shape of at least 1 is always a valid parameter; NaN would only be the caller's.
    Gamma::new(boosted, 1.0).map_or(f64::NAN, |g| g.sample(rng).ln() + extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation of ln κ: of the draws, and by plain integration on 4,000 points.
    fn both(counts: &[(f64, f64)]) -> [(f64, f64); 2] {
        let trials: f64 = counts.iter().map(|c| c.0).sum();
        let m = (counts.iter().map(|c| c.1).sum::<f64>() + 0.5) / (trials + 1.0);
        let moments = |values: &[(f64, f64)]| {
            let greatest = values.iter().map(|v| v.1).fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = values.iter().map(|v| (v.1 - greatest).exp()).sum();
            let mean = values.iter().map(|v| v.0 * (v.1 - greatest).exp()).sum::<f64>() / total;
            let square = values.iter().map(|v| (v.0 - mean).powi(2) * (v.1 - greatest).exp()).sum::<f64>() / total;
            (mean, square.sqrt())
        };
        let drawn: Vec<(f64, f64)> = kappas(counts, m, trials).iter().map(|k| (k.ln(), 0.0)).collect();
        // Within five steps of the draws' own range: all that carries anything.
        let (low, high) = drawn.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), d| (a.min(d.0), b.max(d.0)));
        let (low, high) = ((low - 0.6).max(0.0), (high + 0.6).min(trials.max(2.0).ln()));
        let fine: Vec<(f64, f64)> = (0..4_000)
            .map(|i| low + (high - low) * (f64::from(i) + 0.5) / 4_000.0)
            .map(|x| (x, log_marginal(counts, m, x.exp()) + x))
            .collect();
        [moments(&drawn), moments(&fine)]
    }

    /// The step of the whole range's grid is ln(10^10)/199 = 0.116; ln κ of so many arms is known to 0.045.
    #[test]
    fn the_points_follow_a_well_known_kappa() {
        let rate = |v: u32| 0.1 + 0.02 * (f64::from(v) * 2.399_963).sin() + 0.01 * (f64::from(v) * 0.7).cos();
        for (arms, trials) in [(1_000_u32, 1e7), (10, 1e3), (10, 1e9)] {
            let counts: Vec<(f64, f64)> = (0..arms).map(|v| (trials, (trials * rate(v)).round())).collect();
            let [drawn, fine] = both(&counts);
            assert!((drawn.0 - fine.0).abs() < 0.02 * fine.1, "{arms} arms: {drawn:?} {fine:?}");
            assert!((drawn.1 / fine.1 - 1.0).abs() < 0.02, "{arms} arms: {drawn:?} {fine:?}");
        }
    }
}
