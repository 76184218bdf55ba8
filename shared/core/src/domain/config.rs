//! A model's configuration as it travels and as it is stored.

use std::collections::BTreeMap;

use bandit::time::StrataRule;
use bandit::{BurnIn, Distribution, Dtype, RewardType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshots::{Attribution, Cap, Immature, Unit};

/// What to learn and from what: `training_data_config` of the API, in the shape in which it is sent, stored and
/// answered. A value of this type is not yet checked; [`super::Checked`] is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingDataConfig {
    /// What is varied.
    pub design_factors: Vec<FactorConfig>,
    /// What is known of the visitor.
    #[serde(default)]
    pub context_factors: Vec<FactorConfig>,
    /// What is earned.
    pub reward: RewardConfig,
    /// Which exposure earns it.
    pub attribution: AttributionConfig,
    /// Partial assignments that are never served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_combinations: Vec<BTreeMap<String, Value>>,
    /// The prior of the scales of a cmab's effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<PriorConfig>,
    /// How far draws deviate from the mean when they choose; 1 is Thompson sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploration: Option<f64>,
    /// Whether a snapshot with rewards of which not one can be attributed is trained on all the same; false where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_no_rewards: Option<bool>,
    /// Days of events that a snapshot of ingested events goes back; all of them where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback_days: Option<u32>,
    /// Minutes between two snapshots of ingested events; 60 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrain_minutes: Option<u32>,
    /// What one observation is; `exposure` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// How models know when observations were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeConfig>,
    /// The least share of every allowed variant in what is served; 0 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_share: Option<f64>,
    /// Until when all allowed variants are served alike, whatever is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_in: Option<BurnIn>,
}

/// How models know when observations were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeConfig {
    /// Where strata begin, spans of time that have an intercept of their own; `auto` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strata: Option<StrataRule>,
    /// Days after which an observation counts half as much; all count alike where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_life_days: Option<f64>,
}

/// A factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorConfig {
    /// Its name, unique over design and context factors together.
    pub name: String,
    /// The JSON type of its levels.
    pub dtype: Dtype,
    /// Its levels, as they were given: each a text (or bool), or `{"id", "value", "previous_values"}`. They may be left out
    /// for `bool`, and then are `[false, true]`.
    #[serde(default)]
    pub levels: Option<Vec<Value>>,
}

/// The reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardConfig {
    /// The name under which rewards are recorded.
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
}

/// The attribution rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributionConfig {
    /// Which of several exposures is credited.
    #[serde(rename = "type")]
    pub touch: Attribution,
    /// How long after an exposure a reward is credited to it, in hours.
    pub conversion_window_hours: u32,
    /// What happens to exposures whose window is still open; `exclude` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immature: Option<Immature>,
}

/// The prior of the scales of a cmab's effects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorConfig {
    /// Of main effects; 0.5 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_scale: Option<f64>,
    /// Of pairs; 0.25 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_scale: Option<f64>,
    /// Whether the scales are fixed at these numbers instead of learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<bool>,
}
