//! cmab, numeric reward: hierarchical Bayesian linear regression.
//!
//! In standardised units y = (r − pooled mean)/(pooled standard deviation):
//! y ~ N(η, σ²) with the linear predictor η = `φᵀβ` of [`crate::Columns`]; β0 | σ² ~ N(0, 2.5² σ²),
//! main effects | σ² ~ N(0, `τ_main`² σ²), pairs | σ² ~ N(0, `τ_pair`² σ²); σ² ~ Inv-Gamma(1.5, 0.5), the prior of
//! the mab (½ · pooled variance in these units); `τ_main`, `τ_pair` half-normal or fixed.
//!
//! Given τ all is conjugate (Gelman et al., BDA3, §14.8; the evidence as in MacKay 1992 and Tipping 2001, but τ is
//! integrated over a grid, not maximised).

use faer::Mat;
use libm::lgamma;
use rand::RngExt;
use rand_distr::{Distribution, Gamma, StandardNormal};

use super::{Pooled, check_cells, check_contextual, column_means, within};
use crate::fit::DRAWS;
use crate::inference::factor::Factor;
use crate::inference::grid::{self, Point, Resolution};
use crate::inference::rows::Rows;
use crate::inference::scales::{Layout, Scales};
use crate::inference::streams::{Stream, stream};
use crate::{
    CellTable, Columns, Diagnostics, FitError, Link, Posterior, Predictor, Prior, ScalePoint, Seed, Space, Step,
};

/// α0 of the residual variance.
const ALPHA: f64 = 1.5;
/// β0 of the residual variance, in pooled variances.
const BETA: f64 = 0.5;

/// The posterior given the scales: β | σ² ~ N(μ, σ² Λ⁻¹), σ² ~ Inv-Gamma(α, β).
struct Conjugate {
    mean: Vec<f64>,
    beta: f64,
}

/// Sufficient statistics in standardised units.
struct Data {
    rows: Rows,
    /// ΦᵀNΦ, lower triangle.
    gram: Mat<f64>,
    /// `ΦᵀΣy`.
    moment: Vec<f64>,
    /// Mean of y in each row.
    means: Vec<f64>,
    /// Σ (y − mean of its row)².
    within: f64,
    alpha: f64,
}

impl Data {
    fn precision(&self, d: &[f64]) -> Result<Factor, FitError> {
        let mut precision = self.gram.clone();
        for (j, d) in d.iter().enumerate() {
            precision[(j, j)] += d;
        }
        Factor::new(precision)
    }

    /// μ = Λ⁻¹Φᵀy with Λ = ΦᵀNΦ + D, αn = α0 + N/2, βn = β0 + ½ [Σ (y − ȳ)² + Σ n (ȳ − η)² + μᵀDμ], a sum of
    /// squares that cancels nothing, and ln p(y|τ) = ½ ln|D| − ½ ln|Λ| − αn ln βn + constants of the data.
    fn given(&self, layout: Layout, scales: Scales) -> Result<(Conjugate, f64), FitError> {
        let d = layout.precision(scales);
        let factor = self.precision(&d)?;
        let mut mean = self.moment.clone();
        factor.solve(&mut mean);
        let mut eta = Vec::new();
        self.rows.predict(&mean, &mut eta);
        let misfit: f64 = eta.iter().zip(&self.means).zip(&self.rows.n).map(|((e, y), n)| n * (y - e).powi(2)).sum();
        let pull: f64 = mean.iter().zip(&d).map(|(m, d)| d * m * m).sum();
        let beta = BETA + 0.5 * (self.within + misfit + pull);
        let log_evidence =
            0.5 * d.iter().map(|d| d.ln()).sum::<f64>() - 0.5 * factor.log_det() - self.alpha * beta.ln()
                + lgamma(self.alpha);
        Ok((Conjugate { mean, beta }, log_evidence))
    }
}

/// Fits the model.
///
/// The posterior has the columns of [`Columns`]; draws are in units of `Link::Identity { center, scale }`, the pooled
/// mean and standard deviation, and exact: a point of the grid by its weight, σ² from its inverse gamma, β from its
/// normal. `precision_cholesky` is of Λ = ΦᵀNΦ + D at the mean scales, in units of 1/σ². Where all rewards are equal,
/// every draw is 0 about that reward, and `scale` is |mean|, or 1 where that is 0 too.
///
/// # Errors
/// [`FitError::NoObservations`], [`FitError::OutsideSpace`], [`FitError::TooManyColumns`], [`FitError::Prior`],
/// [`FitError::NotPositiveDefinite`].
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
pub fn fit(space: &Space, cells: &CellTable, prior: &Prior, seed: &Seed) -> Result<Posterior, FitError> {
    check_cells(space, cells)?;
    check_contextual(space, prior)?;
    let columns = Columns::of(space);
    let layout = Layout::of(&columns);
    let pooled = Pooled::of(cells);
    let rows = Rows::new(space, &columns, cells)?;
    let constant = pooled.variance == 0.0;
    let means: Vec<f64> = rows
        .sum
        .iter()
        .zip(&rows.n)
        .map(|(s, n)| if constant { 0.0 } else { (s / n - pooled.mean) / pooled.scale })
        .collect();
    let mut moment = vec![0.0; rows.columns];
    rows.add_transposed(&means.iter().zip(&rows.n).map(|(y, n)| y * n).collect::<Vec<f64>>(), &mut moment);
    let squares: f64 = cells.cells().iter().map(within).sum();
    let data = Data {
        gram: rows.gram(&rows.n, &vec![0.0; rows.columns]),
        moment,
        means,
        within: if constant { 0.0 } else { squares / pooled.variance },
        alpha: ALPHA + 0.5 * cells.trials() as f64,
        rows,
    };
    let (mut points, _) =
        grid::search(prior, layout, resolution(columns.len()), None, |scales, _: Option<&Conjugate>| {
            data.given(layout, scales)
        })?;
    points.sort_by(|a, b| {
        (a.scales.main, a.scales.pair).partial_cmp(&(b.scales.main, b.scales.pair)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let draws = if constant { vec![0.0; DRAWS * columns.len()] } else { draw(&data, layout, &points, seed)? };
    let mean_scales = grid::mean_scales(&points);
    Ok(Posterior {
        predictor: Predictor::Columns,
        link: Link::Identity { center: pooled.mean, scale: pooled.scale },
        columns: columns.len(),
        mean: column_means(&draws, columns.len()),
        draws,
        precision_cholesky: data.precision(&layout.precision(mean_scales))?.row_major(),
        arms: Vec::new(),
        diagnostics: Diagnostics {
            step: Step::Exact,
            scales: points
                .iter()
                .map(|p| ScalePoint { main: p.scales.main, pair: p.scales.pair, weight: p.weight })
                .collect(),
            kappa: None,
            pareto_k: None,
            effective_draws: None,
            r_hat: None,
            divergences: None,
        },
    })
}

/// A point costs one factorisation; the largest models get a coarser grid.
fn resolution(columns: usize) -> Resolution {
    match columns {
        0..=400 => Resolution { main: 6, pair: 8, rounds: 5 },
        401..=1000 => Resolution { main: 4, pair: 5, rounds: 4 },
        _ => Resolution { main: 3, pair: 4, rounds: 3 },
    }
}

/// Draws × P, those of a point of the grid beside each other.
fn draw(data: &Data, layout: Layout, points: &[Point<Conjugate>], seed: &Seed) -> Result<Vec<f32>, FitError> {
    let mut rng = stream(seed, Stream::Exact);
    let columns = layout.columns;
    let mut draws = Vec::with_capacity(DRAWS * columns);
    let weights: Vec<f64> = points.iter().map(|p| p.weight).collect();
    for (point, count) in points.iter().zip(grid::share_out(&weights, DRAWS)) {
        if count == 0 {
            continue;
        }
        let factor = data.precision(&layout.precision(point.scales))?;
        let mut z = Mat::<f64>::zeros(columns, count);
        for s in 0..count {
            z.col_as_slice_mut(s).fill_with(|| rng.sample(StandardNormal));
        }
        factor.unwhiten(z.as_mut());
        for s in 0..count {
            // α ≥ 1.5 is always a valid shape.
            let precision = Gamma::new(data.alpha, 1.0).map_or(f64::NAN, |g| g.sample(&mut rng));
            let sigma = (point.fit.beta / precision).sqrt();
            #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
            draws.extend(z.col_as_slice(s).iter().zip(&point.fit.mean).map(|(z, m)| (m + sigma * z) as f32));
        }
    }
    Ok(draws)
}
