//! The parent of a model.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::time::millis;

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
    #[serde(default)]
    pub holdout_percentage: f64,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: DateTime<Utc>,
}
