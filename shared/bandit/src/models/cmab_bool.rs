//! cmab, bool reward: hierarchical Bayesian logistic regression.

use super::{check_bool, check_cells, check_contextual, column_means};
use crate::fit::DRAWS;
use crate::inference::directions::leading;
use crate::inference::grid;
use crate::inference::importance::{self, Effort};
use crate::inference::laplace::laplace;
use crate::inference::logistic::Smoothed;
use crate::inference::mixture::{Kind, Mixture, Model};
use crate::inference::resample::systematic;
use crate::inference::rows::Rows;
use crate::inference::scales::Layout;
use crate::inference::streams::{Stream, stream};
use crate::inference::thin;
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
    let model = Model { rows: &rows, layout, intercept, smoothed: Smoothed::new() };
    let probe = Effort { first: DRAWS, total: DRAWS };
    let mut chosen: Option<(f64, Mixture)> = None;
    for kind in [Kind::Variational, Kind::Laplace] {
        let mixture = model.mixture(prior, kind)?;
        let k = importance::sample(&rows, &mixture, &[], probe, seed)?.weights.k;
        if chosen.as_ref().is_none_or(|(before, _)| k < *before) {
            chosen = Some((k, mixture));
        }
        if k < GOOD_K {
            break;
        }
    }
    let Some((_, mut mixture)) = chosen else { return Err(FitError::NoObservations) };
    let directions = leading(&rows, &*mixture.gaussian(mixture.peak())?, 3);
    let sample = importance::sample(&rows, &mixture, &directions, effort(&rows), seed)?;
    let weights = sample.point_weights(mixture.points.len());
    if std::env::var("SHOW").is_ok() {
        for (p, w) in mixture.points.iter().zip(&weights) {
            if p.weight > 0.02 || *w > 0.02 {
                eprintln!("{:.3} {:.3} prop {:.4} corrected {:.4}", p.scales.main, p.scales.pair, p.weight, w);
            }
        }
    }
    for (p, w) in mixture.points.iter_mut().zip(weights) {
        p.weight = w;
    }
    let points = mixture.points;
    let mut halvings = 0;
    while ((DRAWS << (halvings + 1)) as f64) < 0.8 * sample.weights.effective {
        halvings += 1;
    }
    let taken =
        systematic(&sample.weights.weights, &sample.keys, DRAWS << halvings, &mut stream(seed, Stream::Resampling));
    let taken = thin::halve(&rows, &sample.draws, taken, halvings);
    let mut draws = Vec::with_capacity(DRAWS * columns.len());
    for s in taken {
        draws.extend_from_slice(&sample.draws[s * columns.len()..(s + 1) * columns.len()]);
    }
    let mean_scales = grid::mean_scales(&points);
    let at_mean = laplace(&rows, &model.prior(mean_scales), &model.origin())?;
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

/// Above this k̂ the variational mixture's tails are too thin to be content with, and Laplace's are tried.
const GOOD_K: f64 = 0.5;

/// As many draws as a bounded amount of work allows, between 10,000 and 160,000.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range of counts")]
fn effort(rows: &Rows) -> Effort {
    let columns = rows.columns as f64;
    let per_draw = columns * columns + 20.0 * columns + rows.ones() as f64 + 12.0 * rows.len() as f64;
    let total = (4e9 / per_draw).min(1e7 / columns).clamp(DRAWS as f64, 16.0 * DRAWS as f64) as usize;
    Effort { first: DRAWS, total }
}
