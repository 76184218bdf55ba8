//! Request bodies of the API: what a client sends to create, change and serve.

use bandit::ModelType;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::config::TrainingDataConfig;
use super::optimization::OptimizationStatus;

/// The body of `POST /api/v2/models`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// The parent; a new one is made where it is absent.
    #[serde(default)]
    pub optimization_id: Option<String>,
    /// mab or cmab.
    pub model_type: ModelType,
    /// What to learn and from what.
    pub training_data_config: TrainingDataConfig,
}

/// The body of `POST /api/v2/optimizations`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOptimization {
    /// What people call it.
    pub name: String,
    /// mab or cmab.
    pub model_type: ModelType,
    /// What to learn and from what.
    pub training_data_config: TrainingDataConfig,
    /// The client's own id of what is earned; kept and shown.
    #[serde(default)]
    pub reward_metric_id: Option<String>,
    /// The share of users who always see the baseline, in percent; 0 where absent.
    #[serde(default)]
    pub holdout_percentage: Option<f64>,
}

/// The body of `PATCH /api/v2/optimizations/{id}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchOptimization {
    /// A new name.
    #[serde(default)]
    pub name: Option<String>,
    /// A new status.
    #[serde(default)]
    pub status: Option<OptimizationStatus>,
}

/// The body of `POST /api/v2/optimizations/{id}/serve`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// Who is served: the same id, the same variant.
    pub anonymous_id: String,
    /// What is known of the visitor.
    #[serde(default, deserialize_with = "null_is_absent")]
    pub context: Map<String, Value>,
    /// Reserved: serving writes nothing, so that this changes nothing.
    #[serde(default, deserialize_with = "null_is_absent")]
    pub dry_run: bool,
}

/// For a field that may be left out: `null` is the same.
///
/// # Errors
/// As the deserializer.
pub fn null_is_absent<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}
