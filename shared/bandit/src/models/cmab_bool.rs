//! cmab, bool reward: hierarchical Bayesian logistic regression.

use super::{check_bool, check_cells, check_contextual, column_means};
use crate::fit::DRAWS;
use crate::inference::grid::{self, Point, Resolution};
use crate::inference::importance::{self, Effort};
use crate::inference::laplace::{Gaussian, GaussianPrior, laplace};
use crate::inference::logistic::Smoothed;
use crate::inference::resample::systematic;
use crate::inference::rows::Rows;
use crate::inference::scales::{Layout, Scales};
use crate::inference::streams::{Stream, stream};
use crate::inference::variational::variational;
use crate::{
    CellTable, Columns, Diagnostics, FitError, Link, Posterior, Predictor, Prior, ScalePoint, Seed, Space, Step,
};

/// Fits the model.
///
/// # Errors
/// [`FitError`].
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
pub fn fit(space: &Space, cells: &CellTable, prior: &Prior, seed: &Seed) -> Result<Posterior, FitError> {
    check_cells(space, cells)?;
    check_bool(cells)?;
    check_contextual(space, prior)?;
    let columns = Columns::of(space);
    let layout = Layout::of(&columns);
    let rows = Rows::new(space, &columns, cells)?;
    let m = (cells.reward_sum() + 0.5) / (cells.trials() as f64 + 1.0);
    let intercept = (m / (1.0 - m)).ln();
    let prior_at = |scales: Scales| GaussianPrior { intercept, d: layout.precision(scales) };
    let mut origin = vec![0.0; columns.len()];
    origin[0] = intercept;
    let smoothed = Smoothed::new();
    let points = grid::search(prior, layout, resolution(columns.len()), |scales, near: Option<&Gaussian>| {
        let prior = prior_at(scales);
        let mode = laplace(&rows, &prior, near.map_or(&origin, |g| &g.mean))?;
        let fit = if std::env::var("LAPLACE").is_ok() { mode } else { variational(&rows, &prior, mode, &smoothed, 1e-3)? };
        let log_evidence = fit.log_evidence;
        Ok((fit, log_evidence))
    })?;
    let mut points: Vec<Point<Gaussian>> = points.into_iter().collect();
    points.sort_by(|a, b| a.scales.main.total_cmp(&b.scales.main).then(a.scales.pair.total_cmp(&b.scales.pair)));
    let priors: Vec<GaussianPrior> = points.iter().map(|p| prior_at(p.scales)).collect();
    let effort = Effort { round: DRAWS, rounds: 4, enough: DRAWS as f64 };
    let sample = importance::sample(&rows, &points, &priors, effort, seed);
    let mut weights = vec![0.0; points.len()];
    for (w, &g) in sample.weights.weights.iter().zip(&sample.point) {
        weights[g as usize] += w;
    }
    if std::env::var("SHOW").is_ok() {
        for (p, w) in points.iter().zip(&weights) {
            if p.weight > 0.01 || *w > 0.01 {
                eprintln!("{:.3} {:.3} prop {:.4} corrected {:.4}", p.scales.main, p.scales.pair, p.weight, w);
            }
        }
    }
    for (p, w) in points.iter_mut().zip(weights) {
        p.weight = w;
    }
    let taken = systematic(&sample.weights.weights, &sample.key, DRAWS, &mut stream(seed, Stream::Resampling));
    let mut draws = Vec::with_capacity(DRAWS * columns.len());
    for s in taken {
        draws.extend_from_slice(&sample.draws[s * columns.len()..(s + 1) * columns.len()]);
    }
    let mean_scales = grid::mean_scales(&points);
    let at_mean = laplace(&rows, &prior_at(mean_scales), &origin)?;
    Ok(Posterior {
        predictor: Predictor::Columns,
        link: Link::Logit,
        columns: columns.len(),
        mean: column_means(&draws, columns.len()),
        draws,
        precision_cholesky: at_mean.factor.row_major(),
        arms: Vec::new(),
        diagnostics: Diagnostics {
            step: Step::Importance,
            scales: points
                .iter()
                .map(|p| ScalePoint { main: p.scales.main, pair: p.scales.pair, weight: p.weight })
                .collect(),
            kappa: None,
            pareto_k: Some(sample.weights.k),
            effective_draws: Some(sample.weights.effective),
            r_hat: None,
            divergences: None,
        },
    })
}

fn resolution(columns: usize) -> Resolution {
    match columns {
        0..=400 => Resolution { main: 6, pair: 8, rounds: 5 },
        401..=1000 => Resolution { main: 4, pair: 5, rounds: 4 },
        _ => Resolution { main: 3, pair: 4, rounds: 3 },
    }
}
