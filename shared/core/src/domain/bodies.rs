//! Request bodies of the API: what a client sends to create, change and serve.

use std::collections::BTreeMap;

use bandit::ModelType;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::config::TrainingDataConfig;
#[cfg(feature = "openapi")]
use super::described;
use super::optimization::OptimizationStatus;

/// The body of `POST /api/v2/models`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(extend("if" = described::is_mab(), "then" = described::mab_leaves_out())))]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// The parent; a new one is made where it is absent.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    #[serde(default)]
    pub optimization_id: Option<String>,
    /// mab or cmab.
    pub model_type: ModelType,
    /// What to learn and from what.
    pub training_data_config: TrainingDataConfig,
}

/// The body of `POST /api/v2/optimizations`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(extend("if" = described::is_mab(), "then" = described::mab_leaves_out())))]
#[serde(deny_unknown_fields)]
pub struct NewOptimization {
    /// What people call it: 1 to 256 characters.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    pub name: String,
    /// mab or cmab.
    pub model_type: ModelType,
    /// What to learn and from what.
    pub training_data_config: TrainingDataConfig,
    /// The client's own id of what is earned, 1 to 256 characters; kept and shown.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    #[serde(default)]
    pub reward_metric_id: Option<String>,
    /// The share of users who always see the baseline, in percent: 0, or 0.000001 to 50; 0 where absent.
    #[cfg_attr(feature = "openapi", schemars(range(max = 50), extend("anyOf" = described::none_or_a_share())))]
    #[serde(default)]
    pub holdout_percentage: Option<f64>,
}

/// The body of `PATCH /api/v2/optimizations/{id}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schemars(extend("anyOf" = described::name_or_status())))]
pub struct PatchOptimization {
    /// A new name: 1 to 256 characters.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    #[serde(default)]
    pub name: Option<String>,
    /// A new status.
    #[serde(default)]
    pub status: Option<OptimizationStatus>,
}

/// The body of `POST /api/v2/optimizations/{id}/serve`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// Who is served: the same id, the same variant. 1 to 1,024 bytes of UTF-8.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 1024)))]
    pub anonymous_id: String,
    /// What is known of the visitor, by the names of context factors. What is missing, unknown or of another type counts as the
    /// unknown level; other names are ignored.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<Map<String, Value>>"))]
    #[serde(default, deserialize_with = "null_is_absent")]
    pub context: Map<String, Value>,
    /// Reserved: serving writes nothing, so that this changes nothing.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<bool>"))]
    #[serde(default, deserialize_with = "null_is_absent")]
    pub dry_run: bool,
}

/// The body of `POST /api/v2/optimizations/best-variant`: a visitor, and the optimization. Written out, since flattening would let
/// unknown fields pass.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NamedVisitor {
    /// The optimization that serves.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    pub optimization_id: String,
    /// Who is served: the same id, the same variant. 1 to 1,024 bytes of UTF-8.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 1024)))]
    pub anonymous_id: String,
    /// What is known of the visitor, as in `Visitor`.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<Map<String, Value>>"))]
    #[serde(default, deserialize_with = "null_is_absent")]
    pub context: Map<String, Value>,
    /// Reserved: serving writes nothing, so that this changes nothing.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<bool>"))]
    #[serde(default, deserialize_with = "null_is_absent")]
    pub dry_run: bool,
}

/// The body of `POST /api/v2/models/{id}/train`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TrainModel {
    /// By the name of a design or context factor, a number of 0 to 10 by which its effects are multiplied in what is served; 1
    /// changes nothing.
    #[cfg_attr(feature = "openapi", schemars(inner(range(min = 0, max = 10))))]
    #[serde(default)]
    pub bias: BTreeMap<String, f64>,
}

/// The body of `POST /api/v2/models/{id}/rollback`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RollBackModel {
    /// The version that is to be in force, counted from 1; the list of posteriors has them.
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 9_007_199_254_740_991_u64)))]
    pub posterior_version: u64,
}

/// For a field that may be left out: `null` is the same.
///
/// # Errors
/// As the deserializer.
pub fn null_is_absent<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}
