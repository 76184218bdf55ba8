//! A model's configuration as it travels and as it is stored.

use std::collections::BTreeMap;

use bandit::evaluation::WorseWhen;
use bandit::time::StrataRule;
use bandit::{BurnIn, Distribution, Dtype, RewardType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshots::{Attribution, Cap, Immature, Unit};

#[cfg(feature = "openapi")]
use super::described::{AnyLevel, Combination};

/// What to learn and from what: `training_data_config` of the API, in the shape in which it is sent, stored and
/// answered. A value of this type is not yet checked; [`super::Checked`] is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TrainingDataConfig {
    /// What is varied: 1 to 10 factors. The product of their numbers of levels, the variants, is at most 1,000.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 10)))]
    pub design_factors: Vec<FactorConfig>,
    /// What is known of the visitor: up to 10 factors for a cmab, none for a mab.
    #[cfg_attr(feature = "openapi", schemars(length(max = 10)))]
    #[serde(default)]
    pub context_factors: Vec<FactorConfig>,
    /// What is earned.
    pub reward: RewardConfig,
    /// Which exposure earns it.
    pub attribution: AttributionConfig,
    /// Partial assignments of design factors to levels that are never served: up to 1,000. The baseline, the first level of every
    /// factor, and one variant more must remain.
    #[cfg_attr(feature = "openapi", schemars(with = "Vec<Combination>", length(max = 1000)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_combinations: Vec<BTreeMap<String, Value>>,
    /// The prior of the scales of a cmab's effects; not for a mab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<PriorConfig>,
    /// How far draws deviate from the mean when they choose, as a factor of 0.25 to 2; 1 is Thompson sampling, and the default.
    #[cfg_attr(feature = "openapi", schemars(range(min = 0.25, max = 2)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploration: Option<f64>,
    /// Whether a snapshot with rewards of which not one can be attributed is trained on all the same; false where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_no_rewards: Option<bool>,
    /// Days of events that a snapshot of ingested events goes back, 1 to 3,650; all of them where absent.
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 3650)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback_days: Option<u32>,
    /// Minutes between two snapshots of ingested events, 1 to 10,080; 60 where absent.
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 10080)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrain_minutes: Option<u32>,
    /// How many versions of the posterior are kept, newest first: 2 to 1,000; 100 where absent.
    #[cfg_attr(feature = "openapi", schemars(range(min = 2, max = 1000)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior_versions: Option<u32>,
    /// What one observation is; `exposure` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// How models know when observations were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeConfig>,
    /// The least share of every allowed variant in what is served: 0 to 0.05; 0 where absent. All together at most 1.
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 0.05)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_share: Option<f64>,
    /// Until when all allowed variants are served alike, whatever is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_in: Option<BurnIn>,
    /// Other rewards in the same files that must not get worse: up to 10, of different names.
    #[cfg_attr(feature = "openapi", schemars(length(max = 10)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<GuardrailConfig>,
}

impl TrainingDataConfig {
    /// The names of the rewards that are read: the model's own, and those of its guardrails.
    #[must_use]
    pub fn reward_names(&self) -> Vec<String> {
        let guardrails = self.guardrails.iter().map(|guardrail| guardrail.name.clone());
        self.reward.names().into_iter().chain(guardrails).collect()
    }
}

/// A reward that must not get worse by more than a margin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GuardrailConfig {
    /// The name under which its rewards are recorded, none of the model's own: 1 to 256 characters.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    pub name: String,
    /// Whether it is 0 or 1, or any number.
    #[serde(rename = "type")]
    pub reward_type: RewardType,
    /// In which direction it gets worse.
    pub worse_when: WorseWhen,
    /// By how many per cent of the holdout's rate it may be worse: 0 to 1,000, below 100 where it gets worse downwards.
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 1000)))]
    pub margin_percent: f64,
    /// What is done once it is worse by more; `report` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_violation: Option<OnViolation>,
}

/// What is done about a guardrail that is violated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnViolation {
    /// The results say so.
    #[default]
    Report,
    /// The baseline is served to everybody, until somebody sets the optimization live again.
    Baseline,
}

/// How models know when observations were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TimeConfig {
    /// Where strata begin, spans of time that have an intercept of their own; `auto` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strata: Option<StrataRule>,
    /// Days after which an observation counts half as much: 0.1 to 3,650; all count alike where absent.
    #[cfg_attr(feature = "openapi", schemars(range(min = 0.1, max = 3650)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_life_days: Option<f64>,
}

/// A factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(transform = super::described::by_dtype))]
#[serde(deny_unknown_fields)]
pub struct FactorConfig {
    /// Its name, unique over design and context factors together, whatever the case.
    #[cfg_attr(feature = "openapi", schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")))]
    pub name: String,
    /// The JSON type of its levels.
    pub dtype: Dtype,
    /// Its levels, as they were given: 2 to 50, all different, of the dtype. They may be left out for `bool`, and then are
    /// `[false, true]`. The first is the baseline.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<Vec<AnyLevel>>", length(min = 2, max = 50), extend("uniqueItems" = true)))]
    #[serde(default)]
    pub levels: Option<Vec<Value>>,
}

/// The reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RewardConfig {
    /// The name under which rewards are recorded: 1 to 256 characters.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    pub name: String,
    /// Whether it is 0 or 1, or any number.
    #[serde(rename = "type")]
    pub reward_type: RewardType,
    /// What numeric rewards are taken to be like; `auto` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// Where numeric rewards of single observations are cut off; nowhere where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
    /// What 2 to 20 outcomes are worth, of a reward whose type is bool; the model is numeric then.
    #[cfg_attr(feature = "openapi", schemars(length(min = 2, max = 20)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Vec<OutcomeConfig>>,
}

impl RewardConfig {
    /// The names of the rewards that count: its own, and those that are outcomes.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.name.clone()];
        for outcome in self.outcomes.iter().flatten() {
            if let (MatchBy::Name, Value::String(name)) = (outcome.matches.by, &outcome.matches.value)
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        names
    }

    /// What kind of reward is modelled: numeric where it has weighted outcomes.
    #[must_use]
    pub fn modelled(&self) -> RewardType {
        if self.outcomes.is_some() { RewardType::Numeric } else { self.reward_type }
    }
}

/// An outcome of a reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OutcomeConfig {
    /// What it is called, unique in the reward, and not `failure`: 1 to 256 characters.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    pub key: String,
    /// What an exposure is worth that is credited with it, reward units: up to 10⁹ either way.
    #[cfg_attr(feature = "openapi", schemars(range(min = -1_000_000_000, max = 1_000_000_000)))]
    pub weight: f64,
    /// Which rewards are it.
    #[serde(rename = "match")]
    pub matches: MatchConfig,
}

/// Which rewards are an outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(transform = super::described::by_what_is_matched))]
#[serde(deny_unknown_fields)]
pub struct MatchConfig {
    /// What of a reward is looked at.
    pub by: MatchBy,
    /// What it has to be: a name of 1 to 256 characters, or a value, which is a number or a bool.
    pub value: Value,
}

/// What of a reward says which outcome it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MatchBy {
    /// Its name.
    Name,
    /// Its value, where its name is the reward's.
    Value,
}

/// The attribution rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AttributionConfig {
    /// Which of several exposures is credited.
    #[serde(rename = "type")]
    pub touch: Attribution,
    /// How long after an exposure a reward is credited to it, in hours: 1 to 2,160.
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 2160)))]
    pub conversion_window_hours: u32,
    /// What happens to exposures whose window is still open; `exclude` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immature: Option<Immature>,
}

/// The prior of the scales of a cmab's effects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriorConfig {
    /// Of main effects: 0.001 to 10, in log-odds (bool) or pooled standard deviations (numeric); 0.5 where absent.
    #[cfg_attr(feature = "openapi", schemars(range(min = 0.001, max = 10)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_scale: Option<f64>,
    /// Of pairs, in the same unit and range; 0.25 where absent.
    #[cfg_attr(feature = "openapi", schemars(range(min = 0.001, max = 10)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_scale: Option<f64>,
    /// Whether the scales are fixed at these numbers instead of learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<bool>,
}
