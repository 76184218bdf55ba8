//! Stopping: from a posterior to the policy that serves what it holds for the best.

use crate::{DecisionError, Policy, Posterior, Row, Space, expected_rewards};

/// The frozen policy of a posterior: in each context the allowed variant with the greatest posterior mean reward (not the one that is
/// the best in most draws), with probability 1,
///
/// ```text
/// π(v|c) = 1 where v = argmax_{v' allowed} (1/S) Σ_s E[r | v', c, β_s], else 0
/// ```
///
/// the lowest variant of equals. It earns the most of all policies in expectation, as far as the posterior is right, and learns
/// nothing more: for an optimization that is completed.
///
/// It has rows for the contexts of `in_force`, the policy that was served; for a context without one see [`freeze_row`]. The mean
/// rewards are those of [`expected_rewards`]; the result does not depend on `threads`.
///
/// # Errors
/// [`DecisionError`]: a posterior that is not of this space, or no allowed variant.
pub fn freeze(
    space: &Space,
    posterior: &Posterior,
    in_force: &Policy,
    threads: usize,
) -> Result<Policy, DecisionError> {
    let (coverage, contexts) = in_force.contexts_to_freeze(posterior.predictor);
    let means = expected_rewards(space, posterior, &contexts, threads)?;
    Policy::of_means(space, coverage, contexts, &means)
}

/// The frozen row of one context, as [`freeze`] would have it, for contexts that the frozen policy has no row for.
///
/// # Errors
/// As [`freeze`], and [`DecisionError::UnknownContext`].
pub fn freeze_row(space: &Space, posterior: &Posterior, context: u64) -> Result<Row, DecisionError> {
    Row::best_of(space, &expected_rewards(space, posterior, &[context], 1)?)
}
