//! Exploration and bias: how far from its mean a draw is taken for the policy.

use std::collections::BTreeMap;

use crate::{Column, Columns, DecisionError, Predictor, Space};

/// The factor by which each column's deviation from its mean is multiplied:
///
/// ```text
/// m_j = exploration · (1 + Σ_{f in factors(j)} bias_f),      β'_sj = mean_j + m_j · (β_sj − mean_j)
/// ```
///
/// where factors(j) are the factors that coefficient j involves: none for the intercept, one for a main effect, two for
/// a pair. A mab's arms involve all factors. Deviations are taken on the location scale, log-odds for bool rewards.
///
/// Returns one multiplier per column, no unit.
///
/// # Errors
/// [`DecisionError::UnknownBias`], [`DecisionError::BadBias`], [`DecisionError::BadExploration`].
pub(crate) fn multipliers(
    space: &Space,
    predictor: Predictor,
    bias: &BTreeMap<String, f64>,
    exploration: f64,
) -> Result<Vec<f64>, DecisionError> {
    if !(exploration.is_finite() && exploration >= 0.0) {
        return Err(DecisionError::BadExploration { value: exploration });
    }
    for (name, &value) in bias {
        if !space.design().iter().chain(space.context()).any(|f| f.name() == name) {
            let known = space.design().iter().chain(space.context()).map(|f| f.name().to_owned()).collect();
            return Err(DecisionError::UnknownBias { name: name.clone(), known });
        }
        if !(value.is_finite() && value >= 0.0) {
            return Err(DecisionError::BadBias { name: name.clone(), value });
        }
    }
    let of = |name: &str| bias.get(name).copied().unwrap_or(0.0);
    let design: Vec<f64> = space.design().iter().map(|f| of(f.name())).collect();
    let context: Vec<f64> = space.context().iter().map(|f| of(f.name())).collect();
    Ok(match predictor {
        Predictor::Arms => vec![exploration * (1.0 + design.iter().sum::<f64>()); space.variants()],
        Predictor::Columns => Columns::of(space)
            .describe()
            .into_iter()
            .map(|column| {
                let involved = match column {
                    Column::Intercept => 0.0,
                    Column::Context { factor, .. } => context[factor],
                    Column::Design { factor, .. } => design[factor],
                    Column::DesignPair { first, second } => design[first.0] + design[second.0],
                    Column::ContextPair { design: d, context: k } => design[d.0] + context[k.0],
                };
                exploration * (1.0 + involved)
            })
            .collect(),
    })
}
