//! A policy that no longer explores: one variant in each context.

use super::compile::CompileLimits;
use super::policy::{Coverage, Policy, Row};
use crate::{DecisionError, Predictor, Space};

impl Policy {
    /// The contexts for which a policy like this one is frozen, and which they are: those that it has rows for. Where it has one row
    /// for all although the posterior knows contexts (an untrained one, or burn-in), every context as far as
    /// [`CompileLimits::every_context`] goes, else none: their rows are made when they are asked for.
    pub(crate) fn contexts_to_freeze(&self, predictor: Predictor) -> (Coverage, Vec<u64>) {
        match self.coverage {
            Coverage::AnyContext if predictor == Predictor::Arms => (Coverage::AnyContext, vec![0]),
            Coverage::AnyContext => {
                let cells = self.space_contexts.saturating_mul(u64::from(self.variants));
                if cells <= CompileLimits::default().every_context {
                    (Coverage::EveryContext, (0..self.space_contexts).collect())
                } else {
                    (Coverage::ObservedContexts, Vec::new())
                }
            }
            Coverage::EveryContext => (Coverage::EveryContext, (0..self.space_contexts).collect()),
            Coverage::ObservedContexts => (Coverage::ObservedContexts, self.contexts.clone()),
        }
    }

    /// The policy that serves, in each of the given contexts, the variant with the greatest mean: `means` is contexts × variants.
    pub(crate) fn of_means(
        space: &Space,
        coverage: Coverage,
        contexts: Vec<u64>,
        means: &[f64],
    ) -> Result<Self, DecisionError> {
        let no_variant = DecisionError::NoVariant { variants: space.variants() };
        let mut policy = Self::empty(space, 1, coverage).ok_or(no_variant)?;
        for means in means.chunks_exact(space.variants()) {
            policy.push(Row::best_of(space, means)?.as_ref());
        }
        if coverage == Coverage::ObservedContexts {
            policy.contexts = contexts;
        }
        Ok(policy)
    }

    /// A frozen policy without a row: every context's is made by [`crate::freeze_row`] when it is asked for. For spaces whose frozen
    /// policy is larger than what may be kept. `None` for a space without variants.
    #[must_use]
    pub fn frozen_without_rows(space: &Space) -> Option<Self> {
        Self::empty(space, 1, Coverage::ObservedContexts)
    }

    /// Whether every context has one variant with probability 1 by count, and nothing is explored: what [`crate::freeze`] makes, and
    /// the policy of an untrained model that allows one variant alone.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.total == 1
    }
}

impl Row {
    /// Probability 1 for the allowed variant with the greatest mean, the lowest of equals.
    pub(crate) fn best_of(space: &Space, means: &[f64]) -> Result<Self, DecisionError> {
        let mut best: Option<usize> = None;
        for v in space.allowed() {
            if best.is_none_or(|b| means[v] > means[b]) {
                best = Some(v);
            }
        }
        let best = best.ok_or(DecisionError::NoVariant { variants: space.variants() })?;
        let counts: Vec<u32> = (0..space.variants()).map(|v| u32::from(v == best)).collect();
        Self::from_counts(&counts).ok_or(DecisionError::NoVariant { variants: space.variants() })
    }
}
