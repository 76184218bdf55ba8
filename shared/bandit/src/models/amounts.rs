//! Amounts of rewards other than 0: hierarchical Gamma regression with a logarithmic link, as a quasi-likelihood.
//!
//! The mean of an amount is μ = e^η, η = `φᵀβ` over the columns of [`crate::Columns`]; β0 ~ N(ln(S/Z), 2.5²), strata's
//! intercepts ~ N(0, 0.5²), and scales half those of the conversions: `τ_main` ~ half-normal(0.25), `τ_pair` ~
//! half-normal(0.125) by default. z amounts that add up to s have the quasi-log-likelihood −z (η + (s/z) e^(−η))/φ (Wedderburn
//! 1974): only the mean and the coefficient of variation √φ of amounts are used, so that it is right for means whatever the
//! amounts' distribution.
//!
//! φ is pooled over all cells, from Pearson residuals Σ (r − μ)²/μ², with the prior of six amounts whose squared coefficient
//! of variation is 6 (scaled inverse χ²), which is what order values have: few amounts say little of their spread, and
//! always too little, since the large ones are rare.

use super::input::Input;
use super::regression::{self, Problem};
use crate::cells::Weighted;
use crate::inference::family::Family;
use crate::inference::family::Smoothed;
use crate::inference::laplace::{ROUGH, laplace};
use crate::inference::mixture::Model;
use crate::inference::rows::Rows;
use crate::inference::scales::Scales;
use crate::inference::work::Work;
use crate::{FitError, Link, Posterior, Prior, Seed};

/// Amounts that the prior of φ counts for, and their φ.
const PRIOR_PHI: (f64, f64) = (6.0, 6.0);
/// Scales of amounts, in scales of conversions.
const SCALE: f64 = 0.5;
/// Standard deviation of strata's intercepts.
const STRATUM_SD: f64 = 0.5;
/// Times that φ and the means are found from each other.
const ROUNDS: usize = 3;

/// Fits it to the cells with a reward other than 0, of which there is at least one.
///
/// # Errors
/// As [`regression::fit`].
pub(super) fn fit(input: &Input<'_>, seed: &Seed) -> Result<Posterior, FitError> {
    let amounts = |cell: &Weighted| cell.nonzero.filter(|&z| z > 0.0).map(|z| (z, input.sum(cell)));
    let observed = input.observed(amounts);
    let squares: Vec<f64> = input.cells.iter().filter(|c| amounts(c).is_some()).map(|c| input.sum_sq(c)).collect();
    let (count, sum) = observed.iter().fold((0.0, 0.0), |t, o| (t.0 + o.n, t.1 + o.sum));
    let prior =
        Prior { main_scale: SCALE * input.prior.main_scale, pair_scale: SCALE * input.prior.pair_scale, ..input.prior };
    let design = input.design(&observed, STRATUM_SD);
    let mut rows = Rows::new(&design, &observed, Family::Gamma);
    let intercept = (sum / count).ln();

    let pearson = |eta: &[f64]| -> f64 {
        let squares = observed.iter().zip(&squares).zip(eta);
        squares.map(|((o, q), e)| (q - 2.0 * e.exp() * o.sum) * (-2.0 * e).exp() + o.n).map(|e| e.max(0.0)).sum()
    };
    let given = |residuals: f64| (PRIOR_PHI.0 * PRIOR_PHI.1 + residuals) / (PRIOR_PHI.0 + count);
    let mut phi = given(pearson(&vec![intercept; observed.len()]));
    rows.scale(1.0 / phi);
    for _ in 0..ROUNDS {
        let work = Work::of(&rows);
        let model = Model { rows: &rows, layout: design.layout, intercept, smoothed: Smoothed::new(), work };
        let typical = model.prior(Scales { main: 0.6 * prior.main_scale, pair: 0.6 * prior.pair_scale });
        let mode = laplace(&rows, &typical, &model.origin(), ROUGH, &model.work)?;
        let mut eta = Vec::new();
        rows.predict(&mode.mean, &mut eta);
        let next = given(pearson(&eta));
        rows.scale(phi / next);
        phi = next;
    }
    let problem = Problem { rows: &rows, layout: design.layout, intercept };
    let mut fitted = regression::fit(problem, &prior, seed)?;
    fitted.diagnostics.dispersion = Some(phi);
    Ok(if input.arms { fitted.arms(&design, Link::Log) } else { fitted.contextual(&design, Link::Log, seed) })
}
