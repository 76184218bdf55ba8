//! Whether the variants that were seen are those that the policy serves.

use serde::{Deserialize, Serialize};

use super::error::EvaluationError;
use super::numbers::number;
use super::tails::chi_squared;

/// A variant with fewer expected users than this does not make a class of its own.
const LEAST_EXPECTED: f64 = 5.0;

/// The variants seen in one context under one version.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContextBalance {
    /// χ² of the observed against the expected counts.
    pub chi_squared: f64,
    /// Classes less 1.
    pub degrees_of_freedom: u64,
    /// P(χ² ≥ that).
    pub p_value: f64,
    /// Observations of variants that the policy serves to nobody; not in χ².
    pub impossible: f64,
}

/// All contexts together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// One for each of the contexts given; `None` where there are too few observations.
    pub contexts: Vec<Option<ContextBalance>>,
    /// Σ of χ².
    pub chi_squared: f64,
    /// Σ of degrees of freedom.
    pub degrees_of_freedom: u64,
    /// P(χ² ≥ that): of the whole log.
    pub p_value: f64,
    /// Observations of variants that their policy serves to nobody.
    pub impossible: f64,
}

/// Pearson's χ² of the variants seen against the policy, for each context and version:
///
/// ```text
/// χ² = Σ_k (o_k − e_k)² / e_k,     e_k = n Σ_{v in class k} p(v|c),      df = classes − 1
/// ```
///
/// - `contexts`: for each context under one version, the observations of each variant and their propensities p(v|c);
/// - `o_k`, `e_k`: observations of class k, and as many as the policy would have; n = Σ o over variants with p > 0;
/// - a class is a variant with e ≥ 5; the others together make one, which joins the smallest of the others where it has
///   fewer than 5 itself.
///
/// Assignment depends on the user alone, so that what is counted must be **users**, each once per context and version: ten
/// exposures of one user are one observation here, and counted as ten they make χ² ten times too large.
/// The contexts' χ² are independent and add up. Source: Pearson 1900; the bound of 5: Cochran 1954.
///
/// # Errors
/// [`EvaluationError`]: lists of different lengths, p that are no probabilities.
pub fn balance<'a>(contexts: impl IntoIterator<Item = (&'a [u64], &'a [f64])>) -> Result<Balance, EvaluationError> {
    let mut all =
        Balance { contexts: Vec::new(), chi_squared: 0.0, degrees_of_freedom: 0, p_value: 1.0, impossible: 0.0 };
    for (place, (counts, propensities)) in contexts.into_iter().enumerate() {
        if counts.len() != propensities.len() {
            let (found, expected) = (propensities.len(), counts.len());
            return Err(EvaluationError::Length { context: place, what: "propensities", found, expected });
        }
        let sum: f64 = propensities.iter().sum();
        if propensities.iter().any(|p| p.is_nan() || *p < 0.0) || (sum - 1.0).abs() > 1e-6 {
            return Err(EvaluationError::NotProbabilities { context: place, what: "propensities", sum });
        }
        let (found, impossible) = of_context(counts, propensities);
        all.impossible += impossible;
        if let Some(found) = found {
            all.chi_squared += found.chi_squared;
            all.degrees_of_freedom += found.degrees_of_freedom;
        }
        all.contexts.push(found);
    }
    all.p_value = chi_squared(all.chi_squared, all.degrees_of_freedom);
    Ok(all)
}

fn of_context(counts: &[u64], propensities: &[f64]) -> (Option<ContextBalance>, f64) {
    let impossible: u64 = counts.iter().zip(propensities).filter(|&(_, &p)| p == 0.0).map(|(n, _)| n).sum();
    let n = number(counts.iter().sum::<u64>() - impossible);
    // Classes of (observed, expected), and what is left of them.
    let mut classes: Vec<(f64, f64)> = Vec::new();
    let mut rest = (0.0, 0.0);
    for (&count, &p) in counts.iter().zip(propensities).filter(|&(_, &p)| p > 0.0) {
        let (observed, expected) = (number(count), n * p);
        if expected >= LEAST_EXPECTED {
            classes.push((observed, expected));
        } else {
            rest = (rest.0 + observed, rest.1 + expected);
        }
    }
    if rest.1 >= LEAST_EXPECTED {
        classes.push(rest);
    } else if let Some(smallest) = classes.iter_mut().min_by(|a, b| a.1.total_cmp(&b.1)) {
        *smallest = (smallest.0 + rest.0, smallest.1 + rest.1);
    }
    let impossible = number(impossible);
    let Some(degrees_of_freedom) = (classes.len() as u64).checked_sub(1).filter(|&df| df > 0) else {
        return (None, impossible);
    };
    let statistic = classes.iter().map(|(observed, expected)| (observed - expected).powi(2) / expected).sum();
    let p_value = chi_squared(statistic, degrees_of_freedom);
    (Some(ContextBalance { chi_squared: statistic, degrees_of_freedom, p_value, impossible }), impossible)
}
