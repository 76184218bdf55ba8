//! Conversions: arms with a learned Beta prior, or hierarchical Bayesian logistic regression.
//!
//! s ~ Binomial(n, p) in each cell, p = 1/(1 + e^(−η)), η = `φᵀβ` over the columns of [`crate::Columns`] and one intercept a
//! stratum; β0 ~ N(logit m, 2.5²) with m = (S + ½)/(N + 1), strata's intercepts ~ N(0, 2.5²) about it. A mab in one stratum
//! has Beta–binomial arms instead ([`super::beta_binomial`]); in several it is the same regression with its variants as the
//! levels of one factor: arms that are exchangeable.

use super::beta_binomial;
use super::input::Input;
use super::regression::{self, Problem};
use crate::cells::Weighted;
use crate::inference::family::Family;
use crate::inference::rows::Rows;
use crate::inference::scales::INTERCEPT_SD;
use crate::{FitError, Link, Posterior, Seed};

/// Fits it to the (n, s) that `counts` makes of each cell.
///
/// # Errors
/// As [`regression::fit`].
pub(crate) fn fit(
    input: &Input<'_>,
    counts: impl Fn(&Weighted) -> (f64, f64),
    seed: &Seed,
) -> Result<Posterior, FitError> {
    if input.arms && input.strata == 1 {
        let mut arms = vec![(0.0, 0.0); input.space.variants()];
        for cell in &input.cells {
            let (n, s) = counts(cell);
            arms[cell.variant].0 += n;
            arms[cell.variant].1 += s;
        }
        return Ok(beta_binomial::fit(&arms, seed));
    }
    let observed = input.observed(|cell| Some(counts(cell)));
    let (n, s) = observed.iter().fold((0.0, 0.0), |t, o| (t.0 + o.n, t.1 + o.sum));
    let m = (s + 0.5) / (n + 1.0);
    let design = input.design(&observed, INTERCEPT_SD);
    let rows = Rows::new(&design, &observed, Family::Binomial);
    let problem = Problem { rows: &rows, layout: design.layout, intercept: (m / (1.0 - m)).ln() };
    let fitted = regression::fit(problem, &input.prior, seed)?;
    Ok(if input.arms { fitted.arms(&design, Link::Logit) } else { fitted.contextual(&design, Link::Logit, seed) })
}
