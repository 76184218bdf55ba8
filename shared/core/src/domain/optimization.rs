//! Optimizations, the parents of models: as stored and as the API shows them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::config::TrainingDataConfig;
use super::model::{MeasuredLift, Model, Status, Summary};
use super::status_reason::{StatusReason, StatusReasonView};
use super::time::{millis, rfc3339};

/// Whether an optimization serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OptimizationStatus {
    /// It serves, explores and trains.
    Live,
    /// It serves its winner in each context, and trains no more.
    Completed,
    /// It is put away.
    Archived,
}

impl OptimizationStatus {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Completed => "completed",
            Self::Archived => "archived",
        }
    }
}

/// An optimization as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimization {
    /// The optimization.
    pub id: Uuid,
    /// Whose it is.
    pub organization_id: String,
    /// What people call it.
    pub name: String,
    /// Whether it serves.
    pub status: OptimizationStatus,
    /// Its model that is not archived, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<Uuid>,
    /// The client's own id of what is earned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_metric_id: Option<String>,
    /// The share of users who always see the baseline, in percent.
    #[serde(default, with = "super::text::number")]
    pub holdout_percentage: f64,
    /// What a list says of the posterior in force; absent before the first training.
    #[serde(default, with = "super::text", skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Why the baseline is served to everybody, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<StatusReason>,
    /// When somebody last had the model served again in spite of violated guardrails: users who were first seen up to that day do not
    /// have the baseline served a second time.
    #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub overruled_at: Option<DateTime<Utc>>,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: DateTime<Utc>,
}

/// An optimization as the API shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Optimization"))]
pub struct OptimizationView<'a> {
    /// The optimization.
    id: Uuid,
    /// What people call it.
    name: &'a str,
    /// Whether it serves.
    status: OptimizationStatus,
    /// Why the baseline is served to everybody, whatever the status says; null where it is not.
    status_reason: Option<StatusReasonView<'a>>,
    /// Its model that is not archived, or null.
    model_id: Option<Uuid>,
    /// What that model is at this moment, or null.
    model_status: Option<Status>,
    /// The client's own id of what is earned, as it was given, or null.
    reward_metric_id: Option<&'a str>,
    /// The share of users who always see the baseline, in percent: 0 to 50.
    holdout_percentage: f64,
    /// What the posterior in force promises; null before the first training.
    summary: Option<Summary>,
    /// The lift that the run of this posterior measured over the holdout; null where there was nothing to measure.
    measured: Option<MeasuredLift>,
    /// When it was made: RFC 3339, UTC.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    created_at: String,
    /// When it last changed: RFC 3339, UTC.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    updated_at: String,
}

impl<'a> OptimizationView<'a> {
    /// The optimization, with the status of its model.
    #[must_use]
    pub fn new(optimization: &'a Optimization, model_status: Option<Status>) -> Self {
        Self {
            id: optimization.id,
            name: &optimization.name,
            status: optimization.status,
            status_reason: optimization.status_reason.as_ref().map(StatusReasonView::new),
            model_id: optimization.model_id,
            model_status,
            reward_metric_id: optimization.reward_metric_id.as_deref(),
            holdout_percentage: optimization.holdout_percentage,
            summary: optimization.summary.map(|summary| Summary { measured: None, ..summary }),
            measured: optimization.summary.and_then(|summary| summary.measured),
            created_at: rfc3339(optimization.created_at),
            updated_at: rfc3339(optimization.updated_at),
        }
    }
}

/// An optimization as the API shows it alone: with what its model learns from.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "OptimizationDetail"))]
pub struct OptimizationDetailView<'a> {
    #[serde(flatten)]
    optimization: OptimizationView<'a>,
    /// What its model learns and from what; null where it has no model.
    training_data_config: Option<&'a TrainingDataConfig>,
}

impl<'a> OptimizationDetailView<'a> {
    /// The optimization, with its model, if it has one, at a moment.
    #[must_use]
    pub fn new(optimization: &'a Optimization, model: Option<&'a Model>, now: DateTime<Utc>) -> Self {
        Self {
            optimization: OptimizationView::new(optimization, model.map(|model| model.status(now))),
            training_data_config: model.map(|model| &model.config),
        }
    }
}
