//! Whether the lift is the same at every level of a context factor.

use serde::{Deserialize, Serialize};

use super::numbers::number;
use super::sequence::LogRatio;
use super::tails::chi_squared;

/// Cochran's Q over the levels' log ratios.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Heterogeneity {
    /// Q, no unit.
    pub q: f64,
    /// Levels that have a log ratio, less 1.
    pub degrees_of_freedom: u64,
    /// P(χ² ≥ Q): small where the levels' lifts differ by more than chance.
    pub p_value: f64,
    /// I² = max(0, (Q − df)/Q): the share of the levels' spread that is more than chance.
    pub i_squared: f64,
    /// θ̄, the log ratio that all levels have in common.
    pub pooled: f64,
}

/// Cochran's test of homogeneity:
///
/// ```text
/// Q = Σ_l w_l (θ_l − θ̄)²,    w_l = 1/se_l²,    θ̄ = Σ w_l θ_l / Σ w_l,    Q ~ χ²(L − 1) where all θ_l are equal
/// ```
///
/// - `θ_l`: log ratio of level l of L, see [`LogRatio`]; levels that have none (no reward in an arm) must be left out.
///
/// `None` for fewer than two levels. Source: Cochran 1954; I²: Higgins and Thompson 2002. The χ² holds where every level has
/// enough rewards for its log ratio to be normal, say five in the holdout.
#[must_use]
pub fn heterogeneity(levels: &[LogRatio]) -> Option<Heterogeneity> {
    let degrees_of_freedom = (levels.len() as u64).checked_sub(1).filter(|&df| df > 0)?;
    let weight = |level: &LogRatio| 1.0 / (level.error * level.error);
    let total: f64 = levels.iter().map(weight).sum();
    let pooled = levels.iter().map(|level| weight(level) * level.value).sum::<f64>() / total;
    let q: f64 = levels.iter().map(|level| weight(level) * (level.value - pooled).powi(2)).sum();
    let i_squared = if q > 0.0 { ((q - number(degrees_of_freedom)) / q).max(0.0) } else { 0.0 };
    Some(Heterogeneity { q, degrees_of_freedom, p_value: chi_squared(q, degrees_of_freedom), i_squared, pooled })
}
