//! `fit`: from cells to a posterior, the one entry to the four models.

use crate::models::checks::check_bool;
use crate::models::input::Input;
use crate::models::{linear, logistic, two_part};
use crate::{CellTable, Distribution, FitError, Posterior, RewardType, Seed, Settings, Space};

/// Fits the model that the settings name: 10,000 ([`crate::DRAWS`]) equally weighted draws of its posterior, with diagnostics.
/// A pure function: the same arguments give the same bits from the same binary on the same kind of processor.
///
/// - `space`: the factors; `cells`: the observations, Σ n > 0; `settings`: model type, reward, its distribution and prior
///   (`exploration` is of the decisions and not used here); `seed`: the origin of all randomness.
///
/// With n, s the trials and conversions of a cell (z those with a reward other than 0), m and r̄ the pooled rate and mean, sd the
/// pooled standard deviation, and η the predictor of [`crate::Columns`] plus an intercept `α_g` of the stratum, if there are
/// several:
///
/// | rewards | likelihood | prior |
/// | --- | --- | --- |
/// | bool | s ~ Binomial(n, 1/(1+e^(−η))) | β0 ~ N(logit m, 2.5²), `α_g` ~ N(0, 2.5²), else N(0, τ²) with half-normal τ |
/// | numeric, normal | (r − r̄)/sd ~ N(η, σ²) | as above times σ², about 0; σ² ~ Inv-Gamma(1.5, ½) (BDA3, §14.8) |
/// | numeric, two-part | z ~ Binomial as above; amounts of mean e^η, Gamma quasi-likelihood | of the amounts: `α_g` ~ N(0, 0.5²), scales half as large |
///
/// A cmab has the columns of the space. A mab has one factor, its variants, and no pairs: arms that are exchangeable. With bool
/// rewards in one stratum its arms are `θ_v` ~ Beta(κm, κ(1−m)) instead, κ and m averaged over, p(κ, m) ∝ κ^(−3/2) (BDA3,
/// §5.3).
///
/// (BDA3: Gelman et al., Bayesian Data Analysis, third edition; logistic regression as a bandit's model: Chapelle and Li
/// 2011, Scott 2010; pairs of levels in it: Hill et al. 2017.) `τ_main` is of all main effects and `τ_pair` of all pairs.
///
/// Shape: draws × columns on the location scale, log-odds for bool rewards and (r − center)/scale for normal ones, with
/// one column a variant for a mab and [`Space::columns`] for a cmab; draws × strata of `α_g` beside them.
///
/// Numeric rewards that are all equal have no unit to state uncertainty in: they are fitted as normal ones with `scale` 0.
///
/// # Errors
/// [`FitError`]; none of them leaves a partial result.
pub fn fit(space: &Space, cells: &CellTable, settings: &Settings, seed: &Seed) -> Result<Posterior, FitError> {
    let input = Input::new(space, cells, settings)?;
    if settings.reward == RewardType::Bool {
        check_bool(cells)?;
        return logistic::fit(&input, |cell| (cell.n, cell.sum + cell.n * input.shift), seed);
    }
    let two_part = match settings.distribution {
        Distribution::Auto => cells.is_two_part(),
        Distribution::TwoPart => true,
        Distribution::Normal => false,
    };
    let all_zero = cells.cells().iter().all(|cell| cell.sum == 0.0 && cell.sum_sq == 0.0);
    if two_part && !all_zero { two_part::fit(&input, seed) } else { linear::fit(&input, seed) }
}
