//! Optimizations, the parents of models: as stored and as the API shows them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::Status;
use super::time::{millis, rfc3339};

/// Whether an optimization serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizationStatus {
    /// It serves.
    Live,
    /// It is over.
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
    /// The share of users who always see the baseline, in percent.
    #[serde(default, with = "super::text::number")]
    pub holdout_percentage: f64,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: DateTime<Utc>,
}

/// An optimization as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct OptimizationView<'a> {
    id: Uuid,
    name: &'a str,
    status: OptimizationStatus,
    model_id: Option<Uuid>,
    model_status: Option<Status>,
    holdout_percentage: f64,
    created_at: String,
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
            model_id: optimization.model_id,
            model_status,
            holdout_percentage: optimization.holdout_percentage,
            created_at: rfc3339(optimization.created_at),
            updated_at: rfc3339(optimization.updated_at),
        }
    }
}
