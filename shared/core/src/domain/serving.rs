//! The serving record: all that serving needs to know of an optimization.

use std::collections::BTreeMap;

use bandit::ModelType;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::config::TrainingDataConfig;
use super::model::{Model, PosteriorRecord};
use super::optimization::OptimizationStatus;

/// An optimization as serving sees it. It lies under the optimization's id alone, since serving takes no token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Serving {
    /// The optimization.
    pub optimization_id: Uuid,
    /// Whose it is.
    pub organization_id: String,
    /// Whether it serves.
    pub status: OptimizationStatus,
    /// The share of users who always see the baseline, in percent.
    #[serde(default, with = "super::text::number")]
    pub holdout_percentage: f64,
    /// What is served; absent where the optimization has no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<Served>,
}

/// The model and the posterior that are served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// The model.
    pub model_id: Uuid,
    /// mab or cmab.
    pub model_type: ModelType,
    /// The model's configuration.
    #[serde(with = "super::text")]
    pub config: TrainingDataConfig,
    /// The posterior in force; 0 before the first training.
    pub posterior_version: u64,
    /// The biases of its run.
    #[serde(with = "super::text")]
    pub bias: BTreeMap<String, f64>,
    /// The object that holds the posterior, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The policy, where it is small enough to lie here; else it is read from the object.
    #[serde(default, with = "serde_bytes", skip_serializing_if = "Option::is_none")]
    pub policy: Option<Vec<u8>>,
    /// Whether in each context one variant alone is served, and nothing is explored.
    #[serde(default)]
    pub frozen: bool,
    /// Whether the baseline alone is served, since a guardrail is violated.
    #[serde(default)]
    pub baseline: bool,
}

/// Bytes of a policy that still fit the record.
pub const POLICY_IN_RECORD: usize = 200_000;

impl Served {
    /// A model before its first training.
    #[must_use]
    pub fn untrained(model_id: Uuid, model_type: ModelType, config: TrainingDataConfig) -> Self {
        Self {
            model_id,
            model_type,
            config,
            posterior_version: 0,
            bias: BTreeMap::new(),
            object: None,
            policy: None,
            frozen: false,
            baseline: false,
        }
    }

    /// A version of a model's posterior with the policy that training compiled: itself where it is small enough.
    #[must_use]
    pub fn version(model: &Model, posterior: &PosteriorRecord, policy: Vec<u8>) -> Self {
        Self {
            posterior_version: posterior.posterior_version,
            bias: posterior.bias.clone(),
            object: Some(posterior.object.clone()),
            policy: (policy.len() <= POLICY_IN_RECORD).then_some(policy),
            ..Self::untrained(model.id, model.model_type, model.config.clone())
        }
    }
}
