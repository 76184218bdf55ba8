//! `fit`: from cells to a posterior, the one entry to the four models.

use crate::models::{cmab_bool, cmab_numeric, mab_bool, mab_numeric};
use crate::{CellTable, FitError, ModelType, Posterior, RewardType, Seed, Settings, Space};

/// Fits the model that the settings name: 10,000 ([`crate::DRAWS`]) equally weighted draws of its posterior, with diagnostics.
/// A pure function: the same arguments give the same bits from the same binary on the same kind of processor.
///
/// - `space`: the factors; `cells`: the observations, Σ n > 0; `settings`: model type, reward and prior (`exploration`
///   is of the decisions and not used here); `seed`: the origin of all randomness.
///
/// With `n_v`, `s_v` the trials and conversions of variant v, m and r̄ the pooled rate and mean, sd the pooled standard
/// deviation, and η = η(v, c; β) the predictor of [`crate::Columns`]:
///
/// | model | likelihood | prior |
/// | --- | --- | --- |
/// | mab, bool | `s_v` ~ Binomial(`n_v`, `θ_v`) | `θ_v` ~ Beta(κm, κ(1−m)), p(κ) ∝ κ^(−3/2) (BDA3, §5.3) |
/// | mab, numeric | r ~ N(`μ_v`, `σ_v`²) | `μ_v` ~ N(r̄, `σ_v`²), `σ_v`² ~ Inv-Gamma(1.5, ½ sd²) (BDA3, §3.3) |
/// | cmab, bool | r ~ Bernoulli(1/(1+e^(−η))) | β0 ~ N(logit m, 2.5²), else N(0, τ²) with half-normal τ |
/// | cmab, numeric | (r − r̄)/sd ~ N(η, σ²) | β0 ~ N(0, 2.5² σ²), else N(0, τ² σ²); σ² ~ Inv-Gamma(1.5, ½) (BDA3, §14.8) |
///
/// (BDA3: Gelman et al., Bayesian Data Analysis, third edition; logistic regression as a bandit's model: Chapelle and Li
/// 2011, Scott 2010; pairs of levels in it: Hill et al. 2017.) `τ_main` is of all main effects and `τ_pair` of all pairs.
/// The modules of [`crate::models`] tell each in full.
///
/// Shape: draws × columns on the location scale, log-odds for bool rewards and (r − center)/scale for numeric ones, with
/// one column a variant for a mab and [`Space::columns`] for a cmab.
///
/// # Errors
/// [`FitError`]; none of them leaves a partial result.
pub fn fit(space: &Space, cells: &CellTable, settings: &Settings, seed: &Seed) -> Result<Posterior, FitError> {
    match (settings.model_type, settings.reward) {
        (ModelType::Mab, RewardType::Bool) => mab_bool::fit(space, cells, seed),
        (ModelType::Mab, RewardType::Numeric) => mab_numeric::fit(space, cells, seed),
        (ModelType::Cmab, RewardType::Bool) => cmab_bool::fit(space, cells, &settings.prior, seed),
        (ModelType::Cmab, RewardType::Numeric) => cmab_numeric::fit(space, cells, &settings.prior, seed),
    }
}
