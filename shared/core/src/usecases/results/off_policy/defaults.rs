//! The policies that every run values: the newest version's, every variant alike, the baseline, and the best variant on average.

use bandit::{PolicyHistory, Space};

use super::rows::{Rows, Target};
use super::valuation::{Valuation, Valued};
use crate::domain::{Belief, PolicyName, ShownPolicy, StoredLog, StoredOffPolicy, variant_json};
use crate::error::ApiError;

/// What these would have earned on a run's log; `newest` is the version that the run made, with its policy among `policies`.
pub(in crate::usecases::results) fn off_policy(
    space: &Space,
    log: &StoredLog,
    policies: &PolicyHistory,
    (newest, beliefs): (u64, &[Belief]),
) -> Result<StoredOffPolicy, ApiError> {
    let valuation = Valuation::new(log, policies, space.variants());
    let mean = |variant: usize| beliefs.get(variant).map_or(f64::NEG_INFINITY, |of| of.expected_reward_mean);
    // The lowest of equals.
    let best = space.allowed().fold(0, |best, variant| if mean(variant) > mean(best) { variant } else { best });
    let one = |name, variant, learned_before| Valued {
        name: Some(name),
        shown: ShownPolicy::Variant(variant_json(space, variant)),
        target: Target::Written(Rows::variant(variant)),
        learned_before,
    };
    let compiled = policies.get(newest).map(|policy| Valued {
        name: Some(PolicyName::NewestVersion),
        shown: ShownPolicy::PosteriorVersion(newest),
        target: Target::Compiled(policy),
        learned_before: newest,
    });
    let uniform = Valued {
        name: Some(PolicyName::Uniform),
        shown: ShownPolicy::Uniform(true),
        target: Target::Written(Rows::uniform(space)),
        learned_before: 0,
    };
    let all = compiled.into_iter().chain([
        uniform,
        one(PolicyName::Baseline, 0, 0),
        one(PolicyName::BestVariant, best, newest),
    ]);
    let policies = all.map(|of| valuation.value(&of)).collect::<Result<_, _>>()?;
    Ok(StoredOffPolicy { unavailable: None, log: Some(valuation.summary()?), policies })
}
