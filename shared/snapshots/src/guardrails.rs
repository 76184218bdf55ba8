//! Guardrails: rewards of other names that are counted beside the model's, by user.

use bandit::RewardType;

use crate::outcomes::Outcomes;

/// The most guardrails that a model has.
pub const MOST_GUARDRAILS: usize = 10;

/// A reward that is counted beside the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardrailReward {
    /// Its name, which is none of the model's own.
    pub name: String,
    /// Whether it is a conversion or an amount.
    pub reward: RewardType,
}

/// The guardrails of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardrails {
    list: Vec<GuardrailReward>,
    /// The names that rewards may have: the model's own, then those of the guardrails.
    names: Vec<String>,
}

impl Guardrails {
    /// The guardrails, at most [`MOST_GUARDRAILS`], of a model whose reward has this name, and these outcomes where it has any.
    #[must_use]
    pub fn new(reward_name: &str, outcomes: Option<&Outcomes>, mut list: Vec<GuardrailReward>) -> Self {
        list.truncate(MOST_GUARDRAILS);
        let mut names = outcomes.map_or_else(|| vec![reward_name.to_owned()], |outcomes| outcomes.names().to_vec());
        names.extend(list.iter().map(|guardrail| guardrail.name.clone()));
        Self { list, names }
    }

    /// The guardrails, in their order.
    #[must_use]
    pub fn list(&self) -> &[GuardrailReward] {
        &self.list
    }

    /// The names that rewards may have, the model's own first.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Which guardrail the name at a place of [`Guardrails::names`] is; `None` for the model's own.
    pub(crate) fn at(&self, place: u8) -> Option<usize> {
        usize::from(place).checked_sub(self.names.len() - self.list.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcomes::{Outcome, OutcomeMatch};

    #[test]
    fn the_names_of_guardrails_come_after_the_models_own() {
        let refund = GuardrailReward { name: "refund".into(), reward: RewardType::Bool };
        let spent = GuardrailReward { name: "spent".into(), reward: RewardType::Numeric };
        let plain = Guardrails::new("purchase", None, vec![refund.clone(), spent.clone()]);
        assert_eq!(plain.names(), ["purchase", "refund", "spent"]);
        assert_eq!([0, 1, 2].map(|place| plain.at(place)), [None, Some(0), Some(1)]);
        let trial = Outcome { weight: 1.0, matches: OutcomeMatch::Name("trial".into()) };
        let outcomes = Outcomes::new("signup", vec![trial]);
        let weighted = Guardrails::new("signup", Some(&outcomes), vec![refund, spent]);
        assert_eq!(weighted.names(), ["signup", "trial", "refund", "spent"]);
        assert_eq!([1, 2, 3].map(|place| weighted.at(place)), [None, Some(0), Some(1)]);
    }
}
